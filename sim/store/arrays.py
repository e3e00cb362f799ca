"""Arrays in an npz file, verified by their checksums when they are read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sim.common.atomic import atomic_file
from sim.common.regular_files import MOST_BYTES, open_regular

_READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Store arrays under their names; an existing file is replaced at once.

    Raises:
        OSError: If it cannot be written.
    """
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(
    path: Path, names: Sequence[str] = (), most: int = MOST_BYTES
) -> dict[str, NDArray[Any]]:
    """Read arrays of a file by name; all of them unless names are given.

    No more memory is taken than the file has bytes, whatever it claims to hold.

    Raises:
        OSError: If it cannot be read, or is no regular file of at most `most` bytes.
        ValueError: If it is damaged, or lacks one of the names.
    """
    try:
        with open_regular(path, most) as file, zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            size = path.stat().st_size
            return {name: _read(archive, members[name], size) for name in names or members}
    except (OSError, MemoryError):
        raise
    except Exception as error:  # zipfile and numpy raise various errors for bytes they cannot read
        raise ValueError(f"damaged: {type(error).__name__}: {error}") from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> NDArray[Any]:
    """Read an array, once its header agrees with the size of its bytes.

    zipfile compares the checksum when it reaches the end.
    """
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > most:
        raise ValueError(f"{member.filename} is not as it was written")
    with archive.open(member) as stream:
        read_header = _READ_HEADER[npy.read_magic(stream)]
        shape, _, dtype = read_header(stream)
        if math.prod(shape) * dtype.itemsize != member.file_size - stream.tell():
            raise ValueError(f"{member.filename} has the header of another array")
    with archive.open(member) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))
