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
from sim.kernels.formulas import buildout, throughput, training
from sim.kernels.formulas.training import Generation
from sim.model.inputs import Accelerator, Workload

BANDWIDTH, COMPUTE, MEMORY = 0, 1, 2
# Weights take 2^-9 s of an allowed 2^-8, and a sequence 2^-20 s of bandwidth and as much of FLOP:
# both bounds are 2,048. Memory holds the weights of 2^31 bytes and a cache of 2^20 per sequence.
TIED_AT = 2048.0


def operating_point(sequences: float, speed: float = 256.0, flops: float = 2.0**52) -> Any:
    """The operating point of an instance whose memory holds this number of sequences."""

    def group(kind: Any, **values: float) -> Any:
        return kind(*(float(values.get(name, math.nan)) for name in kind._fields))

    accelerator = group(
        Accelerator, accelerators_per_instance=1, hbm_bandwidth_bytes_per_s=2**40, mbu_decode=1,
        peak_flops_serving=flops, mfu_decode=1, step_overhead_s=0, min_latency_slack=2,
        hbm_usable_fraction=1, hbm_capacity_bytes=2**31 + 2**20 * sequences,
    )  # fmt: skip
    workload = group(
        Workload, active_params=2**31, total_to_active_ratio=1, weight_bytes_per_param=1,
        kv_bytes_per_token=2**10, mean_context_tokens=2**10, attention_flop_per_token_pair=0,
        draft_tokens=0, draft_acceptance=0, draft_overhead=0, user_speed_tokens_per_s=speed,
    )  # fmt: skip
    decode = throughput.decode(accelerator, workload)
    return throughput.operating_point(accelerator, workload, decode)


@pytest.mark.parametrize(
    ("sequences", "batch", "binding"),
    [
        (TIED_AT, TIED_AT, BANDWIDTH),
        (TIED_AT + 1, TIED_AT, BANDWIDTH),
        (TIED_AT - 1, TIED_AT - 1, MEMORY),
        (1.0, 1.0, MEMORY),
    ],
)
def test_the_first_of_tied_bounds_binds(sequences: float, batch: float, binding: int) -> None:
    point = operating_point(sequences)
    assert (point.batch, point.binding_constraint) == (batch, binding)


def test_compute_binds_before_memory_at_a_tie() -> None:
    """With a third of the FLOP/s, compute allows 2^-8 / 2^-18 sequences."""
    for sequences, binding in ((1024.0, COMPUTE), (1023.0, MEMORY)):
        point = operating_point(sequences, flops=2.0**52 / 3.0)
        assert (point.batch, point.binding_constraint) == (sequences, binding)


def test_one_sequence_beside_the_weights_fits_and_less_does_not() -> None:
    assert operating_point(1.0).fits_in_memory
    assert not operating_point(1.0 - 2.0**-20).fits_in_memory


def test_a_promise_that_is_just_kept_is_not_missed() -> None:
    """The floor is twice the time of the weights, 2^-8 s: as long as a token may take."""
    assert not operating_point(TIED_AT, speed=256.0).slo_missed
    assert operating_point(TIED_AT, speed=np.nextafter(256.0, 257.0)).slo_missed


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
