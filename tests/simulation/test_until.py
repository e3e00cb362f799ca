from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, Command, runs_in
from drawing import drawn

import sim
from sim.common.errors import InputError
from sim.engine import loop
from sim.parameters.scenario import Scenario
from sim.simulation import until
from sim.simulation.until import STEP, TargetStatus, next_size, parse, simulate_until
from sim.store import run as store_run

BASE = str(ROOT / "params" / "base.toml")
MARGIN = "p5(inference_gross_margin@2026Q4)"


@pytest.mark.parametrize(
    ("sampler", "threads"), [("random", 1), ("stratified", 1), ("stratified", 2), ("sobol", 2)]
)
def test_an_extended_run_is_one_run_bit_for_bit(base: Scenario, sampler: str, threads: int) -> None:
    total = 5 * 1_024 + 100
    whole = drawn(base, total, 3, sampler, threads=threads)
    part = None
    for draws in (1_024, 4 * 1_024 + 1, total):
        told: list[int] = []
        before = part.draws // 1_024 * 1_024 if part else 0  # an end of a tile is drawn again
        part = drawn(base, draws, 3, sampler, threads=threads, progress=told.append, after=part)
        assert sum(told) == draws - before
    assert part is not None
    np.testing.assert_array_equal(part.store, whole.store)
    np.testing.assert_array_equal(part.status, whole.status)
    for name in ("count", "mean", "m2"):
        found, told_at_once = getattr(part.running, name), getattr(whole.running, name)
        np.testing.assert_array_equal(found, told_at_once, err_msg=name)


def test_what_is_extended_is_left_as_it_was(base: Scenario) -> None:
    part = drawn(base, 1_024, seed=3)
    mean = part.running.mean.copy()
    drawn(base, 2_048, seed=3, after=part)
    np.testing.assert_array_equal(part.running.mean, mean)
    assert part.running.count.sum() == part.draws == 1_024


def test_only_the_same_question_is_extended(base: Scenario) -> None:
    part = drawn(base, 1_024, seed=3)
    for options in ({"seed": 4}, {"seed": 3, "uncertainty": 0.5}, {"seed": 3, "keep": ["gw"]}):
        with pytest.raises(ValueError, match="after: expected a result of the same scenario"):
            drawn(base, 2_048, after=part, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="after: expected at most 512 draws, got 1024"):
        drawn(base, 512, seed=3, after=part)


def test_draws_are_added_until_every_target_is_met(base: Scenario) -> None:
    sizes: list[int] = []
    told: list[int] = []
    targets = [f"{MARGIN} +- 0.006", "mean(arr[xai]@2027Q4) ± 1", "P(gw[openai]@2027Q4>10) +/- .01"]
    ds = simulate_until(base, targets, seed=5, sized=sizes.append, progress=told.append)
    draws = ds.sizes["draw"]
    assert sizes[0] == STEP
    assert sizes[-1] == draws == sum(told)
    assert len(sizes) > 1
    assert all(size % STEP == 0 for size in sizes)
    found = json.loads(ds.attrs["until"])
    assert [f["target"] for f in found] == targets
    assert all(f["met"] for f in found)
    assert found[0]["error"] <= 0.006
    one = sim.simulate(base, draws, seed=5)
    xr.testing.assert_identical(ds.drop_attrs(), one.drop_attrs())
    assert {k: v for k, v in ds.attrs.items() if k != "until"} == one.attrs
    assert found[0]["value"] == float(
        sim.summarise(one).inference_gross_margin_quantile.sel(quarter="2026Q4", quantile=0.05)
    )


SELDOM = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 13.5}}
OFTEN = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 30}}


def revenue(changes: dict[str, object]) -> Scenario:
    """OpenAI's revenue is below 0 now and then, and its margin then not a number."""
    return sim.load(BASE, set=changes)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        (OFTEN, {"bad_draws": "drop"}),
        (OFTEN, {"bad_draws": "drop", "drop_questionable": True}),
        (OFTEN, {"bad_draws": "keep"}),
        (SELDOM, {"bad_draws": "fail", "drop_questionable": True}),
    ],
)
def test_draws_that_are_left_out_are_those_of_one_run(
    changes: dict[str, object], options: dict[str, object]
) -> None:
    scenario = revenue(changes)
    targets = [
        f"{MARGIN} +- 0.006",
        "mean(unit_cost[hbm_depreciation,online_inference]@2026Q4) +- 1",
    ]
    sizes: list[int] = []
    ds = simulate_until(scenario, targets, seed=5, sized=sizes.append, **options)  # type: ignore[arg-type]
    assert len(sizes) > 1
    one = sim.simulate(scenario, sizes[-1], seed=5, **options)  # type: ignore[arg-type]
    assert one.attrs["draws_not_finite"] > 0
    assert one.attrs["draws_not_finite_why"].startswith("Not finite")
    assert (one.sizes["draw"] < sizes[-1]) == (options["bad_draws"] != "keep")
    xr.testing.assert_identical(ds.drop_attrs(), one.drop_attrs())
    found = json.loads(ds.attrs.pop("until"))
    assert ds.attrs == one.attrs
    summary = sim.summarise(one)
    error = summary.inference_gross_margin_quantile_error.sel(quarter="2026Q4", quantile=0.05)
    assert found[0]["error"] == float(error)
    assert found[1]["value"] == pytest.approx(
        float(
            summary.unit_cost_mean.sel(
                layer="hbm_depreciation", regime="online_inference", quarter="2026Q4"
            )
        )
    )


def test_bad_draws_are_judged_over_all_draws(
    base: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few too many at first may be chance: they are no reason to stop, and many are."""
    most = 0.001 * STEP
    run = loop.run

    def unlucky(*arguments: object, **options: object) -> loop.Draws:
        done = run(*arguments, **options)  # type: ignore[arg-type]
        done.running.bad = int(most) + 1
        done.running.bad_numbers = np.arange(done.running.bad)
        return done

    monkeypatch.setattr(loop, "run", unlucky)
    with pytest.raises(sim.RunError, match="9 of 8,192 draws gave a value that is not finite"):
        simulate_until(base, [f"{MARGIN} +- 1"])
    assert simulate_until(base, [f"{MARGIN} +- 0.006"], seed=5).attrs["draws_not_finite"] == 9


def test_too_many_bad_draws_end_it_at_once() -> None:
    sizes: list[int] = []
    with pytest.raises(sim.RunError, match=r"of 8,192 draws gave a value .* more than 0\.1 %"):
        simulate_until(revenue(OFTEN), [f"{MARGIN} +- 1e-6"], sized=sizes.append)
    assert sizes == [STEP]


def test_kept_bad_draws_tell_no_error_of_what_they_touch() -> None:
    ds = simulate_until(
        revenue(OFTEN), "p50(lab_paid_margin[openai]@2026Q2) +- 1e-9", 2 * STEP, bad_draws="keep"
    )
    assert ds.attrs["draws"] == STEP
    (line,) = until.remarks(ds)
    assert line.endswith("= nan (asked for 1e-09: draws tell no error)")


def test_the_most_draws_end_it(base: Scenario) -> None:
    ds = simulate_until(base, f"{MARGIN} +- 1e-6", 20_000)
    assert ds.attrs["draws"] == 2 * STEP  # the most that is a whole number of steps
    (found,) = json.loads(ds.attrs["until"])
    assert not found["met"]
    line, end = until.remarks(ds)
    assert line.endswith("(asked for 1e-06: NOT REACHED)")
    assert end == "until: of at most 20,000 draws, 16,384 are a multiple of 8,192"
    assert until.warnings(ds) == [line, end]
    whole = simulate_until(base, f"{MARGIN} +- 1e-6", 2 * STEP)
    assert len(until.remarks(whole)) == 1  # what was asked for says it


def test_draws_to_begin_with_are_whole_steps(base: Scenario) -> None:
    ds = simulate_until(base, [f"{MARGIN} +- 1"], draws=9_000)
    assert ds.attrs["draws"] == 2 * STEP
    with pytest.raises(InputError) as error:
        simulate_until(base, [f"{MARGIN} +- 1", "p5(gw@2027Q4) +- 1"], 10_000, draws=9_000)
    assert [str(fault).partition("; known")[0] for fault in error.value.faults] == [
        "simulate_until: max_draws: expected at least the 16,384 draws to begin with, got 10,000",
        "simulate_until: p5(gw@2027Q4): say a lab, e.g. [openai]",
    ]
    with pytest.raises(InputError, match="targets: none is given; expected an expression and its"):
        simulate_until(base, [])
    with pytest.raises(InputError, match="simulate_until: 5: expected an expression and its error"):
        simulate_until(base, [5])  # type: ignore[list-item]
    with pytest.raises(InputError, match="max_draws: expected at least 8,192"):
        simulate_until(base, [f"{MARGIN} +- 1"], 8_000)


def test_what_draws_cannot_tell_is_not_waited_for(base: Scenario) -> None:
    """A lab without ARR, and an event that no draw shows: three in n bounds it."""
    ds = simulate_until(
        base,
        ["p50(lab_paid_margin[deepseek]@2026Q4) +- 0.1", "P(gw[meta]@2027Q4 >= 1e4) +- 0.0003"],
    )
    silent, never = json.loads(ds.attrs["until"])
    assert silent == {**silent, "value": None, "error": None, "met": False}
    assert never["value"] == 0
    assert never["met"]
    assert never["error"] == 3 / ds.attrs["draws"] <= 0.0003
    first, second = until.remarks(ds)
    assert first.endswith("= nan (asked for 0.1: draws tell no error)")
    assert second == "until: P(gw[meta]@2027Q4 >= 1e4) < 0.0002 (asked for 0.0003)"


def test_an_infinite_value_is_told_and_not_met(base: Scenario) -> None:
    sizes: list[int] = []
    aim = "p50(payback_months[openai]) +- 0.1"
    ds = simulate_until(base, [aim], 4 * STEP, sized=sizes.append)
    assert sizes == [STEP]  # more draws would make it no less infinite
    (found,) = json.loads(ds.attrs["until"])
    assert found == {"target": aim, "value": None, "error": 0.0, "infinite": True, "met": False}
    assert until.remarks(ds) == [
        "until: p50(payback_months[openai]) = infinite"
        " (asked for 0.1: there is no finite value to pin down)"
    ]


def test_sizes_follow_from_the_errors() -> None:
    target = parse(f"{MARGIN} +- 0.01")

    def following(error: float, size: int = 10 * STEP, most: int = 1_000 * STEP) -> float:
        return next_size(size, [TargetStatus(target, 0.5, error)], most) / STEP

    assert following(0.01) == following(0.0) == following(math.nan) == 10
    assert following(0.0101) == 13  # a quarter more at least, in whole steps
    assert following(0.012) == 16
    assert following(0.05) == following(math.inf) == 40
    assert following(0.05, most=30 * STEP) == 30
    assert following(math.nan, size=100) > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MARGIN, 'expected an expression and its error, "p5(inference_gross_margin@2026Q4) +- 0.0'),
        (f"{MARGIN} +- 0", "expected a standard error above 0, got '0'"),
        (f"{MARGIN} +- tiny", "expected a standard error above 0, got 'tiny'"),
        (f"{MARGIN} +- 1 %", "expected"),
        ("p5(gw@@) +- 1", "expected stat(output"),
    ],
)
def test_targets_that_do_not_read_are_told(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert message in str(error.value)
    assert str(error.value).startswith("--until: ")


def test_the_command_adds_draws_and_says_so(invoke: Command, tmp_path: Path) -> None:
    asked = ["--until", f"{MARGIN} +- 0.009", "--until", "mean(tps_decode) ± 1e-3"]
    done = invoke("run", BASE, *asked, "--max-draws", "20000", "--no-figures", "--seed", "5")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert f"until: {MARGIN} = " in done.stdout
    assert "(asked for 0.009)" in done.stdout
    assert "(asked for 0.001: NOT REACHED)" in done.stdout
    (folder,) = runs_in(tmp_path / "outputs")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["draws"] == 2 * STEP
    assert [found["met"] for found in manifest["until"]] == [True, False]
    quiet = invoke("run", BASE, *asked[2:], "--max-draws", "8192", "--no-figures", "--quiet")
    assert "NOT REACHED" in " ".join(quiet.stderr.split())
    assert len(quiet.stdout.splitlines()) == 1
    again = invoke("run", BASE, *asked[:2], "--json", "--no-figures", "--seed", "5")
    (document,) = json.loads(again.stdout)
    assert document["until"][0]["met"]
    assert document["until"][0]["error"] <= 0.009


def test_faults_of_targets_are_told_with_those_of_other_options(
    invoke: Command, tmp_path: Path
) -> None:
    done = invoke(
        "run", BASE, "--until", "p5(gw) + 1", "--max-draws", "ten", "--seed", "-1",
    )  # fmt: skip
    assert done.returncode == 2
    for words in ("--until: p5(gw) + 1: expected an expr", "--max-draws: expected", "--seed: exp"):
        assert words in done.stderr
    done = invoke("run", BASE, "--until", "p5(gw@2026Q4) +- 1", "--lab", "openia")
    assert done.returncode == 2
    assert "--until: p5(gw@2026Q4): say a lab, e.g. [" in done.stderr
    assert "--lab: no such lab" in done.stderr
    assert (
        "--max-draws: has no effect without --until"
        in invoke("run", BASE, "--max-draws", "9").stderr
    )
    assert not (tmp_path / "outputs").exists()


def test_targets_are_stored_with_the_run(base: Scenario, tmp_path: Path) -> None:
    done = store_run.run(base, tmp_path, until=[parse(f"{MARGIN} ± 1")], figures=False)
    with xr.open_dataset(done.folder / "run.nc", engine="h5netcdf") as stored:
        assert json.loads(stored.attrs["until"])[0]["target"] == f"{MARGIN} ± 1"
