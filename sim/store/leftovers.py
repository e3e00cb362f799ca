"""Hidden folders next to a run that killed processes left: taken up, or removed.

This module imports nothing that is slow.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sim.common.errors import InputError
from sim.common.fingerprint import source_hash
from sim.common.regular_files import MOST_BYTES
from sim.store import locks, manifest
from sim.store.locks import hidden_sibling, ignore, is_folder

RUN_NAME = re.compile(r".+-[0-9a-f]{12}")
# A folder that is being written, one that it replaced, one that is being removed; and checkpoints
# of a run, points of a sweep.
_LEFTOVER = re.compile(rf"\.({RUN_NAME.pattern})\.(unfinished|partial|older|removed|points)")
BROKEN_OFF = {
    "unfinished": "broken off: the same command goes on with it",
    "points": "a sweep that was broken off: the same command goes on with it",
}
OTHER_VERSION = "broken off, of another version of the model: sim rm removes it"


def kind_of(path: Path) -> tuple[str, str] | None:
    """Name of the run and kind of a leftover; None for any other path."""
    match = _LEFTOVER.fullmatch(path.name)
    return (match[1], match[2]) if match else None


def leftovers_of(folder: Path) -> list[Path]:
    """Hidden siblings of a run that processes left or still write."""
    try:
        siblings = sorted(folder.parent.iterdir())
    except OSError:
        return []
    return [path for path in siblings if (kind_of(path) or ("",))[0] == folder.name]


def recover(out: Path, note: Callable[[str], None] = ignore) -> None:
    """Settle every run of a folder that killed processes left, as far as that may be written.

    Runs that another process works on are left to it.
    """
    try:
        names = {kind[0] for path in out.iterdir() if (kind := kind_of(path))}
    except OSError:
        return
    for name in sorted(names):
        with suppress(OSError), locks.lock_of(out / name).acquire(timeout=0):
            settle(out / name, note)


def settle(folder: Path, note: Callable[[str], None] = ignore) -> None:
    """Take up or remove what killed processes left of a run, whose lock is held.

    A run that was about to be replaced is restored. Checkpoints and points stay that the same
    command can go on with. What is no folder is put aside, and noted.

    Raises:
        OSError: If something cannot be renamed or removed.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        locks.put_aside(folder, note)
    for path in leftovers_of(folder):
        if not is_folder(path):
            locks.put_aside(path, note)
    older = hidden_sibling(folder, "older")
    if older.exists() and not folder.exists():
        older.rename(folder)  # killed between the two renames of `locks.atomic_directory`
    for kind in ("older", "partial", "removed"):
        _remove(hidden_sibling(folder, kind))
    for kind in BROKEN_OFF:
        path = hidden_sibling(folder, kind)
        if path.exists() and not broken_off(path, folder):
            _remove(path)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def broken_off(path: Path, folder: Path) -> str:
    """How a run or sweep that was broken off can be taken up; "" if it cannot.

    `path` is its hidden folder. It cannot if nothing in it is readable, is of that run, or exceeds
    the finished one.
    """
    digest = folder.name.rpartition("-")[2]
    if path == hidden_sibling(folder, "points"):
        whole = manifest.SWEPT in _files(folder)
        points = () if whole else path.glob("*.npz")
        found = any(_text(point, "digest") == digest for point in points)
        return BROKEN_OFF["points"] if found else ""
    state = path / manifest.STATE
    if _text(state, "digest") != digest:
        return ""
    if _text(state, "source") != source_hash():
        return OTHER_VERSION
    draws = int(_text(state, "draws") or 0)
    return BROKEN_OFF["unfinished"] if draws > manifest.stored_draws(folder) else ""


def _files(folder: Path) -> dict[str, object]:
    """Files of a stored run by its manifest; empty without one."""
    try:
        return dict(manifest.read(folder)["checksums"])
    except InputError:
        return {}


def _text(path: Path, name: str) -> str:
    """An array of a file as text; "" where it cannot be read."""
    from sim.store.arrays import read_arrays  # numpy is slow to import, and leftovers are rare

    try:
        return str(read_arrays(path, [name], MOST_BYTES)[name])
    except (OSError, ValueError):
        return ""
