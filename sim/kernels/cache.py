"""The cache of machine code: files that are checked before they are read.

Machine code with a flipped bit ends in a crash or in other numbers. So the folder is named by the
source of the kernels, and a file begins with a hash of its content, of its own name and of that of
the folder.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from sim.common.errors import RunError
from sim.common.fingerprint import kernels_hash

if TYPE_CHECKING:
    from filelock import FileLock

_FOLDERS_KEPT = 8
_OURS = re.compile(r"kernels-[0-9a-f]{16}(-\d+)?")
# Names the temporary folder of a process to those that it starts.
_TEMPORARY = "TOKEN_ECONOMICS_TEMPORARY_CACHE"
_DIGEST = 32  # bytes
_MOST_BYTES = 1 << 28  # of a file; the largest has 3 MB
_TEMPORARY_PREFIX, _IN_USE = "token-economics-kernels-", "in-use.lock"
_UNFINISHED, _UNFINISHED_SECONDS = ".unfinished", 600.0  # after which their process was killed


def cache_lasts() -> bool:
    """Whether a later command finds what this one compiles."""
    cache_folder()
    return _TEMPORARY not in os.environ


@cache
def cache_folder() -> Path:
    """The folder that holds the machine code of exactly this source.

    Where that cannot be written, or other users can write to it, a warning says so, and the folder
    is a temporary one. This process removes it at exit; those that it starts use it too.

    Raises:
        RunError: If no temporary folder can be made either.
    """
    configured = os.environ.get(_TEMPORARY) or os.environ.get("NUMBA_CACHE_DIR")
    root = Path(configured or platformdirs.user_cache_dir("token-economics")).absolute()
    try:
        folder = _folder_in(root)
    except OSError as error:
        reason = f"compiled code cannot be kept in {root}: {error.strerror or error}"
    else:
        _prune(root, folder)
        return folder
    remedy = "set NUMBA_CACHE_DIR to a folder of your own"
    from filelock import FileLock

    _remove_temporary_of_killed()
    try:
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))
        in_use = FileLock(temporary / _IN_USE)
        in_use.acquire()
    except OSError as error:
        raise RunError(f"{reason}; nor in a temporary folder: {error.strerror}: {remedy}") from None
    atexit.register(_remove_by, os.getpid(), temporary, in_use)
    os.environ[_TEMPORARY] = str(temporary)
    _warn(f"{reason}; it is compiled anew in every run: {remedy}")
    return _folder_in(temporary)


def _folder_in(root: Path) -> Path:
    """Make the folder of this source.

    Raises:
        OSError: If it cannot be written, or others can write to it: they could have their code run.
    """
    folder = root / f"kernels-{kernels_hash()}"
    for path in (root, folder):
        path.mkdir(0o700, parents=True, exist_ok=True)
        status = path.stat()
        if not hasattr(os, "getuid"):
            continue
        # In a folder such as /tmp, nobody but its owner replaces a folder.
        sticky = path is root and status.st_mode & stat.S_ISVTX
        if status.st_uid not in ({0, os.getuid()} if path is root else {os.getuid()}):
            raise PermissionError(f"{path.name} belongs to another user")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
            raise PermissionError(f"other users can write to {path.name} (chmod go-w)")
    with tempfile.TemporaryFile(dir=folder):
        pass
    return folder


def _prune(root: Path, own: Path) -> None:
    """Remove folders of other sources but for the newest."""

    def changed(folder: Path) -> float:
        try:
            return folder.stat().st_mtime
        except OSError:  # another process removed it
            return 0.0

    ours = (path for path in root.glob("kernels-*") if _OURS.fullmatch(path.name))
    for stale in sorted(ours, key=changed)[:-_FOLDERS_KEPT]:
        if stale != own:
            shutil.rmtree(stale, ignore_errors=True)


def _remove_by(process: int, folder: Path, in_use: FileLock) -> None:
    """Remove a folder, in the process that made it and not in its forks."""
    if os.getpid() == process:
        in_use.release()
        shutil.rmtree(folder, ignore_errors=True)


def _remove_temporary_of_killed() -> None:
    """Remove temporary folders of this user whose process ended without removing them."""
    from filelock import FileLock

    for folder in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or not (folder / _IN_USE).is_file():
                continue
            if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
                continue
            with FileLock(folder / _IN_USE, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)


def _digest(path: Path, content: bytes | memoryview) -> bytes:
    """Hash of the content of a file and of its place."""
    digest = hashlib.blake2b(f"{path.parent.name}/{path.name}\0".encode(), digest_size=_DIGEST)
    digest.update(content)
    return digest.digest()


def read_file(path: Path) -> memoryview | None:
    """The content of a file of the cache.

    Returns:
        None if there is no such file. Also, with a warning, if it cannot be read or is not what was
        written there.
    """
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _MOST_BYTES:
            data = memoryview(path.read_bytes())
            if data[:_DIGEST] == _digest(path, data[_DIGEST:]):
                return data[_DIGEST:]
        why = "damaged"
    except FileNotFoundError:
        return None
    except OSError as error:
        why = f"unreadable ({error.strerror})"
    _warn_once(f"compiled code in {path.parent} is {why}: what is so is compiled anew")
    return None


def write_file(path: Path, content: bytes) -> None:
    """Write a file of the cache at one stroke; a warning says that it cannot be."""
    _remove_unfinished(path.parent)
    try:
        handle, unfinished = tempfile.mkstemp(_UNFINISHED, f"{path.name}.", path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_digest(path, content))
                file.write(content)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        _warn_once(f"compiled code cannot be kept in {path.parent}: {error.strerror}")


@cache
def _remove_unfinished(folder: Path) -> None:
    """Remove what killed processes were writing."""
    for path in folder.glob(f"*{_UNFINISHED}"):
        try:
            if time.time() - path.stat().st_mtime > _UNFINISHED_SECONDS:
                path.unlink()
        except OSError:  # its process has finished it, after all
            pass


@cache
def _warn_once(message: str) -> None:
    _warn(message)


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=3)
