from __future__ import annotations

import csv
import json
import resource
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import xarray as xr
from conftest import ROOT, runs_in
from drawing import stored

import sim
from sim import plots
from sim.parameters.scenario import Scenario
from sim.statistics.summary import summarise
from sim.statistics.tidy import COLUMNS
from sim.store import run as store_run


@pytest.fixture(scope="module")
def done(base: Scenario, tmp_path_factory: pytest.TempPathFactory) -> store_run.Run:
    return stored(base, tmp_path_factory.mktemp("outputs"), draws=2_000, seed=3)


PICTURES = (
    "margin", "waterfall", "lab_margin", "payback", "gigawatts", "exposure", "depreciation",
)  # fmt: skip


def test_a_run_folder_holds_data_pictures_and_provenance(done: store_run.Run) -> None:
    files = {
        str(path.relative_to(done.folder)) for path in done.folder.rglob("*") if path.is_file()
    }
    assert files == {
        "run.nc",
        "summary.csv",
        "manifest.json",
        "parameters.toml",
        "state.npz",
        *(f"figures/{name}.png" for name in PICTURES),
    }
    assert runs_in(done.folder.parent) == [done.folder]
    assert done.folder.name == f"base-{done.ds.attrs['digest']}"


def test_the_stored_summary_is_that_of_the_stored_draws(done: store_run.Run) -> None:
    with (
        xr.open_dataset(done.folder / "run.nc", engine="h5netcdf") as draws,
        xr.open_dataset(done.folder / "run.nc", engine="h5netcdf", group="summary") as summary,
    ):
        again = summarise(draws.load())
        repeated = [name for name in again if name not in summary]
        assert {str(name).removesuffix("_error")[-4:] for name in repeated} == {"_var"}
        xr.testing.assert_equal(again.drop_vars(repeated), summary.load())


def test_the_manifest_says_what_the_run_rests_on(done: store_run.Run, base: Scenario) -> None:
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["draws"] == 2_000
    assert manifest["seed"] == 3
    assert manifest["digest"] in done.folder.name
    assert manifest["parameters"]["quantities"]["hardware.pue"]["median"] == 1.2
    assert manifest["parameters"]["hosts"]["labs.openai.host.microsoft"]["share_2026"] == 0.4
    assert set(manifest["sources"]) == set(base.sources_used())
    assert {"python", "numpy", "numba", "token-economics-sim"} <= set(manifest["versions"])
    assert manifest["duration_s"] > 0
    assert "commit" in manifest


def test_the_summary_is_tidy(done: store_run.Run) -> None:
    with (done.folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    found = {
        (
            r["output"],
            r["lab"],
            r["landlord"],
            r["regime"],
            r["layer"],
            r["quarter"],
            r["statistic"],
        )
        for r in rows
    }
    assert len(found) == len(rows)
    row = next(
        r
        for r in rows
        if r["output"] == "p_gw_above"
        and r["lab"] == "openai"
        and r["quarter"] == "2027Q4"
        and r["statistic"] == "P(> 10 GW)"
    )
    expected = done.summary.p_gw_above.sel(lab="openai", quarter="2027Q4", threshold=10)
    assert float(row["value"]) == float(expected)
    assert float(row["error"]) > 0
    assert row["unit"] == "1"


def test_what_determines_a_run_names_its_folder(base: Scenario, params: Path) -> None:
    def digest(scenario: Scenario, **options: int) -> str:
        return str(sim.simulate(scenario, **{"draws": 32, **options}).attrs["digest"])  # type: ignore[arg-type]

    first = digest(base)
    assert digest(sim.load(params / "base.toml")) == first
    assert digest(base, draws=64) == first
    assert digest(base, seed=2) != first
    assert digest(sim.load(params / "base.toml", set={"model.view": "accounting"})) != first
    assert digest(sim.load(params / "base.toml", set={"hardware.pue.median": 1.21})) != first


def test_running_again_replaces_the_run_whole(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "FIGURES", {"margin": plots.margin})  # one is enough
    first = stored(base, tmp_path, draws=300)
    again = stored(base, tmp_path, draws=600, figures=False)
    assert first.folder == again.folder
    assert store_run.stored_draws(again.folder) == 600
    assert not (again.folder / "figures").exists()  # those were of 300 draws
    assert runs_in(tmp_path) == [first.folder]


def test_a_picture_that_fails_loses_nothing_else(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(ds: xr.Dataset) -> None:
        raise ValueError("no limits")

    monkeypatch.setitem(plots.FIGURES, "payback", fails)
    done = stored(base, tmp_path, draws=64)
    assert done.undrawn == {"payback": "ValueError: no limits"}
    assert (done.folder / "run.nc").exists()
    drawn = {path.stem for path in (done.folder / "figures").iterdir()}
    assert drawn == set(PICTURES) - {"payback"}


def test_pictures_of_the_same_draws_are_kept(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "FIGURES", {"margin": plots.margin})  # one is enough
    first = stored(base, tmp_path, draws=64)
    pictures = {path.name: path.read_bytes() for path in (first.folder / "figures").iterdir()}
    again = stored(base, tmp_path, draws=64, figures=False)
    assert {path.name: path.read_bytes() for path in (again.folder / "figures").iterdir()} == (
        pictures
    )
    more = stored(base, tmp_path, draws=96, figures=False)
    assert more.folder == first.folder
    assert not (more.folder / "figures").exists()


def test_a_run_of_more_draws_is_not_replaced_by_one_of_fewer(
    base: Scenario, tmp_path: Path
) -> None:
    more = stored(base, tmp_path, draws=600, figures=False)
    fewer = stored(base, tmp_path, draws=300, figures=False)
    assert (more.stored, fewer.stored) == (True, False)
    assert store_run.stored_draws(fewer.folder) == 600
    assert fewer.ds.sizes["draw"] == 300


def test_what_killed_processes_left_of_this_run_is_cleared_up(
    base: Scenario, tmp_path: Path
) -> None:
    run = stored(base, tmp_path, draws=64, figures=False)
    half = tmp_path / f".{run.folder.name}.partial"
    half.mkdir()
    (half / "run.nc").write_bytes(b"half")
    foreign = tmp_path / ".mydata.partial"
    foreign.mkdir()
    # Killed after the older run was taken away and before the new one was put in place:
    run.folder.rename(tmp_path / f".{run.folder.name}.older")
    again = stored(base, tmp_path, draws=32, figures=False)
    assert not again.stored
    assert store_run.stored_draws(run.folder) == 64
    assert runs_in(tmp_path) == sorted([run.folder, foreign])


def test_parameters_are_stored_as_used(done: store_run.Run) -> None:
    parameters = tomllib.loads((done.folder / "parameters.toml").read_text())
    assert parameters["hardware"]["pue"]["median"] == 1.2
    assert parameters["labs"]["openai"]["host"]["microsoft"]["share_2026"] == 0.4
    assert parameters["model"]["view"] == "economic"


def test_the_commit_is_that_of_this_project(tmp_path: Path) -> None:
    """Not of a checkout in which the package happens to lie, ignored by it."""
    shutil.copytree(ROOT / "sim", tmp_path / "lib" / "sim")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / ".gitignore").write_text("lib\n")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", ".gitignore"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "theirs"], check=True)
    code = "import sim.common.environment as r; print(repr(r.commit()), r.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "lib", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("'' ")
    assert str(tmp_path) in done.stdout


def test_a_folder_that_cannot_be_written_to_is_bad_input(base: Scenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(sim.InputError, match="cannot be written to"):
        stored(base, tmp_path / "file", draws=64)
    with pytest.raises(sim.InputError, match="cannot be written to"):
        stored(base, tmp_path / "file" / "below", draws=64)


def test_a_file_that_cannot_grow_is_a_clear_error_and_leaves_nothing(
    base: Scenario, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(sim.RunError, match="could not be written: File too large"):
            stored(base, tmp_path, draws=2_000, figures=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert runs_in(tmp_path) == []


def test_the_order_and_names_of_labs_determine_a_run_too(params: Path) -> None:
    """They are coordinates of what is stored."""
    base = sim.load(params / "base.toml")
    moved = sim.load(params / "base.toml", set={"labs.openai.order": 9})
    named = sim.load(params / "base.toml", set={"labs.openai.name": "Open AI"})
    assert len({scenario.digest() for scenario in (base, moved, named)}) == 3


def test_processes_that_store_the_same_run_at_once_do_not_trample_one_another(
    base: Scenario, tmp_path: Path
) -> None:
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
    assert store_run.stored_draws(folder) == 64
    with xr.open_dataset(folder / "run.nc", engine="h5netcdf") as stored:
        assert stored.sizes["draw"] == 64
