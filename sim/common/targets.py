"""Files that a user asks for by name: what may be written, and how.

One rule for every command: a file that is there is replaced only where that is asked for; what is
no regular file, nor a link to one, never; a folder is made where its name ends in a slash.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sim.common.errors import RunError
from sim.common.text import plain


def names_folder(target: str | Path) -> bool:
    """Whether a text names a folder: one that is there, or a name that ends in a slash.

    Paths do not keep that slash.
    """
    slashes = tuple(filter(None, (os.sep, os.altsep)))
    return Path(target).is_dir() or (isinstance(target, str) and target.endswith(slashes))


def target_fault(path: Path, replace: bool, *, make_folder: bool = False) -> str:
    """Why a file cannot be written there; "" where it can.

    Args:
        path: The file.
        replace: Whether a file that is there is replaced.
        make_folder: Whether the folder is made if it is missing.
    """
    folder = path.parent
    try:
        if not folder.is_dir() and not (make_folder and not os.path.lexists(folder)):
            missing = not os.path.lexists(folder)
            return f"{folder}: {'no such folder' if missing else 'is no folder'}"
        if path.is_dir():
            return f"{path}: is a folder: expected a file"
        if not os.path.lexists(path):
            return ""
        if not path.is_file():
            return f"{path}: is neither a regular file nor a link to one, and is left alone"
    except OSError as error:  # such as a name that is too long
        return f"{path}: cannot be written: {error.strerror or error}"
    return "" if replace else f"{path}: is there already: --force replaces it"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden path of the same ending, which replaces `path` when the block ends.

    What is written there may be a file or a folder. A link stays, and the file to which it leads
    is replaced; missing folders are made. If the block raises, everything stays as it was.

    Raises:
        RunError: If it cannot be written.
    """
    target = Path(os.path.realpath(path))
    process = f"{socket.gethostname()}.{os.getpid()}"
    partial = target.with_name(f".{target.stem}.{process}.partial{path.suffix.lower()}")
    older = target.with_name(f".{target.name}.{process}.older")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        try:
            if target.exists() and (target.is_dir() or partial.is_dir()):
                target.rename(older)  # a folder takes the place of nothing
            partial.replace(target)
        except BaseException:
            if older.exists() and not target.exists():
                older.rename(target)
            raise
    except OSError as error:
        raise RunError(f"{plain(path)} could not be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            _remove(partial)
        with suppress(OSError):
            if target.exists():  # otherwise it is all that is left of the target
                _remove(older)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
