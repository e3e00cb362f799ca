"""Stored runs that tests of the store share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from drawing import stored
from long_runs import KEPT, store_long_run
from run_folders import DRAWS

import sim
from sim.engine import loop
from sim.parameters.scenario import Scenario
from sim.store import run as store_run


@pytest.fixture(scope="module")
def one_lab_scenario() -> Scenario:
    """Base case with one named lab: netCDF has no lists of length one."""
    return sim.load(ROOT / "params" / "base.toml", set={"model.named_labs": ["openai"]})


@pytest.fixture(scope="module")
def small_run(
    one_lab_scenario: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> store_run.Run:
    """A run in which some draws are left out, so that the others keep their numbers."""
    out = tmp_path_factory.mktemp("outputs")
    run = stored(one_lab_scenario, out, draws=DRAWS, seed=3, drop_questionable=True, figures=False)
    assert run.ds.sizes["draw"] < DRAWS
    return run


@pytest.fixture
def folder(small_run: store_run.Run, tmp_path: Path) -> Path:
    """A copy of the folder of `small_run` that a test may damage."""
    return Path(shutil.copytree(small_run.folder, tmp_path / "outputs" / small_run.folder.name))


@pytest.fixture(scope="module")
def full_run(base: Scenario, tmp_path_factory: pytest.TempPathFactory) -> store_run.Run:
    """A long run that was not interrupted."""
    return store_long_run(base, tmp_path_factory.mktemp("full"))


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs take as many rounds as one of a million draws, and store a checkpoint after each."""
    monkeypatch.setattr(store_run, "STORED_EVERY", 0.0)
    monkeypatch.setattr(loop, "ROUND", KEPT)
