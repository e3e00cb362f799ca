"""Numbers that lie exactly on the border of a case are in the case that the specification says.

They are made of powers of two, or taken from the model's own results, so nothing is rounded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from random_worlds import REFERENCE, base_case, spread_over_domains

from sim.engine import worlds
from sim.kernels.formulas import buildout, landlords, throughput, training
from sim.kernels.formulas.training import Generation
from sim.model.inputs import Accelerator, Workload

# Weights of 2^31 bytes take 2^-9 s of bandwidth, and a cache of 2^20 bytes takes 2^-20 s, as does
# the FLOP of a sequence's step.
WEIGHTS, CACHE = 2.0**31, 2.0**20


def group(kind: Any, **values: float) -> Any:
    return kind(*(float(values.get(name, math.nan)) for name in kind._fields))


def instance(hbm: float, speed: float = 1.0, weight_share: float = 0.75) -> Any:
    """The decode step and operating point of one accelerator with these bytes of HBM."""
    accelerator = group(
        Accelerator, accelerators_per_instance=1, hbm_bandwidth_bytes_per_s=2**40, mbu_decode=1,
        peak_flops_serving=2.0**52, mfu_decode=1, step_overhead_s=0, latency_exponent=2,
        hbm_usable_fraction=1, hbm_capacity_bytes=hbm, max_weight_share_of_hbm=weight_share,
    )  # fmt: skip
    workload = group(
        Workload, active_params=WEIGHTS, total_to_active_ratio=1, weight_bytes_per_param=1,
        kv_bytes_per_token=2**10, mean_context_tokens=2**10, attention_flop_per_token_pair=0,
        draft_tokens=0, draft_acceptance=0, draft_overhead=0, user_speed_tokens_per_s=speed,
    )  # fmt: skip
    decode = throughput.decode(accelerator, workload)
    return decode, throughput.operating_point(accelerator, workload, decode)


def test_weights_that_just_take_their_share_need_no_larger_instance() -> None:
    for share in (0.25, 0.5):
        just = WEIGHTS / share
        assert instance(just, weight_share=share)[0].accelerators == 1.0
        assert instance(np.nextafter(just, 0.0), weight_share=share)[0].accelerators > 1.0


def test_one_sequence_that_just_fits_beside_the_weights_needs_no_larger_instance() -> None:
    decode, point = instance(WEIGHTS + CACHE, weight_share=1.0)
    assert (decode.accelerators, point.batch) == (1.0, 1.0)
    decode, point = instance(WEIGHTS + CACHE - 1.0, weight_share=1.0)
    assert (decode.accelerators, point.batch) == ((WEIGHTS + CACHE) / (WEIGHTS + CACHE - 1.0), 1.0)


@pytest.mark.parametrize("sequences", [2.0, 2048.0, 4096.0])
def test_the_speed_of_the_full_batch_is_free_and_a_bit_more_is_not(sequences: float) -> None:
    """Up to 2,048 sequences a step takes the 2^-9 s of the weights, and then the FLOP's time."""

    def point_at(speed: float) -> Any:
        return instance(WEIGHTS + sequences * CACHE, speed, weight_share=1.0)[1]

    seconds = max(2.0**-9, sequences * 2.0**-20) + sequences * 2.0**-20
    slow = point_at(1.0)
    assert slow.full_batch_speed == slow.speed == 1.0 / seconds
    point = point_at(slow.speed)
    assert (point.batch, point.kept_throughput) == (sequences, 1.0)
    assert point == slow
    faster = point_at(slow.speed * (1.0 + 2.0**-20))
    assert faster.batch < sequences
    assert faster.kept_throughput < 1.0


def test_half_of_the_roofline_is_left_at_half_speed_and_of_the_full_batchs_own_cost() -> None:
    """The weights alone allow 512 tokens/s, and 2,048 sequences leave half of that."""
    _, point = instance(WEIGHTS + 2048.0 * CACHE, speed=512.0)
    assert (point.half_speed, point.full_batch_speed) == (512.0, 256.0)
    assert point.kept_throughput == (1.0 + 0.25) / 2.0
    assert point.tps == 256.0 * 2048.0 * 0.625
    assert point.batch == 1024.0 * 0.625


def test_a_single_sequence_in_flight_is_within_reach_and_less_is_not() -> None:
    _, point = instance(WEIGHTS + CACHE, weight_share=1.0)
    assert (point.batch, point.unreachable) == (1.0, False)
    _, same = instance(WEIGHTS + CACHE, speed=point.speed, weight_share=1.0)
    assert not same.unreachable
    _, beyond = instance(WEIGHTS + CACHE, speed=point.speed * (1.0 + 2.0**-20), weight_share=1.0)
    assert (beyond.batch, beyond.unreachable) == (1.0, True)


def test_a_fleet_that_is_just_full_is_not_exceeded() -> None:
    """The price at which the implied duty is 1 is found to the last digit, in some of the draws."""
    x = base_case(64)
    quarter = (slice(None), 0, REFERENCE)
    price = x["relative_price"][:, 0].copy()
    exact = 0
    for _ in range(8):
        relative = np.column_stack([price, x["relative_price"][:, 1:]])
        out = worlds.evaluate({**x, "relative_price": relative})
        duty = out["implied_duty"][quarter]
        np.testing.assert_array_equal(out["demand_exceeds_capacity"][quarter], duty > 1.0)
        exact += int((duty == 1.0).sum())
        price = price * duty
    assert exact > 20


def test_what_falls_due_within_a_year_is_all_and_no_more() -> None:
    assert landlords.due_within_a_year(40.0, 1.0) == 40.0
    assert landlords.due_within_a_year(40.0, 0.25) == 40.0
    assert landlords.due_within_a_year(40.0, 4.0) == 10.0
    assert math.isnan(landlords.due_within_a_year(40.0, math.nan))


def test_no_more_than_the_whole_bill_falls_short() -> None:
    """Where revenue is all eaten by other cost, and where it is just enough."""
    x = base_case(64)
    left = 1.0 - x["serving_overhead_rate"][:, None]
    for opex, expected in ((left, 1.0), (left + 0.5, 1.0)):
        y = {
            **x,
            "lab_revenue_share_rate": np.zeros_like(x["lab_revenue_share_rate"]),
            "lab_noncompute_opex_ratio": np.broadcast_to(opex, x["inference_share"].shape),
        }
        out = worlds.evaluate(y)
        reports = ~np.isnan(out["coverage"])
        np.testing.assert_array_equal(out["shortfall"][reports], expected)
        gap = np.broadcast_to(out["compute_bill"], reports.shape)[reports]
        assert (out["funding_gap_busd"][reports] >= gap * (1.0 - 1e-12)).all()


def test_a_limit_that_leaves_just_what_is_wanted_leaves_all() -> None:
    assert buildout.scale(3.0, 3.0) == 1.0
    assert buildout.scale(0.0, 3.0) == 0.0
    assert buildout.scale(-1.0, 3.0) == 0.0
    assert buildout.scale(0.0, 0.0) == 1.0
    assert buildout.scale(np.nextafter(3.0, 0.0), 3.0) < 1.0


@pytest.mark.parametrize("growth", [(0.5, 0.25), (0.0, 0.0), (-0.5, 1.5), (0.25, 2.0), (1.0, -1.0)])
@pytest.mark.parametrize("life", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("cost", [0.25, 0.5])
def test_profit_that_just_reaches_the_cost_pays_back(
    growth: tuple[float, float], life: float, cost: float
) -> None:
    """At the end of the life, or where profit turns; a bit less never does."""
    g = Generation(1.0, cost, *growth, life, 0.0)
    turn = float(training.turning_point(g))
    times = [life] + ([turn] if 0.0 < turn < life else [])
    best = max(float(training.gross_profit(g, t)) for t in times)
    (when,) = [t for t in times if float(training.gross_profit(g, t)) == best]
    for paid, expected in ((best, when), (np.nextafter(best, 99.0), math.inf)):
        priced = g._replace(cost=paid)
        years = training.payback_years(priced, training.gross_profit(priced, life))
        # Where profit turns it is flat: half the digits are lost.
        assert years == pytest.approx(expected, rel=1e-12 if when == life else 1e-6), paid


def test_a_generation_that_costs_nothing_is_paid_back_at_once() -> None:
    for cost in (0.0, -1.0):
        g = Generation(1.0, 2.0, 0.0, 0.0, 1.0, cost)
        assert training.payback_years(g, training.gross_profit(g, 1.0)) == 0.0


@pytest.mark.parametrize("domains", [False, True])
def test_a_lab_at_the_hurdle_is_not_under_it(domains: bool) -> None:
    """The hurdle is put on each lab's own margin in turn, and then a bit above it."""
    x = spread_over_domains(64, labs=3, landlords=2, seed=5) if domains else base_case(64)
    x = {**x, "hurdle_margin": np.zeros(64)}
    margins = worlds.evaluate(x)["lab_paid_margin"][:, :, REFERENCE]
    reporting = np.flatnonzero(~np.isnan(margins).any(axis=0))
    assert reporting.size
    for lab in reporting:
        own = margins[:, lab]
        for hurdle in (own, np.nextafter(own, np.inf)):
            out = worlds.evaluate({**x, "hurdle_margin": hurdle})
            np.testing.assert_array_equal(out["lab_paid_margin"][:, lab, REFERENCE], own)
            under = margins < hurdle[:, None]  # [draw, lab]; False where a margin is NaN
            rpo = x["rpo_busd"][..., None] * x["rpo_lab_share"]
            expected = np.where(under[:, None, :], rpo, 0.0).sum(axis=-1)
            np.testing.assert_allclose(out["rpo_under_hurdle"], expected, rtol=1e-12)
            rented = out["net_book_value_by_lab"][..., REFERENCE] * (1.0 - x["captive"])
            expected = np.where(under[..., None], rented, 0.0).sum(axis=1)
            scale = np.abs(rented).sum(axis=1).max()
            np.testing.assert_allclose(
                out["nbv_under_hurdle"], expected, rtol=1e-12, atol=1e-12 * scale
            )
