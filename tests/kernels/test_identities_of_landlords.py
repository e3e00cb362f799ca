"""Identities of landlords' books, of contracts, and of cash between them and labs."""

from __future__ import annotations

import numpy as np
from agreement import assert_agree
from hypothesis import given
from identities import (
    HOURS_PER_YEAR,
    IN_2026,
    LAYER,
    accelerators_per_gw,
    averages,
    close,
    gross,
    rental_modes,
    views,
    without,
)
from random_worlds import REFERENCE, Array, Inputs, anywhere, multiplied, replaced

from sim.engine import worlds
from sim.model.catalogue import OUTPUTS
from sim.model.declarations import declared
from sim.model.outputs import LabOutputs, LandlordOutputs, World

ELECTRICITY = [LAYER["electricity_it"], LAYER["electricity_overhead"]]
UPKEEP = [LAYER["maintenance"], LAYER["site_operations"]]


def shares_of_hours(x: Inputs) -> Array:
    """Regimes' shares of a lab's accelerator-hours [draw, lab, regime]."""
    tuning = np.broadcast_to(x["fine_tune_share"][:, None], x["inference_share"].shape)
    return np.stack([1 - tuning - x["inference_share"], tuning, x["inference_share"]], axis=-1)


def owners_cost_of_labs(x: Inputs, out: dict[str, Array]) -> Array:
    """Owner's cost of an hour of a lab's accelerators [draw, lab, quarter, regime]."""
    electricity = out["accelerator_hour_cost"][..., ELECTRICITY].sum(axis=-1)[:, None]
    capital = out["owner_cost_economic"][:, None] - electricity
    return electricity + x["relative_cost"][:, :, None, None] * capital


def market_contracts(x: Inputs) -> Inputs:
    """The same inputs with every landlord under contract at the market price."""
    busd = x["rental_price_usd_per_hour"] * accelerators_per_gw(x) * HOURS_PER_YEAR / 1e9
    contracts = np.broadcast_to(busd[:, None], x["rpo_busd"].shape)
    return {**x, "rent_busd_per_gw_year": contracts}


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
    """With contracts, relative costs and hosts that change."""
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    parents = (averages(x, out) * x["captive"][..., None]).sum(axis=2)
    hour = np.einsum("nlr,nlqr->nlq", shares_of_hours(x), owners_cost_of_labs(x, out))
    per_gw = accelerators_per_gw(x)[:, None, None]
    borne = (parents * per_gw * HOURS_PER_YEAR * hour / 1e9).sum(axis=1)
    received = 4 * out["rent_received"].sum(axis=1)
    paid = out["compute_bill"].sum(axis=1)
    amount = gross(out["compute_bill_regime"]).sum(axis=1) + received
    assert close(received + borne, paid, 2 * amount)


@given(anywhere(), views, rental_modes)
def test_a_lab_pays_each_landlord_its_contract_or_what_hours_cost(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    owner = owners_cost_of_labs(x, out)
    if mode == "market":
        rent = np.broadcast_to(x["rental_price_usd_per_hour"][:, None, None, None], owner.shape)
    else:
        rent = (1 + x["landlord_markup"])[:, None, None, None] * owner
    per_gw_year = (accelerators_per_gw(x) * HOURS_PER_YEAR / 1e9)[:, None, None, None]
    contract = x["rent_busd_per_gw_year"][:, None, :, None, None]
    by_hour = np.where(x["captive"][..., None, None], owner[:, :, None], rent[:, :, None])
    price = by_hour * per_gw_year[..., None]
    under_contract = ~np.isnan(contract) & (x["captive"][..., None, None] == 0)
    price = np.where(under_contract, contract, price)
    bill = np.einsum("nlkq,nlkqr,nlr->nlqr", averages(x, out), price, shares_of_hours(x))
    assert close(out["compute_bill_regime"], bill)
    average = averages(x, out).sum(axis=2)
    of = gross(bill) / average
    assert close(out["bill_per_gw_year"], out["compute_bill"] / average, of)


# 18: book life


@given(anywhere(), rental_modes)
def test_a_longer_book_life_moves_no_renters_cost(x: Inputs, mode: str) -> None:
    x = replaced(x, rented_share=1)
    short = worlds.evaluate(x, view="accounting", rental_mode=mode)
    longer = multiplied(x, 1.2, "it_book_life_years")
    long = worlds.evaluate(longer, view="accounting", rental_mode=mode)
    assert (long["owner_cost_book"] < short["owner_cost_book"]).all()
    assert (long["landlord_margin_book"] > short["landlord_margin_book"]).all()
    # A gigawatt is given up at the price of a new one: a host that shrinks may have a book value
    # below zero, but a longer life raises it all the same.
    hosting = short["hosted_gw_landlord"] > 0
    assert (long["depreciation_booked"] < short["depreciation_booked"])[hosting].all()
    assert (long["net_book_value"] > short["net_book_value"])[hosting].all()
    renting = ~np.isnan(short["landlord_gross_margin"])
    assert (long["landlord_gross_margin"] > short["landlord_gross_margin"])[renting].all()
    assert (long["external_cost_busd"] < short["external_cost_busd"])[renting].all()
    moved = (
        "accelerator_hour_cost",
        "unit_cost",
        "owner_cost_book",
        "landlord_margin_book",
        "depreciation_booked",
        "depreciation_booked_rented",
        "depreciation_gap",
        "depreciation_coverage",
        "external_cost_busd",
        "landlord_gross_margin",
        "interest_busd",
        "landlord_margin_after_interest",
        "net_book_value",
        "net_book_value_by_lab",
        "nbv_under_hurdle",
    )
    assert_agree(long, {**short, **{name: long[name] for name in moved}}, longer, mode)


# 36, 37: contracts


@given(anywhere(32), views)
def test_contracts_at_the_market_price_change_nothing_in_a_market(x: Inputs, view: str) -> None:
    x = without(x, "rent_busd_per_gw_year")
    market = worlds.evaluate(x, view=view, rental_mode="market")
    contracts = market_contracts(x)
    assert_agree(
        worlds.evaluate(contracts, view=view, rental_mode="market"), market, contracts, "market"
    )


# What follows from the cost and price of a token of the reference lab, and a generation's business.
OF_THE_REFERENCE_STACK = {
    "lifetime_gross_profit_busd",
    "final_run_share",
    "payback_months",
    "external_funding_share",
    "sustainable_growth_per_generation",
    "sustainable_growth_annual",
    *(name for name in declared(LabOutputs) if name.startswith("training")),
}


@given(anywhere(32), views)
def test_contracts_at_the_market_price_make_a_market_of_all_but_the_reference_stack(
    x: Inputs, view: str
) -> None:
    x = without(x, "rent_busd_per_gw_year")
    market = worlds.evaluate(x, view=view, rental_mode="market")
    cost_plus = worlds.evaluate(x, view=view)
    contracts = market_contracts(x)
    out = worlds.evaluate(contracts, view=view)
    expected = {**cost_plus, **{name: out[name] for name in OF_THE_REFERENCE_STACK}}
    for kind in (LabOutputs, LandlordOutputs):
        names = set(declared(kind)) - OF_THE_REFERENCE_STACK
        expected |= {name: market[name] for name in names}
    expected["gross_margin"] = out["gross_margin"]  # that of training, of all labs
    assert_agree(out, expected, contracts, "market")
    for name in declared(World):
        if name != "gross_margin":
            np.testing.assert_array_equal(out[name], cost_plus[name], err_msg=name)


@given(anywhere(32), views, rental_modes)
def test_bills_under_contract_depend_on_no_hardware(x: Inputs, view: str, mode: str) -> None:
    rng = np.random.default_rng(37)
    x = {**replaced(x, rent_busd_per_gw_year=1), "captive": np.zeros_like(x["captive"])}
    x["rent_busd_per_gw_year"] = rng.uniform(1, 30, x["rent_busd_per_gw_year"].shape)
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    average = averages(x, out)
    rents = np.einsum("nlkq,nk->nlq", average, x["rent_busd_per_gw_year"])
    of = gross(out["compute_bill_regime"]) / average.sum(axis=2)
    assert close(out["bill_per_gw_year"], rents / average.sum(axis=2), of)
    hardware = (
        "accelerator_price_usd",
        "power_price_usd_per_kwh",
        "accelerator_tdp_kw",
        "facility_capacity_ratio",
        "landlord_markup",
        "rental_price_usd_per_hour",
        "it_economic_life_years",
        "relative_cost",
    )
    other = worlds.evaluate(multiplied(x, 0.83, *hardware), view=view, rental_mode=mode)
    for name in ("compute_bill", "compute_bill_regime", "bill_per_gw_year"):
        np.testing.assert_array_equal(
            other[name][:, :, IN_2026], out[name][:, :, IN_2026], err_msg=name
        )
    np.testing.assert_array_equal(
        other["rent_received"][..., IN_2026], out["rent_received"][..., IN_2026]
    )
    np.testing.assert_array_equal(other["generation_cost_busd"], out["generation_cost_busd"])


# 38: debt and other cost


@given(anywhere(), views, rental_modes)
def test_without_debt_nothing_is_taken_from_the_margin(x: Inputs, view: str, mode: str) -> None:
    free = worlds.evaluate(replaced(x, debt_share=0), view=view, rental_mode=mode)
    np.testing.assert_array_equal(
        free["landlord_margin_after_interest"], free["landlord_gross_margin"]
    )
    assert (free["interest_busd"] == 0).all()
    indebted = replaced(x, debt_share=0.7, interest_rate=0.1)
    out = worlds.evaluate(indebted, view=view, rental_mode=mode)
    for name in set(OUTPUTS) - {"interest_busd", "landlord_margin_after_interest"}:
        np.testing.assert_array_equal(out[name], free[name], err_msg=name)


@given(anywhere(), views, rental_modes)
def test_interest_is_on_the_mean_book_value_of_what_is_let(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    stated = (x["gw_2025q4"] * x["gw_definition_ratio"][:, None])[..., None]
    relative = x["relative_cost"][..., None]
    opening = relative * stated * x["host_share_2025"]
    opening = (
        opening * (out["capex_per_gw"][:, REFERENCE] * x["opening_nbv_fraction"])[:, None, None]
    )
    value = np.concatenate([opening[..., None], out["net_book_value_by_lab"]], axis=-1)
    let = (1 - x["captive"])[..., None]
    mean = (let * (value[..., 1:] + value[..., :-1]) / 2).sum(axis=1)
    amount = (let * np.abs(value).max(axis=-1, keepdims=True)).sum(axis=1)
    rate = (x["debt_share"] * x["interest_rate"])[..., None] / 4
    assert close(out["interest_busd"], rate * mean, rate * amount)


@given(anywhere(), views, rental_modes)
def test_other_cost_is_the_landlords_alone(x: Inputs, view: str, mode: str) -> None:
    before = worlds.evaluate(x, view=view, rental_mode=mode)
    dearer = {**x, "other_cost_busd_per_gw_year": x["other_cost_busd_per_gw_year"] + 1.5}
    after = worlds.evaluate(dearer, view=view, rental_mode=mode)
    renting = ~np.isnan(before["landlord_gross_margin"])
    moved = ("landlord_gross_margin", "landlord_margin_after_interest", "external_cost_busd")
    for name in moved[:2]:
        assert (after[name] < before[name])[renting].all(), name
    let = (averages(x, before) * (1 - x["captive"])[..., None]).sum(axis=1)
    more = after["external_cost_busd"] - before["external_cost_busd"]
    assert close(more, 1.5 / 4 * let, after["external_cost_busd"])
    for name in set(OUTPUTS) - set(moved):
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)


# 7.9, 7.12, 7.13


@given(anywhere(), views, rental_modes)
def test_a_landlord_lets_at_a_cost_of_wear_power_and_the_rest(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    let = averages(x, out) * (1 - x["captive"])[..., None]
    hours = out["accelerator_hour_cost"]
    upkeep = hours[..., UPKEEP].sum(axis=-1)[:, None] * x["relative_cost"][..., None, None]
    running = hours[..., ELECTRICITY].sum(axis=-1)[:, None] + upkeep
    usd = np.einsum("nlr,nlqr->nlq", shares_of_hours(x), running)
    per_gw = accelerators_per_gw(x)[:, None, None] * HOURS_PER_YEAR / 4e9
    other = x["other_cost_busd_per_gw_year"][..., None] / 4
    cost = per_gw * np.einsum("nlkq,nlq->nkq", let, usd)
    cost = cost + out["depreciation_booked_rented"] + other * let.sum(axis=1)
    assert close(out["external_cost_busd"], cost, np.abs(cost) + out["depreciation_booked_rented"])
    with np.errstate(invalid="ignore"):
        margin = 1 - out["external_cost_busd"] / out["rent_received"]
    empty = let.sum(axis=1) == 0
    np.testing.assert_array_equal(np.isnan(out["landlord_gross_margin"]), empty)
    assert close(out["landlord_gross_margin"][~empty], margin[~empty], of=1.0)
    np.testing.assert_array_equal(np.isnan(out["landlord_margin_after_interest"]), empty)


@given(anywhere())
def test_obligations_are_shared_by_labs_and_fall_due_in_a_straight_line(x: Inputs) -> None:
    out = worlds.evaluate(x)
    by_lab = x["rpo_busd"][:, None] * x["rpo_lab_share"].T
    assert close(out["rpo_by_lab"], by_lab)
    firm = x["rpo_busd"] * x["firm_share"]
    assert close(out["rpo_firm_busd"], firm)
    years = x["duration_years"]
    timed = ~np.isnan(years)
    due = firm / np.maximum(years, 1)
    assert close(out["rpo_due_12m_busd"][timed], due[timed])
    assert np.isnan(out["rpo_due_12m_busd"][~timed]).all()


@given(anywhere())
def test_revenue_is_put_over_the_equity_of_landlords_that_gave_some(x: Inputs) -> None:
    out = worlds.evaluate(x)
    equity = x["host_equity_busd"][..., None]
    ratio, arr = out["arr_over_equity"], out["arr"][:, :, None]
    expected = np.where(equity > 0, arr / np.where(equity > 0, equity, 1), np.nan)
    np.testing.assert_allclose(ratio, expected, rtol=1e-12)


@given(anywhere(), rental_modes)
def test_no_more_than_the_whole_can_fall_short(x: Inputs, mode: str) -> None:
    """Though coverage is below zero where levies and other cost exceed revenue."""
    x = {**x, "lab_noncompute_opex_ratio": x["lab_noncompute_opex_ratio"] * 3}
    out = worlds.evaluate(x, rental_mode=mode)
    coverage, short = out["coverage"], out["shortfall"]
    reports = ~np.isnan(coverage)
    assert close(short[reports], np.clip(1 - coverage[reports], 0, 1), of=1.0)
    assert np.isnan(short[~reports]).all()
    at_reference = np.nan_to_num(short[..., REFERENCE])
    by_lab = x["rpo_busd"][..., None] * x["rpo_lab_share"] * at_reference[:, None]
    assert close(out["rpo_shortfall"], by_lab.sum(axis=-1))
    assert (out["rpo_shortfall"] <= x["rpo_busd"] * (1 + 1e-12)).all()
