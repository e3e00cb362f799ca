from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import DRAWS, as_stored, assert_same, change_manifest, read_files

import sim
from sim.parameters.scenario import Scenario
from sim.store import folders, reader
from sim.store import manifest as manifests
from sim.store import run as store_run


def test_open_run_returns_the_dataset_that_was_simulated(
    small_run: store_run.Run, one_lab_scenario: Scenario
) -> None:
    opened = sim.open_run(small_run.folder)
    simulated = sim.simulate(one_lab_scenario, draws=DRAWS, seed=3, drop_questionable=True)
    assert_same(opened, as_stored(simulated))
    assert opened.attrs["named_labs"] == ["openai"]
    assert_same(sim.redraw(opened), simulated)


def test_stored_summary_is_that_of_the_run(small_run: store_run.Run) -> None:
    with reader.open_run_folder(small_run.folder) as (ds, summary, manifest):
        xr.testing.assert_identical(summary.load(), small_run.summary)
        assert ds.sizes == small_run.ds.sizes
        assert manifest["draws"] == DRAWS


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells open files on Linux alone")
def test_open_run_leaves_no_file_open(small_run: store_run.Run) -> None:
    ds = sim.open_run(small_run.folder)
    links = list(Path("/proc/self/fd").iterdir())
    assert not [link for link in links if link.exists() and link.resolve().name == "run.nc"]
    assert float(ds.gw[0, 0, 0]) > 0


def removed(name: str) -> Callable[[Path], None]:
    """Damage: a file is missing."""
    return lambda folder: (folder / name).unlink()


def written(name: str, data: bytes) -> Callable[[Path], None]:
    """Damage: a file has these bytes."""

    def write(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return write


def changed(**changes: Any) -> Callable[[Path], None]:
    """Damage: keys of the manifest are changed, those that are None removed."""
    return lambda folder: change_manifest(folder, **changes)


def edited(folder: Path) -> None:
    """Damage: a number of the manifest is another, and nothing else."""
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"median": 1.2', '"median": 1.3', 1))


def signed(folder: Path) -> None:
    """Give the manifest the checksum that `run.nc` has now."""
    change_manifest(folder, **{"run.nc": manifests.describe(folder / "run.nc")})


def vast(folder: Path) -> None:
    """Damage: a variable claims 8 TB."""
    with h5py.File(folder / "run.nc", "w") as file:
        file.create_dataset("gw", (10**12,), "f8", chunks=(1000,))


def piped(name: str) -> Callable[[Path], None]:
    """Damage: a pipe, which nobody writes to, stands for a file."""

    def make(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def linked(name: str, target: str) -> Callable[[Path], None]:
    """Damage: a link stands for a file."""

    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return make


def foldered(name: str) -> Callable[[Path], None]:
    """Damage: a folder stands for a file."""
    return lambda folder: (folder / name).mkdir()


def both(*damages: Callable[[Path], None]) -> Callable[[Path], None]:
    """Damage: several at once."""

    def apply(folder: Path) -> None:
        for damage in damages:
            damage(folder)

    return apply


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
    "no entry": (changed(**{"run.nc": None}), "the checksum of run.nc is missing"),
    "no checksums": (changed(checksums=None), "the checksum of run.nc is missing"),
    "edited by hand": (edited, "manifest.json: damaged, or changed since it was written"),
    "a pipe for data": (piped("run.nc"), "run.nc: cannot be read: it is not a regular file"),
    "a pipe for a manifest": (piped("manifest.json"), "it is not a regular file"),
    "a device": (linked("run.nc", "/dev/zero"), "it is not a regular file"),
    "a folder": (both(removed("run.nc"), foldered("run.nc")), "it is a folder"),
    "endless manifest": (
        written("manifest.json", b" " * (manifests.MOST_BYTES + 1)),
        "larger than 32 MiB",
    ),
    "of another run": (changed(seed=4), "another seed"),
    "newer": (changed(format=99), "format 99 is newer than this version of sim reads"),
    "not netCDF": (
        both(written("run.nc", b"x" * 99), signed),
        "run.nc: cannot be read as a run",
    ),
    "vast dims": (both(vast, signed), "gw claims 8,000,000,000,000 bytes, and has 0"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_open_run_names_damage_and_changes_no_file(folder: Path, name: str) -> None:
    damage, message = DAMAGE[name]
    damage(folder)
    before = read_files(folder)
    with pytest.raises(sim.InputError, match=message):
        sim.open_run(folder)
    assert read_files(folder) == before
    (row,) = folders.listed(folder.parent)
    cheap = name not in ("of another run", "not netCDF", "vast dims")  # by size and manifest
    assert row["state"] == ("broken" if cheap else "whole")


def test_open_run_refuses_a_netcdf_file_of_another_origin(folder: Path) -> None:
    foreign = xr.Dataset({"gw": ("draw", [1.0, 2.0])})
    foreign.to_netcdf(folder / "run.nc", engine="h5netcdf")
    with pytest.raises(sim.InputError, match=r"run\.nc: (truncated|damaged)"):
        sim.open_run(folder)
    signed(folder)
    with pytest.raises(sim.InputError, match=r"run\.nc: is not the run of manifest\.json"):
        sim.open_run(folder)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_open_run_refuses_truncated_data_of_any_length(
    small_run: store_run.Run, data: st.DataObject
) -> None:
    data_bytes = (small_run.folder / "run.nc").read_bytes()
    length = data.draw(st.integers(0, len(data_bytes) - 1))
    with tempfile.TemporaryDirectory() as temporary:
        damaged = Path(shutil.copytree(small_run.folder, Path(temporary) / small_run.folder.name))
        (damaged / "run.nc").write_bytes(data_bytes[:length])
        for checksum in (True, False):  # of what was written, of what is there
            if not checksum:
                signed(damaged)
            with pytest.raises(sim.InputError, match=r"run\.nc: (truncated|cannot be read)"):
                sim.open_run(damaged)
        assert (damaged / "run.nc").read_bytes() == data_bytes[:length]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_open_run_refuses_data_with_any_flipped_bit(
    small_run: store_run.Run, data: st.DataObject
) -> None:
    """In the header and elsewhere: HDF5 alone reads some of these files without an error."""
    data_bytes = bytearray((small_run.folder / "run.nc").read_bytes())
    position = data.draw(st.integers(0, 2048) | st.integers(0, len(data_bytes) - 1))
    data_bytes[position] ^= 1 << data.draw(st.integers(0, 7))
    with tempfile.TemporaryDirectory() as temporary:
        damaged = Path(shutil.copytree(small_run.folder, Path(temporary) / small_run.folder.name))
        (damaged / "run.nc").write_bytes(data_bytes)
        with pytest.raises(sim.InputError, match=r"run\.nc: damaged, or changed"):
            sim.open_run(damaged)


def test_open_run_reads_a_run_that_is_replaced_meanwhile(
    small_run: store_run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest was read before the replacement, the data after it."""
    read = manifests.read
    before = read(small_run.folder) | {"checksums": {"run.nc": {"bytes": 1, "sha256": "0"}}}
    answers = iter([before])
    monkeypatch.setattr(manifests, "read", lambda folder: next(answers, read(folder)))
    assert sim.open_run(small_run.folder).sizes == small_run.ds.sizes


def test_open_run_warns_of_another_version_of_the_model(
    folder: Path, small_run: store_run.Run
) -> None:
    change_manifest(folder, source="0123456789abcdef", commit="0" * 40)
    with pytest.warns(UserWarning, match="made by another version of the model .*commit 0{12}"):
        opened = sim.open_run(folder)
    assert_same(opened, as_stored(small_run.ds))
    # A run of format 1, which bound run.nc alone.
    manifest = manifests.read(folder)
    del manifest["sha256"], manifest["versions"], manifest["commit"], manifest["source"]
    manifest |= {"format": 1, "run.nc": manifest.pop("checksums")["run.nc"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.warns(UserWarning, match="made by another version of the model: not to be mixed"):
        sim.open_run(folder)
    assert [row["model"] for row in folders.listed(folder.parent)] == ["other"]
