"""Run folders: finding, listing and removing them."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import Timeout

from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import source_hash
from sim.common.text import nearest
from sim.store import leftovers, locks, manifest
from sim.store.locks import hidden_sibling, ignore, is_locked, lock_of
from sim.store.manifest import DATA, FILES, SWEPT, fault
from sim.store.run_names import chain_of, changes_by_set, given_name, several_runs

OUTPUTS = Path("outputs")
_MOST_NAMED = 12


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, whole or broken, and not hidden."""
    try:
        if not folder.is_dir() or folder.name.startswith("."):
            return False
        if leftovers.RUN_NAME.fullmatch(folder.resolve().name):
            inside = {path.name for path in folder.iterdir()}
            return not inside or bool(inside & {manifest.NAME, DATA, SWEPT})
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


def find(
    run: str | Path,
    out: Path = OUTPUTS,
    note: Callable[[str], None] = ignore,
    others: Sequence[str] = (),
) -> Path:
    """Find the folder of a run.

    `run` is its path, or for one in `out` its folder's name, the name that `sim run --name` gave,
    its scenario, or the beginning of its folder's name. What killed processes left is settled
    first; `note` is called with what stood in the way. `others` are names of what is no run and
    could have been meant.

    Raises:
        InputError: If there is none, or several.
    """
    folder, name = Path(run), str(run)
    leftovers.recover(out if folder.name == name else folder.parent, note)
    if is_run(folder):
        return folder
    is_named = folder.name == name and not (others and not out.is_dir())
    names = [path.name for path in run_folders(out)] if is_named else []
    scenarios = {run_name: run_name.rpartition("-")[0] for run_name in names}
    same_name = [run_name for run_name in names if run_name == name]
    same_scenario = [run_name for run_name in names if scenarios[run_name] == name]
    same_beginning = [run_name for run_name in names if name and run_name.startswith(name)]
    same_given = [path.name for path in named(name, out)] if names and not same_name else []
    matches = same_name or same_given or same_scenario or same_beginning
    if len(matches) == 1:
        return out / matches[0]
    if matches:
        raise several_runs(name, [out / match for match in matches])
    if kind := _kind(folder):
        raise fault(folder, f"a {kind} that is no run: expected one with manifest.json and run.nc")
    if folder.name != name:
        raise fault(folder, "no such run folder")
    given = list(filter(None, (given_name(out / run_name) for run_name in names)))
    hint = nearest(name, list(dict.fromkeys([*others, *scenarios.values(), *given, *names])))
    hint = hint if "did you mean" in hint else nearest(name, names)
    what = f"no such file, and no such run in {out}" if others else f"no such run in {out}"
    raise InputError([Fault(Location(name), "", f"{what}{os.sep}{hint}")])


def named(name: str, out: Path) -> list[Path]:
    """The folders of the runs in a folder to which `sim run --name` gave this name."""
    if not name or not out.is_dir():
        return []
    return [folder for folder in run_folders(out) if given_name(folder) == name]


def give_name(folder: Path, name: str, note: Callable[[str], None] = ignore) -> None:
    """Call a run so, by its manifest; another run of the same folder that was called so is not.

    `note` is called with that one.

    Raises:
        RunError: If a manifest cannot be written.
    """
    others = [path for path in named(name, folder.parent) if path.name != folder.name]
    for path, given in [(folder, name), *((other, None) for other in others)]:
        with locks.exclusive_lock(path, note):
            about = manifest.read(path)
            if about.get("name") != given:
                try:
                    manifest.save(about | {"name": given}, path)
                except OSError as error:
                    raise locks.write_error(path, error) from error
    for path in others:
        note(f"the name {name} was of {path.name}: now it is of {folder.name}")


def _kind(path: Path) -> str:
    """Kind of a path: "folder", "file", or "" where nothing exists."""
    try:
        return "folder" if path.is_dir() else "file" if path.exists() else ""
    except OSError:  # a name too long for a file
        return ""


def listed(out: Path = OUTPUTS, note: Callable[[str], None] = ignore) -> list[dict[str, Any]]:
    """Table of the runs in a folder, oldest first, from manifests.

    `run` is the folder's name; `state` is "whole", "broken" or "unfinished", and `why` gives the
    reason for the latter two; `model` is "this" or "other", the version of the model that made it;
    `bytes` is the size on disk. Entries that a manifest lacks are None. What killed processes left
    is settled first; `note` is called with what stood in the way.

    Raises:
        InputError: If there is no such folder.
    """
    leftovers.recover(out, note)
    rows = [_run_row(folder) for folder in run_folders(out)]
    for path in out.iterdir():
        if (kind := leftovers.kind_of(path)) and path.is_dir():
            folder = out / kind[0]
            why = "left by a killed process"  # and this one may not write here
            if is_locked(folder):
                why = "being made"
            elif kind[1] in leftovers.BROKEN_OFF:
                why = leftovers.broken_off(path, folder) or why
            rows.append(_row(kind[0], path, {}, "unfinished", why))
    return sorted(rows, key=lambda row: (str(row["started"] or ""), row["run"]))


def _run_row(folder: Path) -> dict[str, Any]:
    """Row of `listed` for a run folder that is not hidden."""
    about: dict[str, Any] = {}
    why = ""
    try:
        about = manifest.read(folder)
        why = _differing_size(folder, about)
    except InputError as error:
        why = f"{manifest.NAME}: {error.faults[0].message}"
    return _row(folder.name, folder, about, "broken" if why else "whole", why)


def _differing_size(folder: Path, about: dict[str, Any]) -> str:
    """The first file of a run that is missing or has another size; "" without one.

    Checksums are compared when a run is read: for a table of runs that would take too long.
    """
    for name, recorded in about["checksums"].items():
        try:
            found = (folder / name).stat()
        except OSError:
            return f"{name}: missing"
        if not stat.S_ISREG(found.st_mode):
            return f"{name}: is no regular file"
        if found.st_size != recorded["bytes"]:
            return f"{name}: has {found.st_size:,} bytes, not {recorded['bytes']:,}"
    return ""


def _row(name: str, folder: Path, about: dict[str, Any], state: str, why: str) -> dict[str, Any]:
    """Row of `listed`; `about` is the manifest, empty where there is none."""
    copied = ("scenario", "draws", "seed", "sampler", "started", "duration_s")
    model = "this" if about.get("source") == source_hash() else "other"
    return {
        "run": name,
        "name": about.get("name") or None,
        "folder": str(folder),
        **{key: about.get(key) for key in copied},
        "files": chain_of(about),
        "set": changes_by_set(about),
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
    foreign = sorted(path.name for path in folder.glob("*") if path.name not in FILES)
    named = f", among them {', '.join(foreign[:_MOST_NAMED])}" if foreign else ""
    return f"{files} files, {_size(folder) / 1e6:.1f} MB{named}"


def remove(folder: Path, note: Callable[[str], None] = ignore) -> None:
    """Remove a run folder and its leftovers; of a link to one, the link alone.

    It is renamed to a hidden name first: nothing that is removed in part looks like a run.

    Raises:
        OSError: If it cannot be removed, or another process works on it.
    """
    folder = Path(os.path.normpath(Path.cwd() / folder))  # a link is not followed
    if folder.is_symlink():
        folder.unlink()
        return
    lock = lock_of(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OSError(errno.EBUSY, "another process works on it") from error
    try:
        leftovers.settle(folder, note)
        if folder.exists():
            removed = hidden_sibling(folder, "removed")
            folder.rename(removed)
            shutil.rmtree(removed)
        for path in leftovers.leftovers_of(folder):
            if locks.is_folder(path):
                shutil.rmtree(path)
    finally:
        with suppress(OSError):  # the lock ends with the process
            lock.release()
