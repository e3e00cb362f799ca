"""Atomic writing of result folders, by one process at a time.

A folder is written under a hidden name and then renamed. A killed process releases its lock.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sim.common.atomic import sync_file, sync_folder
from sim.common.errors import RunError

LOCKS = ".locks"  # next to the folders; its files may be removed while no process works


def lock_of(folder: Path) -> FileLock:
    """The lock of a folder; its file is created.

    Raises:
        OSError: If it cannot be created.
    """
    locks = folder.with_name(LOCKS)
    try:
        locks.mkdir(exist_ok=True)
    except FileExistsError as error:
        message = f"{locks} is no folder; remove it"
        raise NotADirectoryError(errno.ENOTDIR, message) from error
    return FileLock(locks / f"{folder.name}.lock")


def is_locked(folder: Path) -> bool:
    """Whether a process works on a folder."""
    if not (folder.with_name(LOCKS) / f"{folder.name}.lock").exists():
        return False
    try:
        with lock_of(folder).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


@contextmanager
def exclusive_lock(folder: Path, stage: Callable[[str], None]) -> Iterator[None]:
    """Lock a folder for this process.

    While another process has the lock, `stage` is called once with a message, and it is waited for.

    Raises:
        RunError: If the parent folder cannot be written to.
    """
    try:
        lock = lock_of(folder)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            stage("waiting for another process that makes the same folder")
            lock.acquire()
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # the work is done, and the lock ends with the process
            lock.release()


def write_error(folder: Path, error: OSError) -> RunError:
    """Error that a folder could not be written, with the reason."""
    return RunError(f"{folder} could not be written: {error.strerror or error}")


def hidden_sibling(folder: Path, kind: str) -> Path:
    """Path of a hidden folder next to a folder."""
    return folder.with_name(f".{folder.name}.{kind}")


def ignore(text: str) -> None:
    """Take a note that nobody reads."""


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def put_aside(path: Path, note: Callable[[str], None]) -> None:
    """Rename what stands where a folder should be to a visible name, and note that.

    Raises:
        OSError: If it cannot be renamed.
    """
    name = f"{path.name.removeprefix('.')}.aside"
    numbers = (path.with_name(f"{name}{'' if i == 1 else f'-{i}'}") for i in itertools.count(1))
    aside = next(other for other in numbers if not os.path.lexists(other))
    path.rename(aside)
    note(f"{path}: stood in the way of a run; it is now {aside.name}")


@contextmanager
def atomic_directory(folder: Path, note: Callable[[str], None] = ignore) -> Iterator[Path]:
    """Create a hidden folder, which replaces `folder` when the block ends.

    If anything fails, or is interrupted, `folder` stays as it was. A link that stood for the folder
    is put aside, and where it leads nothing is changed.

    Raises:
        RunError: If something cannot be written.
    """
    staging, older = hidden_sibling(folder, "partial"), hidden_sibling(folder, "older")
    try:
        staging.mkdir()
        yield staging
        _sync_tree(staging)
        try:
            if os.path.lexists(folder):
                folder.rename(older)
            staging.rename(folder)
        except BaseException:
            if os.path.lexists(older) and not os.path.lexists(folder):
                older.rename(folder)
            raise
        sync_folder(folder.parent)
        if is_folder(older):
            shutil.rmtree(older, ignore_errors=True)
        elif os.path.lexists(older):
            put_aside(older, note)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def atomic_update(folder: Path, note: Callable[[str], None] = ignore) -> Iterator[Path]:
    """Create a hidden folder with the same files, which replaces `folder` when the block ends.

    They are links where the disk has them: a file may be replaced or removed, and not changed.

    Raises:
        RunError: If something cannot be written.
    """
    with atomic_directory(folder, note) as staging:
        for path in sorted(folder.rglob("*")):
            link(path, staging / path.relative_to(folder))
        yield staging


def link(path: Path, target: Path) -> None:
    """Give a file a second name, or copy it; of a folder, make an empty one.

    Raises:
        OSError: If neither is possible.
    """
    if is_folder(path):
        target.mkdir()
        return
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError:  # not on this disk
        shutil.copy2(path, target, follow_symlinks=False)


def _sync_tree(folder: Path) -> None:
    """Flush all files and names below a folder to disk."""
    for path in [*folder.rglob("*"), folder]:
        if is_folder(path):
            sync_folder(path)
        elif path.is_file() and not path.is_symlink():
            sync_file(path)
