"""Runs on disk, read: the Dataset of a folder that is, to the byte, what its manifest says."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.errors import InputError
from sim.store import manifest
from sim.store.folders import DATA, OUTPUTS, SWEPT, find
from sim.store.manifest import fault

if TYPE_CHECKING:
    import xarray as xr


def open_run(run: str | Path, out: str | Path = OUTPUTS) -> xr.Dataset:
    """The draws of a stored run, as `simulate` gave them.

    Args:
        run: A run folder; or the name of one in `out`, its scenario, or how its name begins,
            where that fits one run alone.
        out: The folder in which run folders were made.

    Returns:
        The Dataset in memory, with the dims, coordinates, dtypes, units and attributes that
        `simulate` gave it; no file stays open.

    Raises:
        InputError: If there is no such run, or several; if the folder is no run; if `run.nc` or
            `manifest.json` is damaged, not of this run, or of a newer format.

    Warns:
        UserWarning: If another version of the model made the run.
    """
    folder = find(run, Path(out))
    with open_run_folder(folder) as (ds, _, about):
        try:
            ds.load()
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise _unreadable(folder, error) from error
    if text := manifest.other_version(about):
        warnings.warn(f"{folder}: {text}", stacklevel=2)
    return ds


@contextmanager
def open_run_folder(folder: Path) -> Iterator[tuple[xr.Dataset, xr.Dataset, dict[str, Any]]]:
    """Draws and summary of a run, read where they are used, and its manifest; closed at the end.

    Raises:
        InputError: As `open_run`, of a folder.
    """
    import h5py

    from sim.store.netcdf import dataset

    about, file = open_verified(folder)
    with file:
        try:
            data = h5py.File(file, "r")
        except Exception as error:  # HDF5 has many words for bytes that it does not understand
            raise _unreadable(folder, error) from error
        with data:
            try:
                ds, summary = dataset(data), dataset(data["summary"])
            except MemoryError:
                raise
            except Exception as error:
                raise _unreadable(folder, error) from error
            for key in ("scenario", "digest", "draws", "seed"):
                if str(ds.attrs.get(key)) != str(about[key]):
                    message = f"is not the run of which manifest.json speaks: another {key}"
                    raise fault(folder / "run.nc", message)
            for part in (ds, summary):
                if isinstance(named := part.attrs.get("named_labs"), str):
                    part.attrs["named_labs"] = [named]  # xarray writes no list of one
            yield ds, summary, about


def open_verified(folder: Path, name: str = DATA) -> tuple[dict[str, Any], BufferedReader]:
    """The manifest of a run or sweep, and its data, open, which is what the manifest says it is.

    HDF5 crashes on some damaged files, and reads others without a word.

    Raises:
        InputError: If either is missing or damaged.
    """
    about = manifest.read(folder)
    path = folder / name
    while True:
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            if (folder / SWEPT).is_file():
                message = f"a sweep, and no run: its numbers are in {SWEPT} and sweep.csv"
                raise fault(folder, message) from error
            raise fault(path, "missing: the run is not whole") from error
        except OSError as error:
            raise fault(path, f"cannot be read: {error.strerror or error}") from error
        try:
            mismatch = _mismatch(file, about.get(name))
        except OSError as error:
            file.close()
            raise fault(path, f"cannot be read: {error.strerror or error}") from error
        if not mismatch:
            file.seek(0)
            return about, file
        file.close()
        before, about = about, manifest.read(folder)
        if about == before:  # else another process has just replaced the run
            raise fault(path, mismatch)


def _mismatch(file: BufferedReader, said: dict[str, Any] | None) -> str:
    """How a file differs from what the manifest says of it, in words; "" if it does not."""
    if said is None:
        return ""  # a run of a version that did not say
    size = os.fstat(file.fileno()).st_size
    if size != said["bytes"]:
        what = "truncated" if size < said["bytes"] else "damaged"
        return f"{what}: it has {size:,} bytes, and was written with {said['bytes']:,}"
    if hashlib.file_digest(file, "sha256").hexdigest() != said["sha256"]:
        return "damaged, or changed since it was written: manifest.json has another checksum"
    return ""


def _unreadable(folder: Path, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [""])[0]
    return fault(folder / "run.nc", f"cannot be read as a run: {type(error).__name__}: {reason}")
