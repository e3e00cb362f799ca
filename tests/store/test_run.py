from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import xarray as xr
from conftest import runs_in
from drawing import stored
from long_runs import KEPT, TOTAL, assert_same_draws, assert_same_files, store_long_run
from run_folders import as_stored

import sim
from sim import plots
from sim.engine import loop
from sim.parameters.scenario import Scenario
from sim.simulation import until
from sim.statistics.expressions import evaluate, parse
from sim.store import checkpoint, folders, locks, manifest, stored_run
from sim.store import run as store_run

pytestmark = pytest.mark.usefixtures("short_rounds")


def test_digest_depends_on_seed_and_parameters_not_on_draws(base: Scenario, params: Path) -> None:
    def digest(scenario: Scenario, **options: int) -> str:
        return str(sim.simulate(scenario, **{"draws": 32, **options}).attrs["digest"])  # type: ignore[arg-type]

    first = digest(base)
    assert digest(sim.load(params / "base.toml")) == first
    assert digest(base, draws=64) == first
    assert digest(base, seed=2) != first
    assert digest(sim.load(params / "base.toml", set={"model.view": "accounting"})) != first
    assert digest(sim.load(params / "base.toml", set={"hardware.pue.median": 1.21})) != first


def test_digest_depends_on_order_and_names_of_labs(params: Path) -> None:
    """They are coordinates of the stored Dataset."""
    base = sim.load(params / "base.toml")
    moved = sim.load(params / "base.toml", set={"labs.openai.order": 9})
    named = sim.load(params / "base.toml", set={"labs.openai.name": "Open AI"})
    assert len({scenario.digest() for scenario in (base, moved, named)}) == 3


def test_run_refuses_a_folder_that_cannot_be_written_to(base: Scenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(sim.InputError, match="cannot be written to"):
        stored(base, tmp_path / "file", draws=64)
    with pytest.raises(sim.InputError, match="cannot be written to"):
        stored(base, tmp_path / "file" / "below", draws=64)


def test_run_of_more_draws_replaces_the_whole_folder(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "FIGURES", {"margin": plots.margin})  # to be quick
    first = stored(base, tmp_path, draws=300)
    again = stored(base, tmp_path, draws=600, figures=False)
    assert first.folder == again.folder
    assert manifest.stored_draws(again.folder) == 600
    assert not (again.folder / "figures").exists()  # they showed 300 draws
    assert runs_in(tmp_path) == [first.folder]


def test_run_of_fewer_draws_does_not_replace_one_of_more(base: Scenario, tmp_path: Path) -> None:
    more = stored(base, tmp_path, draws=600, figures=False)
    fewer = stored(base, tmp_path, draws=300, figures=False)
    assert (more.stored, fewer.stored) == (True, False)
    assert manifest.stored_draws(fewer.folder) == 600
    assert fewer.ds.sizes["draw"] == 300


def test_stored_run_is_read_without_evaluating_draws(
    base: Scenario, full_run: store_run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "run", None)  # no draw can be evaluated
    before = {path: path.stat().st_mtime_ns for path in full_run.folder.iterdir()}
    again = store_long_run(base, full_run.folder.parent)
    assert (again.drawn, again.reused) == (0, TOTAL)
    assert {path: path.stat().st_mtime_ns for path in full_run.folder.iterdir()} == before
    xr.testing.assert_identical(again.ds, as_stored(full_run.ds))
    xr.testing.assert_identical(again.summary, full_run.summary)


def test_force_evaluates_all_draws_again(base: Scenario, tmp_path: Path) -> None:
    store_long_run(base, tmp_path, 2_000)
    again = store_long_run(base, tmp_path, 2_000, force=True)
    assert (again.drawn, again.reused) == (2_000, 0)


def test_run_with_other_formulas_has_another_folder(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_long_run(base, tmp_path, 64)
    monkeypatch.setattr("sim.engine.prepare.source_hash", lambda: "edited")
    edited = store_long_run(base, tmp_path, 64)
    assert edited.folder != first.folder
    assert edited.drawn == 64


def test_other_code_rewrites_files_from_stored_draws(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = KEPT + 2 * 1_024
    first = store_long_run(base, tmp_path, draws)
    monkeypatch.setattr(stored_run, "files_hash", lambda: "edited")
    monkeypatch.setattr(manifest, "files_hash", lambda: "edited")
    again = store_long_run(base, tmp_path, draws)
    assert (again.drawn, again.reused) == (KEPT, 2_048)  # those that are kept are made again
    assert again.folder == first.folder
    assert json.loads((again.folder / "manifest.json").read_text())["code"] == "edited"
    xr.testing.assert_identical(again.ds, first.ds)
    # Of another model: its state cannot be extended.
    monkeypatch.setattr(checkpoint, "source_hash", lambda: "edited")
    third = store_long_run(base, tmp_path, draws + 1_024)
    assert (third.drawn, third.reused) == (draws + 1_024, 0)


@pytest.mark.parametrize("name", ["run.nc", "state.npz"])
def test_damaged_run_is_replaced(base: Scenario, tmp_path: Path, name: str) -> None:
    first = store_long_run(base, tmp_path / "a", KEPT + 1_500)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    path = tmp_path / "b" / first.folder.name / name
    path.write_bytes(path.read_bytes()[:-700] + bytes(700))
    again = store_long_run(base, tmp_path / "b", KEPT + 2_500)
    assert again.reused == (0 if name == "state.npz" else 1_024)  # data are not read
    assert_same_files(again, store_long_run(base, tmp_path / "c", KEPT + 2_500))


def test_missing_figures_of_a_stored_run_are_drawn(base: Scenario, tmp_path: Path) -> None:
    first = store_long_run(base, tmp_path, 64)
    again = stored(base, tmp_path, draws=64, seed=4, kept_draws=KEPT)
    assert again.drawn == 0
    assert len(list((first.folder / "figures").glob("*.png"))) == 7


@pytest.mark.parametrize(
    ("sampler", "sizes"), [("stratified", (KEPT, 2 * KEPT + 5, TOTAL)), ("sobol", (3_000, TOTAL))]
)
def test_extended_run_has_the_bytes_of_a_single_run(
    base: Scenario, tmp_path: Path, sampler: str, sizes: tuple[int, ...]
) -> None:
    previous = 0
    for draws in sizes:
        done = store_long_run(base, tmp_path / "a", draws, sampler=sampler)
        # Draws that are kept are evaluated again, and so is an incomplete tile.
        assert done.reused == max(previous // 1_024 * 1_024 - KEPT, 0)
        previous = draws
    assert_same_files(done, store_long_run(base, tmp_path / "b", sampler=sampler))


def test_extended_run_restores_draws_that_do_not_count(base: Scenario, tmp_path: Path) -> None:
    options = {"drop_questionable": True}
    done = store_long_run(base, tmp_path / "a", 6_000, **options)
    assert done.ds.sizes["draw"] < 6_000
    assert_same_files(
        store_long_run(base, tmp_path / "a", **options),
        store_long_run(base, tmp_path / "b", **options),
    )


@pytest.mark.parametrize("draws", [700, KEPT + 1_000])
def test_fewer_draws_are_those_of_a_run_of_that_size(
    base: Scenario, full_run: store_run.Run, tmp_path: Path, draws: int
) -> None:
    shutil.copytree(full_run.folder, tmp_path / "a" / full_run.folder.name)
    fewer = store_long_run(base, tmp_path / "a", draws)
    assert not fewer.stored
    assert (fewer.drawn, fewer.reused) == (draws, 0)
    assert runs_in(tmp_path / "a") == [fewer.folder]  # it stored no checkpoint either
    at_once = store_long_run(base, tmp_path / "b", draws)
    xr.testing.assert_identical(fewer.ds, at_once.ds)
    xr.testing.assert_identical(fewer.summary, at_once.summary)
    assert manifest.stored_draws(fewer.folder) == TOTAL


@pytest.mark.long  # it extends runs
def test_targets_are_met_from_a_stored_run_or_extend_it(base: Scenario, tmp_path: Path) -> None:
    store_long_run(base, tmp_path, 2 * KEPT)
    easy = until.parse("p50(inference_gross_margin@2026Q4) +- 0.1")
    done = stored(base, tmp_path, seed=4, kept_draws=KEPT, until=[easy], figures=False)
    assert (done.drawn, done.reused) == (0, 2 * KEPT)
    (outcome,) = json.loads(done.ds.attrs["until"])
    assert outcome["met"]
    without_targets = store_long_run(base, tmp_path, 2 * KEPT)
    assert "until" not in without_targets.ds.attrs
    hard = until.parse(f"p50(inference_gross_margin@2026Q4) +- {outcome['error'] / 1.3:.5f}")
    more = stored(base, tmp_path, seed=4, kept_draws=KEPT, until=[hard], figures=False)
    assert more.reused == KEPT
    assert more.drawn > KEPT
    assert_same_draws(more, store_long_run(base, tmp_path / "b", more.ds.attrs["draws"]))


@pytest.mark.parametrize("error", [0.2, 0.06], ids=["all kept", "more than are kept"])
def test_targets_of_outputs_without_kept_draws_are_met_and_read_again(
    base: Scenario, tmp_path: Path, error: float
) -> None:
    texts = ["p95(arr[openai]@2026Q4)", "mean(arr[openai]@2026Q4)", "sd(accelerators[xai]@2026Q4)"]
    targets = [until.parse(f"{texts[0]} +- {error}")]
    targets += [until.parse(f"{text} +- 1e6") for text in texts[1:]]
    options = {"seed": 4, "kept_draws": KEPT, "until": targets, "figures": False}
    run, again = (stored(base, tmp_path, **options) for _ in range(2))
    assert again.drawn == 0 < run.drawn
    assert (run.drawn > KEPT) == (error < 0.1)
    outcomes = json.loads(run.ds.attrs["until"])
    assert json.loads(again.ds.attrs["until"]) == outcomes
    assert all(outcome["met"] for outcome in outcomes)
    shared = {"draws": run.drawn, "seed": 4, "kept_draws": KEPT}
    everything = sim.simulate(base, keep=["arr", "accelerators"], **shared)
    for text, outcome in zip(texts, outcomes, strict=True):
        value, standard_error = evaluate(text, everything)
        assert outcome["value"] == pytest.approx(value, rel=1e-12)
        assert outcome["error"] == pytest.approx(standard_error, rel=1e-6)


def test_statistics_asked_anew_of_a_stored_run_are_those_of_the_run(
    base: Scenario, tmp_path: Path
) -> None:
    run = stored(base, tmp_path, draws=2_000, seed=4, figures=False)
    opened = sim.open_run(run.folder)
    xr.testing.assert_identical(sim.summarise(sim.redraw(opened)), sim.summarise(run.ds))
    texts = ("p97.5(gw[openai]@2027Q4)", "P(training_moic[openai] >= 1)", "cvar5(arr[xai]@2026Q4)")
    for text in texts:
        name = parse(text).variable
        exact = [evaluate(text, sim.redraw(ds, [name])) for ds in (run.ds, opened)]
        assert exact[0] == exact[1]
    rounded, exact_mean = float(opened.gw.mean(dtype=float)), float(run.ds.gw.mean())
    assert rounded == pytest.approx(exact_mean, rel=1e-7)
    assert rounded != exact_mean


def test_targets_may_allow_fewer_draws_than_are_stored(base: Scenario, tmp_path: Path) -> None:
    """19,000 draws are stored; targets allow 20,000, of which 16,384 are whole steps."""
    store_long_run(base, tmp_path, 19_000)
    tiny = until.parse("p50(inference_gross_margin@2026Q4) +- 1e-9")
    done = stored(
        base, tmp_path, seed=4, kept_draws=KEPT, until=[tiny], max_draws=20_000, figures=False
    )
    assert done.ds.attrs["draws"] == 2 * KEPT
    assert not done.stored


def test_sizes_asked_for_in_any_order_leave_one_run(base: Scenario, tmp_path: Path) -> None:
    """Fewer draws than are stored neither replace the run nor leave checkpoints behind."""
    for draws in (2 * KEPT, 3 * KEPT, KEPT + 2_048, 700, 2 * KEPT):
        done = store_long_run(base, tmp_path, draws)
        assert runs_in(tmp_path) == [done.folder]
    (row,) = folders.listed(tmp_path)
    assert (row["draws"], row["state"]) == (3 * KEPT, "whole")


def test_checkpoint_of_fewer_draws_than_are_stored_is_removed(
    base: Scenario, tmp_path: Path
) -> None:
    run = store_long_run(base, tmp_path, KEPT + 2 * 1_024)
    unfinished = locks.hidden_sibling(run.folder, "unfinished")
    unfinished.mkdir()
    shutil.copy(run.folder / "state.npz", unfinished)
    with locks.lock_of(run.folder):  # as long as a process works on it, it stays
        assert [row["why"] for row in folders.listed(tmp_path)][:1] == ["being made"]
        assert unfinished.exists()
    assert [row["run"] for row in folders.listed(tmp_path)] == [run.folder.name]
    assert not unfinished.exists()


@pytest.mark.long
def test_runs_that_keep_other_variables_share_a_folder_and_no_answer(
    base: Scenario, tmp_path: Path
) -> None:
    """The last one of as many draws or more is stored, and totals of one serve no other."""
    options = {"draws": KEPT + 1_024, "kept_draws": KEPT, "figures": False}
    first = stored(base, tmp_path, **options)
    other = stored(base, tmp_path, keep=["arr"], **options)
    assert (other.folder, other.reused) == (first.folder, 0)
    assert "arr" in other.ds
    assert "gw" not in other.ds
    assert stored(base, tmp_path, keep="arr", **options).drawn == 0
    fewer = stored(base, tmp_path, draws=64, figures=False)
    assert (fewer.stored, "gw" in fewer.ds) == (False, True)
    longer = stored(base, tmp_path, **{**options, "draws": KEPT + 2_048})
    assert longer.reused == 0
    xr.testing.assert_identical(longer.ds, sim.simulate(base, draws=KEPT + 2_048, kept_draws=KEPT))
