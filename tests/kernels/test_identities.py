"""Identities of the model as a whole: points, paths, probabilities, labs and landlords, units."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import assert_agree
from hypothesis import given
from hypothesis import strategies as st
from identities import FIELDS, FINE_TUNE, close, rental_modes, seeds, views
from random_worlds import REFERENCE, Array, Inputs, anywhere, replaced
from units import exponent

import sim
from sim.engine import worlds
from sim.model.catalogue import OUTPUTS
from sim.model.declarations import declared
from sim.model.dims import REGIMES
from sim.model.inputs import ARR_POINTS, HOST_MATRICES, Lab, Landlord
from sim.model.outputs import (
    ENTITIES,
    PROBABILITIES,
    HostOutputs,
    LabOutputs,
    LandlordOutputs,
    World,
)
from sim.parameters.scenario import Scenario

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
        if name in quarterly - {"power_scale", "power_binds", "gross_margin", "total_gw"}
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

HOST_SHARES = ("host_share_2025", "host_share_2026", "host_share_2027")


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
    """Its halves take their part of capex, of what is hosted, and of what is contracted.

    They have the same contract, and each of them has given the equity of both.
    """
    labs, landlords = (np.arange(n) for n in x["captive"].shape)
    y = rearranged(x, labs, np.append(landlords, 0))
    parts = np.array([part, *np.ones(landlords.size - 1), 1 - part])
    for name in ("capex_2026_busd", "rpo_busd", *HOST_SHARES):
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
    *ARR_POINTS,
)
SHARED_OUT = ("GW", "USD bn", "tok/s", "TWh/yr")


@given(anywhere(), st.floats(0.01, 0.99))
def test_a_lab_split_in_two_leaves_the_rest_alone(x: Inputs, part: float) -> None:
    labs, landlords = (np.arange(n) for n in x["captive"].shape)
    y = rearranged(x, np.append(labs, 0), landlords)
    parts = np.array([part, *np.ones(labs.size - 1), 1 - part])
    for name in (*OF_A_LAB, "rpo_lab_share"):
        y[name] = y[name] * parts
    y["host_equity_busd"] = y["host_equity_busd"] * parts[:, None]
    unsplit, split = worlds.evaluate(x), worlds.evaluate(y)
    expected = {name: unsplit[name] for kind in (World, LandlordOutputs) for name in declared(kind)}
    for kind in (LabOutputs, HostOutputs):
        for name, output in declared(kind).items():
            amount = output.unit.startswith(SHARED_OUT) and "/GW" not in output.unit
            amount = amount or name == "accelerators"
            size = parts if amount else np.ones(parts.size)
            if name in ("final_run_share", "training_moic_final_run"):  # against the one run
                size = parts if name == "training_moic_final_run" else 1 / parts
            after = unsplit[name].take([*labs, 0], axis=1)
            expected[name] = after * size.reshape(-1, *(1,) * (after.ndim - 2))
    assert_agree(split, expected, y)


# 45: one lab and the others

OF_PLANS = ("withheld_by_crunch_gw", "withheld_by_delay_gw")


@given(anywhere(), views, rental_modes)
def test_what_moves_one_lab_moves_no_other_up_to_the_reference_quarter(
    x: Inputs, view: str, mode: str
) -> None:
    """Later, only by way of limits on the build-out, and of what vintages cost and achieve."""
    before = worlds.evaluate(x, view=view, rental_mode=mode)
    moved = dict(x)
    for name in (*OF_A_LAB, "arr_growth_2027"):
        moved[name] = x[name] * np.where(np.arange(x[name].shape[1]) == 0, 1.3, 1.0)
    after = worlds.evaluate(moved, view=view, rental_mode=mode)
    for name, output in declared(LabOutputs).items():
        if output.dims:
            others = np.s_[:, 1:, : REFERENCE + 1]
        elif name in OF_PLANS:
            others = np.s_[:, 1:]
        else:
            continue
        np.testing.assert_array_equal(after[name][others], before[name][others], err_msg=name)
    for name, output in declared(World).items():
        if output.dims[:1] == ("quarter",) and name not in ("total_gw", "gross_margin"):
            now = np.s_[:, : REFERENCE + 1]
            np.testing.assert_array_equal(after[name][now], before[name][now], err_msg=name)
    unlimited = {"power_additions_cap_gw_per_year": 1e9, "capex_2026_busd": 1e9}
    still = {"hardware_efficiency_growth": 0.0, "capex_cost_growth": 0.0}
    shares = {"ai_capex_share": 1.0, "lab_capacity_share": 1.0, "capex_growth_2027": 1.0}
    before, after = (
        worlds.evaluate(
            replaced(inputs, **unlimited, **still, **shares), view=view, rental_mode=mode
        )
        for inputs in (x, moved)
    )
    for name in declared(LabOutputs):
        amount = np.nan_to_num(np.abs(before[name][:, 1:]), posinf=0, neginf=0)
        np.testing.assert_allclose(
            after[name][:, 1:], before[name][:, 1:], rtol=1e-6, err_msg=name,
            atol=1e-6 * float(amount.max(initial=0.0)),
        )  # fmt: skip


# 8, 42: dimensions


@pytest.mark.parametrize("dimension", ["USD", "W", "B"])
@given(x=anywhere(), view=views, mode=rental_modes)
def test_outputs_scale_with_inputs_as_their_units_say(
    dimension: str, x: Inputs, view: str, mode: str
) -> None:
    """A price list in cents, a grid in megawatts, memory in bits: only numbers change.

    For dollars this is the numeraire of identity 8: all margins and gigawatts stay what they are.
    What is measured, and contracts, are dollars too.
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
