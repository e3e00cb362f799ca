"""What a run does not keep is drawn again, to the bits that keeping it would have given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import as_stored

import sim
from sim.engine import loop
from sim.model.catalogue import OUTPUTS
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario
from sim.simulation import redraw as redraw_module
from sim.statistics import expressions

KEPT = 8_192
# Plans that are below zero in many draws: values that are not finite, and draws left out.
OFTEN = {
    "labs.openai.arr_2026q4_busd": {
        "family": "normal", "mean": 46, "sd": 30, "unit": "USD bn", "source": "judgement",
        "note": "to test with",
    }
}  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {
    "stratified": {"draws": 1_500},
    "random": {"draws": 1_500, "sampler": "random", "seed": 2**63},
    "sobol": {"draws": 1_500, "sampler": "sobol"},
    "questionable dropped": {"draws": 1_500, "drop_questionable": True},
    "less uncertain": {"draws": 1_500, "uncertainty": 0.5},
    "bad dropped": {"draws": 700, "bad_draws": "drop", "set": OFTEN},
    "bad kept": {"draws": 700, "bad_draws": "keep", "set": OFTEN},
    "more than are kept, some dropped": {
        "draws": KEPT + 1_500, "kept_draws": KEPT, "drop_questionable": True,
    },
}  # fmt: skip


def simulate(case: str, **options: Any) -> xr.Dataset:
    given_options = {**RUNS[case], **options}
    scenario = sim.load(ROOT / "params" / "base.toml", set=given_options.pop("set", None))
    return sim.simulate(scenario, **given_options)


@pytest.mark.parametrize("case", RUNS)
def test_drawn_again_are_the_bits_that_everything_kept_has(case: str) -> None:
    """Of headline outputs, outputs with moments alone, with neither, and inputs."""
    names = ["gw", "arr", "unit_cost", "hosted_gw", "accelerators", "power_binds", "pue"]
    ds = simulate(case)
    again = sim.redraw(as_stored(ds), names)
    # The same draws count as in the run, which is no matter of what is asked.
    xr.testing.assert_identical(again["draw"], ds["draw"])
    all_draws = {"draws": min(RUNS[case]["draws"], KEPT), "bad_draws": "keep"}
    kept = simulate(case, **all_draws, drop_questionable=False, keep=names).sel(draw=ds["draw"])
    assert (kept.sizes["draw"] < all_draws["draws"]) == ("dropped" in case)
    for name in names:
        xr.testing.assert_identical(again[name], kept[name])
        assert again[name].dtype == kept[name].dtype != np.float32


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.sets(st.sampled_from(sorted(OUTPUTS)), min_size=1, max_size=4))
def test_any_outputs_can_be_drawn_again(names: set[str]) -> None:
    ds = simulate("stratified", draws=96)
    again = sim.redraw(ds, sorted(names))
    kept = simulate("stratified", draws=96, keep=sorted(names))
    for name in names:
        xr.testing.assert_identical(again[name], kept[name])
    for name in ds.variables:
        xr.testing.assert_identical(again[name], ds[name])


def test_statistics_of_draws_made_again_are_those_of_kept_ones() -> None:
    """Also beyond the kept draws, where they are read from histograms."""
    for case in ("stratified", "more than are kept, some dropped"):
        ds, names = simulate(case), ["arr", "accelerators"]
        again = sim.summarise(sim.redraw(ds, names), names)
        kept = sim.summarise(simulate(case, keep=names), names)
        assert again.sizes == kept.sizes
        for name in kept.data_vars:
            xr.testing.assert_identical(again[name], kept[name])
        text = "P(arr[openai]@2026Q4 > 40)"
        value = expressions.evaluate(text, sim.redraw(ds, ["arr"]))
        assert value == expressions.evaluate(text, simulate(case, keep=["arr"]))


def test_rounded_draws_beside_histograms_become_those_of_the_run() -> None:
    ds = simulate("more than are kept, some dropped")
    assert ds.sizes["draw"] <= KEPT < ds.attrs["draws"]
    xr.testing.assert_identical(sim.redraw(as_stored(ds)), ds)


def test_some_draws_of_a_run_are_made_again_alone() -> None:
    ds = simulate("stratified")
    some = as_stored(ds).isel(draw=slice(5, 900, 7))
    again = sim.redraw(some, ["gw", "arr"])
    xr.testing.assert_identical(again["draw"], some["draw"])
    xr.testing.assert_identical(again.gw, ds.gw.isel(draw=slice(5, 900, 7)))
    assert again.arr.sizes["draw"] == some.sizes["draw"]
    assert "precision" in again.attrs  # others are still rounded


def test_nothing_is_drawn_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = simulate("stratified", draws=64)
    monkeypatch.setattr(redraw_module, "run", None)
    assert sim.redraw(ds) is ds
    assert sim.redraw(ds, ["gw", "p_gw_above", "hurdle_margin"]) is ds
    probability, output = next((n, p.of) for n, p in PROBABILITIES.items() if p.of in ds)
    assert sim.redraw(ds, [probability, output]) is ds


def test_draws_made_again_are_those_of_one_scenario_of_a_batch(base: Scenario) -> None:
    other = sim.load(ROOT / "params" / "base.toml", set={"hardware.pue.median": 1.15})
    batch = sim.simulate_many({"a": base, "b": other}, draws=64)
    with pytest.raises(sim.InputError, match="several scenarios: take one with of_scenario"):
        sim.redraw(batch, ["arr"])
    again = sim.redraw(sim.of_scenario(batch, "b"), ["arr"])
    xr.testing.assert_identical(again.arr, sim.simulate(other, draws=64, keep=["arr"]).arr)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("digest", "0" * 12), ("seed", "2"), ("parameters", "{}")],
)
def test_a_dataset_of_another_model_is_refused(attribute: str, value: str) -> None:
    ds = simulate("stratified", draws=64).assign_attrs({attribute: value})
    with pytest.raises(sim.InputError, match="another version of the model made this run"):
        sim.redraw(ds, ["arr"])


def test_runs_that_were_joined_are_refused() -> None:
    """Their attributes are those of the first."""
    runs = [simulate("stratified", draws=64, seed=seed) for seed in (1, 2)]
    joined = xr.concat(runs, "draw", data_vars="minimal", coords="minimal", compat="override")
    with pytest.raises(sim.InputError, match="runs that were joined: draw each again"):
        sim.redraw(joined, ["arr"])


def test_names_and_datasets_that_cannot_be_drawn_are_refused() -> None:
    ds = simulate("stratified", draws=64)
    with pytest.raises(ValueError, match="unknown variable 'arrr'; did you mean 'arr'"):
        sim.redraw(ds, ["arrr"])
    with pytest.raises(ValueError, match="names: expected a list of names, got 'arr'"):
        sim.redraw(ds, "arr")
    with pytest.raises(sim.InputError, match="it lacks the attribute parameters"):
        sim.redraw(xr.Dataset({"x": ("draw", [1.0])}), ["arr"])


def test_threads_change_no_bit_of_what_is_drawn_again() -> None:
    ds = simulate("questionable dropped")
    first, second = (sim.redraw(ds, ["arr"], threads=threads) for threads in (1, 2))
    xr.testing.assert_identical(first, second)


@pytest.mark.parametrize("case", ["stratified", "more than are kept, some dropped"])
def test_probabilities_need_no_kept_draws(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """They are counted in the pass; the draws are in memory meanwhile, and not in results."""
    from sim.engine import prepare

    ds = simulate(case)
    select = prepare.select_variables

    def without_gw(layout: Any, keep: Any) -> Any:
        kept, moments = select(layout, keep)
        if keep is not None:
            return kept, moments
        (gw,) = (variable for variable in kept if variable.name == "gw")
        return [variable for variable in kept if variable is not gw], [*moments, gw]

    monkeypatch.setattr(prepare, "select_variables", without_gw)
    lean = simulate(case)
    assert "gw" not in lean
    assert "gw_bin_count" not in lean
    expected, found = sim.summarise(ds), sim.summarise(lean)
    for name in ("p_gw_above", "p_both_named", "p_top_two"):
        xr.testing.assert_identical(lean[name], ds[name])
        xr.testing.assert_identical(found[name], expected[name])
        assert (found[f"{name}_error"].values >= 0).all()
    np.testing.assert_allclose(found.gw_mean, expected.gw_mean, rtol=1e-12)
    assert "gw_quantile" not in found
    again = sim.redraw(lean, ["gw"])
    xr.testing.assert_identical(again.gw, ds.gw)
    for name in ("quantile", "quantile_error", "cvar"):
        xr.testing.assert_identical(
            sim.summarise(again, ["gw"])[f"gw_{name}"], expected[f"gw_{name}"]
        )


def test_a_state_is_rebuilt_from_its_totals(base: Scenario) -> None:
    from drawing import drawn

    whole = drawn(base, KEPT + 3_000, kept_draws=KEPT)
    state = loop.rebuild(whole.prepared, whole.completed)
    np.testing.assert_array_equal(state.values, whole.values)
    np.testing.assert_array_equal(state.status, whole.status)
    longer = drawn(base, KEPT + 5_000, kept_draws=KEPT, after=state)
    at_once = drawn(base, KEPT + 5_000, kept_draws=KEPT)
    for name in ("count", "mean", "m2", "block_mean", "block_m2"):
        np.testing.assert_array_equal(
            getattr(longer.running, name), getattr(at_once.running, name), err_msg=name
        )


@pytest.mark.parametrize(
    ("asked", "differs"),
    [(["gw"], "gw"), (["arr"], "tps_decode"), (["pue"], "tps_decode"), (None, "gw")],
)
def test_draws_that_are_not_those_of_the_run_are_refused(
    asked: list[str] | None, differs: str
) -> None:
    """Of what is not stored itself, the smallest output that is stands for all."""
    stored = as_stored(simulate("stratified"))
    sim.redraw(stored, asked)
    last = (-1,) * stored[differs].ndim
    stored[differs].values[last] = np.nextafter(stored[differs].values[last], np.float32(np.inf))
    with pytest.raises(sim.InputError, match=f"draws of {differs} that are made again are not"):
        sim.redraw(stored, asked)
