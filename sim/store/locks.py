"""Atomic writing of result folders, by one process at a time.

A folder is written under a hidden name and then renamed. A killed process releases its lock; the
next one removes its leftovers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sim.common.errors import RunError

LOCKS = ".locks"  # next to the folders; its files may be removed while no process works


def lock_of(folder: Path) -> FileLock:
    """The lock of a folder; its file is created.

    Raises:
        OSError: If it cannot be created.
    """
    locks = folder.with_name(LOCKS)
    locks.mkdir(exist_ok=True)
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
    """Lock a folder for this process, and remove leftovers of killed ones.

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
        _remove_leftovers(folder)
        yield
    finally:
        lock.release()


def write_error(folder: Path, error: OSError) -> RunError:
    """Error that a folder could not be written, with the reason."""
    return RunError(f"{folder} could not be written: {error.strerror or error}")


def hidden_sibling(folder: Path, kind: str) -> Path:
    """Path of a hidden folder next to a folder."""
    return folder.with_name(f".{folder.name}.{kind}")


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Create a hidden folder, which replaces `folder` when the block ends.

    Raises:
        RunError: If something cannot be written.
    """
    staging = hidden_sibling(folder, "partial")
    try:
        staging.mkdir()
        yield staging
        for path in staging.iterdir():
            if path.is_file():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())  # so that it survives a loss of power
        older = hidden_sibling(folder, "older")
        with suppress(FileNotFoundError):
            folder.rename(older)
        staging.rename(folder)
        _sync(folder.parent)
        shutil.rmtree(older, ignore_errors=True)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def atomic_subdirectory(folder: Path, name: str) -> Iterator[Path]:
    """Path for a new folder, which is renamed to `folder / name`.

    Raises:
        RunError: If something cannot be written.
    """
    staging = hidden_sibling(folder, "partial")
    try:
        staging.mkdir()
        yield staging / name
        (staging / name).rename(folder / name)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Make new names in a folder survive a loss of power.

    Platforms without it are ignored.
    """
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Remove hidden folders of killed processes, and restore a replaced one."""
    older = hidden_sibling(folder, "older")
    if older.exists() and not folder.exists():
        older.rename(folder)  # killed between the two renames of `atomic_directory`
    shutil.rmtree(older, ignore_errors=True)
    shutil.rmtree(hidden_sibling(folder, "partial"), ignore_errors=True)
