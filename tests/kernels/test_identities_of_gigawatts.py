"""Identities of the build-out, and of what a gigawatt is, in random worlds."""

from __future__ import annotations

from typing import Any

import numpy as np
from agreement import assert_agree
from hypothesis import given
from hypothesis import strategies as st
from identities import (
    FIELDS,
    IN_2026,
    accelerators_per_gw,
    additions,
    close,
    rental_modes,
    seeds,
    views,
)
from random_worlds import REFERENCE, Array, Inputs, anywhere, multiplied, replaced
from units import exponent

from sim.engine import worlds
from sim.model.catalogue import OUTPUTS

GW_INPUTS = ("gw_2025q4", "gw_2026q4", "planned_additions_2027_gw")

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
    assert close(hosted.sum(axis=2), out["facility_gw"])
    assert close(hosted.sum(axis=1), out["hosted_gw_landlord"])


@given(anywhere())
def test_a_facility_gigawatt_is_a_stated_one_by_one_ratio(x: Inputs) -> None:
    out = worlds.evaluate(x)
    ratio = x["gw_definition_ratio"][:, None, None]
    assert close(out["facility_gw"], ratio * out["gw"])
    assert close(out["total_gw"], out["gw"].sum(axis=1))
    per_gw = accelerators_per_gw(x)[:, None, None]
    assert close(out["accelerators"], out["facility_gw"] * per_gw)
    assert close(out["arr_per_gw"], out["arr"] / out["gw"]) or np.isnan(out["arr"]).any()


NO_LIMITS: dict[str, Any] = {
    "lab_delay_quarters": 0.0,
    "capital_crunch": 0.0,
    "power_additions_cap_gw_per_year": 1e9,
    "capex_2026_busd": 1e9,
    "capex_growth_2027": 1.0,
    "ai_capex_share": 1.0,
    "lab_capacity_share": 1.0,
}


@given(anywhere())
def test_the_plan_is_built_without_limits_as_it_is_stated(x: Inputs) -> None:
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
    """Which is one of facility gigawatts."""
    western = (x["lab_is_china"] == 0)[..., None]
    added = (additions(worlds.evaluate(x), "facility_gw") * western).sum(axis=1)
    cap = x["power_additions_cap_gw_per_year"][:, None] * np.array([0.25, 0.5, 0.75, 1.0])
    assert (added <= cap * (1 + 1e-9) + 1e-12).all()


@given(anywhere())
def test_landlords_build_no_more_than_their_capex_pays(x: Inputs) -> None:
    out = worlds.evaluate(x)
    busd_per_gw = out["capex_per_gw"][:, None, REFERENCE, None]
    hosted = out["hosted_gw_landlord"] * busd_per_gw
    worth = hosted[..., REFERENCE + 1 :] - hosted[..., REFERENCE, None]
    for_labs = (x["ai_capex_share"] * x["lab_capacity_share"])[..., None]
    two_quarters_before = slice(REFERENCE - 1, -2)
    paid = (out["landlord_capex_busd"] * for_labs)[..., two_quarters_before].cumsum(axis=-1)
    assert (worth <= paid * (1 + 1e-9) + 1e-12 * hosted[..., -1:]).all()


@given(anywhere())
def test_a_gigawatt_is_bought_at_the_cost_of_its_vintage(x: Inputs) -> None:
    out = worlds.evaluate(x)["capex_per_gw"]
    it_usd = x["accelerator_price_usd"] * (1 + x["server_cost_ratio"] + x["network_cost_ratio"])
    it_kw = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    usd = it_usd + x["facility_capex_usd_per_kw_it"] * it_kw
    growth = 1 + x["capex_cost_growth"]
    for quarter in range(out.shape[1]):
        years = max(quarter - REFERENCE, 0) / 4
        assert close(out[:, quarter], usd * accelerators_per_gw(x) / 1e9 * growth**years)


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


@given(anywhere(), seeds)
def test_delay_never_raises_the_total_of_labs_under_one_power_cap(x: Inputs, seed: int) -> None:
    x = replaced(x, lab_is_china=0)
    before, after = (worlds.evaluate(inputs)["total_gw"] for inputs in (x, later(x, seed)))
    assert (after <= before * (1 + 1e-12)).all()


@given(anywhere(), seeds)
def test_delay_never_raises_the_total_where_power_does_not_bind(x: Inputs, seed: int) -> None:
    """Where it does, a landlord of both can gain for a Chinese lab more than a western one loses.

    Capex is shared out before power: what a western lab may not build for want of power is lost to
    its landlord's other labs in that quarter, unless a delay takes its claim on the capex away.
    """
    before, after = (worlds.evaluate(inputs) for inputs in (x, later(x, seed)))
    free = ((before["power_scale"] == 1) & (after["power_scale"] == 1)).all(axis=1)
    total, delayed = (out["total_gw"][free] for out in (before, after))
    assert (delayed <= total * (1 + 1e-12)).all()


@given(anywhere(), seeds)
def test_delay_never_raises_the_total_without_a_power_cap(x: Inputs, seed: int) -> None:
    x = replaced(x, power_additions_cap_gw_per_year=1e9)
    before, after = (worlds.evaluate(inputs)["total_gw"] for inputs in (x, later(x, seed)))
    assert (after <= before * (1 + 1e-12)).all()


# 39: hosts in 2026


@given(anywhere())
def test_hosts_that_never_change_have_their_share_through_2026(x: Inputs) -> None:
    x = {**x, "host_share_2025": x["host_share_2026"]}
    out = worlds.evaluate(x)
    share = x["host_share_2026"][..., None]
    expected = share * out["facility_gw"][:, :, None, IN_2026]
    assert close(out["hosted_gw"][..., IN_2026], expected)


@given(anywhere())
def test_shares_of_hosts_move_evenly_from_one_year_end_to_the_next(x: Inputs) -> None:
    out = worlds.evaluate(x)
    share = out["hosted_gw"][..., IN_2026] / out["facility_gw"][:, :, None, IN_2026]
    before, after = (x[f"host_share_{year}"][..., None] for year in (2025, 2026))
    expected = before + (after - before) * np.array([0.25, 0.5, 0.75, 1.0])
    assert close(share, np.broadcast_to(expected, share.shape), of=1.0)


# 24, 31: what a gigawatt is


def of_basis(basis: str, factor: Array, values: dict[str, Array]) -> dict[str, Array]:
    """Outputs that are numbers of gigawatts of a basis times a factor; those per GW over it."""
    powers = {
        name: exponent(output.unit, "W") if output.basis == basis else 0
        for name, output in OUTPUTS.items()
    }
    assert set(powers.values()) == {-1, 0, 1}
    return {name: (v.T * factor ** powers[name]).T for name, v in values.items()}


@given(anywhere(32), st.sampled_from([0.5, 0.75, 1.35, 3.0]), views, rental_modes)
def test_a_larger_gigawatt_of_which_there_are_fewer_is_the_same_world(
    x: Inputs, size: float, view: str, mode: str
) -> None:
    before = worlds.evaluate(x, view=view, rental_mode=mode)
    y = multiplied(multiplied(x, 1 / size, *GW_INPUTS), size, "gw_definition_ratio")
    after = worlds.evaluate(y, view=view, rental_mode=mode)
    assert_agree(after, of_basis("stated", np.array(1 / size), before), y, mode)


@given(anywhere(32), views, rental_modes)
def test_an_it_gigawatt_is_a_facility_gigawatt_over_the_capacity_ratio(
    x: Inputs, view: str, mode: str
) -> None:
    facility = worlds.evaluate(x, view=view, rental_mode=mode)
    ratio = x["facility_capacity_ratio"]
    per_gw = [name for name, field in FIELDS.items() if "/GW" in field.unit]
    assert set(per_gw) == {"rent_busd_per_gw_year", "other_cost_busd_per_gw_year"}
    fewer = ("gw_definition_ratio", "power_additions_cap_gw_per_year")
    in_it = multiplied(multiplied(x, 1 / ratio, *fewer), ratio, *per_gw)
    in_it = replaced(in_it, facility_capacity_ratio=1)
    it = worlds.evaluate(in_it, view=view, rental_mode=mode)
    expected = of_basis("facility", 1 / ratio, facility)
    expected["pue_above_capacity_ratio"] = it["pue_above_capacity_ratio"]
    assert_agree(it, expected, in_it, mode)
