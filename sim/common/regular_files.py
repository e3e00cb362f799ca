"""Files that are read only if they are regular ones, and not too large."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

MOST_BYTES = 1 << 36  # of any file; most are given less
CHUNK = 2**20  # bytes that are read at once


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The bytes of a regular file, or of a link to one.

    Raises:
        OSError: As of `open_regular`.
    """
    chunks: list[bytes] = []
    with open_regular(path, most_bytes) as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            chunks.append(chunk)
            if len(chunks) * CHUNK > most_bytes + CHUNK:  # a file that tells no size, or grows
                raise _too_large(path, most_bytes)
    return b"".join(chunks)


def open_regular(path: Path, most_bytes: int = MOST_BYTES) -> BufferedReader:
    """Open a regular file, or a link to one, for reading.

    Devices, pipes and folders are refused, since reading them may never end.

    Raises:
        OSError: If it cannot be opened, is no regular file, or is larger than `most_bytes`;
            `strerror` says which.
    """
    _check(path.stat(), path, most_bytes)  # before it is opened: some devices act on that
    waits_not = getattr(os, "O_NONBLOCK", 0)  # for someone to write into a pipe
    waits_not |= getattr(os, "O_CLOEXEC", 0)
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | waits_not), "rb")
    try:
        _check(os.fstat(file.fileno()), path, most_bytes)  # it may have been replaced
    except OSError:
        file.close()
        raise
    return file


def _check(status: os.stat_result, path: Path, most_bytes: int) -> None:
    """Refuse what is no regular file of at most this size."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if status.st_size > most_bytes:
        raise _too_large(path, most_bytes)


def _too_large(path: Path, most_bytes: int) -> OSError:
    """The error of a file of more than this size."""
    message = f"larger than {most_bytes / 2**20:g} MiB, the most that is read"
    return OSError(errno.EFBIG, message, str(path))
