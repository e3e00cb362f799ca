"""One process at a time works on a run; a killed one lets go by itself."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = ".locks"  # beside run folders; what is in it may be removed while no run is made


def lock_of(folder: Path) -> FileLock:
    """The lock of a run's folder, of which the file is made.

    Raises:
        OSError: If it cannot be made.
    """
    locks = folder.with_name(FOLDER)
    locks.mkdir(exist_ok=True)
    return FileLock(locks / f"{folder.name}.lock")


def is_locked(folder: Path) -> bool:
    """Whether a process works on a run."""
    if not (folder.with_name(FOLDER) / f"{folder.name}.lock").exists():
        return False
    try:
        with lock_of(folder).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True
