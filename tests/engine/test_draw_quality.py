"""Draws that are not finite, or questionable: which count, what is said, what a run is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, Command, runs_in
from drawing import drawn

import sim
from sim import tables
from sim.engine import draw_quality
from sim.model.blocks import replicate_of
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import dataset
from sim.store import run as store_run
from sim.tables import comparison

BASE = ROOT / "params" / "base.toml"
OFTEN = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 30}}  # 6 % below 0
SELDOM = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 13}}  # 0.02 %
DRAWS = 6_000  # not a whole number of tiles or blocks
COUNT, MEAN, M2 = "replicate_count", "_replicate_mean", "_replicate_m2"


def load(changes: Mapping[str, Any]) -> Scenario:
    return sim.load(BASE, set=dict(changes))


@pytest.fixture(scope="module")
def kept() -> xr.Dataset:
    return sim.simulate(load(OFTEN), draws=DRAWS, bad_draws="keep")


@pytest.fixture(scope="module")
def dropped() -> xr.Dataset:
    return sim.simulate(load(OFTEN), draws=DRAWS, bad_draws="drop")


def good(ds: xr.Dataset) -> np.ndarray:
    """The draws in which OpenAI has revenue: the others are bad in these scenarios."""
    return ~np.isnan(ds.lab_paid_margin.sel(lab="openai").values).any(axis=-1)


def stressed(sd: float) -> Scenario:
    """OpenAI's revenue some three sds below its mean: at an sd of 16, bad in nine of ten draws."""
    distribution = {"family": "normal", "mean": 46, "sd": sd, "loads": {"demand": 0.99}}
    return load({"labs.openai.arr_2026q4_busd": distribution, "factors.demand": -3})


def assert_moments_of(narrow: xr.Dataset, every: xr.Dataset, numbers: np.ndarray) -> None:
    """`narrow` holds the moments of the draws `numbers` of `every`, which holds all draws."""
    replicate = replicate_of(numbers, narrow.attrs["sampler"])
    assert list(narrow[COUNT].values) == list(np.bincount(replicate, minlength=32))
    names = [str(name).removesuffix(MEAN) for name in narrow.data_vars if str(name).endswith(MEAN)]
    assert len(names) > 20
    for name in names:
        values = every[name].sel(draw=numbers).values.astype(float)
        for r in set(replicate):
            part = values[replicate == r]
            mean, m2 = (narrow[name + what].values[r] for what in (MEAN, M2))
            np.testing.assert_allclose(mean, part.mean(axis=0), rtol=1e-9, atol=1e-300)
            # Squares of deviations carry the rounding of the values.
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


def test_probabilities_are_shares_of_the_draws_that_are_left(dropped: xr.Dataset) -> None:
    reached = dropped.lab_paid_margin >= dropped.hurdle_margin
    told = dropped.p_lab_margin_above_hurdle.sel(lab="openai")
    np.testing.assert_array_equal(told, reached.mean("draw").sel(lab="openai"))


def test_moments_are_those_of_the_draws_that_are_left(dropped: xr.Dataset) -> None:
    every = sim.simulate(load(OFTEN), draws=DRAWS, keep="all", bad_draws="keep")
    assert_moments_of(dropped, every, dropped.draw.values)


def test_kept_bad_draws_reach_the_moments_of_what_they_touch(kept: xr.Dataset) -> None:
    arr, bill = (kept[name + MEAN].sel(lab="openai") for name in ("arr", "compute_bill"))
    assert np.isnan(arr).any()
    assert np.isfinite(bill).all()


def test_a_draw_is_bad_for_a_moment_too() -> None:
    """ARR alone has no kept draws, and a moment of it that is nan would tell nothing."""
    moments = sim.simulate(load(SELDOM), draws=20_000)
    some = moments.attrs["draws_not_finite"]
    assert 0 < some <= 20
    assert moments.sizes["draw"] == 20_000 - some
    assert np.isfinite(moments["arr" + MEAN].sel(lab="openai")).all()
    # Of the outputs that are kept here none is touched, so no draw is bad.
    calm = sim.simulate(load(OFTEN), draws=2_000, keep=["gw", "compute_bill"])
    assert calm.attrs["draws_not_finite"] == 0
    assert calm.sizes["draw"] == 2_000


def test_only_moments_may_be_touched() -> None:
    """One output of moments alone becomes infinite; none of which draws are kept does."""
    huge = {"family": "lognormal", "median": 6e13, "sigma": 400}
    ds = sim.simulate(load({"training.train_tokens": huge}), draws=2_048, bad_draws="drop")
    assert 0 < ds.attrs["draws_not_finite"] < 1_024
    assert ds.attrs["draws_not_finite_why"].startswith("Not finite: run_hours (")
    assert "training.train_tokens is high" in ds.attrs["draws_not_finite_why"]
    assert np.isfinite(ds["run_cost_usd" + MEAN]).all()


def test_more_than_one_in_a_thousand_is_refused() -> None:
    with pytest.raises(sim.RunError) as caught:
        sim.simulate(load(OFTEN), draws=DRAWS)
    message = str(caught.value)
    for words in (
        "of 6,000 draws gave a value that is not finite, more than 0.1 %. Not finite: arr (",
        "labs.openai.arr_2026q4_busd is low (median at its p0)",
        "--bad-draws drop",
    ):
        assert words in message


def test_up_to_one_in_a_thousand_are_dropped_and_told() -> None:
    ds = sim.simulate(load(SELDOM), draws=20_000)
    summary = sim.summarise(ds)
    (warning,) = tables.warnings(ds)
    count = ds.attrs["draws_not_finite"]
    assert f"WARNING: {count} of 20,000 draws" in warning
    assert "left out" in warning
    assert "Not finite: arr (" in warning
    assert np.isfinite(summary.arr_mean.sel(lab="openai")).all()
    assert np.isfinite(summary.lab_paid_margin_quantile.sel(lab="openai")).all()


def test_a_run_of_bad_draws_alone_is_refused() -> None:
    scenario = stressed(30)
    for policy in ("fail", "drop"):
        with pytest.raises(sim.RunError, match=r"finite(, more than|; no draw is left)"):
            sim.simulate(scenario, draws=64, bad_draws=policy)
    assert sim.simulate(scenario, draws=64, bad_draws="keep").sizes["draw"] == 64


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_threads_and_chunks_change_no_bit(policy: str) -> None:
    found = [
        drawn(
            load(OFTEN), 3_000, 1, "random", threads=threads, chunk=tiles * 1_024,
            bad_draws=policy, drop_questionable=True,
        )
        for threads, tiles in ((1, 8), (2, 1))
    ]  # fmt: skip
    one, two = found
    for name in ("count", "mean", "m2", "bad", "questionable", "bad_numbers"):
        np.testing.assert_array_equal(getattr(one.running, name), getattr(two.running, name))
    np.testing.assert_array_equal(one.status, two.status)
    np.testing.assert_array_equal(one.store, two.store)
    xr.testing.assert_identical(*(dataset(done, None, policy) for done in found))


def test_blocks_may_lose_every_draw() -> None:
    """Replicates without a draw have no weight."""
    scenario = stressed(16.8)
    ds = sim.simulate(scenario, draws=640, bad_draws="drop", sampler="random")
    count = ds[COUNT].values
    assert (count[:20] == 0).any()
    assert count.sum() == ds.sizes["draw"] > 0
    every = sim.simulate(scenario, draws=640, keep="all", bad_draws="keep", sampler="random")
    assert_moments_of(ds, every, ds.draw.values)
    assert np.isfinite(sim.summarise(ds).arr_mean.sel(lab="openai")).all()


@pytest.mark.parametrize("draws", [640, 2_500])
def test_moments_of_sobol_draws_are_kept_by_sequence(base: Scenario, draws: int) -> None:
    options = {"draws": draws, "sampler": "sobol", "drop_questionable": True}
    ds = sim.simulate(base, **options)
    every = sim.simulate(base, **options, keep="all")
    assert_moments_of(ds, every, ds.draw.values)
    dropped = sim.simulate(load(OFTEN), draws=draws, sampler="sobol", bad_draws="drop")
    assert 0 < dropped.sizes["draw"] < draws
    every = sim.simulate(load(OFTEN), draws=draws, sampler="sobol", bad_draws="keep", keep="all")
    assert_moments_of(dropped, every, dropped.draw.values)


def test_questionable_draws_are_kept_counted_and_left_out_on_request(base: Scenario) -> None:
    every = sim.simulate(base, draws=DRAWS, keep="all")
    doubtful = every.pue_above_capacity_ratio.values | ~every.fits_in_memory.values
    ds = sim.simulate(base, draws=DRAWS)
    assert ds.attrs["draws_questionable"] == doubtful.sum() > 0
    assert ds.sizes["draw"] == DRAWS
    (line,) = (r for r in tables.quality(ds, sim.summarise(ds)) if r.startswith("Questionable"))
    assert f"kept: {doubtful.sum():,}; in" in line
    without = sim.simulate(base, draws=DRAWS, drop_questionable=True)
    np.testing.assert_array_equal(without.draw, np.flatnonzero(~doubtful))
    assert without.attrs["draws_questionable"] == doubtful.sum()
    assert_moments_of(without, every, without.draw.values)
    summary = sim.summarise(without)
    assert float(summary.fits_in_memory_mean) == 1
    (line,) = (r for r in tables.quality(without, summary) if r.startswith("Questionable"))
    assert f"left out: {doubtful.sum():,}" in line


def test_a_run_of_questionable_draws_alone_may_be_asked_for_without_them() -> None:
    distribution = {"family": "normal", "mean": 1.3, "sd": 0.1, "loads": {"power": 0.99}}
    scenario = load({"hardware.pue": distribution, "factors.power": 3})
    assert sim.simulate(scenario, draws=64).attrs["draws_questionable"] == 64
    with pytest.raises(sim.RunError, match="64 are questionable; no draw is left"):
        sim.simulate(scenario, draws=64, drop_questionable=True)


def test_what_is_dropped_names_the_run(base: Scenario) -> None:
    usual = sim.simulate(base, draws=32)
    others = [
        sim.simulate(base, draws=32, **options).attrs["digest"]
        for options in ({"bad_draws": "keep"}, {"bad_draws": "drop"}, {"drop_questionable": True})
    ]
    assert len({usual.attrs["digest"], *others}) == 4


def test_an_unknown_policy_is_bad_input(base: Scenario) -> None:
    with pytest.raises(sim.InputError, match="bad_draws: unknown policy 'dorp'; did you mean 'dr"):
        sim.simulate(base, draws=32, bad_draws="dorp")


def test_inputs_are_named_as_files_name_them(base: Scenario) -> None:
    layout = layout_of(len(base.labs), len(base.landlords))
    names = draw_quality.input_names(base, layout)
    known = set(names.values())
    assert len(known) == len(names)
    assert set(base.quantities) <= known
    assert {"shocks.eps_price.2027Q1", "shocks.capital_crunch", "hardware.pue"} <= known


def test_an_explanation_names_no_input_by_chance(base: Scenario) -> None:
    """Draws that are called bad at random differ from the others in nothing."""
    done = drawn(base, 4_000, 1, "random")
    chosen = np.random.default_rng(1).choice(4_000, 300, replace=False)
    done.running.bad, done.running.bad_numbers = len(chosen), np.sort(chosen)
    assert "In them" not in draw_quality.explanation(done)


def test_spreads_that_do_not_settle_are_told(base: Scenario) -> None:
    """In the base case 22 draws of 100,000 leave no HBM: cost per token goes with one over it."""
    wide = load({"model.uncertainty": 2})
    ds = sim.simulate(wide, draws=4_096, bad_draws="drop")
    lines = [line for line in tables.quality(ds, sim.summarise(ds)) if "do not converge" in line]
    assert "compute_cost (20" in lines[0]
    assert "read the quantiles instead" in lines[0]
    ds = sim.simulate(base, draws=4_096, sampler="random")  # none of those 22 is among them
    calm = sim.summarise(ds)
    assert not any("do not converge" in line for line in tables.quality(ds, calm))
    few = sim.simulate(wide, draws=1_000, bad_draws="drop")
    assert not any("do not converge" in line for line in tables.quality(few, sim.summarise(few)))


def test_the_folder_of_a_run_says_what_was_left_out(tmp_path: Path) -> None:
    done = store_run.run(load(OFTEN), tmp_path, draws=640, bad_draws="drop", figures=False)
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["bad_draws"] == "drop"
    assert manifest["draws"] == 640
    assert manifest["draws_not_finite"] == 640 - done.ds.sizes["draw"] > 0
    assert "arr (" in manifest["draws_not_finite_why"]
    assert manifest["drop_questionable"] is False
    with xr.open_dataset(done.folder / "run.nc", engine="h5netcdf") as stored:
        xr.testing.assert_equal(stored.load(), done.ds)
        assert stored.attrs["draws_not_finite"] == manifest["draws_not_finite"]


def test_the_command_line_drops_keeps_or_fails(invoke: Command, tmp_path: Path) -> None:
    distribution = ["--set", "labs.openai.arr_2026q4_busd.mean=46"]
    overlay = tmp_path / "wide.toml"
    overlay.write_text(
        f'format = 1\nextends = "{BASE}"\n[labs.openai.arr_2026q4_busd]\nfamily = "normal"\n'
        'mean = 46\nsd = 30\nunit = "USD bn"\nsource = "judgement"\n'
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


def test_scenarios_of_which_other_draws_are_left_out_are_paired_by_number() -> None:
    """Where nothing differs but what is left out, shared draws differ by nothing."""
    every, some = (
        comparison.compared(sim.simulate(load(OFTEN), draws=DRAWS, bad_draws=policy))
        for policy in ("keep", "drop")
    )
    rows = dict(comparison.side_by_side([every, some]).rows)
    (margin, *_) = rows["  vs base"]
    assert isinstance(margin, tables.Cell)
    assert abs(margin.value) < 0.02
    assert margin.error == 0
