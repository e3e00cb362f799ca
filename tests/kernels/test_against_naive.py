"""The kernels give what the plain NumPy restatement of the model gives, on every output."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import naive
import numpy as np
import pytest
from agreement import TOLERANCE, assert_agree
from random_worlds import FIELDS, REFERENCE, base_case, spread_over_domains

from sim.engine import worlds
from sim.model.catalogue import OUTPUTS
from sim.model.dims import QUARTERS, RENTAL_MODES, VIEWS
from sim.model.inputs import ARR_FIELDS, ARR_POINTS

each_view = pytest.mark.parametrize("view", VIEWS)
each_rental_mode = pytest.mark.parametrize("rental_mode", RENTAL_MODES)


def quarterly(*after_reference: float) -> np.ndarray:
    """Innovations of the quarters after the reference quarter, the same in every draw."""
    return np.array([0.0] * (len(QUARTERS) - len(after_reference)) + list(after_reference))


OPTIONAL = {name: field for name, field in FIELDS.items() if field.optional}
MEASURED = {
    "measured_owner_cost_usd_per_hour": 2,
    "measured_tps_decode": 2e3,
    "measured_tps_prefill": 1e4,
    "measured_tps_train": 300,
    "measured_run_hours": 1e8,
    "run_accelerators": 1e5,
}
ARR = ("arr_2025q4_busd", *ARR_POINTS, "arr_2026q4_busd")


def one_landlord(landlord: int) -> np.ndarray:
    """Shares of hosts that are all of one landlord's, of three labs and landlords."""
    return np.eye(3)[[landlord] * 3]


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
    },
    "a model that needs many accelerators": {"hbm_capacity_bytes": 1e9, "active_params": 1e13},
    "a context that needs many accelerators": {
        "hbm_capacity_bytes": 1e9,
        "active_params": 1e8,
        "kv_bytes_per_token": 5e6,
        "mean_context_tokens": 2e6,
    },
    "weights that all but fill memory": {"max_weight_share_of_hbm": 0.99, "active_params": 1e13},
    "a slow promise": {"user_speed_tokens_per_s": 1},
    "a fast promise": {"user_speed_tokens_per_s": 2000, "latency_exponent": 10},
    "a frontier that falls slowly": {"latency_exponent": 1},
    "no latency": {"step_overhead_s": 0},
    "nothing measured": dict.fromkeys(MEASURED, np.nan),
    "everything measured": MEASURED,
    "nothing optional": {name: field.default for name, field in OPTIONAL.items()},
    "nothing optional but revenue": {
        name: field.default for name, field in OPTIONAL.items() if name not in ARR_FIELDS
    },
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
    "no levies": {
        "free_token_share": 0,
        "revenue_share_rate": 0,
        "lab_revenue_share_rate": 0,
        "serving_overhead_rate": 0,
    },
    "levies of the reference lab": {
        "lab_revenue_share_rate": np.nan,
        "lab_noncompute_opex_ratio": np.nan,
    },
    "free input": {"price_input_usd_per_mtok": 0},
    "free output": {"price_output_usd_per_mtok": 0},
    "free cached input": {"cached_price_ratio": 0},
    "gigawatts of IT": {"gw_definition_ratio": 1.35},
    "gigawatts under contract": {"gw_definition_ratio": 0.75},
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
    "no host stays": {"host_share_2025": one_landlord(0), "host_share_2026": one_landlord(1)},
    "all hosts stay": {
        "host_share_2025": one_landlord(2),
        "host_share_2026": one_landlord(2),
        "host_share_2027": one_landlord(2),
    },
    "everything under contract": {"rent_busd_per_gw_year": 11},
    "parents under contract": {"rent_busd_per_gw_year": 11, "captive": 1},
    "no contracts": {"rent_busd_per_gw_year": np.nan},
    "one contract": {"rent_busd_per_gw_year": [np.nan, 11, np.nan]},
    "no debt": {"debt_share": 0},
    "no other cost": {"other_cost_busd_per_gw_year": 0},
    "no equity": {"host_equity_busd": 0},
    "obligations due within a year": {"duration_years": 0.5},
    "labs like the reference": {
        "relative_throughput": 1,
        "relative_price": 1,
        "relative_cost": 1,
    },
    "no lab reports": dict.fromkeys((*ARR_FIELDS, *ARR_POINTS), np.nan),
    "all labs report": {
        "arr_2025q4_busd": 10,
        "arr_2026q4_busd": 40,
        "arr_growth_2027": 2,
        **dict.fromkeys(ARR_POINTS, np.nan),
    },
    "all labs report every quarter": dict(zip(ARR, (10, 15, 30, 25, 40), strict=True))
    | {"arr_growth_2027": 2},
    "one point of revenue": dict(zip(ARR, (10, np.nan, 30, np.nan, 40), strict=True))
    | {"arr_growth_2027": 2},
    "steady revenue in 2026": dict.fromkeys(ARR, 10) | {"arr_growth_2027": 2},
    "all but steady revenue": dict(
        zip(ARR, (10, 10 * (1 + 1e-7), 10 * (1 - 1e-7), 10 * (1 + 1e-5), 10), strict=True)
    )
    | {"arr_growth_2027": 1 + 1e-9},
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
    "levies that take all": {
        "revenue_share_rate": 0.5,
        "lab_revenue_share_rate": 0.5,
        "serving_overhead_rate": 0.5,
    },
    "opex beyond revenue": {"lab_noncompute_opex_ratio": 3},
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
    for flag in ("instance_grown", "speed_unreachable", "pue_above_capacity_ratio"):
        assert 0.02 < out[flag].mean() < 0.98
    for flag in ("capex_binds", "power_binds", "demand_exceeds_capacity"):
        assert 0.02 < out[flag][..., REFERENCE + 1 :].mean() < 0.98
    assert 0.02 < (out["speed_cost"] == 0).mean() < 0.98
    assert 0.02 < np.isinf(out["duty_at_hurdle"]).mean() < 0.98


def test_every_pair_of_optional_inputs_is_given_and_missing() -> None:
    """In worlds over the domains, of a lab that reports revenue and a landlord."""
    x = spread_over_domains(1000, labs=8, landlords=9, seed=89)
    lab = int(np.flatnonzero(~np.isnan(x["arr_growth_2027"][0]))[0])
    missing = {}
    for name in OPTIONAL.keys() - set(ARR_FIELDS):
        value = x[name] if x[name].ndim == 1 else x[name][:, lab]
        missing[name] = np.isnan(value) | (value == OPTIONAL[name].default)
    for one, other in combinations(missing.values(), 2):
        assert set(np.unique(one + 2 * other)) == {0, 1, 2, 3}
    assert 0 < np.isnan(x["arr_growth_2027"]).mean() < 1
    stays = (x["host_share_2025"] == x["host_share_2026"]).all(axis=1)
    assert stays.any()
    assert not stays.all()
    assert 0 < (x["host_equity_busd"] == 0).mean() < 1


def test_the_restatement_has_every_output_and_no_other() -> None:
    assert set(naive.evaluate(base_case(1))) == set(OUTPUTS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_comparison_sees_a_difference_in_any_output(name: str) -> None:
    x = base_case(32) | {"run_accelerators": np.full(32, 2e5)}
    out = naive.evaluate(x)
    value = np.array(out[name], float)
    size = np.where(np.isfinite(value), np.abs(value), 0.0)
    moved = value + np.where(np.isin(value, (0.0, 1.0)), 1.0, 10 * TOLERANCE * size)
    assert_agree(out, out, x)
    with pytest.raises(AssertionError, match=name):
        assert_agree({**out, name: moved}, out, x)
