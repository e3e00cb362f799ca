"""Runs on disk, read: which there are, whether they are whole, and what they hold.

A run folder is whole if its `run.nc` is, to the byte, what `manifest.json` says it is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import source_hash
from sim.common.text import nearest
from sim.store.locks import beside, is_locked, lock_of

if TYPE_CHECKING:
    import xarray as xr
FORMAT = 1  # of a run folder; one of a higher number is refused
OUTPUTS = Path("outputs")
DATA, SWEPT = "run.nc", "sweep.nc"  # of a run, of a sweep
_NAME = re.compile(r".+-[0-9a-f]{12}")


# What a process leaves beside a folder: one being made, replaced or removed.
_LEFT = re.compile(rf"\.({_NAME.pattern})\.(unfinished|partial|older|removed|points)")
_TYPES = {"scenario": str, "digest": str, "draws": int, "seed": int, "sampler": str}
_FILES = {
    "run.nc",
    "manifest.json",
    "summary.csv",
    "parameters.toml",
    "figures",
    "state.npz",
    SWEPT,
    "sweep.csv",
}
_MOST_NAMED = 12


def marks(data: Path) -> dict[str, Any]:
    """What a manifest says so that a run can be trusted later.

    The format of the folder, the source of the model, and the size and SHA-256 of `data`, the file
    of a run or sweep that was just written.
    """
    with data.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    whole = {"bytes": data.stat().st_size, "sha256": checksum}
    return {"format": FORMAT, "source": source_hash(), data.name: whole}


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
    with opened(folder) as (ds, _, manifest):
        try:
            ds.load()
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise _unreadable(folder, error) from error
    if text := origin(manifest):
        warnings.warn(f"{folder}: {text}", stacklevel=2)
    return ds


@contextmanager
def opened(folder: Path) -> Iterator[tuple[xr.Dataset, xr.Dataset, dict[str, Any]]]:
    """Draws and summary of a run, read where they are used, and its manifest; closed at the end.

    Raises:
        InputError: As `open_run`, of a folder.
    """
    import h5py

    from sim.store.netcdf import dataset

    manifest, file = open_verified(folder)
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
                if str(ds.attrs.get(key)) != str(manifest[key]):
                    message = f"is not the run of which manifest.json speaks: another {key}"
                    raise _fault(folder / "run.nc", message)
            for part in (ds, summary):
                if isinstance(named := part.attrs.get("named_labs"), str):
                    part.attrs["named_labs"] = [named]  # xarray writes no list of one
            yield ds, summary, manifest


def open_verified(folder: Path, name: str = DATA) -> tuple[dict[str, Any], BufferedReader]:
    """The manifest of a run or sweep, and its data, open, which is what the manifest says it is.

    HDF5 crashes on some damaged files, and reads others without a word.

    Raises:
        InputError: If either is missing or damaged.
    """
    manifest = read_manifest(folder)
    path = folder / name
    while True:
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            if (folder / SWEPT).is_file():
                message = f"a sweep, and no run: its numbers are in {SWEPT} and sweep.csv"
                raise _fault(folder, message) from error
            raise _fault(path, "missing: the run is not whole") from error
        except OSError as error:
            raise _fault(path, f"cannot be read: {error.strerror or error}") from error
        try:
            fault = _mismatch(file, manifest.get(name))
        except OSError as error:
            file.close()
            raise _fault(path, f"cannot be read: {error.strerror or error}") from error
        if not fault:
            file.seek(0)
            return manifest, file
        file.close()
        before, manifest = manifest, read_manifest(folder)
        if manifest == before:  # else another process has just replaced the run
            raise _fault(path, fault)


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


def _fault(path: Path, message: str, line: int = 0) -> InputError:
    return InputError([Fault(Location(str(path), line), "", message)])


def _unreadable(folder: Path, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [""])[0]
    return _fault(folder / "run.nc", f"cannot be read as a run: {type(error).__name__}: {reason}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `manifest.json` of a run folder says.

    Raises:
        InputError: If it is missing, damaged, no manifest of a run, or of a newer format.
    """
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise _fault(path, "missing: the run is not whole") from error
    except OSError as error:
        raise _fault(path, f"cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise _fault(path, f"damaged: {error.msg}", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise _fault(path, f"damaged: {type(error).__name__}") from error
    if not isinstance(manifest, dict):
        raise _fault(path, "not the manifest of a run")
    for key, kind in _TYPES.items():
        if not isinstance(manifest.get(key), kind):
            raise _fault(path, f"not the manifest of a run: {key} is missing or no {_word(kind)}")
    number = manifest.get("format", FORMAT)
    if not isinstance(number, int) or number > FORMAT:
        message = f"format {number} is newer than this version of sim reads ({FORMAT})"
        raise _fault(path, message)
    match manifest.get("run.nc"):
        case None | {"bytes": int(), "sha256": str()}:
            return manifest
    raise _fault(path, "damaged: the checksum of run.nc is missing")


def _word(kind: type) -> str:
    return "text" if kind is str else "whole number"


def origin(manifest: dict[str, Any]) -> str:
    """What to say of a run that another version of the model made; "" for one of this version."""
    if manifest.get("source") == source_hash():
        return ""
    versions = manifest.get("versions")
    known = versions if isinstance(versions, dict) else {}
    about = [f"{name} {known[name]}" for name in ("token-economics-sim", "numba") if name in known]
    if commit := str(manifest.get("commit") or ""):
        about.append(f"commit {commit[:12]}{'+' if commit.endswith('+') else ''}")
    by = f" ({', '.join(about)})" if about else ""
    return f"made by another version of the model{by}: not to be mixed with runs of this one"


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, whole or broken; not one that is hidden beside its place."""
    try:
        if not folder.is_dir() or folder.name.startswith("."):
            return False
        if _NAME.fullmatch(folder.resolve().name):
            inside = {path.name for path in folder.iterdir()}
            return not inside or bool(inside & {"manifest.json", "run.nc"})
        read_manifest(folder)
    except (OSError, InputError):
        return False
    return True


def folders(out: Path) -> list[Path]:
    """The run folders in a folder, by name.

    Raises:
        InputError: If there is no such folder, or it cannot be read.
    """
    try:
        return sorted(path for path in out.iterdir() if is_run(path))
    except OSError as error:
        what = "no such folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise _fault(out, f"{what or error}: expected the folder in which runs are") from error


def find(run: str | Path, out: Path = OUTPUTS) -> Path:
    """The folder of a run: itself, or the one in `out` of that name, scenario, or beginning.

    Raises:
        InputError: If there is none, or several.
    """
    folder, name = Path(run), str(run)
    if is_run(folder):
        return folder
    known = [path.name for path in folders(out)] if folder.name == name else []
    scenarios = {path: path.rpartition("-")[0] for path in known}
    exact = [path for path in known if path == name]
    same = [path for path in known if scenarios[path] == name]
    found = exact or same or [path for path in known if name and path.startswith(name)]
    if len(found) == 1:
        return out / found[0]
    if found:
        more = ", ..." if len(found) > _MOST_NAMED else ""
        message = f"several runs begin so: {', '.join(found[:_MOST_NAMED])}{more}"
        raise _fault(Path(name), message)
    if kind := _kind(folder):
        raise _fault(folder, f"a {kind} that is no run: expected one with manifest.json and run.nc")
    if folder.name != name:
        raise _fault(folder, "no such run folder")
    hint = nearest(name, [*scenarios.values(), *known])
    hint = hint if "did you mean" in hint else nearest(name, known)
    raise InputError([Fault(Location(name), "", f"no such run in {out}{os.sep}{hint}")])


def _kind(path: Path) -> str:
    """What is at a path, in a word; "" if there is nothing."""
    try:
        return "folder" if path.is_dir() else "file" if path.exists() else ""
    except OSError:  # a name too long for a file
        return ""


def listed(out: Path = OUTPUTS) -> list[dict[str, Any]]:
    """A table of the runs in a folder, oldest first, from their manifests alone.

    `run` is the folder's name; `state` is "whole", "broken" or "unfinished", and `why` says what
    is not as it should be; `model` is "this" or "other", by the version of the model that made it;
    `bytes` is the size on disk. What a manifest does not tell is None.

    Raises:
        InputError: If there is no such folder.
    """
    rows = [_judged(folder) for folder in folders(out)]
    for left in out.iterdir():
        if (match := _LEFT.fullmatch(left.name)) and left.is_dir():
            why = {
                "unfinished": "broken off: the same command goes on with it",
                "partial": "left by a killed process",
                "older": "replaced, and left by a killed process",
                "removed": "removed in part",
                "points": "a sweep that was broken off: the same command goes on with it",
            }[match[2]]
            why = "being made" if is_locked(out / match[1]) else why
            rows.append(_row(match[1], left, {}, "unfinished", why))
    return sorted(rows, key=lambda row: (row["started"] or "", row["run"]))


def _judged(folder: Path) -> dict[str, Any]:
    """A row of `listed`, of a folder in its place."""
    manifest: dict[str, Any] = {}
    why = ""
    try:
        manifest = read_manifest(folder)
        data = folder / (SWEPT if (folder / SWEPT).is_file() else DATA)
        size, said = data.stat().st_size, manifest.get(data.name)
        if said and size != said["bytes"]:
            why = f"run.nc: has {size:,} bytes, not {said['bytes']:,}"
    except InputError as error:
        why = f"manifest.json: {error.faults[0].message}"
    except OSError:
        why = "run.nc: missing"
    return _row(folder.name, folder, manifest, "broken" if why else "whole", why)


def _row(name: str, folder: Path, manifest: dict[str, Any], state: str, why: str) -> dict[str, Any]:
    told = ("scenario", "draws", "seed", "sampler", "started", "duration_s")
    model = "this" if manifest.get("source") == source_hash() else "other"
    return {
        "run": name,
        "folder": str(folder),
        **{key: manifest.get(key) for key in told},
        "bytes": _size(folder),
        "model": model if manifest else None,
        "state": state,
        "why": why,
    }


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # one that is just being replaced
            total += path.stat().st_size if path.is_file() else 0
    return total


def contents(folder: Path) -> str:
    """How much is in a folder, and what of it no run has put there, in words."""
    paths = list(folder.rglob("*"))
    files = sum(path.is_file() for path in paths)
    foreign = sorted(path.name for path in folder.glob("*") if path.name not in _FILES)
    named = f", among them {', '.join(foreign[:_MOST_NAMED])}" if foreign else ""
    return f"{files} files, {_size(folder) / 1e6:.1f} MB{named}"


def left_of(folder: Path) -> list[Path]:
    """What killed processes left beside a run's folder; nothing on which one may be at work."""
    try:
        beside = sorted(folder.parent.iterdir())
    except OSError:
        return []
    matches = [(path, _LEFT.fullmatch(path.name)) for path in beside]
    return [path for path, match in matches if match and match[1] == folder.name]


def remove(folder: Path) -> None:
    """Remove a run folder, and what killed processes left of it.

    It gets a hidden name first: nothing that is half removed looks like a run.

    Raises:
        OSError: If it cannot be removed, or a process works on it.
    """
    folder = folder.resolve()
    lock = lock_of(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OSError(errno.EBUSY, "another process works on it") from error
    with lock:
        if folder.exists():
            shutil.rmtree(folder.rename(beside(folder, "removed")))
        for left in left_of(folder):
            shutil.rmtree(left)
