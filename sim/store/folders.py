"""Run folders: which there are, which one a name means, and their removal."""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import Timeout

from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import source_hash
from sim.common.text import nearest
from sim.store import manifest
from sim.store.locks import beside, is_locked, lock_of
from sim.store.manifest import fault

OUTPUTS = Path("outputs")
DATA, SWEPT = "run.nc", "sweep.nc"  # of a run, of a sweep
_NAME = re.compile(r".+-[0-9a-f]{12}")


# What a process leaves beside a folder: one being made, replaced or removed.
_LEFT = re.compile(rf"\.({_NAME.pattern})\.(unfinished|partial|older|removed|points)")
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


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, whole or broken; not one that is hidden beside its place."""
    try:
        if not folder.is_dir() or folder.name.startswith("."):
            return False
        if _NAME.fullmatch(folder.resolve().name):
            inside = {path.name for path in folder.iterdir()}
            return not inside or bool(inside & {"manifest.json", "run.nc"})
        manifest.read(folder)
    except (OSError, InputError):
        return False
    return True


def run_folders(out: Path) -> list[Path]:
    """The run folders in a folder, by name.

    Raises:
        InputError: If there is no such folder, or it cannot be read.
    """
    try:
        return sorted(path for path in out.iterdir() if is_run(path))
    except OSError as error:
        what = "no such folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise fault(out, f"{what or error}: expected the folder in which runs are") from error


def find(run: str | Path, out: Path = OUTPUTS) -> Path:
    """The folder of a run: itself, or the one in `out` of that name, scenario, or beginning.

    Raises:
        InputError: If there is none, or several.
    """
    folder, name = Path(run), str(run)
    if is_run(folder):
        return folder
    known = [path.name for path in run_folders(out)] if folder.name == name else []
    scenarios = {path: path.rpartition("-")[0] for path in known}
    exact = [path for path in known if path == name]
    same = [path for path in known if scenarios[path] == name]
    found = exact or same or [path for path in known if name and path.startswith(name)]
    if len(found) == 1:
        return out / found[0]
    if found:
        more = ", ..." if len(found) > _MOST_NAMED else ""
        message = f"several runs begin so: {', '.join(found[:_MOST_NAMED])}{more}"
        raise fault(Path(name), message)
    if kind := _kind(folder):
        raise fault(folder, f"a {kind} that is no run: expected one with manifest.json and run.nc")
    if folder.name != name:
        raise fault(folder, "no such run folder")
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
    rows = [_judged(folder) for folder in run_folders(out)]
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
    about: dict[str, Any] = {}
    why = ""
    try:
        about = manifest.read(folder)
        data = folder / (SWEPT if (folder / SWEPT).is_file() else DATA)
        size, said = data.stat().st_size, about.get(data.name)
        if said and size != said["bytes"]:
            why = f"run.nc: has {size:,} bytes, not {said['bytes']:,}"
    except InputError as error:
        why = f"manifest.json: {error.faults[0].message}"
    except OSError:
        why = "run.nc: missing"
    return _row(folder.name, folder, about, "broken" if why else "whole", why)


def _row(name: str, folder: Path, about: dict[str, Any], state: str, why: str) -> dict[str, Any]:
    told = ("scenario", "draws", "seed", "sampler", "started", "duration_s")
    model = "this" if about.get("source") == source_hash() else "other"
    return {
        "run": name,
        "folder": str(folder),
        **{key: about.get(key) for key in told},
        "bytes": _size(folder),
        "model": model if about else None,
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
