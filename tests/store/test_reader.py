from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from conftest import ROOT
from drawing import stored
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.common.fingerprint import source_hash
from sim.parameters.scenario import Scenario
from sim.store import folders, locks, reader
from sim.store import manifest as manifests
from sim.store import run as store_run
from sim.store.locks import lock_of

DRAWS = 320


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """With one named lab: netCDF has no lists of one."""
    return sim.load(ROOT / "params" / "base.toml", set={"model.named_labs": ["openai"]})


@pytest.fixture(scope="module")
def done(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> store_run.Run:
    """A run in which some draws are left out, so that the others keep their numbers."""
    out = tmp_path_factory.mktemp("outputs")
    made = stored(scenario, out, draws=DRAWS, seed=3, drop_questionable=True, figures=False)
    assert made.ds.sizes["draw"] < DRAWS
    return made


@pytest.fixture
def folder(done: store_run.Run, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    return Path(shutil.copytree(done.folder, tmp_path / "outputs" / done.folder.name))


def change(folder: Path, **changes: Any) -> None:
    """Change keys of the manifest; None takes one away."""
    path = folder / "manifest.json"
    said = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: what for key, what in said.items() if what is not None}))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    xr.testing.assert_identical(found, expected)
    for name, variable in expected.variables.items():
        assert found.variables[name].dtype == variable.dtype, name
        assert not found.variables[name].encoding, name
    kinds = [{name: type(what) for name, what in ds.attrs.items()} for ds in (found, expected)]
    assert kinds[0] == kinds[1]


def test_a_stored_run_is_the_dataset_that_was_simulated(
    done: store_run.Run, scenario: Scenario
) -> None:
    found = sim.open_run(done.folder)
    assert_same(found, done.ds)
    assert_same(found, sim.simulate(scenario, draws=DRAWS, seed=3, drop_questionable=True))
    assert found.attrs["named_labs"] == ["openai"]
    xr.testing.assert_identical(sim.summarise(found), sim.summarise(done.ds))


def test_statistics_of_what_is_on_disk_are_those_of_the_run(done: store_run.Run) -> None:
    with reader.open_run_folder(done.folder) as (ds, summary, manifest):
        xr.testing.assert_identical(summary.load(), done.summary)
        assert ds.sizes == done.ds.sizes
        assert manifest["draws"] == DRAWS


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells open files on Linux alone")
def test_no_file_stays_open(done: store_run.Run) -> None:
    ds = sim.open_run(done.folder)
    links = list(Path("/proc/self/fd").iterdir())
    assert not [link for link in links if link.exists() and link.resolve().name == "run.nc"]
    assert float(ds.gw[0, 0, 0]) > 0


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_run_nc_opens_in_xarray_without_this_package(done: store_run.Run, engine: str) -> None:
    if engine == "netcdf4":
        pytest.importorskip("netCDF4", exc_type=ImportError)
    code = (
        "import sys; sys.modules['sim'] = None\n"
        "import xarray as xr\n"
        "ds = xr.open_dataset(sys.argv[1], engine=sys.argv[2])\n"
        "summary = xr.open_dataset(sys.argv[1], engine=sys.argv[2], group='summary')\n"
        "gw = ds.gw.sel(lab='openai', quarter='2027Q4')\n"
        "print(repr(float(gw.mean())), gw.units, summary.gw_quantile.sizes['quantile'])\n"
        "print(ds.time.dt.year.values[-1], ds.attrs['digest'], dict(ds.sizes)['draw'])\n"
    )
    arguments = [sys.executable, "-c", code, str(done.folder / "run.nc"), engine]
    out = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    gw = done.ds.gw.sel(lab="openai", quarter="2027Q4")
    assert float(out[0]) == pytest.approx(float(gw.mean()), rel=1e-12)
    assert out[1:] == ["GW", "5", "2027", done.ds.attrs["digest"], str(len(gw))]


# Which folder is meant


def test_a_run_is_found_by_folder_name_scenario_or_beginning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent.parent)
    digest = folder.name.removeprefix("base-")
    for said in (folder, str(folder), f"outputs/{folder.name}", folder.name, "base", "base-", "ba"):
        assert folders.find(said).resolve() == folder.resolve()
    assert folders.find(f"base-{digest[:3]}", folder.parent) == folder
    longer = folder.with_name(f"base-cheap-{digest}")
    shutil.copytree(folder, longer)
    assert folders.find("base").name == folder.name  # the scenario, where there is one of that name
    assert folders.find("base-ch").name == longer.name  # no digest begins with an h
    (folder.parent.parent / "base").mkdir()  # another folder of that name, which is no run
    assert folders.find("base").name == folder.name
    renamed = folder.with_name("best")
    folder.rename(renamed)
    assert sim.open_run("best").attrs["digest"] == digest


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("bsae", "bsae: no such run in outputs/; did you mean 'base'?"),
        ("zzz", "zzz: no such run in outputs/; known: base-"),
        ("", "no such run in outputs/|a folder that is no run"),
        ("b", "b: several runs begin so: base-000000000000, base-"),
        ("outputs", "outputs: a folder that is no run: expected one with manifest.json"),
        ("outputs/notes.txt", "a file that is no run"),
        ("elsewhere/base", "elsewhere/base: no such run folder"),
        ("x" * 5000, "no such run in outputs/"),
        ("nul\0", "no such run in outputs/"),
    ],
)
def test_a_run_that_is_not_there_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: str, message: str
) -> None:
    monkeypatch.chdir(folder.parent.parent)
    shutil.copytree(folder, folder.with_name("base-000000000000"))
    (folder.parent / "notes.txt").write_text("mine")
    with pytest.raises(sim.InputError, match=message):
        sim.open_run(run)


def test_a_folder_of_runs_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(sim.InputError, match="nowhere: no such folder"):
        sim.open_run("base", tmp_path / "nowhere")
    with pytest.raises(sim.InputError, match="nowhere: no such folder"):
        folders.listed(tmp_path / "nowhere")


# Damage


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def written(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: [None, (folder / name).write_bytes(data)][0]


def changed(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder, **changes)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no data": (removed("run.nc"), "run.nc: missing"),
    "no manifest": (removed("manifest.json"), "manifest.json: missing"),
    "empty data": (written("run.nc", b""), "run.nc: truncated: it has 0 bytes"),
    "empty manifest": (written("manifest.json", b""), "manifest.json:1: damaged"),
    "half a manifest": (written("manifest.json", b'{"draws": 3,\n"se'), "manifest.json:2: damaged"),
    "no text": (written("manifest.json", b"\xff\xfe\x00"), "manifest.json: damaged"),
    "deep": (written("manifest.json", b"[" * 100_000), "manifest.json: damaged"),
    "of something else": (written("manifest.json", b'{"name": "app"}'), "scenario is missing"),
    "a list": (written("manifest.json", b"[1]"), "not the manifest of a run"),
    "draws in words": (changed(draws="many"), "draws is missing or no whole number"),
    "no checksum": (changed(**{"run.nc": {}}), "the checksum of run.nc is missing"),
    "of another run": (changed(seed=4), "another seed"),
    "newer": (changed(format=99), "format 99 is newer than this version of sim reads"),
    "not netCDF, of before checksums": (
        lambda folder: [change(folder, **{"run.nc": None}), written("run.nc", b"x" * 99)(folder)][
            1
        ],
        "run.nc: cannot be read as a run",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_and_nothing_is_touched(folder: Path, name: str) -> None:
    damage, message = DAMAGE[name]
    damage(folder)
    before = files(folder)
    with pytest.raises(sim.InputError, match=message):
        sim.open_run(folder)
    assert files(folder) == before
    (row,) = folders.listed(folder.parent)
    cheap = name not in ("of another run", "not netCDF, of before checksums")
    assert row["state"] == ("broken" if cheap else "whole")


def test_a_netcdf_file_of_another_origin_is_no_run(folder: Path) -> None:
    foreign = xr.Dataset({"gw": ("draw", [1.0, 2.0])})
    foreign.to_netcdf(folder / "run.nc", engine="h5netcdf")
    with pytest.raises(sim.InputError, match=r"run\.nc: (truncated|damaged)"):
        sim.open_run(folder)
    change(folder, **{"run.nc": None})
    with pytest.raises(sim.InputError, match=r"run\.nc: cannot be read as a run"):
        sim.open_run(folder)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_any_beginning_of_the_data_is_told_from_the_whole(
    done: store_run.Run, data: st.DataObject
) -> None:
    whole = (done.folder / "run.nc").read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    with tempfile.TemporaryDirectory() as place:
        damaged = Path(shutil.copytree(done.folder, Path(place) / done.folder.name))
        (damaged / "run.nc").write_bytes(whole[:length])
        for checksum in (True, False):  # without, it is what an earlier version wrote
            if not checksum:
                change(damaged, **{"run.nc": None})
            with pytest.raises(sim.InputError, match=r"run\.nc: (truncated|cannot be read)"):
                sim.open_run(damaged)
        assert (damaged / "run.nc").read_bytes() == whole[:length]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_any_flipped_bit_of_the_data_is_found(done: store_run.Run, data: st.DataObject) -> None:
    """In the header and anywhere else: HDF5 alone reads some of them as if nothing had happened."""
    whole = bytearray((done.folder / "run.nc").read_bytes())
    place = data.draw(st.integers(0, 2048) | st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    with tempfile.TemporaryDirectory() as there:
        damaged = Path(shutil.copytree(done.folder, Path(there) / done.folder.name))
        (damaged / "run.nc").write_bytes(whole)
        with pytest.raises(sim.InputError, match=r"run\.nc: damaged, or changed"):
            sim.open_run(damaged)


def test_a_run_that_is_replaced_while_it_is_opened_is_not_damaged(
    done: store_run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest that was read first is that of the run before."""
    read = manifests.read
    before = read(done.folder) | {"run.nc": {"bytes": 1, "sha256": "0"}}
    answers = iter([before])
    monkeypatch.setattr(manifests, "read", lambda folder: next(answers, read(folder)))
    assert sim.open_run(done.folder).sizes == done.ds.sizes


# Versions


def test_a_run_of_another_version_of_the_model_opens_with_a_warning(
    folder: Path, done: store_run.Run
) -> None:
    change(folder, source="0123456789abcdef", commit="0" * 40)
    with pytest.warns(UserWarning, match="made by another version of the model .*commit 0{12}"):
        found = sim.open_run(folder)
    assert_same(found, done.ds)
    change(folder, **dict.fromkeys(("source", "format", "run.nc", "versions", "commit")))
    with pytest.warns(UserWarning, match="made by another version of the model: not to be mixed"):
        sim.open_run(folder)
    assert [row["model"] for row in folders.listed(folder.parent)] == ["other"]


def test_the_manifest_tells_the_version_of_the_model(done: store_run.Run) -> None:
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["source"] == source_hash()
    assert manifest["format"] == manifests.FORMAT
    assert manifest["run.nc"]["bytes"] == (done.folder / "run.nc").stat().st_size


# The list, and removal


def test_the_list_says_what_is_there_and_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    out = folder.parent
    shutil.copytree(folder, out / "base-000000000000")
    (out / "base-000000000000" / "run.nc").write_bytes(b"half")
    (out / ".dear-111111111111.unfinished").mkdir()
    (out / ".busy-222222222222.partial").mkdir()
    (out / "photos-123456789012").mkdir()
    (out / "photos-123456789012" / "cat.png").write_bytes(b"cat")
    (out / "other").mkdir()
    (out / "notes.txt").write_text("mine")
    with lock_of(out / "busy-222222222222"):
        rows = {row["run"]: row for row in folders.listed(out)}
    assert {name: (row["state"], row["why"]) for name, row in rows.items()} == {
        folder.name: ("whole", ""),
        "base-000000000000": ("broken", f"run.nc: has 4 bytes, not {size(folder):,}"),
        "dear-111111111111": ("unfinished", "broken off: the same command goes on with it"),
        "busy-222222222222": ("unfinished", "being made"),
    }
    row = rows[folder.name]
    told = {key: row[key] for key in ("scenario", "draws", "seed", "sampler", "model")}
    assert told == {
        "scenario": "base", "draws": DRAWS, "seed": 3, "sampler": "stratified", "model": "this",
    }  # fmt: skip
    assert row["bytes"] == sum(len(data) for data in files(folder).values())


def size(folder: Path) -> int:
    return (folder / "run.nc").stat().st_size


def test_a_run_is_removed_with_what_was_left_of_it_and_nothing_else(folder: Path) -> None:
    out = folder.parent
    other = shutil.copytree(folder, out / "base-000000000000")
    for what in ("partial", "unfinished"):
        (out / f".{folder.name}.{what}").mkdir()
    with lock_of(folder), pytest.raises(OSError, match="another process works on it"):
        folders.remove(folder)
    folders.remove(folder)
    assert sorted(path for path in out.iterdir() if path.name != locks.LOCKS) == [other]


def test_a_removal_that_is_killed_leaves_nothing_that_looks_like_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> None:
        (path / "manifest.json").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        folders.remove(folder)
    (row,) = folders.listed(folder.parent)
    assert (row["run"], row["state"], row["why"]) == (folder.name, "unfinished", "removed in part")
    with pytest.raises(sim.InputError, match="no such run"):
        folders.find(folder.name, folder.parent)


def test_the_source_of_the_model_is_told_without_numba() -> None:
    code = "import sys, sim.common.fingerprint as s; print(s.source_hash(), 'numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [source_hash(), "False"]
