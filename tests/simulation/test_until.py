from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, Command, runs_in
from drawing import drawn, stored

import sim
from sim.common.errors import InputError
from sim.engine import loop
from sim.engine.state import SimulationState
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.simulation import until
from sim.simulation.until import STEP, TargetStatus, next_size, parse, simulate_until

BASE = str(ROOT / "params" / "base.toml")
MARGIN = "p5(inference_gross_margin@2026Q4)"


@pytest.mark.parametrize(
    ("sampler", "threads"), [("random", 1), ("stratified", 1), ("stratified", 2), ("sobol", 2)]
)
def test_extended_run_has_the_bits_of_a_single_run(
    base: Scenario, sampler: str, threads: int
) -> None:
    total = 5 * 1_024 + 100
    full = drawn(base, total, 3, sampler, threads=threads)
    extended = None
    for draws in (1_024, 4 * 1_024 + 1, total):
        done_draws: list[int] = []
        # An incomplete tile is evaluated again.
        reused = extended.draws // 1_024 * 1_024 if extended else 0
        extended = drawn(
            base, draws, 3, sampler, threads=threads, progress=done_draws.append, after=extended
        )
        assert sum(done_draws) == draws - reused
    assert extended is not None
    np.testing.assert_array_equal(extended.values, full.values)
    np.testing.assert_array_equal(extended.status, full.status)
    for name in ("count", "mean", "m2"):
        actual, expected = getattr(extended.running, name), getattr(full.running, name)
        np.testing.assert_array_equal(actual, expected, err_msg=name)


def test_extension_does_not_change_the_state_it_extends(base: Scenario) -> None:
    state = drawn(base, 1_024, seed=3)
    mean = state.running.mean.copy()
    drawn(base, 2_048, seed=3, after=state)
    np.testing.assert_array_equal(state.running.mean, mean)
    assert state.running.count.sum() == state.draws == 1_024


def test_extension_refuses_states_of_other_options(base: Scenario) -> None:
    state = drawn(base, 1_024, seed=3)
    for options in ({"seed": 4}, {"seed": 3, "uncertainty": 0.5}, {"seed": 3, "keep": ["gw"]}):
        with pytest.raises(ValueError, match="after: expected a result of the same scenario"):
            drawn(base, 2_048, after=state, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="after: expected at most 512 draws, got 1024"):
        drawn(base, 512, seed=3, after=state)


def test_draws_are_added_until_every_target_is_met(base: Scenario) -> None:
    sizes: list[int] = []
    done_draws: list[int] = []
    targets = [f"{MARGIN} +- 0.006", "mean(arr[xai]@2027Q4) ± 1", "P(gw[openai]@2027Q4>10) +/- .01"]
    ds = simulate_until(base, targets, seed=5, sized=sizes.append, progress=done_draws.append)
    draws = ds.sizes["draw"]
    assert sizes[0] == STEP
    assert sizes[-1] == draws == sum(done_draws)
    assert len(sizes) > 1
    assert all(size % STEP == 0 for size in sizes)
    outcomes = json.loads(ds.attrs["until"])
    assert [outcome["target"] for outcome in outcomes] == targets
    assert all(outcome["met"] for outcome in outcomes)
    assert outcomes[0]["error"] <= 0.006
    single_run = sim.simulate(base, draws, seed=5)
    xr.testing.assert_identical(ds.drop_attrs(), single_run.drop_attrs())
    assert {k: v for k, v in ds.attrs.items() if k != "until"} == single_run.attrs
    assert outcomes[0]["value"] == float(
        sim.summarise(single_run).inference_gross_margin_quantile.sel(
            quarter="2026Q4", quantile=0.05
        )
    )


SELDOM = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 13.5}}
OFTEN = {"labs.openai.arr_2026q4_busd": {"family": "normal", "mean": 46, "sd": 30}}


def with_revenue(changes: dict[str, object]) -> Scenario:
    """Base case in which OpenAI's revenue is below 0 in some draws, and its margin NaN."""
    return sim.load(BASE, set=changes)


@pytest.mark.long  # it extends runs draw by draw
@pytest.mark.parametrize(
    ("changes", "options"),
    [
        (OFTEN, {"bad_draws": "drop"}),
        (OFTEN, {"bad_draws": "drop", "drop_questionable": True}),
        (OFTEN, {"bad_draws": "keep"}),
        (SELDOM, {"bad_draws": "fail", "drop_questionable": True}),
    ],
)
def test_left_out_draws_are_those_of_a_single_run(
    changes: dict[str, object], options: dict[str, object]
) -> None:
    scenario = with_revenue(changes)
    targets = [
        f"{MARGIN} +- 0.006",
        "mean(unit_cost[hbm_depreciation,online_inference]@2026Q4) +- 1",
    ]
    sizes: list[int] = []
    ds = simulate_until(scenario, targets, seed=5, sized=sizes.append, **options)  # type: ignore[arg-type]
    assert len(sizes) > 1
    single_run = sim.simulate(scenario, sizes[-1], seed=5, **options)  # type: ignore[arg-type]
    assert single_run.attrs["draws_not_finite"] > 0
    assert single_run.attrs["draws_not_finite_why"].startswith("Not finite")
    assert (single_run.sizes["draw"] < sizes[-1]) == (options["bad_draws"] != "keep")
    xr.testing.assert_identical(ds.drop_attrs(), single_run.drop_attrs())
    outcomes = json.loads(ds.attrs.pop("until"))
    assert ds.attrs == single_run.attrs
    summary = sim.summarise(single_run)
    error = summary.inference_gross_margin_quantile_error.sel(quarter="2026Q4", quantile=0.05)
    assert outcomes[0]["error"] == float(error)
    assert outcomes[1]["value"] == pytest.approx(
        float(
            summary.unit_cost_mean.sel(
                layer="hbm_depreciation", regime="online_inference", quarter="2026Q4"
            )
        )
    )


def test_limit_of_bad_draws_applies_to_all_draws(
    base: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slightly too many among the first draws may be chance and do not end the run."""
    most = 0.001 * STEP
    run = loop.run

    def unlucky(*arguments: object, **options: object) -> SimulationState:
        done = run(*arguments, **options)  # type: ignore[arg-type]
        done.running.bad = int(most) + 1
        done.running.bad_numbers = np.arange(done.running.bad)
        return done

    monkeypatch.setattr(loop, "run", unlucky)
    with pytest.raises(sim.RunError, match="9 of 8,192 draws gave a value that is not finite"):
        simulate_until(base, [f"{MARGIN} +- 1"])
    assert simulate_until(base, [f"{MARGIN} +- 0.006"], seed=5).attrs["draws_not_finite"] == 9


def test_too_many_bad_draws_end_the_run_at_once() -> None:
    sizes: list[int] = []
    with pytest.raises(sim.RunError, match=r"of 8,192 draws gave a value .* more than 0\.1 %"):
        simulate_until(with_revenue(OFTEN), [f"{MARGIN} +- 1e-6"], sized=sizes.append)
    assert sizes == [STEP]


def test_target_with_kept_bad_draws_has_no_error() -> None:
    ds = simulate_until(
        with_revenue(OFTEN),
        "p50(lab_paid_margin[openai]@2026Q4) +- 1e-9",
        2 * STEP,
        bad_draws="keep",
    )
    assert ds.attrs["draws"] == STEP
    (line,) = until.remarks(ds)
    assert line.endswith("= nan (asked for 1e-09: no error can be estimated)")


def test_what_is_formed_ends_at_the_draws_that_are_kept_and_says_so(base: Scenario) -> None:
    options = run_options(base, STEP, 1, "stratified", kept_draws=STEP)
    targets = [parse(f"{text} +- 1e-6") for text in (f"{MARGIN} - 0.1", MARGIN)]
    for target, draws in zip(targets, (STEP, 2 * STEP), strict=True):
        state, text = until.run_until(base, options, [target], 2 * STEP, None, lambda size: None)
        assert state.completed.draws == draws
        (outcome,) = json.loads(text)
        kept = "what is formed of values is of kept draws, 8,192 at most"
        assert outcome.get("end") == (kept if draws == STEP else None)


def test_run_ends_at_max_draws(base: Scenario) -> None:
    ds = simulate_until(base, f"{MARGIN} +- 1e-6", 20_000)
    assert ds.attrs["draws"] == 2 * STEP  # the most that is a whole number of steps
    (outcome,) = json.loads(ds.attrs["until"])
    assert not outcome["met"]
    line, end = until.remarks(ds)
    assert line.endswith("(asked for 1e-06: NOT REACHED)")
    assert end == "until: of at most 20,000 draws, 16,384 are a multiple of 8,192"
    assert until.warnings(ds) == [line, end]
    full = simulate_until(base, f"{MARGIN} +- 1e-6", 2 * STEP)
    assert len(until.remarks(full)) == 1  # the limit itself is a whole number of steps


def test_first_draws_are_rounded_up_to_whole_steps(base: Scenario) -> None:
    ds = simulate_until(base, [f"{MARGIN} +- 1"], draws=9_000)
    assert ds.attrs["draws"] == 2 * STEP
    with pytest.raises(InputError) as error:
        simulate_until(base, [f"{MARGIN} +- 1", "p5(gw@2027Q4) +- 1"], 10_000, draws=9_000)
    assert [str(fault).partition("; known")[0] for fault in error.value.faults] == [
        "simulate_until: max_draws: expected at least the 16,384 draws to begin with, got 10,000",
        "simulate_until: p5(gw@2027Q4): say a lab, e.g. [openai]",
    ]
    with pytest.raises(InputError, match="targets: none is given; expected a statistic and its"):
        simulate_until(base, [])
    with pytest.raises(InputError, match="simulate_until: 5: takes a target"):
        simulate_until(base, [5])  # type: ignore[list-item]
    with pytest.raises(InputError, match="max_draws: expected at least 8,192"):
        simulate_until(base, [f"{MARGIN} +- 1"], 8_000)


def test_run_does_not_wait_for_nan_values_or_impossible_events(base: Scenario) -> None:
    """A lab without ARR, and an event in no draw, which is bounded by 3 / n."""
    ds = simulate_until(
        base,
        ["p50(lab_paid_margin[deepseek]@2026Q4) +- 0.1", "P(gw[meta]@2027Q4 >= 1e4) +- 0.0003"],
    )
    nan_outcome, rare_outcome = json.loads(ds.attrs["until"])
    assert nan_outcome == {**nan_outcome, "value": None, "error": None, "met": False}
    assert rare_outcome["value"] == 0
    assert rare_outcome["met"]
    assert rare_outcome["error"] == 3 / ds.attrs["draws"] <= 0.0003
    first, second = until.remarks(ds)
    assert first.endswith("= nan (asked for 0.1: no error can be estimated)")
    assert second == "until: P(gw[meta]@2027Q4 >= 1e4) < 0.0002 (asked for 0.0003)"


def test_infinite_value_is_reported_and_not_met(base: Scenario) -> None:
    sizes: list[int] = []
    target_text = "p50(payback_months[openai]) +- 0.1"
    ds = simulate_until(base, [target_text], 4 * STEP, sized=sizes.append)
    assert sizes == [STEP]  # more draws would make it no less infinite
    (outcome,) = json.loads(ds.attrs["until"])
    infinite = {"value": None, "error": 0.0, "infinite": True, "met": False}
    assert outcome == {"target": target_text, **infinite}
    assert until.remarks(ds) == [
        "until: p50(payback_months[openai]) = infinite (asked for 0.1: no finite value)"
    ]


def test_a_mean_that_a_few_draws_own_is_refused_at_once() -> None:
    """At twice the spreads; in the base case no mean of a headline is."""
    wide = sim.load(BASE, set={"model.uncertainty": 2})
    texts = ["mean(compute_cost[online_inference]@2026Q4) +- 0.02", f"{MARGIN} +- 0.02"]
    ds = simulate_until(wide, texts, seed=4)
    refused, answered = json.loads(ds.attrs["until"])
    assert not refused["met"]
    assert refused["refused"].startswith("a few draws carry its variance, which 65,53")
    assert answered["met"]
    first, second = until.remarks(ds)
    assert "NOT ANSWERED, a few draws carry its variance" in first
    assert "ask for a quantile" in first
    assert second.endswith("(asked for 0.02)")
    assert until.warnings(ds) == [first]


@pytest.mark.long
def test_runs_that_stop_at_an_error_cover_the_answer(base: Scenario) -> None:
    """Over 200 seeds, each a run of as many draws as its targets need."""
    targets = [
        "p5(inference_gross_margin@2026Q4) +- 0.007", "mean(gw[openai]@2027Q4) +- 0.02",
        "p50(loaded_gross_margin@2026Q4) +- 0.002", "mean(arr[openai]@2026Q4) +- 0.03",
        "P(inference_gross_margin@2026Q4 >= 0.7) +- 0.004", "cvar95(gw[openai]@2027Q4) +- 0.04",
        "mean(compute_bill[openai]@2026Q4) +- 0.2", "sd(gw[openai]@2027Q4) +- 0.02",
        "mean(compute_cost[online_inference]@2026Q4) +- 0.02",
        "mean(inference_gross_margin@2026Q4) +- 0.01",
    ]  # fmt: skip
    runs = []
    for seed in range(200):
        ds = simulate_until(base, targets, 65_536, seed=seed)
        runs.append(json.loads(ds.attrs["until"]))
    for number, target in enumerate(targets):
        outcomes = [run[number] for run in runs]
        assert not any("refused" in outcome for outcome in outcomes), target
        values, errors = np.array([(o["value"], o["error"]) for o in outcomes]).T
        assert (np.abs(values - values.mean()) <= 1.96 * errors).mean() >= 0.9, target


def test_next_size_follows_from_the_errors() -> None:
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
        (MARGIN, "takes a target: p5(inference_gross_margin@2026Q4) +- 0.002; 'p5("),
        (f"{MARGIN} = 0.7", 'expected a statistic and its error, "p5(inference_gross_margin@20'),
        (f"{MARGIN} +- 2", "is a fraction of 1, got 2: fractions: 0.02"),
        (f"{MARGIN} +- 0", "expected a standard error above 0, got 0"),
        (f"{MARGIN} +- tiny", "expected a number, got tiny"),
        (f"{MARGIN} +- 1 %", "expected"),
        ("p5(gw@@) +- 1", "unexpected '@@) +- 1'"),
    ],
)
def test_parse_refuses_invalid_targets(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert message in str(error.value)
    assert str(error.value).startswith("--until: ")


def test_command_adds_draws_and_reports_outcomes(invoke: Command, tmp_path: Path) -> None:
    targets = ["--until", f"{MARGIN} +- 0.009", "--until", "mean(tps_decode) ± 1e-3"]
    done = invoke("run", BASE, *targets, "--max-draws", "20000", "--no-figures", "--seed", "5")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert f"until: {MARGIN} = " in done.stdout
    assert "(asked for 0.009)" in done.stdout
    assert "(asked for 0.001: NOT REACHED)" in done.stdout
    (folder,) = runs_in(tmp_path / "outputs")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["draws"] == 2 * STEP
    assert [outcome["met"] for outcome in manifest["until"]] == [True, False]
    quiet = invoke("run", BASE, *targets[2:], "--max-draws", "8192", "--no-figures", "--quiet")
    assert "NOT REACHED" in " ".join(quiet.stderr.split())
    assert len(quiet.stdout.splitlines()) == 1
    again = invoke("run", BASE, *targets[:2], "--json", "--no-figures", "--seed", "5")
    (document,) = json.loads(again.stdout)
    assert document["until"][0]["met"]
    assert document["until"][0]["error"] <= 0.009


def test_faults_of_targets_are_reported_with_those_of_other_options(
    invoke: Command, tmp_path: Path
) -> None:
    done = invoke(
        "run", BASE, "--until", "p5(gw) + 1", "--max-draws", "ten", "--seed", "-1",
    )  # fmt: skip
    assert done.returncode == 2
    for words in ("--until: p5(gw) + 1: takes a target", "--max-draws: expected", "--seed: exp"):
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
    done = stored(base, tmp_path, until=[parse(f"{MARGIN} ± 1")], figures=False)
    with xr.open_dataset(done.folder / "run.nc", engine="h5netcdf") as on_disk:
        assert json.loads(on_disk.attrs["until"])[0]["target"] == f"{MARGIN} ± 1"
