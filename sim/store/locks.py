"""Folders of results: made whole out of sight, by one process at a time, and then put in place.

Whoever is killed lets go of the lock by itself, and what it left is cleared up by the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sim.common.errors import RunError

LOCKS = ".locks"  # beside the folders; what is in it may be removed while nothing is made


def lock_of(folder: Path) -> FileLock:
    """The lock of a folder, of which the file is made.

    Raises:
        OSError: If it cannot be made.
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
    """Work on a folder while no other process does; what killed ones left of it is cleared up.

    Raises:
        RunError: If the folder it is in cannot be written to.
    """
    try:
        lock = lock_of(folder)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            stage("waiting for another process that does the same")
            lock.acquire()
    except OSError as error:
        raise unwritten(folder, error) from error
    try:
        _tidy(folder)
        yield
    finally:
        lock.release()


def unwritten(folder: Path, error: OSError) -> RunError:
    """That a folder could not be written, and why."""
    return RunError(f"{folder} could not be written: {error.strerror or error}")


def beside(folder: Path, what: str) -> Path:
    """A hidden folder beside a folder, on the same file system."""
    return folder.with_name(f".{folder.name}.{what}")


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """A new hidden folder, to be filled; it takes the place of the folder once it is whole.

    Raises:
        RunError: If something cannot be written.
    """
    staging = beside(folder, "partial")
    try:
        staging.mkdir()
        yield staging
        for path in staging.iterdir():
            if path.is_file():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())  # it is to outlive a loss of power
        older = beside(folder, "older")
        with suppress(FileNotFoundError):
            folder.rename(older)
        staging.rename(folder)
        _sync(folder.parent)
        shutil.rmtree(older, ignore_errors=True)
    except OSError as error:
        raise unwritten(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def atomic_subdirectory(folder: Path, name: str) -> Iterator[Path]:
    """A path to be made, which becomes `name` in the folder once it is whole.

    Raises:
        RunError: If something cannot be written.
    """
    staging = beside(folder, "partial")
    try:
        staging.mkdir()
        yield staging / name
        (staging / name).rename(folder / name)
    except OSError as error:
        raise unwritten(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sync(folder: Path) -> None:
    """See that new names outlive a loss of power, where the platform can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _tidy(folder: Path) -> None:
    older = beside(folder, "older")
    if older.exists() and not folder.exists():
        older.rename(folder)  # killed between taking the older one away and putting the new
    shutil.rmtree(older, ignore_errors=True)
    shutil.rmtree(beside(folder, "partial"), ignore_errors=True)
