"""Runs are answered from disk, extended and gone on with, and always to the same bits."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from drawing import stored

import sim
from sim.common import atomic
from sim.engine import loop
from sim.parameters.scenario import Scenario
from sim.simulation import until
from sim.store import checkpoint, manifest
from sim.store import run as store_run

KEPT = 8_192
TOTAL = 3 * KEPT + 1_234  # beyond the draws that are kept, and no whole number of tiles


@pytest.fixture(autouse=True)
def _few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is as long as one of a million draws, and says how far it has come at every chance."""
    monkeypatch.setattr(store_run, "STORED_EVERY", 0.0)
    monkeypatch.setattr(loop, "ROUND", KEPT)


@pytest.fixture(scope="module")
def undisturbed(base: Scenario, tmp_path_factory: pytest.TempPathFactory) -> store_run.Run:
    return run(base, tmp_path_factory.mktemp("undisturbed"))


def run(base: Scenario, out: Path, draws: int = TOTAL, **options: Any) -> store_run.Run:
    return stored(base, out, draws=draws, seed=4, kept_draws=KEPT, figures=False, **options)


def assert_same(done: store_run.Run, other: store_run.Run) -> None:
    """Data, table and parameters are the same bytes; the manifest tells when they were made."""
    for name in ("run.nc", "summary.csv", "parameters.toml"):
        assert (done.folder / name).read_bytes() == (other.folder / name).read_bytes(), name
    xr.testing.assert_identical(done.ds, other.ds)
    xr.testing.assert_identical(done.summary, other.summary)


def unfinished(out: Path) -> list[Path]:
    return list(out.glob(".*.unfinished"))


# Answers from disk


def test_the_same_question_is_answered_from_disk(
    base: Scenario, undisturbed: store_run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "run", None)  # nothing is drawn
    before = {path: path.stat().st_mtime_ns for path in undisturbed.folder.iterdir()}
    again = run(base, undisturbed.folder.parent)
    assert (again.drawn, again.reused) == (0, TOTAL)
    assert {path: path.stat().st_mtime_ns for path in undisturbed.folder.iterdir()} == before
    xr.testing.assert_identical(again.ds, undisturbed.ds)
    xr.testing.assert_identical(again.summary, undisturbed.summary)


def test_force_draws_anew(base: Scenario, tmp_path: Path) -> None:
    run(base, tmp_path, 2_000)
    again = run(base, tmp_path, 2_000, force=True)
    assert (again.drawn, again.reused) == (2_000, 0)


def test_other_formulas_are_another_question(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(base, tmp_path, 64)
    monkeypatch.setattr("sim.engine.prepare.source_hash", lambda: "edited")
    edited = run(base, tmp_path, 64)
    assert edited.folder != first.folder
    assert edited.drawn == 64


def test_other_code_makes_files_anew_of_the_draws_that_are_there(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(base, tmp_path, 2 * 1_024)
    monkeypatch.setattr(store_run, "files_hash", lambda: "edited")
    monkeypatch.setattr(manifest, "files_hash", lambda: "edited")
    again = run(base, tmp_path, 2 * 1_024)
    assert (again.drawn, again.reused) == (0, 2_048)
    assert again.folder == first.folder
    assert json.loads((again.folder / "manifest.json").read_text())["code"] == "edited"
    xr.testing.assert_identical(again.ds, first.ds)
    monkeypatch.setattr(checkpoint, "source_hash", lambda: "edited")  # adds up in another way
    third = run(base, tmp_path, 3 * 1_024)
    assert (third.drawn, third.reused) == (3 * 1_024, 0)


@pytest.mark.parametrize("name", ["run.nc", "state.npz"])
def test_a_damaged_run_is_made_anew(base: Scenario, tmp_path: Path, name: str) -> None:
    first = run(base, tmp_path / "a", 1_500)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    path = tmp_path / "b" / first.folder.name / name
    path.write_bytes(path.read_bytes()[:-700] + bytes(700))
    again = run(base, tmp_path / "b", 2_500)
    assert again.reused == 0
    assert_same(again, run(base, tmp_path / "c", 2_500))


def test_pictures_are_drawn_of_a_run_that_had_none(base: Scenario, tmp_path: Path) -> None:
    first = run(base, tmp_path, 64)
    again = stored(base, tmp_path, draws=64, seed=4, kept_draws=KEPT)
    assert again.drawn == 0
    assert len(list((first.folder / "figures").glob("*.png"))) == 7


# Extension


@pytest.mark.parametrize(
    ("sampler", "sizes"), [("stratified", (KEPT, 2 * KEPT + 5, TOTAL)), ("sobol", (3_000, TOTAL))]
)
def test_a_run_that_is_extended_is_one_run(
    base: Scenario, tmp_path: Path, sampler: str, sizes: tuple[int, ...]
) -> None:
    found = 0
    for draws in sizes:
        done = run(base, tmp_path / "a", draws, sampler=sampler)
        assert done.reused == found // 1_024 * 1_024  # the end of a tile is drawn again
        found = draws
    assert_same(done, run(base, tmp_path / "b", sampler=sampler))


def test_draws_that_are_left_out_are_there_for_those_that_follow(
    base: Scenario, tmp_path: Path
) -> None:
    options = {"drop_questionable": True}
    done = run(base, tmp_path / "a", 6_000, **options)
    assert done.ds.sizes["draw"] < 6_000
    assert_same(run(base, tmp_path / "a", **options), run(base, tmp_path / "b", **options))


@pytest.mark.parametrize("draws", [700, KEPT + 1_000])
def test_fewer_draws_are_those_of_a_run_of_so_many(
    base: Scenario, undisturbed: store_run.Run, tmp_path: Path, draws: int
) -> None:
    shutil.copytree(undisturbed.folder, tmp_path / "a" / undisturbed.folder.name)
    fewer = run(base, tmp_path / "a", draws)
    assert not fewer.stored
    assert fewer.reused == draws // KEPT * KEPT
    at_once = run(base, tmp_path / "b", draws)
    xr.testing.assert_identical(fewer.ds, at_once.ds)
    xr.testing.assert_identical(fewer.summary, at_once.summary)
    assert store_run.stored_draws(fewer.folder) == TOTAL


def test_targets_that_a_stored_run_meets_are_answered_from_it(
    base: Scenario, tmp_path: Path
) -> None:
    run(base, tmp_path, 2 * KEPT)
    easy = until.parse("p50(inference_gross_margin@2026Q4) +- 0.1")
    done = stored(base, tmp_path, seed=4, kept_draws=KEPT, until=[easy], figures=False)
    assert (done.drawn, done.reused) == (0, 2 * KEPT)
    (told,) = json.loads(done.ds.attrs["until"])
    assert told["met"]
    assert "until" not in run(base, tmp_path, 2 * KEPT).ds.attrs  # which asks for nothing
    hard = until.parse(f"p50(inference_gross_margin@2026Q4) +- {told['error'] / 1.3:.5f}")
    more = stored(base, tmp_path, seed=4, kept_draws=KEPT, until=[hard], figures=False)
    assert more.reused == 2 * KEPT
    assert more.drawn > 0
    assert_same_draws(more, run(base, tmp_path / "b", more.ds.attrs["draws"]))


def test_a_stored_run_may_be_longer_than_targets_allow(base: Scenario, tmp_path: Path) -> None:
    """Of at most 20,000 draws 16,384 are a whole number of steps, and 19,000 are there."""
    run(base, tmp_path, 19_000)
    tiny = until.parse("p50(inference_gross_margin@2026Q4) +- 1e-9")
    done = stored(
        base, tmp_path, seed=4, kept_draws=KEPT, until=[tiny], max_draws=20_000, figures=False
    )
    assert done.ds.attrs["draws"] == 2 * KEPT
    assert not done.stored


def assert_same_draws(one: store_run.Run, other: store_run.Run) -> None:
    xr.testing.assert_equal(one.ds, other.ds)
    xr.testing.assert_equal(one.summary, other.summary)


# Interruptions


def _child(base: Scenario, out: Path) -> None:
    run(base, out)
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked: they start at once")
def test_a_run_that_is_killed_goes_on(
    base: Scenario, undisturbed: store_run.Run, tmp_path: Path
) -> None:
    """At 20 random moments; every time it goes on from what was finished."""
    fork = multiprocessing.get_context("fork")
    moments = random.Random(7)
    kills = begun = 0
    longest = 1.5 * max(undisturbed.seconds, 0.5)
    while kills < 20:
        child = fork.Process(target=_child, args=(base, tmp_path))
        child.start()
        child.join(moments.uniform(0.02, longest / 4))
        if child.is_alive():
            os.kill(child.pid or 0, signal.SIGKILL)
            kills += 1
        child.join()
        begun += bool(unfinished(tmp_path))
        if (
            store_run.stored_draws(tmp_path / undisturbed.folder.name) == TOTAL
        ):  # and begin once more
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
    assert begun > 0
    done = run(base, tmp_path)
    assert_same(done, undisturbed)
    assert not unfinished(tmp_path)


def test_what_was_finished_before_an_interruption_is_not_drawn_again(
    base: Scenario, undisturbed: store_run.Run, tmp_path: Path
) -> None:
    told = []

    def interrupted(draws: int) -> None:
        told.append(draws)
        if sum(told) > 2 * KEPT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path, progress=interrupted)
    assert unfinished(tmp_path)
    done = run(base, tmp_path)
    assert done.reused >= KEPT
    assert_same(done, undisturbed)
    first, second = json.loads((done.folder / "manifest.json").read_text())["interruptions"]
    assert (first["from_draw"], second["from_draw"]) == (0, done.reused)


def test_a_longer_run_keeps_what_a_shorter_one_that_was_killed_had_not(
    base: Scenario, undisturbed: store_run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draws that a killed run of fewer had stored are not taken for all that are kept."""

    def killed(*_: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_run, "summarise", killed)
        with pytest.raises(KeyboardInterrupt):
            run(base, tmp_path, 3 * 1_024)
    # Of the longer one the first state that is stored lies beyond the draws that are kept.
    begun = 2 * KEPT

    def seldom(done: Any, folder: Path) -> None:
        if done.completed.draws >= begun:
            save(done, folder)

    def interrupted(draws: int) -> None:
        if list(tmp_path.glob(".*.unfinished/state.npz")) and told.append(draws) is None:
            raised = sum(told) > 2 * KEPT + 1_024
            if raised:
                raise KeyboardInterrupt

    told: list[int] = []
    save = checkpoint.save
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", seldom)
        with pytest.raises(KeyboardInterrupt):
            run(base, tmp_path, progress=interrupted)
    done = run(base, tmp_path)
    assert done.reused >= begun
    assert_same(done, undisturbed)


def test_a_full_disk_loses_nothing_that_was_finished(
    base: Scenario, undisturbed: store_run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = 0
    real = atomic.sync_to_disk

    def full(file: Any) -> None:
        nonlocal saved
        saved += 1
        if saved > 4:
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(checkpoint, "sync_to_disk", full)
    with pytest.raises(sim.RunError, match="could not be written: No space left on device"):
        run(base, tmp_path)
    assert not list(tmp_path.glob("base-*"))
    monkeypatch.setattr(checkpoint, "sync_to_disk", real)
    done = run(base, tmp_path)
    assert done.reused >= KEPT
    assert_same(done, undisturbed)


def test_a_state_that_is_damaged_is_not_gone_on_with(
    base: Scenario, undisturbed: store_run.Run, tmp_path: Path
) -> None:
    def interrupted(draws: int) -> None:
        if list(tmp_path.glob(".*.unfinished/state.npz")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path, progress=interrupted)
    (folder,) = unfinished(tmp_path)
    state = folder / checkpoint.STATE
    state.write_bytes(state.read_bytes()[:-2_000])
    done = run(base, tmp_path)
    assert done.reused == 0
    assert_same(done, undisturbed)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked: they start at once")
def test_processes_that_ask_the_same_wait_for_one_another(
    base: Scenario, undisturbed: store_run.Run, tmp_path: Path
) -> None:
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_child, args=(base, tmp_path)) for _ in range(2)]
    for child in children:
        child.start()
    time.sleep(0.05)
    stages: list[str] = []
    done = run(base, tmp_path, stage=stages.append)
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert done.reused in (0, TOTAL)  # one of the three has drawn it
    assert_same(done, undisturbed)
