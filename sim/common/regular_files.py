"""Reading of regular files of a stated most size.

Pipes and devices have no end, or wait for one; folders are no files.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

MOST_BYTES = 1 << 36  # of any file; most are given less


def open_regular(path: Path, most: int = MOST_BYTES) -> BufferedReader:
    """Open a regular file, or a link to one, of at most `most` bytes for reading.

    Raises:
        OSError: If it is none, is larger, or cannot be opened; never a wait.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # a pipe is opened without a wait
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags)
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if found.st_size > most:
            message = f"it has {found.st_size:,} bytes, and at most {most:,} are read"
            raise OSError(errno.EFBIG, message, str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, most: int) -> bytes:
    """Read a regular file, or a link to one, of at most `most` bytes.

    Raises:
        OSError: As `open_regular`.
    """
    with open_regular(path, most) as file:
        return file.read(most)
