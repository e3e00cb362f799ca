"""The identities of sim/docs/model.md hold in random worlds; numbers are those of the page."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from agreement import assert_agree
from hypothesis import given
from hypothesis import strategies as st
from random_worlds import (
    REFERENCE,
    SCALAR_FIELDS,
    Array,
    Inputs,
    anywhere,
    from_base_case,
    multiplied,
    replaced,
    spread_over_domains,
)

import sim
from sim.engine import worlds
from sim.kernels.formulas.hardware import capital_recovery_factor
from sim.kernels.formulas.throughput import tokens_per_step, weights_touched
from sim.model.catalogue import OUTPUTS
from sim.model.declarations import declared
from sim.model.dims import LAYERS, REGIMES, RENTAL_MODES, VIEWS
from sim.model.inputs import HOST_MATRICES, Lab, Landlord
from sim.model.outputs import (
    ENTITIES,
    PROBABILITIES,
    HostOutputs,
    LabOutputs,
    LandlordOutputs,
    World,
)
from sim.parameters.scenario import Scenario

COMPUTE = slice(0, LAYERS.index("revenue_share"))
LAYER = {name: index for index, name in enumerate(LAYERS)}
FINE_TUNE, INFERENCE = REGIMES.index("fine_tune"), REGIMES.index("online_inference")
FIELDS = {**SCALAR_FIELDS, **declared(Lab), **declared(Landlord)}

views = st.sampled_from(VIEWS)
rental_modes = st.sampled_from(RENTAL_MODES)


def close(value: Array, expected: Array, of: Array | float = 0.0) -> bool:
    """Equal to 1e-9 of the expected value, or of the largest amount that enters it."""
    return bool((np.abs(value - expected) <= 1e-9 * np.maximum(np.abs(expected), of)).all())


def gross(layers: Array) -> Array:
    """The sum of amounts whatever their sign: a market rent may leave the landlord a loss."""
    return np.abs(layers).sum(axis=-1)


# 1-4: the cost of an hour and of a token


@given(anywhere(), views, rental_modes)
def test_the_compute_layers_sum_to_the_compute_cost(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    layers = out["unit_cost"][..., COMPUTE]
    assert close(layers.sum(axis=-1), out["compute_cost"], gross(layers))


@given(anywhere(), views, rental_modes)
def test_a_renter_of_everything_pays_the_rent(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(replaced(x, rented_share=1), view=view, rental_mode=mode)
    layers = out["accelerator_hour_cost"]
    assert close(layers.sum(axis=-1), out["rent_per_hour"], gross(layers))


# Equal in both views, but for the rounding of the landlord margin.
COSTS_AND_WHAT_FOLLOWS = (
    "compute_cost",
    "cost_output",
    "cost_input",
    "cost_cached",
    "inference_gross_margin",
    "loaded_gross_margin",
    "fine_tune_gross_margin",
    "price_multiplier_at_hurdle",
    "duty_at_hurdle",
    "gross_margin",
    "run_cost_usd",
    "final_run_share",
    "lifetime_gross_profit_busd",
    "training_moic",
    "training_moic_final_run",
    "training_npv_busd",
    "payback_months",
    "training_margin",
    "sustainable_growth_per_generation",
    "sustainable_growth_annual",
    "external_funding_share",
)


@given(anywhere(), rental_modes)
def test_the_view_moves_layers_and_not_what_a_renter_pays(x: Inputs, mode: str) -> None:
    x = replaced(x, rented_share=1)
    economic = worlds.evaluate(x, view="economic", rental_mode=mode)
    accounting = worlds.evaluate(x, view="accounting", rental_mode=mode)
    amount = np.maximum(gross(economic["unit_cost"]), gross(accounting["unit_cost"]))
    assert close(accounting["compute_cost"], economic["compute_cost"], amount)
    moved = {"accelerator_hour_cost", "unit_cost", *COSTS_AND_WHAT_FOLLOWS}
    for name in set(OUTPUTS) - moved:
        np.testing.assert_array_equal(accounting[name], economic[name], err_msg=name)
    followed = {name: accounting[name] for name in COSTS_AND_WHAT_FOLLOWS}
    assert_agree({**economic, **followed}, economic, x, mode)
    for layer in ("electricity_it", "electricity_overhead", "maintenance", "site_operations"):
        at = LAYER[layer]
        np.testing.assert_array_equal(
            accounting["unit_cost"][..., at], economic["unit_cost"][..., at], err_msg=layer
        )


@given(anywhere(), rental_modes)
def test_the_capital_layer_is_zero_without_interest_and_residual(x: Inputs, mode: str) -> None:
    free = replaced(x, cost_of_capital=0, it_residual_fraction=0)
    hourly = worlds.evaluate(free, rental_mode=mode)["accelerator_hour_cost"]
    assert (hourly[..., LAYER["cost_of_capital"]] == 0).all()


@given(anywhere())
def test_capital_never_has_a_negative_cost(x: Inputs) -> None:
    out = worlds.evaluate(x)
    charge = out["accelerator_hour_cost"][..., LAYER["cost_of_capital"]]
    assert (charge >= -1e-12 * out["owner_cost_economic"]).all()


@given(st.floats(0.001, 0.3), st.floats(1, 30))
def test_the_capital_recovery_factor_has_its_limits(rate: float, years: float) -> None:
    assert capital_recovery_factor(0.0, years) == 1 / years
    assert capital_recovery_factor(1e-12, years) == pytest.approx(1 / years, rel=1e-9)
    assert capital_recovery_factor(rate, np.inf) == rate
    assert capital_recovery_factor(rate, years) > max(rate, 1 / years)


@given(anywhere(), views, rental_modes)
def test_twice_the_throughput_halves_cost_and_energy(x: Inputs, view: str, mode: str) -> None:
    once = worlds.evaluate(x, view=view, rental_mode=mode)
    twice = worlds.evaluate(multiplied(x, 2, "throughput_multiplier"), view=view, rental_mode=mode)
    assert close(twice["unit_cost"][..., COMPUTE], once["unit_cost"][..., COMPUTE] / 2)
    assert close(twice["wh_per_token"], once["wh_per_token"] / 2)


# 5-6: what moves the gross margin


RAISES_COST = (
    "power_price_usd_per_kwh",
    "pue",
    "accelerator_price_usd",
    "cost_of_capital",
    "landlord_markup",
)
LOWERS_COST = ("duty_cycle_online_inference", "goodput_online_inference", "it_economic_life_years")


@pytest.mark.parametrize("name", [*RAISES_COST, *LOWERS_COST])
@given(x=from_base_case(), view=views)
def test_the_margin_at_cost_plus_moves_strictly_with_an_input(
    name: str, x: Inputs, view: str
) -> None:
    before = worlds.evaluate(x, view=view)["inference_gross_margin"][:, REFERENCE]
    # A step up that stays inside the domain; a duty cycle or goodput moves towards 1.
    up = {**x, name: x[name] + 0.1 * (FIELDS[name].hi - x[name])}
    after = worlds.evaluate(up, view=view)["inference_gross_margin"][:, REFERENCE]
    assert (after < before if name in RAISES_COST else after > before).all()


@pytest.mark.parametrize("name", ["mbu_decode", "mfu_decode", "mfu_prefill"])
@given(x=anywhere(), view=views)
def test_the_margin_never_falls_with_efficiency_where_speed_is_met(
    name: str, x: Inputs, view: str
) -> None:
    before = worlds.evaluate(x, view=view)
    after = worlds.evaluate(multiplied(x, 1.1, name), view=view)
    met = before["slo_missed"] == 0
    cost, less = before["compute_cost"][met, :, INFERENCE], after["compute_cost"][met, :, INFERENCE]
    assert (less <= cost * (1 + 1e-12)).all()
    if name == "mfu_prefill":
        assert (less < cost).all()


# What a landlord pays for. Those that set the cost of a gigawatt also set how much is built, and so
# the throughput of the fleet after the reference quarter.
OWNERS_INPUTS = (
    "power_price_usd_per_kwh",
    "power_price_long_run_usd_per_kwh",
    "power_price_volatility",
    "pue",
    "active_load_online_inference",
    "idle_load",
    "it_book_life_years",
    "it_economic_life_years",
    "facility_life_years",
    "it_residual_fraction",
    "cost_of_capital",
    "maintenance_rate",
    "site_opex_usd_per_kw_year",
    "landlord_markup",
    "hbm_value_share",
)
BUILDERS_INPUTS = (
    "accelerator_price_usd",
    "server_cost_ratio",
    "network_cost_ratio",
    "facility_capex_usd_per_kw_it",
    "accelerator_tdp_kw",
    "it_power_ratio",
    "facility_capacity_ratio",
    "capex_cost_growth",
)


@pytest.mark.parametrize("name", [*OWNERS_INPUTS, *BUILDERS_INPUTS])
@given(x=anywhere(32), view=views)
def test_the_landlord_absorbs_costs_at_a_market_rent(name: str, x: Inputs, view: str) -> None:
    x = replaced(x, rented_share=1)
    before = worlds.evaluate(x, view=view, rental_mode="market")
    after = worlds.evaluate(multiplied(x, 0.8, name), view=view, rental_mode="market")
    quarters = slice(REFERENCE + 1) if name in BUILDERS_INPUTS else slice(None)
    hours, changed = before["accelerator_hour_cost"], after["accelerator_hour_cost"]
    margin = LAYER["landlord_margin"]
    owners = slice(0, margin)
    amount = np.maximum(gross(hours), gross(changed))[:, quarters]
    for cost in ("inference_gross_margin", "fine_tune_gross_margin"):
        of = np.maximum(1.0, (1 - before[cost][:, quarters]))
        regime = INFERENCE if cost == "inference_gross_margin" else FINE_TUNE
        of = of * amount[..., regime] / before["rent_per_hour"][:, quarters, regime]
        assert close(after[cost][:, quarters], before[cost][:, quarters], of)
    owner_pays = (changed - hours)[:, quarters, :, owners].sum(axis=-1)
    assert close((hours - changed)[:, quarters, :, margin], owner_pays, amount)


# 7-11: energy, prices, kinds of token, break-evens


@given(anywhere(), views, rental_modes)
def test_electricity_is_the_energy_at_its_price(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    electricity = out["unit_cost"][..., INFERENCE, : LAYER["electricity_overhead"] + 1].sum(axis=-1)
    kwh_per_mtok = out["wh_per_token"] * 1e3
    assert close(electricity, kwh_per_mtok * out["power_price"])


LIST_PRICES = ("price_input_usd_per_mtok", "price_output_usd_per_mtok")


@given(anywhere(), views, rental_modes)
def test_twice_the_list_prices_halve_the_cost_share(x: Inputs, view: str, mode: str) -> None:
    once = worlds.evaluate(x, view=view, rental_mode=mode)
    twice = worlds.evaluate(multiplied(x, 2, *LIST_PRICES), view=view, rental_mode=mode)
    share = 1 - once["inference_gross_margin"]
    assert close(1 - twice["inference_gross_margin"], share / 2, of=1.0)


@given(anywhere(), views, rental_modes)
def test_the_kinds_of_token_share_out_the_bundle(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    ratio, hit = x["input_output_ratio"][:, None], x["cache_hit_rate"][:, None]
    inputs = (1 - hit) * out["cost_input"] + hit * out["cost_cached"]
    bundle = out["cost_output"] + ratio * inputs
    assert close(bundle, (1 + ratio) * out["compute_cost"][..., INFERENCE])


NO_LEVIES = {"free_token_share": 0.0, "revenue_share_rate": 0.0, "serving_overhead_rate": 0.0}


@given(anywhere(), views, rental_modes)
def test_both_margins_are_equal_without_free_tokens_and_levies(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(replaced(x, **NO_LEVIES), view=view, rental_mode=mode)
    np.testing.assert_array_equal(out["loaded_gross_margin"], out["inference_gross_margin"])


@pytest.mark.parametrize("levy", NO_LEVIES)
@given(x=anywhere(), mode=rental_modes)
def test_the_loaded_margin_is_below_the_headline_with_a_levy(
    levy: str, x: Inputs, mode: str
) -> None:
    one_levy = replaced(x, **{**NO_LEVIES, levy: 0.01})
    for inputs in (x, one_levy):
        out = worlds.evaluate(inputs, rental_mode=mode)
        assert (out["loaded_gross_margin"] < out["inference_gross_margin"]).all()


@given(anywhere(32), views, rental_modes)
def test_prices_at_the_break_even_give_the_hurdle(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    for quarter, multiplier in enumerate(out["price_multiplier_at_hurdle"].T):
        repriced = multiplied(x, multiplier, *LIST_PRICES)
        margin = worlds.evaluate(repriced, view=view, rental_mode=mode)["inference_gross_margin"]
        # Prices that were 1/e too high lose as many digits of 1 - cost/price.
        assert close(margin[:, quarter], x["hurdle_margin"], 1e-3 * np.maximum(1, 1 / multiplier))


@given(anywhere(), views, rental_modes)
def test_duty_at_the_break_even_gives_the_hurdle(x: Inputs, view: str, mode: str) -> None:
    duty = worlds.evaluate(x, view=view, rental_mode=mode)["duty_at_hurdle"][:, REFERENCE]
    within_reach = (duty > 0) & (duty <= 1)
    busier = {**x, "duty_cycle_online_inference": np.where(within_reach, duty, 0.5)}
    margin = worlds.evaluate(busier, view=view, rental_mode=mode)["inference_gross_margin"]
    assert close(margin[within_reach, REFERENCE], x["hurdle_margin"][within_reach], of=1.0)


@given(anywhere(), views, rental_modes)
def test_full_duty_misses_the_hurdle_where_duty_is_out_of_reach(
    x: Inputs, view: str, mode: str
) -> None:
    duty = worlds.evaluate(x, view=view, rental_mode=mode)["duty_at_hurdle"][:, REFERENCE]
    out_of_reach = duty > 1 + 1e-9
    full = replaced(x, duty_cycle_online_inference=1)
    margin = worlds.evaluate(full, view=view, rental_mode=mode)["inference_gross_margin"]
    assert (margin[out_of_reach, REFERENCE] < x["hurdle_margin"][out_of_reach]).all()


# 12-14: gigawatts


@given(anywhere())
def test_gigawatts_never_decrease(x: Inputs) -> None:
    out = worlds.evaluate(x)
    assert (np.diff(out["gw"], axis=-1) >= -1e-12 * out["gw"][..., 1:]).all()
    assert (out["gw"][..., 0] >= x["gw_2025q4"]).all()


@given(anywhere())
def test_landlords_host_all_that_labs_have(x: Inputs) -> None:
    out = worlds.evaluate(x)
    hosted = out["hosted_gw"]
    assert (hosted >= 0).all()
    assert close(hosted.sum(axis=2), out["gw"])
    assert close(hosted.sum(axis=1), out["hosted_gw_landlord"])


NO_LIMITS: dict[str, Any] = {
    "lab_delay_quarters": 0.0,
    "capital_crunch": 0.0,
    "power_additions_cap_gw_per_year": 1e9,
    "capex_2026_busd": 1e9,
    "capex_growth_2027": 1.0,
    "ai_capex_share": 1.0,
    "lab_capacity_share": 1.0,
}


def additions(out: dict[str, Array]) -> Array:
    """Gigawatts added since 2026Q4 at the ends of the quarters of 2027 [draw, lab, quarter]."""
    return out["gw"][..., REFERENCE + 1 :] - out["gw"][..., REFERENCE, None]


@given(anywhere())
def test_the_plan_is_built_without_limits(x: Inputs) -> None:
    out = worlds.evaluate(replaced(x, **NO_LIMITS))
    assert close(additions(out)[..., -1], x["planned_additions_2027_gw"], out["gw"][..., REFERENCE])
    assert (out["capex_scale"] == 1).all()
    assert (out["power_scale"] == 1).all()


@given(anywhere())
def test_a_delay_of_a_year_leaves_2027_empty(x: Inputs) -> None:
    out = worlds.evaluate(replaced(x, lab_delay_quarters=4))
    assert (additions(out) == 0).all()


@given(anywhere())
def test_western_additions_stay_below_the_power_cap(x: Inputs) -> None:
    western = (x["lab_is_china"] == 0)[..., None]
    added = (additions(worlds.evaluate(x)) * western).sum(axis=1)
    cap = x["power_additions_cap_gw_per_year"][:, None] * np.array([0.25, 0.5, 0.75, 1.0])
    assert (added <= cap * (1 + 1e-9) + 1e-12).all()


@given(anywhere())
def test_landlords_build_no_more_than_their_capex_pays(x: Inputs) -> None:
    out = worlds.evaluate(x)
    it_usd = x["accelerator_price_usd"] * (1 + x["server_cost_ratio"] + x["network_cost_ratio"])
    it_kw = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    usd = it_usd + x["facility_capex_usd_per_kw_it"] * it_kw
    busd_per_gw = usd / (it_kw * x["facility_capacity_ratio"]) * 1e6 / 1e9
    hosted = out["hosted_gw_landlord"] * busd_per_gw[:, None, None]
    worth = hosted[..., REFERENCE + 1 :] - hosted[..., REFERENCE, None]
    for_labs = (x["ai_capex_share"] * x["lab_capacity_share"])[..., None]
    two_quarters_before = slice(REFERENCE - 1, -2)
    paid = (out["landlord_capex_busd"] * for_labs)[..., two_quarters_before].cumsum(axis=-1)
    assert (worth <= paid * (1 + 1e-9) + 1e-12 * hosted[..., -1:]).all()


@given(anywhere())
def test_built_and_withheld_gigawatts_add_up_to_the_plan(x: Inputs) -> None:
    out = worlds.evaluate(x)
    reasons = [out[f"withheld_by_{reason}_gw"] for reason in ("crunch", "delay", "capex", "power")]
    plan, built = x["planned_additions_2027_gw"], additions(out)[..., -1]
    assert close(built + sum(reasons), plan, out["gw"][..., -1])
    assert all((withheld >= -1e-12 * plan).all() for withheld in reasons)


def later(x: Inputs, seed: int) -> Inputs:
    """The same inputs with a longer delay of every lab."""
    longer = np.random.default_rng(seed).exponential(size=x["lab_delay_quarters"].shape)
    return {**x, "lab_delay_quarters": x["lab_delay_quarters"] + longer}


seeds = st.integers(0, 2**32 - 1)


@given(anywhere(), seeds)
def test_delay_never_raises_the_total_of_labs_under_one_power_cap(x: Inputs, seed: int) -> None:
    x = replaced(x, lab_is_china=0)
    before, after = (worlds.evaluate(inputs)["gw"].sum(axis=1) for inputs in (x, later(x, seed)))
    assert (after <= before * (1 + 1e-12)).all()


@given(anywhere(), seeds)
def test_delay_never_raises_the_total_where_power_does_not_bind(x: Inputs, seed: int) -> None:
    """Where it does, a landlord of both can gain for a Chinese lab more than a western one loses.

    Capex is shared out before power: what a western lab may not build for want of power is lost to
    its landlord's other labs in that quarter, unless a delay takes its claim on the capex away.
    """
    before, after = (worlds.evaluate(inputs) for inputs in (x, later(x, seed)))
    free = ((before["power_scale"] == 1) & (after["power_scale"] == 1)).all(axis=1)
    total, delayed = (out["gw"].sum(axis=1)[free] for out in (before, after))
    assert (delayed <= total * (1 + 1e-12)).all()


# 15: no uncertainty


def test_every_draw_is_the_point_estimate_without_uncertainty(base: Scenario) -> None:
    ds = sim.simulate(base, draws=40, seed=3, keep="all", uncertainty=0)
    other = sim.simulate(base, draws=7, seed=4, keep="all", uncertainty=0)
    for name in set(ds.data_vars) - set(PROBABILITIES):
        if "draw" in ds[name].dims:
            assert (ds[name] == ds[name][0]).where(ds[name].notnull(), True).all(), name
            assert ds[name][0].identical(other[name][0]), name


def test_every_input_is_its_median_without_uncertainty(base: Scenario) -> None:
    ds = sim.simulate(base, draws=3, keep="all", uncertainty=0)
    for full_name, quantity in base.quantities.items():
        group, *party, name = full_name.split(".")
        value = ds[name].isel(draw=0) if "draw" in ds[name].dims else ds[name]
        if party:
            value = value.sel({group.removesuffix("s"): party[0]})
        assert float(value) == pytest.approx(quantity.distribution.point, rel=1e-12, abs=0), (
            full_name
        )
    delay = base.quantities["buildout.energisation_delay_quarters"].distribution.point
    assert ds["lab_delay_quarters"].values == pytest.approx(delay, rel=1e-12)
    for shock in ("eps_price", "eps_duty", "eps_power", "capital_crunch"):
        assert (ds[shock] == 0).all()


def test_the_first_draws_of_a_longer_run_are_the_shorter_run(base: Scenario) -> None:
    short = sim.simulate(base, draws=100, seed=5, keep="all")
    long = sim.simulate(base, draws=1100, seed=5, keep="all")
    again = sim.simulate(base, draws=100, seed=5, keep="all")
    for name in set(short.data_vars) - set(PROBABILITIES):
        if "draw" in short[name].dims:
            assert short[name].identical(long[name].isel(draw=slice(100))), name
            assert short[name].identical(again[name]), name


# 16: training


STEADY: dict[str, float] = {
    "arr_growth_2027": 1,
    "token_price_decline": 0,
    "software_throughput_growth": 0,
    "hardware_efficiency_growth": 0,
    "capex_cost_growth": 0,
    "token_price_volatility": 0,
    "duty_volatility": 0,
    "power_price_volatility": 0,
    "power_price_reversion": 0,
}


@given(anywhere(), views, rental_modes)
def test_the_multiple_of_a_steady_state_is_profit_over_research_of_a_year(
    x: Inputs, view: str, mode: str
) -> None:
    """Whatever cadence and life are, as long as generations overlap."""
    x = replaced(x, **STEADY)
    x["model_life_months"] = np.maximum(x["model_life_months"], x["model_cadence_months"])
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    levies = (x["revenue_share_rate"] + x["serving_overhead_rate"])[:, None]
    bill = out["compute_bill_regime"][:, :, REFERENCE]
    revenue = out["arr"][..., REFERENCE] * (1 - levies)
    research = bill[..., 0] * (1 + x["rd_staff_ratio"])[:, None]
    reports = ~np.isnan(revenue)
    moic, expected = out["training_moic"], (revenue - bill[..., INFERENCE]) / research
    amount = (revenue + bill[..., INFERENCE]) / research
    # Cost and price of a token keep a little rounding, which growth takes for growth.
    assert close(moic[reports], expected[reports], 1e-3 * amount[reports])
    life = np.broadcast_to(x["model_life_months"][:, None], moic.shape)
    worth_it = reports & (moic >= 1)
    payback, sooner = out["payback_months"][worth_it], (life / moic)[worth_it]
    assert close(payback, sooner, 1e-3 * sooner * (amount / moic)[worth_it])


@given(anywhere(), views, rental_modes)
def test_a_generation_worth_it_is_paid_back_within_its_life(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    life = np.broadcast_to(x["model_life_months"][:, None], out["training_moic"].shape)
    payback, worth_it = out["payback_months"], out["training_moic"] >= 1 + 1e-9
    assert (payback[worth_it] <= life[worth_it] * (1 + 1e-9)).all()
    assert (payback[np.isfinite(payback)] >= 0).all()
    assert (out["training_moic"][np.isinf(payback)] < 1 + 1e-9).all()


@given(anywhere(), views, rental_modes)
def test_a_discount_makes_profits_worth_less(x: Inputs, view: str, mode: str) -> None:
    """Where the profit of every month is a gain."""
    x = replaced(x, lab_discount_rate=0.2)
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    profit, cost = out["lifetime_gross_profit_busd"], out["generation_cost_busd"]
    levies = (x["revenue_share_rate"] + x["serving_overhead_rate"])[:, None]
    growth = np.log(x["arr_growth_2027"])
    unit, price = out["compute_cost"][..., INFERENCE], out["revenue_per_mtok_paid"]
    erosion = np.log(unit[:, -1] / unit[:, REFERENCE]) - np.log(price[:, -1] / price[:, REFERENCE])
    years = x["model_life_months"][:, None] / 12
    revenue = out["arr"][..., REFERENCE] * (1 - levies)
    bill = out["compute_bill_regime"][:, :, REFERENCE, INFERENCE]
    at_first, at_last = bill, bill * np.exp((growth + erosion[:, None]) * years)
    gains = (revenue > at_first) & (revenue * np.exp(growth * years) > at_last)
    assert (out["training_npv_busd"][gains] < (profit - cost)[gains]).all()


# 17: cash between the two books


@given(anywhere(), views, rental_modes)
def test_the_regimes_share_out_the_bill(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    bills = out["compute_bill_regime"]
    assert close(bills.sum(axis=-1), out["compute_bill"], gross(bills))


@given(anywhere(), views, rental_modes)
def test_bills_of_labs_are_rents_of_landlords_and_costs_of_parents(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    before = (x["host_share_2026"] * x["gw_2025q4"][..., None])[..., None]
    stock = np.concatenate([before, out["hosted_gw"]], axis=-1)
    average = (stock[..., 1:] + stock[..., :-1]) / 2
    parents = (average * x["captive"][..., None]).sum(axis=2)
    tuning = np.broadcast_to(x["fine_tune_share"][:, None], x["inference_share"].shape)
    share = np.stack([1 - tuning - x["inference_share"], tuning, x["inference_share"]], axis=-1)
    hour = np.einsum("nlr,nqr->nlq", share, out["owner_cost_economic"])
    per_gw = out["accelerators"] / out["gw"]
    borne = (parents * per_gw * 8760 * hour / 1e9).sum(axis=1)
    received = 4 * out["rent_received"].sum(axis=1)
    paid = out["compute_bill"].sum(axis=1)
    dearest = np.maximum(out["owner_cost_economic"], out["rent_per_hour"]).max(axis=-1)
    amount = (out["accelerators"].sum(axis=1) * 8760 * dearest) / 1e9
    assert close(received + borne, paid, 2 * amount)


# 18: book life


@given(anywhere(), rental_modes)
def test_a_longer_book_life_moves_no_renters_cost(x: Inputs, mode: str) -> None:
    x = replaced(x, rented_share=1)
    short = worlds.evaluate(x, view="accounting", rental_mode=mode)
    longer = multiplied(x, 1.2, "it_book_life_years")
    long = worlds.evaluate(longer, view="accounting", rental_mode=mode)
    assert (long["owner_cost_book"] < short["owner_cost_book"]).all()
    assert (long["landlord_margin_book"] > short["landlord_margin_book"]).all()
    for name in ("depreciation_booked", "net_book_value"):
        lower, higher = (long, short) if name == "depreciation_booked" else (short, long)
        hosting = short["hosted_gw_landlord"] > 0
        assert (lower[name] < higher[name])[hosting].all()
    moved = (
        "accelerator_hour_cost",
        "unit_cost",
        "owner_cost_book",
        "landlord_margin_book",
        "depreciation_booked",
        "depreciation_booked_rented",
        "depreciation_gap",
        "depreciation_coverage",
        "net_book_value",
        "net_book_value_by_lab",
        "nbv_under_hurdle",
    )
    assert_agree(long, {**short, **{name: long[name] for name in moved}}, longer, mode)


# 19-20: the operating point


@given(st.integers(0, 8), st.floats(0, 0.99))
def test_a_step_yields_the_tokens_that_are_accepted(draft: int, acceptance: float) -> None:
    assert tokens_per_step(0.0, acceptance) == pytest.approx(1)
    assert tokens_per_step(float(draft), 0.0) == 1
    assert tokens_per_step(float(draft), 1.0) == draft + 1
    assert tokens_per_step(float(draft), 1 - 1e-9) == pytest.approx(draft + 1, rel=1e-7)
    by_term = sum(acceptance**i for i in range(draft + 1))
    assert tokens_per_step(float(draft), acceptance) == pytest.approx(by_term, rel=1e-9)


@given(st.floats(1e8, 1e14), st.floats(1, 200), st.floats(1, 1e5))
def test_experts_are_touched_as_the_batch_grows(weights: float, ratio: float, batch: float) -> None:
    assert weights_touched(weights, ratio, 1.0) == pytest.approx(weights / ratio, rel=1e-9)
    assert weights_touched(weights, ratio, 1e9) == weights
    assert weights_touched(weights, 1.0, batch) == weights
    active, total = weights / ratio, weights
    assert active * (1 - 1e-9) <= weights_touched(weights, ratio, batch) <= total


@given(anywhere())
def test_users_get_their_speed_unless_it_is_missed(x: Inputs) -> None:
    """Or the batch is at its floor of 1: a lone sequence may be too slow all by itself."""
    out = worlds.evaluate(x)
    target = x["user_speed_tokens_per_s"]
    promised = (out["slo_missed"] == 0) & (out["batch"] > 1)
    assert (out["user_speed"][promised] >= target[promised] * (1 - 1e-9)).all()


def test_each_bound_alone_gives_the_batch_that_it_binds() -> None:
    x = spread_over_domains(4000, labs=1, landlords=1, seed=20)
    x = multiplied(x, 0.05, "user_speed_tokens_per_s")  # so that every bound binds in some
    out = worlds.evaluate(x)
    reading = x["kv_bytes_per_token"] / (x["hbm_bandwidth_bytes_per_s"] * x["mbu_decode"])
    drafted = (x["draft_tokens"] + 1) * x["attention_flop_per_token_pair"]
    computing = drafted / (x["peak_flops_serving"] * x["mfu_decode"])
    # A bound by speed stands alone only if the target is the user's own, and if attention is
    # limited by what the bound is about.
    met = out["slo_missed"] == 0
    bandwidth, flops, memory = (
        "hbm_bandwidth_bytes_per_s",
        "peak_flops_serving",
        "hbm_capacity_bytes",
    )
    cases = (
        (0, (flops, memory), met & (reading > computing)),
        (1, (bandwidth, memory), met & (computing > reading)),
        (2, (bandwidth, flops), np.full_like(met, True)),
    )
    for binding, relaxed, stands_alone in cases:
        chosen = stands_alone & (out["binding_constraint"] == binding)
        assert chosen.sum() > 20
        batch = worlds.evaluate(multiplied(x, 1e12, *relaxed))["batch"]
        assert close(batch[chosen], out["batch"][chosen])


# 21: nothing changes


@given(anywhere(), views, rental_modes)
def test_quarters_are_alike_without_drift_and_volatility(x: Inputs, view: str, mode: str) -> None:
    still = (
        "token_price_decline",
        "software_throughput_growth",
        "hardware_efficiency_growth",
        "capex_cost_growth",
        "token_price_volatility",
        "power_price_volatility",
        "duty_volatility",
    )
    x = replaced(x, **dict.fromkeys(still, 0))
    x["power_price_long_run_usd_per_kwh"] = x["power_price_usd_per_kwh"]
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    quarterly = {name for name, d in declared(World).items() if "quarter" in d.dims}
    alike = {
        name: np.broadcast_to(values[:, REFERENCE, None], values.shape)
        for name, values in out.items()
        if name in quarterly - {"power_scale", "power_binds", "gross_margin"}
    }
    run, tuned = REGIMES.index("frontier_training"), slice(FINE_TUNE, None)
    assert np.isnan(np.delete(out["gross_margin"], REFERENCE, axis=1)[..., run]).all()
    margins = out["gross_margin"][..., tuned]
    assert close(margins, np.broadcast_to(margins[:, REFERENCE, None], margins.shape), of=1.0)
    assert_agree(out, {**out, **alike}, x, mode)


# 22: probabilities


def test_the_probability_of_a_margin_is_the_share_of_draws_that_reach_it(
    base: Scenario,
) -> None:
    n = 8192
    ds = sim.simulate(base, draws=n, seed=22)
    margin = ds["inference_gross_margin"].values
    above = []
    for hurdle in (0.5, 0.6, 0.7, 0.8):
        at_hurdle = ds.assign(hurdle_margin=hurdle)
        summary = sim.summarise(at_hurdle, ["p_margin_above_hurdle"])
        p = summary["p_margin_above_hurdle"].values
        np.testing.assert_array_equal(p, (margin >= hurdle).mean(axis=0))
        error = summary["p_margin_above_hurdle_error"].values
        # 32 replicates tell a standard error to 1 part in sqrt(62).
        np.testing.assert_allclose(error, np.sqrt(p * (1 - p) / n), rtol=0.5)
        above.append(p)
    assert (np.diff(above, axis=0) <= 0).all()


# 23: labs and landlords are data


def rearranged(x: Inputs, labs: Array, landlords: Array) -> Inputs:
    """The same inputs with labs and landlords in another order."""
    y = dict(x)
    for kind, order in ((Lab, labs), (Landlord, landlords)):
        y |= {name: x[name][:, order] for name in declared(kind)}
    for name, (first, _) in HOST_MATRICES.values():
        by_lab = x[name] if first == "lab" else x[name].T
        placed = by_lab[np.ix_(labs, landlords)]
        y[name] = placed if first == "lab" else placed.T
    return y


@given(anywhere(), views, rental_modes, seeds)
def test_the_order_of_labs_and_landlords_changes_nothing(
    x: Inputs, view: str, mode: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labs, landlords = (rng.permutation(n) for n in x["captive"].shape)
    orders = {"lab": labs, "landlord": landlords}
    expected = worlds.evaluate(x, view=view, rental_mode=mode)
    for entity, dims in ENTITIES.items():
        for name in declared(entity):
            for axis, dim in enumerate(dims, start=1):
                expected[name] = expected[name].take(orders[dim], axis=axis)
    y = rearranged(x, labs, landlords)
    assert_agree(worlds.evaluate(y, view=view, rental_mode=mode), expected, y, mode)


@given(anywhere(), st.floats(0.01, 0.99))
def test_a_landlord_split_in_two_leaves_the_rest_alone(x: Inputs, part: float) -> None:
    """Its halves take their part of capex, of what is hosted, and of what is contracted."""
    labs, landlords = (np.arange(n) for n in x["captive"].shape)
    y = rearranged(x, labs, np.append(landlords, 0))
    parts = np.array([part, *np.ones(landlords.size - 1), 1 - part])
    for name in ("capex_2026_busd", "host_share_2026", "host_share_2027", "rpo_busd"):
        y[name] = y[name] * parts
    unsplit, split = worlds.evaluate(x), worlds.evaluate(y)
    expected = {name: unsplit[name] for kind in (World, LabOutputs) for name in declared(kind)}
    for kind, axis in ((LandlordOutputs, 1), (HostOutputs, 2)):
        for name, output in declared(kind).items():
            amount = output.unit.startswith(("GW", "USD"))
            size = (parts if amount else np.ones(parts.size)).reshape(-1, *(1,) * len(output.dims))
            expected[name] = unsplit[name].take([*landlords, 0], axis=axis) * size
    assert_agree(split, expected, y)


# A lab's amounts, which its halves share; all else of it is theirs alike.
OF_A_LAB = (
    "gw_2025q4",
    "gw_2026q4",
    "planned_additions_2027_gw",
    "arr_2025q4_busd",
    "arr_2026q4_busd",
)
SHARED_OUT = ("GW", "USD bn", "tok/s", "TWh/yr")


@given(anywhere(), st.floats(0.01, 0.99))
def test_a_lab_split_in_two_leaves_the_rest_alone(x: Inputs, part: float) -> None:
    labs, landlords = (np.arange(n) for n in x["captive"].shape)
    y = rearranged(x, np.append(labs, 0), landlords)
    parts = np.array([part, *np.ones(labs.size - 1), 1 - part])
    for name in (*OF_A_LAB, "rpo_lab_share"):
        y[name] = y[name] * parts
    unsplit, split = worlds.evaluate(x), worlds.evaluate(y)
    expected = {name: unsplit[name] for kind in (World, LandlordOutputs) for name in declared(kind)}
    for kind in (LabOutputs, HostOutputs):
        for name, output in declared(kind).items():
            amount = output.unit.startswith(SHARED_OUT) or name == "accelerators"
            size = parts if amount else np.ones(parts.size)
            if name in ("final_run_share", "training_moic_final_run"):  # against the one run
                size = parts if name == "training_moic_final_run" else 1 / parts
            after = unsplit[name].take([*labs, 0], axis=1)
            expected[name] = after * size.reshape(-1, *(1,) * (after.ndim - 2))
    assert_agree(split, expected, y)


# 8, 24 and dimensions


def exponent(unit: str, dimension: str) -> int:
    """The power in which a dimension stands in a unit such as `USD/kW_IT/yr` or `B s`."""
    words = {"USD": r"USD", "W": r"[kMGT]?W(_IT|h)?", "B": r"B"}[dimension]
    over, *under = unit.split("/")
    count = [sum(bool(re.fullmatch(words, w)) for w in part.split()) for part in (over, *under)]
    return count[0] - sum(count[1:])


@pytest.mark.parametrize("dimension", ["USD", "W", "B"])
@given(x=anywhere(), view=views, mode=rental_modes)
def test_outputs_scale_with_inputs_as_their_units_say(
    dimension: str, x: Inputs, view: str, mode: str
) -> None:
    """A price list in cents, a grid in megawatts, memory in bits: only numbers change.

    For dollars this is the numeraire of identity 8: all margins and gigawatts stay what they are.
    Time, FLOP and tokens cannot be tested so: the model has constants in them (8,760 hours, 2 FLOP
    per parameter, a million tokens). A power of two makes every product exact.
    """
    factor = 4.0
    rescaled = {
        name: values * factor ** exponent(FIELDS[name].unit, dimension)
        if name in FIELDS
        else values
        for name, values in x.items()
    }
    before = worlds.evaluate(x, view=view, rental_mode=mode)
    after = worlds.evaluate(rescaled, view=view, rental_mode=mode)
    powers = {name: exponent(output.unit, dimension) for name, output in OUTPUTS.items()}
    assert any(powers.values())
    expected = {name: values * factor ** powers[name] for name, values in before.items()}
    assert_agree(after, expected, rescaled, mode)


@given(anywhere(), views, rental_modes)
def test_an_it_gigawatt_is_a_facility_gigawatt_over_the_capacity_ratio(
    x: Inputs, view: str, mode: str
) -> None:
    facility = worlds.evaluate(x, view=view, rental_mode=mode)
    ratio = x["facility_capacity_ratio"]
    gigawatts = [name for name, field in FIELDS.items() if field.unit.startswith("GW")]
    in_it = replaced(multiplied(x, 1 / ratio, *gigawatts), facility_capacity_ratio=1)
    it = worlds.evaluate(in_it, view=view, rental_mode=mode)
    expected = {
        name: (values.T / ratio).T if OUTPUTS[name].unit == "GW" else values
        for name, values in facility.items()
    }
    expected["pue_above_capacity_ratio"] = it["pue_above_capacity_ratio"]
    assert_agree(it, expected, in_it, mode)
