"""Bad and questionable draws: which of them count, and their reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, Command, runs_in
from drawing import drawn, stored

import sim
from sim.analysis.compare import compare_runs, measure_run
from sim.analysis.measures import headline_measures
from sim.engine import draw_quality
from sim.model.blocks import replicate_of
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset
from sim.statistics.datasets import indicators
from sim.tables import oddities
from sim.tables.headline import make_headline

BASE = ROOT / "params" / "base.toml"
OFTEN = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 30}}  # 6 % below 0
SELDOM = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 13}}  # 0.02 %
DRAWS = 6_000  # not a whole number of tiles or blocks
COUNT, MEAN, M2 = "replicate_count", "_replicate_mean", "_replicate_m2"


OWNED = re.compile(r"such means are marked by \*|own the sd")


def odd(ds: xr.Dataset) -> list[str]:
    """What is odd in a run."""
    return make_headline(ds, sim.summarise(ds)).remarks


def load(changes: Mapping[str, Any]) -> Scenario:
    return sim.load(BASE, set=dict(changes))


@pytest.fixture(scope="module")
def kept() -> xr.Dataset:
    return sim.simulate(load(OFTEN), draws=DRAWS, bad_draws="keep")


@pytest.fixture(scope="module")
def dropped() -> xr.Dataset:
    return sim.simulate(load(OFTEN), draws=DRAWS, bad_draws="drop")


def good(ds: xr.Dataset) -> np.ndarray:
    """Mask of the good draws: those in which OpenAI has revenue."""
    return ~np.isnan(ds.lab_paid_margin.sel(lab="openai").values).any(axis=-1)


def stressed(sd: float) -> Scenario:
    """A scenario with OpenAI's revenue some three sds below its mean.

    At an sd of 16 nine of ten draws are bad.
    """
    distribution = {"family": "normal", "mean": 46, "sd": sd, "loads": {"demand": 0.99, "own": 0}}
    return load({"labs.openai.arr_2026q4_busd": distribution, "factors.demand": -3})


def assert_moments_of(ds: xr.Dataset, draws: xr.Dataset, numbers: np.ndarray) -> None:
    """Assert that `ds` has the moments of draws `numbers` of `draws`."""
    replicate = replicate_of(numbers, ds.attrs["sampler"])
    assert list(ds[COUNT].values) == list(np.bincount(replicate, minlength=32))
    names = [str(name).removesuffix(MEAN) for name in ds.data_vars if str(name).endswith(MEAN)]
    assert len(names) > 20
    for name in names:
        values = draws[name].sel(draw=numbers).values.astype(float)
        for r in set(replicate):
            part = values[replicate == r]
            mean, m2 = (ds[name + suffix].values[r] for suffix in (MEAN, M2))
            np.testing.assert_allclose(mean, part.mean(axis=0), rtol=1e-9, atol=1e-300)
            # Squares of deviations have the rounding errors of the values.
            floor = 1e-20 * float(np.nanmax(np.abs(part)) ** 2 + 1e-300) * len(part)
            expected = ((part - part.mean(axis=0)) ** 2).sum(axis=0)
            np.testing.assert_allclose(m2, expected, rtol=1e-6, atol=floor)


def test_dropped_draws_are_missing_and_the_others_keep_their_numbers(
    kept: xr.Dataset, dropped: xr.Dataset
) -> None:
    numbers = np.flatnonzero(good(kept))
    assert 0 < DRAWS - len(numbers) < DRAWS // 10
    np.testing.assert_array_equal(dropped.draw, numbers)
    for name in dropped.data_vars:
        if "draw" in dropped[name].dims:
            xr.testing.assert_identical(dropped[name], kept[name].sel(draw=numbers))
    for ds in (kept, dropped):
        assert ds.attrs["draws"] == DRAWS
        assert ds.attrs["draws_not_finite"] == DRAWS - len(numbers)
    assert kept.sizes["draw"] == kept[COUNT].sum() == DRAWS
    assert dropped[COUNT].sum() == len(numbers)


def test_probabilities_are_shares_of_the_draws_that_count(dropped: xr.Dataset) -> None:
    reached = dropped.lab_paid_margin >= dropped.hurdle_margin
    probability = dropped.p_lab_margin_above_hurdle.sel(lab="openai")
    np.testing.assert_array_equal(probability, reached.mean("draw").sel(lab="openai"))


@pytest.mark.parametrize("sampler", ["stratified", "random", "sobol"])
def test_probabilities_are_shares_of_the_draws_in_which_they_are_known(sampler: str) -> None:
    """A value that is NaN in a draw that is kept is neither below nor above."""
    ds = sim.simulate(load(OFTEN), draws=1_100, sampler=sampler, bad_draws="keep")
    assert 0 < np.isnan(ds.lab_paid_margin.sel(lab="openai")).any("quarter").sum() < 1_100
    for name, (happens, known) in indicators(ds).items():
        with np.errstate(invalid="ignore"):
            expected = (happens & known).sum(axis=-1) / known.sum(axis=-1)
        np.testing.assert_array_equal(ds[name], expected, err_msg=name)


def test_moments_are_those_of_the_draws_that_count(dropped: xr.Dataset) -> None:
    draws = sim.simulate(load(OFTEN), draws=DRAWS, keep="all", bad_draws="keep")
    assert_moments_of(dropped, draws, dropped.draw.values)


def test_kept_bad_draws_make_moments_of_their_outputs_nan(kept: xr.Dataset) -> None:
    """Revenue between a negative ARR and a positive one has no logarithmic mean."""
    average, closing, bill = (
        kept[name + MEAN].sel(lab="openai") for name in ("average_arr", "arr", "compute_bill")
    )
    assert np.isnan(average.sel(quarter="2026Q4")).any()
    assert np.isfinite(average.sel(quarter="2026Q3")).all()
    assert np.isfinite(closing.sel(quarter="2026Q4")).all()
    assert np.isfinite(bill).all()


def test_a_draw_is_bad_for_an_output_kept_as_moments() -> None:
    """Average ARR is kept as moments alone, which a single NaN would spoil."""
    ds = sim.simulate(load(SELDOM), draws=20_000)
    bad = ds.attrs["draws_not_finite"]
    assert 0 < bad <= 20
    assert ds.sizes["draw"] == 20_000 - bad
    assert np.isfinite(ds["average_arr" + MEAN].sel(lab="openai")).all()
    # ARR is in none of these outputs, so no draw is bad.
    unaffected = sim.simulate(load(OFTEN), draws=2_000, keep=["gw", "compute_bill"])
    assert unaffected.attrs["draws_not_finite"] == 0
    assert unaffected.sizes["draw"] == 2_000


def test_a_draw_is_bad_if_only_an_output_kept_as_moments_is_infinite() -> None:
    # Each is within doubles; the three rise together, and their product is not.
    medians = {"train_tokens": 6e13, "train_active_params": 1e12, "rl_compute_ratio": 1.0}
    together = {"family": "lognormal", "sigma": 90, "loads": {"technology": 1.0}}
    huge = {f"training.{name}": {**together, "median": x} for name, x in medians.items()}
    ds = sim.simulate(load(huge), draws=2_048, bad_draws="drop")
    assert 0 < ds.attrs["draws_not_finite"] < 1_024
    assert ds.attrs["draws_not_finite_why"].startswith("Not finite: run_hours (")
    assert "training.train_tokens is high" in ds.attrs["draws_not_finite_why"]
    assert np.isfinite(ds["run_cost_usd" + MEAN]).all()


def test_a_run_with_more_than_one_bad_draw_in_a_thousand_is_refused() -> None:
    with pytest.raises(sim.RunError) as caught:
        sim.simulate(load(OFTEN), draws=DRAWS)
    message = str(caught.value)
    for words in (
        "of 6,000 draws gave a value that is not finite, more than 0.1 %.",
        "Not finite: average_arr (",
        "labs.openai.arr_2026q4_busd is low (median at its p0)",
        "--bad-draws drop",
    ):
        assert words in message


def test_up_to_one_bad_draw_in_a_thousand_is_dropped_with_a_warning() -> None:
    ds = sim.simulate(load(SELDOM), draws=20_000)
    summary = sim.summarise(ds)
    (warning,) = oddities.warnings(ds)
    count = ds.attrs["draws_not_finite"]
    assert f"WARNING: {count} of 20,000 draws" in warning
    assert "left out" in warning
    assert "Not finite: average_arr (" in warning
    assert np.isfinite(summary.average_arr_mean.sel(lab="openai")).all()
    assert np.isfinite(summary.lab_paid_margin_quantile.sel(lab="openai")).all()


def test_a_run_of_bad_draws_alone_is_refused() -> None:
    scenario = stressed(30)
    for policy in ("fail", "drop"):
        with pytest.raises(sim.RunError, match=r"finite(, more than|; no draw is left)"):
            sim.simulate(scenario, draws=64, bad_draws=policy)
    assert sim.simulate(scenario, draws=64, bad_draws="keep").sizes["draw"] == 64


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_threads_and_chunks_change_no_bit_with_bad_draws(policy: str) -> None:
    states = [
        drawn(
            load(OFTEN), 3_000, 1, "random", threads=threads, chunk=tiles * 1_024,
            bad_draws=policy, drop_questionable=True,
        )
        for threads, tiles in ((1, 8), (2, 1))
    ]  # fmt: skip
    first, second = states
    for name in ("count", "mean", "m2", "bad", "questionable", "bad_numbers"):
        np.testing.assert_array_equal(getattr(first.running, name), getattr(second.running, name))
    np.testing.assert_array_equal(first.status, second.status)
    np.testing.assert_array_equal(first.values, second.values)
    xr.testing.assert_identical(*(make_dataset(state) for state in states))


def test_replicates_without_a_draw_have_no_weight() -> None:
    scenario = stressed(16.8)
    ds = sim.simulate(scenario, draws=640, bad_draws="drop", sampler="random")
    count = ds[COUNT].values
    assert (count[:20] == 0).any()
    assert count.sum() == ds.sizes["draw"] > 0
    all_draws = sim.simulate(scenario, draws=640, keep="all", bad_draws="keep", sampler="random")
    assert_moments_of(ds, all_draws, ds.draw.values)
    assert np.isfinite(sim.summarise(ds).average_arr_mean.sel(lab="openai")).all()


@pytest.mark.parametrize("draws", [640, 2_500])
def test_moments_of_sobol_draws_are_by_sequence(base: Scenario, draws: int) -> None:
    options = {"draws": draws, "sampler": "sobol", "drop_questionable": True}
    ds = sim.simulate(base, **options)
    all_draws = sim.simulate(base, **options, keep="all")
    assert_moments_of(ds, all_draws, ds.draw.values)
    dropped = sim.simulate(load(OFTEN), draws=draws, sampler="sobol", bad_draws="drop")
    assert 0 < dropped.sizes["draw"] < draws
    all_draws = sim.simulate(
        load(OFTEN), draws=draws, sampler="sobol", bad_draws="keep", keep="all"
    )
    assert_moments_of(dropped, all_draws, dropped.draw.values)


def test_questionable_draws_are_counted_and_dropped_on_request(base: Scenario) -> None:
    all_draws = sim.simulate(base, draws=DRAWS, keep="all")
    exceeds = all_draws.demand_exceeds_capacity.any(["lab", "quarter"]).values
    unreachable = all_draws.speed_unreachable.values
    questionable = all_draws.pue_above_capacity_ratio.values | unreachable | exceeds
    ds = sim.simulate(base, draws=DRAWS)
    assert ds.attrs["draws_questionable"] == questionable.sum() > 0
    assert ds.sizes["draw"] == DRAWS
    (line,) = (line for line in odd(ds) if "draws are questionable" in line)
    assert line.startswith(f"{questionable.sum():,} draws are questionable (")
    assert f"demand above capacity {exceeds.sum():,}" in line
    dropped = sim.simulate(base, draws=DRAWS, drop_questionable=True)
    np.testing.assert_array_equal(dropped.draw, np.flatnonzero(~questionable))
    assert dropped.attrs["draws_questionable"] == questionable.sum()
    assert_moments_of(dropped, all_draws, dropped.draw.values)
    summary = sim.summarise(dropped)
    assert np.nanmax(summary.p_demand_exceeds_capacity) == 0
    (line,) = (line for line in odd(dropped) if "questionable" in line)
    assert line.startswith(f"{questionable.sum():,} questionable draws are left out")


def test_a_run_of_questionable_draws_alone_is_refused_if_they_are_dropped() -> None:
    distribution = {"family": "normal", "mean": 1.3, "sd": 0.1, "loads": {"power": 0.99}}
    scenario = load({"hardware.pue": distribution, "factors.power": 3})
    assert sim.simulate(scenario, draws=64).attrs["draws_questionable"] == 64
    with pytest.raises(sim.RunError, match="64 are questionable; no draw is left"):
        sim.simulate(scenario, draws=64, drop_questionable=True)


def test_options_that_drop_draws_change_the_digest(base: Scenario) -> None:
    usual = sim.simulate(base, draws=32)
    others = [
        sim.simulate(base, draws=32, **options).attrs["digest"]
        for options in ({"bad_draws": "keep"}, {"bad_draws": "drop"}, {"drop_questionable": True})
    ]
    assert len({usual.attrs["digest"], *others}) == 4


def test_an_unknown_policy_for_bad_draws_is_refused(base: Scenario) -> None:
    with pytest.raises(sim.InputError, match="bad_draws: unknown policy 'dorp'; did you mean 'dr"):
        sim.simulate(base, draws=32, bad_draws="dorp")


def test_input_names_are_those_of_parameter_files(base: Scenario) -> None:
    layout = layout_of(len(base.labs), len(base.landlords))
    names = draw_quality.input_names(base, layout)
    full_names = set(names.values())
    assert len(full_names) == len(names)
    assert set(base.quantities) <= full_names
    assert {"shocks.eps_price.2027Q1", "shocks.capital_crunch", "hardware.pue"} <= full_names


def test_an_explanation_names_no_input_by_chance(base: Scenario) -> None:
    """Draws marked as bad at random do not differ from the others."""
    state = drawn(base, 4_000, 1, "random")
    chosen = np.random.default_rng(1).choice(4_000, 300, replace=False)
    state.running.bad, state.running.bad_numbers = len(chosen), np.sort(chosen)
    assert "In them" not in draw_quality.explain_bad_draws(state)


def test_numbers_that_a_few_draws_own_are_reported(base: Scenario) -> None:
    """A return is a lab's revenue less its costs, each a product of many inputs."""
    wide = load({"model.uncertainty": 2})
    ds = sim.simulate(wide, draws=4_096, bad_draws="drop")
    owned, unsettled = (line for line in odd(ds) if OWNED.search(line))
    assert re.search(r"\d+ % of the tail mean of training_npv_busd \(0\.95, \w+\)", owned)
    assert "read medians" in owned
    assert "no draws are kept: " in unsettled
    narrow = sim.simulate(load({"model.uncertainty": 0.5}), draws=4_096)
    assert not any("training_npv_busd" in line for line in odd(narrow))
    few = sim.simulate(wide, draws=1_000, bad_draws="drop")
    assert not any(OWNED.search(line) for line in odd(few))


def test_the_manifest_of_a_run_reports_dropped_draws(tmp_path: Path) -> None:
    done = stored(load(OFTEN), tmp_path, draws=640, bad_draws="drop", figures=False)
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["bad_draws"] == "drop"
    assert manifest["draws"] == 640
    assert manifest["draws_not_finite"] == 640 - done.ds.sizes["draw"] > 0
    assert "average_arr (" in manifest["draws_not_finite_why"]
    assert manifest["drop_questionable"] is False
    with xr.open_dataset(done.folder / "run.nc", engine="h5netcdf") as on_disk:
        xr.testing.assert_equal(sim.redraw(on_disk.load()), done.ds)
        assert on_disk.attrs["draws_not_finite"] == manifest["draws_not_finite"]


def test_the_run_command_follows_the_policy_for_bad_draws(invoke: Command, tmp_path: Path) -> None:
    distribution = ["--set", "labs.openai.arr_2026q4_busd.mean=46"]
    overlay = tmp_path / "wide.toml"
    overlay.write_text(
        f'format = 1\nextends = "{BASE}"\n[labs.openai.arr_2026q4_busd]\nfamily = "normal"\n'
        'mean = 46\nsd = 30\nunit = "USD bn"\nsource = "judgement"\nnote = "n"\n'
    )
    common = ["run", str(overlay), "--draws", "640", "--no-figures"]
    failed = invoke(*common)
    assert failed.returncode == 1, failed.stderr
    assert "more than 0.1 %" in failed.stderr
    assert runs_in(tmp_path / "outputs") == []
    done = invoke(*common, "--bad-draws", "drop", "--drop-questionable", "--json", *distribution)
    assert done.returncode == 0, done.stderr
    assert "WARNING" in done.stderr
    (document,) = json.loads(done.stdout)
    assert document["draws"] == 640
    assert document["draws_not_finite"] > 0
    assert any("left out of the draws" in remark for remark in document["remarks"])
    wrong = invoke(*common, "--bad-draws", "ignore")
    assert wrong.returncode == 2
    assert "--bad-draws: unknown policy 'ignore'; known: fail, drop, keep" in wrong.stderr


def test_scenarios_with_different_dropped_draws_are_paired_by_number() -> None:
    """They differ in dropped draws alone: shared draws are equal."""
    scenario = load(OFTEN)
    measures = headline_measures(scenario)
    runs = [
        measure_run(sim.simulate(scenario, draws=DRAWS, bad_draws=policy), scenario, measures)
        for policy in ("keep", "drop")
    ]
    assert runs[1].numbers.size < runs[0].numbers.size
    found = compare_runs(*runs, measures).data.isel(measure=0)
    assert str(found.measure.values) == "p5(inference_gross_margin@2026Q4)"
    assert abs(float(found.difference)) < 0.02
    assert float(found.difference_error) == 0
