"""Identities of gross margins and their break-evens, in random worlds."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from identities import (
    FIELDS,
    FINE_TUNE,
    INFERENCE,
    LAYER,
    close,
    gross,
    rental_modes,
    views,
    without,
)
from random_worlds import REFERENCE, Array, Inputs, anywhere, from_base_case, multiplied, replaced

import sim
from sim.engine import worlds

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
def test_the_margin_never_falls_with_efficiency(name: str, x: Inputs, view: str) -> None:
    x = without(x, "measured_tps_decode", "measured_tps_prefill")
    before = worlds.evaluate(x, view=view)
    cost = before["compute_cost"][..., INFERENCE]
    less = worlds.evaluate(multiplied(x, 1.1, name), view=view)["compute_cost"][..., INFERENCE]
    assert (less <= cost * (1 + 1e-12)).all()
    if name == "mfu_prefill":
        noticed = before["cost_input"] > 1e-9 * before["cost_output"]
        assert (less < cost)[noticed].all()


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
    "measured_owner_cost_usd_per_hour",
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


# 8, 10, 11: prices, levies, break-evens

LIST_PRICES = ("price_input_usd_per_mtok", "price_output_usd_per_mtok")


@given(anywhere(), views, rental_modes)
def test_twice_the_list_prices_halve_the_cost_share(x: Inputs, view: str, mode: str) -> None:
    once = worlds.evaluate(x, view=view, rental_mode=mode)
    twice = worlds.evaluate(multiplied(x, 2, *LIST_PRICES), view=view, rental_mode=mode)
    for name in ("inference_gross_margin", "margin_output", "margin_input", "margin_cached"):
        share = 1 - once[name]
        assert close(1 - twice[name], share / 2, of=1.0), name


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
        margin = out["inference_gross_margin"]
        noticed = margin > -1e9  # beyond, a levy is less than rounding
        assert (out["loaded_gross_margin"] < margin)[noticed].all()


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
    """An owner's cost that is measured was so at one duty cycle: it does not tell another's."""
    x = without(x, "measured_owner_cost_usd_per_hour")
    duty = worlds.evaluate(x, view=view, rental_mode=mode)["duty_at_hurdle"][:, REFERENCE]
    within_reach = (duty > 0) & (duty <= 1)
    busier = {**x, "duty_cycle_online_inference": np.where(within_reach, duty, 0.5)}
    margin = worlds.evaluate(busier, view=view, rental_mode=mode)["inference_gross_margin"]
    assert close(margin[within_reach, REFERENCE], x["hurdle_margin"][within_reach], of=1.0)


@given(anywhere(), views, rental_modes)
def test_full_duty_misses_the_hurdle_where_duty_is_out_of_reach(
    x: Inputs, view: str, mode: str
) -> None:
    x = without(x, "measured_owner_cost_usd_per_hour")
    duty = worlds.evaluate(x, view=view, rental_mode=mode)["duty_at_hurdle"][:, REFERENCE]
    out_of_reach = duty > 1 + 1e-9
    full = replaced(x, duty_cycle_online_inference=1)
    margin = worlds.evaluate(full, view=view, rental_mode=mode)["inference_gross_margin"]
    assert (margin[out_of_reach, REFERENCE] < x["hurdle_margin"][out_of_reach]).all()


# 29, 30: a gigawatt, and kinds of token


def cost_share(x: Inputs, out: dict[str, Array]) -> Array:
    """The largest amount in the cost of a token over its revenue [draw, quarter]."""
    hours = out["accelerator_hour_cost"][..., INFERENCE, :]
    share = 1 - out["inference_gross_margin"]
    return np.maximum(1.0, share * gross(hours) / hours.sum(axis=-1))


@given(anywhere(), views, rental_modes)
def test_a_rented_gigawatt_has_the_margin_of_its_tokens(x: Inputs, view: str, mode: str) -> None:
    x = replaced(x, rented_share=1)
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    share = out["rent_per_gw_year"] / out["revenue_per_gw_year"]
    assert close(1 - out["inference_gross_margin"], share, cost_share(x, out))
    assert close(
        out["owner_cost_per_gw_year"] / out["rent_per_gw_year"],
        (out["owner_cost_economic"] / out["rent_per_hour"])[..., INFERENCE],
    )


@given(anywhere(), views, rental_modes)
def test_a_megawatt_makes_its_part_of_a_gigawatts_revenue(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    tokens_a_year = out["tokens_per_s_per_mw"] * 1000 * 3600 * 8760
    busd = tokens_a_year / 1e6 * out["revenue_per_mtok_paid"] / 1e9
    assert close(busd, out["revenue_per_gw_year"])


@given(anywhere(), views, rental_modes)
def test_margins_of_the_kinds_of_token_make_up_the_margin(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    ratio, hit = x["input_output_ratio"], x["cache_hit_rate"]
    inputs = ratio * x["price_input_usd_per_mtok"]
    revenue = {
        "margin_output": x["price_output_usd_per_mtok"],
        "margin_input": inputs * (1 - hit),
        "margin_cached": inputs * hit * x["cached_price_ratio"],
    }
    weighted = sum(amount[:, None] * out[name] for name, amount in revenue.items())
    total = sum(revenue.values())[:, None]
    assert close(weighted / total, out["inference_gross_margin"], cost_share(x, out))


@given(anywhere(32), views)
def test_a_kind_of_token_that_is_given_away_has_no_margin(x: Inputs, view: str) -> None:
    """Minus infinity where it costs something, and not a number where it costs nothing."""
    x = replaced(x, cached_price_ratio=0, cached_prefill_cost_ratio=0.05)
    out = worlds.evaluate(x, view=view)
    assert (out["margin_cached"] == -np.inf).all()
    assert np.isfinite(out["margin_input"]).all()
    out = worlds.evaluate(replaced(x, cached_prefill_cost_ratio=0), view=view)
    assert np.isnan(out["margin_cached"]).all()
    assert np.isfinite(out["inference_gross_margin"]).all()
    out = worlds.evaluate(replaced(x, price_output_usd_per_mtok=0), view=view)
    assert (out["margin_output"] == -np.inf).all()


def test_a_kind_of_token_that_costs_and_earns_nothing_makes_no_draw_bad() -> None:
    free = {
        "prices.cached_price_ratio.value": 0,
        "workload.cached_prefill_cost_ratio.value": 0,
    }
    scenario = sim.load(ROOT / "params" / "base.toml", set=free)
    kept = ["margin_cached", "inference_gross_margin"]
    ds = sim.simulate(scenario, draws=64, keep=kept, bad_draws="fail")
    assert np.isnan(ds["margin_cached"]).all()
    assert np.isfinite(ds["inference_gross_margin"]).all()
