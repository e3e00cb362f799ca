"""Reading of stored runs, whose data are verified against their manifest."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.errors import InputError
from sim.common.regular_files import open_regular
from sim.store import manifest
from sim.store.folders import OUTPUTS, find
from sim.store.manifest import DATA, SWEPT, fault

if TYPE_CHECKING:
    import xarray as xr


def open_run(run: str | Path, out: str | Path = OUTPUTS) -> xr.Dataset:
    """Read a stored run as `simulate` returned it, with draws rounded to float32.

    The attribute `precision` of the Dataset and of its variables says so; `redraw` makes the
    float64 draws again, and those of outputs that are not kept.

    Args:
        run: A run folder; or for one in `out` its name, its scenario, or the beginning of its
            name if only one run has it.
        out: The folder that holds the run folders.

    Returns:
        The Dataset in memory, with the dims, coordinates, units and attributes of the one that
        `simulate` returned; no file stays open. Values without draws have all their digits.

    Raises:
        InputError: If there is no such run, or several; if the folder is not a run; if `run.nc` or
            `manifest.json` is damaged, of another run, or of a newer format.

    Warns:
        UserWarning: If another version of the model made the run.
    """
    folder = find(run, Path(out))
    ds, about = read_draws(folder)
    if text := manifest.other_version(about):
        warnings.warn(f"{folder}: {text}", stacklevel=2)
    return ds


def read_draws(folder: Path) -> tuple[xr.Dataset, dict[str, Any]]:
    """The draws of a run in memory, and its manifest.

    Raises:
        InputError: As `open_run`, of a folder.
    """
    with open_run_folder(folder, with_summary=False) as (ds, _, about):
        try:
            return ds.load(), about
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise _unreadable(folder, error) from error


def read_sweep(folder: Path) -> xr.Dataset:
    """A stored sweep in memory, as `sim.sweep` returned it.

    Raises:
        InputError: If it is damaged, or of a newer format.
    """
    import h5py

    from sim.store.netcdf import dataset

    _, file = open_verified(folder, SWEPT)
    try:
        with file, h5py.File(file, "r") as data:
            return dataset(data).load()
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # HDF5 raises various errors for bytes it cannot read
        raise _unreadable(folder, error) from error


@contextmanager
def open_run_folder(
    folder: Path, with_summary: bool = True
) -> Iterator[tuple[xr.Dataset, xr.Dataset, dict[str, Any]]]:
    """Open draws, summary and manifest of a run while the block lasts.

    Draws are read when they are used; the summary takes as long as all others, and is empty unless
    it is asked for.

    Raises:
        InputError: As `open_run`, of a folder.
    """
    import h5py

    from sim.store.netcdf import dataset
    from sim.store.rounding import with_copies

    about, file = open_verified(folder)
    with file:
        try:
            data = h5py.File(file, "r")
        except Exception as error:  # HDF5 raises various errors for bytes it cannot read
            raise _unreadable(folder, error) from error
        with data:
            try:
                ds = with_copies(dataset(data))
                summary = dataset(data["summary"]) if with_summary else ds[[]]
            except MemoryError:
                raise
            except Exception as error:
                raise _unreadable(folder, error) from error
            for key in ("scenario", "digest", "draws", "seed"):
                if str(ds.attrs.get(key)) != str(about[key]):
                    message = f"is not the run of manifest.json: it has another {key}"
                    raise fault(folder / "run.nc", message)
            for part in (ds, summary):
                if isinstance(named := part.attrs.get("named_labs"), str):
                    part.attrs["named_labs"] = [named]  # netCDF has no list of length one
            yield ds, summary, about


def open_verified(folder: Path, name: str = DATA) -> tuple[dict[str, Any], BufferedReader]:
    """Manifest and verified, open data of a run or sweep.

    Verification comes first since HDF5 crashes on some damaged files, and reads others without an
    error.

    Raises:
        InputError: If either is missing or damaged.
    """
    about = manifest.read(folder)
    path = folder / name
    while True:
        try:
            file = open_regular(path)
        except FileNotFoundError as error:
            if SWEPT in about["checksums"]:
                message = f"a sweep, and no run: its numbers are in {SWEPT} and sweep.csv"
                raise fault(folder, message) from error
            raise fault(path, "missing: the run is not whole") from error
        except OSError as error:
            raise fault(path, f"cannot be read: {error.strerror or error}") from error
        try:
            mismatch = manifest.damage_of_open(file, about["checksums"].get(name))
        except OSError as error:
            file.close()
            raise fault(path, f"cannot be read: {error.strerror or error}") from error
        if not mismatch:
            file.seek(0)
            return about, file
        file.close()
        before, about = about, manifest.read(folder)
        if about == before:  # otherwise another process has replaced the run: read it again
            raise fault(path, mismatch)


def _unreadable(folder: Path, error: Exception) -> InputError:
    """Error that the data of a run cannot be read."""
    reason = (str(error).splitlines() or [""])[0]
    return fault(folder / "run.nc", f"cannot be read as a run: {type(error).__name__}: {reason}")
