"""Run folders: finding, listing and removing them."""

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
from sim.store.locks import hidden_sibling, is_locked, lock_of
from sim.store.manifest import fault
from sim.store.run_names import several_runs

OUTPUTS = Path("outputs")
DATA, SWEPT = "run.nc", "sweep.nc"  # of a run, of a sweep
_NAME = re.compile(r".+-[0-9a-f]{12}")


# Hidden folders next to a run: being written, replaced or removed.
_LEFTOVER = re.compile(rf"\.({_NAME.pattern})\.(unfinished|partial|older|removed|points)")
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
    """Whether a folder is a run, whole or broken, and not hidden."""
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
        reason = "no such folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise fault(out, f"{reason or error}: expected the folder in which runs are") from error


def find(run: str | Path, out: Path = OUTPUTS) -> Path:
    """Find the folder of a run.

    `run` is its path, or for one in `out` its name, scenario, or the beginning of its name.

    Raises:
        InputError: If there is none, or several.
    """
    folder, name = Path(run), str(run)
    if is_run(folder):
        return folder
    names = [path.name for path in run_folders(out)] if folder.name == name else []
    scenarios = {run_name: run_name.rpartition("-")[0] for run_name in names}
    same_name = [run_name for run_name in names if run_name == name]
    same_scenario = [run_name for run_name in names if scenarios[run_name] == name]
    same_beginning = [run_name for run_name in names if name and run_name.startswith(name)]
    matches = same_name or same_scenario or same_beginning
    if len(matches) == 1:
        return out / matches[0]
    if matches:
        raise several_runs(name, [out / match for match in matches])
    if kind := _kind(folder):
        raise fault(folder, f"a {kind} that is no run: expected one with manifest.json and run.nc")
    if folder.name != name:
        raise fault(folder, "no such run folder")
    hint = nearest(name, [*scenarios.values(), *names])
    hint = hint if "did you mean" in hint else nearest(name, names)
    raise InputError([Fault(Location(name), "", f"no such run in {out}{os.sep}{hint}")])


def _kind(path: Path) -> str:
    """Kind of a path: "folder", "file", or "" where nothing exists."""
    try:
        return "folder" if path.is_dir() else "file" if path.exists() else ""
    except OSError:  # a name too long for a file
        return ""


def listed(out: Path = OUTPUTS) -> list[dict[str, Any]]:
    """Table of the runs in a folder, oldest first, from manifests.

    `run` is the folder's name; `state` is "whole", "broken" or "unfinished", and `why` gives the
    reason for the latter two; `model` is "this" or "other", the version of the model that made it;
    `bytes` is the size on disk. Entries that a manifest lacks are None.

    Raises:
        InputError: If there is no such folder.
    """
    rows = [_run_row(folder) for folder in run_folders(out)]
    for path in out.iterdir():
        if (match := _LEFTOVER.fullmatch(path.name)) and path.is_dir():
            why = {
                "unfinished": "broken off: the same command goes on with it",
                "partial": "left by a killed process",
                "older": "replaced, and left by a killed process",
                "removed": "removed in part",
                "points": "a sweep that was broken off: the same command goes on with it",
            }[match[2]]
            why = "being made" if is_locked(out / match[1]) else why
            rows.append(_row(match[1], path, {}, "unfinished", why))
    return sorted(rows, key=lambda row: (row["started"] or "", row["run"]))


def _run_row(folder: Path) -> dict[str, Any]:
    """Row of `listed` for a run folder that is not hidden."""
    about: dict[str, Any] = {}
    why = ""
    try:
        about = manifest.read(folder)
        data = folder / (SWEPT if (folder / SWEPT).is_file() else DATA)
        size, recorded = data.stat().st_size, about.get(data.name)
        if recorded and size != recorded["bytes"]:
            why = f"run.nc: has {size:,} bytes, not {recorded['bytes']:,}"
    except InputError as error:
        why = f"manifest.json: {error.faults[0].message}"
    except OSError:
        why = "run.nc: missing"
    return _row(folder.name, folder, about, "broken" if why else "whole", why)


def _row(name: str, folder: Path, about: dict[str, Any], state: str, why: str) -> dict[str, Any]:
    """Row of `listed`; `about` is the manifest, empty where there is none."""
    copied = ("scenario", "draws", "seed", "sampler", "started", "duration_s")
    model = "this" if about.get("source") == source_hash() else "other"
    return {
        "run": name,
        "folder": str(folder),
        **{key: about.get(key) for key in copied},
        "bytes": _size(folder),
        "model": model if about else None,
        "state": state,
        "why": why,
    }


def _size(folder: Path) -> int:
    """Size of the files in a folder in bytes."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # a file that is being replaced
            total += path.stat().st_size if path.is_file() else 0
    return total


def contents(folder: Path) -> str:
    """Text about the files in a folder: number, size, foreign names."""
    paths = list(folder.rglob("*"))
    files = sum(path.is_file() for path in paths)
    foreign = sorted(path.name for path in folder.glob("*") if path.name not in _FILES)
    named = f", among them {', '.join(foreign[:_MOST_NAMED])}" if foreign else ""
    return f"{files} files, {_size(folder) / 1e6:.1f} MB{named}"


def leftovers_of(folder: Path) -> list[Path]:
    """Hidden folders next to a run that processes left or still write."""
    try:
        siblings = sorted(folder.parent.iterdir())
    except OSError:
        return []
    matches = [(path, _LEFTOVER.fullmatch(path.name)) for path in siblings]
    return [path for path, match in matches if match and match[1] == folder.name]


def remove(folder: Path) -> None:
    """Remove a run folder and its leftovers.

    It is renamed to a hidden name first: nothing that is removed in part looks like a run.

    Raises:
        OSError: If it cannot be removed, or another process works on it.
    """
    folder = folder.resolve()
    lock = lock_of(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OSError(errno.EBUSY, "another process works on it") from error
    with lock:
        if folder.exists():
            shutil.rmtree(folder.rename(hidden_sibling(folder, "removed")))
        for path in leftovers_of(folder):
            shutil.rmtree(path)
