from __future__ import annotations

import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from drawing import drawn
from long_runs import KEPT, TOTAL, assert_same_files, store_long_run, unfinished

import sim
from sim.common import atomic
from sim.engine.prepare import prepare
from sim.engine.state import SimulationState
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.store import checkpoint, manifest
from sim.store import run as store_run

pytestmark = pytest.mark.usefixtures("short_rounds")


def _child(base: Scenario, out: Path) -> None:
    store_long_run(base, out)
    os._exit(0)


@pytest.mark.long  # it kills runs
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked: they start at once")
def test_killed_run_is_resumed_to_the_same_files(
    base: Scenario, full_run: store_run.Run, tmp_path: Path
) -> None:
    """It is killed at 20 random moments, and each time resumed from its checkpoint.

    Draws that are kept leave no checkpoint: the first comes when those beyond them are drawn.
    """
    fork = multiprocessing.get_context("fork")
    moments = random.Random(7)
    kills = with_checkpoint = 0
    longest = max(full_run.seconds, 0.5)
    while kills < 20:
        child = fork.Process(target=_child, args=(base, tmp_path))
        child.start()
        child.join(moments.uniform(0.02, longest))
        if child.is_alive():
            os.kill(child.pid or 0, signal.SIGKILL)
            kills += 1
        child.join()
        with_checkpoint += bool(unfinished(tmp_path))
        if manifest.stored_draws(tmp_path / full_run.folder.name) == TOTAL:  # finished: begin again
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
    assert with_checkpoint > 0
    resumed = store_long_run(base, tmp_path)
    assert_same_files(resumed, full_run)
    assert not unfinished(tmp_path)


def test_resumed_run_does_not_repeat_finished_draws(
    base: Scenario, full_run: store_run.Run, tmp_path: Path
) -> None:
    done_draws: list[int] = []

    def interrupt(draws: int) -> None:
        done_draws.append(draws)
        if sum(done_draws) > 2 * KEPT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store_long_run(base, tmp_path, progress=interrupt)
    assert unfinished(tmp_path)
    done_again: list[int] = []
    resumed = store_long_run(base, tmp_path, progress=done_again.append)
    assert resumed.reused >= KEPT
    assert resumed.drawn == TOTAL - resumed.reused
    assert sum(done_again) == TOTAL  # those that are stored count as done
    assert_same_files(resumed, full_run)
    first, second = json.loads((resumed.folder / "manifest.json").read_text())["interruptions"]
    assert (first["from_draw"], second["from_draw"]) == (0, KEPT + resumed.reused)


def test_killed_run_of_fewer_draws_than_are_kept_leaves_nothing(
    base: Scenario, full_run: store_run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are evaluated again in a moment."""

    def interrupt_summary(*_: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_run, "summarise", interrupt_summary)
        with pytest.raises(KeyboardInterrupt):
            store_long_run(base, tmp_path, 3 * 1_024)
    assert not unfinished(tmp_path)
    longer = store_long_run(base, tmp_path)
    assert longer.reused == 0
    assert_same_files(longer, full_run)


def test_run_resumes_after_a_full_disk(
    base: Scenario, full_run: store_run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = 0
    sync_file = atomic.sync_file

    def fail_after_four(path: Path) -> None:
        nonlocal saved
        saved += 1
        if saved > 2:
            raise OSError(28, "No space left on device")
        sync_file(path)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "sync_file", fail_after_four)
        with pytest.raises(sim.RunError, match="could not be written: No space left on device"):
            store_long_run(base, tmp_path)
    assert not list(tmp_path.glob("base-*"))
    resumed = store_long_run(base, tmp_path)
    assert resumed.reused >= KEPT
    assert_same_files(resumed, full_run)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2_000])


def flip(path: Path) -> None:
    """Flip a bit in the middle, where the numbers are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def claim(path: Path) -> None:
    """Replace it by a small file whose header claims an array of 8 TB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("digest", "source", "kept_draws", "count", "mean", "draws"):
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(64))


def replace_by_other(path: Path) -> None:
    """Replace it by the same file of a run with another seed."""
    other = path.parent.parent / "other"
    checkpoint.save(some_state(5), other)
    (other / path.name).replace(path)


def some_state(seed: int) -> SimulationState:
    draws = KEPT + 2_048
    return drawn(sim.load(ROOT / "params" / "base.toml"), draws, seed, kept_draws=KEPT)


@pytest.fixture(scope="module")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "unfinished"
    assert checkpoint.save(some_state(4), folder)
    return folder


@pytest.mark.parametrize("spoil", [cut, flip, pipe, claim, replace_by_other])
def test_checkpoint_that_is_damaged_or_of_another_run_is_not_restored(
    base: Scenario, checkpoint_folder: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    prepared = prepare(base, run_options(base, KEPT + 4_096, 4, kept_draws=KEPT))
    folder = Path(shutil.copytree(checkpoint_folder, tmp_path / "unfinished"))
    restored = checkpoint.restore(prepared, folder)
    assert restored is not None
    assert restored.draws == KEPT + 2_048
    spoil(folder / checkpoint.STATE)
    assert checkpoint.restore(prepared, folder) is None


def test_damaged_checkpoint_is_noted_and_replaced(
    base: Scenario, full_run: store_run.Run, tmp_path: Path
) -> None:
    def interrupt(draws: int) -> None:
        if list(tmp_path.glob(".*.unfinished/state.npz")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store_long_run(base, tmp_path, progress=interrupt)
    (folder,) = unfinished(tmp_path)
    flip(folder / checkpoint.STATE)
    notes: list[str] = []
    resumed = store_long_run(base, tmp_path, note=notes.append)
    assert resumed.reused == 0
    assert notes == [f"{folder}: a checkpoint that is damaged is not used"]
    assert_same_files(resumed, full_run)
    assert not unfinished(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked: they start at once")
def test_processes_with_the_same_run_wait_for_one_another(
    base: Scenario, full_run: store_run.Run, tmp_path: Path
) -> None:
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_child, args=(base, tmp_path)) for _ in range(2)]
    for child in children:
        child.start()
    time.sleep(0.05)
    stages: list[str] = []
    resumed = store_long_run(base, tmp_path, stage=stages.append)
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert resumed.reused in (0, TOTAL)  # one of the three has evaluated it
    assert_same_files(resumed, full_run)
