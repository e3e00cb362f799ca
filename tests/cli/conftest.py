"""Fixtures of the tests of commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import ROOT, invoke_in, runs_in
from stored_runs import ALTERED, NARROW, Sim, StoredRun

import sim


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run of the base case with one change, of which few rows were printed."""
    base, folder = str(ROOT / "params" / "base.toml"), tmp_path_factory.mktemp("work")
    options = ("--draws", "1100", "--seed", "7", "--set", f"{ALTERED}=0.6", "--no-figures")
    printed = invoke_in(folder, "run", base, *options, *NARROW).stdout
    (run,) = runs_in(folder / "outputs")
    ds = sim.simulate(sim.load(base, set={ALTERED: 0.6}), draws=1_100, seed=7)
    return StoredRun(run, printed, ds)


@pytest.fixture
def run_sim(stored: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sim:
    """`sim ARGUMENTS` in a folder with that run in `outputs`: exit code, output, errors."""
    shutil.copytree(stored.folder.parent, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        done = invoke_in(tmp_path, *arguments)
        return done.returncode, done.stdout, done.stderr

    return run
