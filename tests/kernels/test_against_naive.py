"""The kernels give what the plain NumPy restatement of the model gives, on every output."""

from __future__ import annotations

from typing import Any

import naive
import numpy as np
import pytest
from agreement import TOLERANCE, assert_agree
from random_worlds import REFERENCE, base_case, spread_over_domains

from sim.engine import worlds
from sim.model.catalogue import OUTPUTS
from sim.model.dims import QUARTERS, RENTAL_MODES, VIEWS
from sim.model.inputs import ARR_FIELDS

each_view = pytest.mark.parametrize("view", VIEWS)
each_rental_mode = pytest.mark.parametrize("rental_mode", RENTAL_MODES)


def quarterly(*after_reference: float) -> np.ndarray:
    """Innovations of the quarters after the reference quarter, the same in every draw."""
    return np.array([0.0] * (len(QUARTERS) - len(after_reference)) + list(after_reference))


# Inputs at which a formula has a limit, a floor or a branch.
EDGES: dict[str, dict[str, Any]] = {
    "no interest": {"cost_of_capital": 0},
    "no interest and no residual": {"cost_of_capital": 0, "it_residual_fraction": 0},
    "no reversion of the power price": {"power_price_reversion": 0},
    "instant reversion of the power price": {"power_price_reversion": 20},
    "no drafting": {"draft_tokens": 0},
    "drafts that are never accepted": {"draft_tokens": 8, "draft_acceptance": 0},
    "dense model": {"total_to_active_ratio": 1},
    "no KV cache": {"kv_bytes_per_token": 0},
    "no attention": {"attention_flop_per_token_pair": 0},
    "neither KV cache nor attention": {
        "kv_bytes_per_token": 0,
        "attention_flop_per_token_pair": 0,
        "min_latency_slack": 2,
    },
    "batch 1": {"hbm_capacity_bytes": 1e9, "active_params": 1e13},
    "output only": {"input_output_ratio": 0},
    "no cache hits": {"cache_hit_rate": 0},
    "free cache hits": {"cached_prefill_cost_ratio": 0, "cached_price_ratio": 0},
    "always busy": {
        "duty_cycle_frontier_training": 1,
        "duty_cycle_fine_tune": 1,
        "duty_cycle_online_inference": 1,
    },
    "steady duty": {"duty_volatility": 0},
    "duty that follows prices": {"price_duty_shock_correlation": 1},
    "duty that opposes prices": {"price_duty_shock_correlation": -1},
    "large shocks": {
        "eps_price": quarterly(5, -5, 5, 5),
        "eps_duty": quarterly(-5, -5, -5, -5),
        "eps_power": quarterly(4, 4, -4, -4),
    },
    "no shocks": {shock: quarterly() for shock in ("eps_price", "eps_duty", "eps_power")},
    "all rented": {"rented_share": 1},
    "nothing rented": {"rented_share": 0},
    "no markup": {"landlord_markup": 0},
    "no overhead": {"pue": 1, "facility_capacity_ratio": 1},
    "idle draws as much as active": {"idle_load": 0.7, "active_load_online_inference": 0.7},
    "rising prices": {"token_price_decline": -0.5},
    "no growth": {
        "software_throughput_growth": 0,
        "hardware_efficiency_growth": 0,
        "capex_cost_growth": 0,
    },
    "no hurdle": {"hurdle_margin": 0},
    "no levies": {"free_token_share": 0, "revenue_share_rate": 0, "serving_overhead_rate": 0},
    "no delay": {"lab_delay_quarters": 0},
    "delay of whole quarters": {"lab_delay_quarters": 2},
    "delay beyond the horizon": {"lab_delay_quarters": 4},
    "nothing planned": {"planned_additions_2027_gw": 0},
    "no power": {"power_additions_cap_gw_per_year": 0},
    "no capex": {"capex_2026_busd": 0},
    "no capex for labs": {"lab_capacity_share": 0},
    "crunch": {"capital_crunch": 1},
    "no crunch": {"capital_crunch": 0},
    "shrinking plan for 2026": {"gw_2025q4": 5, "gw_2026q4": 3},
    "nothing rented by labs": {"captive": 1},
    "everything rented by labs": {"captive": 0},
    "no lab reports": dict.fromkeys(ARR_FIELDS, np.nan),
    "all labs report": {"arr_2025q4_busd": 10, "arr_2026q4_busd": 40, "arr_growth_2027": 2},
    "steady revenue": {"arr_growth_2027": 1},
    "steady revenue and cost": {
        "arr_growth_2027": 1,
        "token_price_decline": 0,
        "software_throughput_growth": 0,
        "hardware_efficiency_growth": 0,
        "capex_cost_growth": 0,
        "token_price_volatility": 0,
        "power_price_volatility": 0,
        "duty_volatility": 0,
        "power_price_reversion": 0,
    },
    "revenue that shrinks fast": {"arr_growth_2027": 0.1, "model_life_months": 60},
    "generations that do not overlap": {"model_cadence_months": 36, "model_life_months": 12},
    "nothing reinvested": {"reinvestment_share": 0},
    "no inference": {"inference_share": 0},
    "more than all hours": {"inference_share": 0.9, "fine_tune_share": 0.2},
    "only free tokens": {"lab_free_token_share": 1},
    "levies that take all": {"revenue_share_rate": 0.5, "serving_overhead_rate": 0.5},
    "nothing on the books at first": {"opening_nbv_fraction": 0},
    "no discounting": {"lab_discount_rate": 0},
    "all western": {"lab_is_china": 0},
    "all Chinese": {"lab_is_china": 1},
}


def assert_kernels_equal_naive(x: dict[str, Any], view: str, rental_mode: str) -> None:
    settings = {"view": view, "rental_mode": rental_mode}
    assert_agree(worlds.evaluate(x, **settings), naive.evaluate(x, **settings), x, rental_mode)


@each_view
@each_rental_mode
def test_kernels_equal_the_restatement_in_the_base_case(view: str, rental_mode: str) -> None:
    assert_kernels_equal_naive(base_case(2000), view, rental_mode)


@each_view
@each_rental_mode
@pytest.mark.parametrize(("labs", "landlords"), [(8, 9), (3, 2), (1, 4), (1, 1)])
def test_kernels_equal_the_restatement_anywhere_in_the_domains(
    labs: int, landlords: int, view: str, rental_mode: str
) -> None:
    x = spread_over_domains(1000, labs, landlords, seed=10 * labs + landlords)
    assert_kernels_equal_naive(x, view, rental_mode)


@each_view
@each_rental_mode
@pytest.mark.parametrize("edge", EDGES)
def test_kernels_equal_the_restatement_at_the_edges(edge: str, view: str, rental_mode: str) -> None:
    x = spread_over_domains(100, labs=3, landlords=3, seed=list(EDGES).index(edge))
    for name, value in EDGES[edge].items():
        x[name] = np.broadcast_to(np.asarray(value, float), x[name].shape)
    assert_kernels_equal_naive(x, view, rental_mode)


def test_every_limit_and_constraint_is_met_by_some_draw() -> None:
    out = worlds.evaluate(spread_over_domains(1000, labs=3, landlords=2, seed=32))
    for flag in ("slo_missed", "fits_in_memory", "pue_above_capacity_ratio"):
        assert 0.02 < out[flag].mean() < 0.98
    for flag in ("capex_binds", "power_binds"):
        assert 0.02 < out[flag][..., REFERENCE + 1 :].mean() < 0.98
    assert (np.bincount(out["binding_constraint"].astype(int)) > 20).all()
    assert 0.02 < np.isinf(out["duty_at_hurdle"]).mean() < 0.98


def test_the_restatement_has_every_output_and_no_other() -> None:
    assert set(naive.evaluate(base_case(1))) == set(OUTPUTS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_comparison_sees_a_difference_in_any_output(name: str) -> None:
    x = base_case(32)
    out = naive.evaluate(x)
    value = np.array(out[name], float)
    size = np.where(np.isfinite(value), np.abs(value), 0.0)
    moved = value + np.where(np.isin(value, (0.0, 1.0)), 1.0, 10 * TOLERANCE * size)
    assert_agree(out, out, x)
    with pytest.raises(AssertionError, match=name):
        assert_agree({**out, name: moved}, out, x)
