from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from conftest import ROOT, runs_in
from drawing import stored

import sim
from sim.common.errors import RunError
from sim.parameters.scenario import Scenario
from sim.store import locks, manifest


def test_leftovers_of_killed_processes_are_removed(base: Scenario, tmp_path: Path) -> None:
    killed = stored(base, tmp_path, draws=64, figures=False)
    partial = tmp_path / f".{killed.folder.name}.partial"
    partial.mkdir()
    (partial / "run.nc").write_bytes(b"half")
    foreign = tmp_path / ".mydata.partial"
    foreign.mkdir()
    # As if killed between the two renames of `atomic_directory`:
    killed.folder.rename(tmp_path / f".{killed.folder.name}.older")
    fewer = stored(base, tmp_path, draws=32, figures=False)
    assert not fewer.stored
    assert manifest.stored_draws(killed.folder) == 64
    assert runs_in(tmp_path) == sorted([killed.folder, foreign])


def test_failed_write_raises_and_leaves_nothing(base: Scenario, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(sim.RunError, match="could not be written: File too large"):
            stored(base, tmp_path, draws=2_000, figures=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert runs_in(tmp_path) == []


@pytest.mark.long  # a dozen runs of three processes
def test_processes_store_the_same_run_one_after_another(base: Scenario, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import sim\n"
        "from sim.parameters.options import run_options; from sim.store.run import run\n"
        "scenario = sim.load(sys.argv[1])\n"
        "out, options = Path(sys.argv[2]), run_options(scenario, 64)\n"
        "for i in range(4): run(scenario, out, options, figures=False, force=i % 3 > 0)\n"
    )
    arguments = [sys.executable, "-c", code, str(ROOT / "params" / "base.toml"), str(tmp_path)]
    processes = [subprocess.Popen(arguments, stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    (folder,) = runs_in(tmp_path)
    assert manifest.stored_draws(folder) == 64
    with xr.open_dataset(folder / "run.nc", engine="h5netcdf") as stored:
        assert stored.sizes["draw"] == 64


def test_what_stands_in_the_way_of_the_locks_is_named(base: Scenario, tmp_path: Path) -> None:
    (tmp_path / locks.LOCKS).write_text("mine")
    with pytest.raises(sim.RunError, match=r"could not be written: .*\.locks is no folder; remove"):
        stored(base, tmp_path, draws=64, figures=False)
    assert (tmp_path / locks.LOCKS).read_text() == "mine"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_folder_that_cannot_be_replaced_is_there_at_once_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    folder, rename = tmp_path / "run", Path.rename
    folder.mkdir()
    (folder / "old").touch()

    def fail(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    kind = RunError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind), locks.atomic_directory(folder) as staging:
        (staging / "new").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in folder.iterdir()] == ["old"]


def test_folder_is_locked_while_a_process_holds_its_lock_and_no_longer(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert not locks.is_locked(folder)
    with locks.lock_of(folder):
        assert locks.is_locked(folder)
    assert not locks.is_locked(folder)
