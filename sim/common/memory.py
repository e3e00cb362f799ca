"""Memory: aligned arrays, what is available, and a check that draws fit in it."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location

# Peak memory of simulating, summarising and storing, over the memory of the kept draws: 2.5 at
# 200,000 and at 1,000,000 draws, rounded up.
MEMORY_PER_KEPT = 3
ALIGNMENT = 64  # bytes of a line of the cache


def aligned(*shape: int) -> NDArray[np.float64]:
    """Zeros of a shape, in memory that begins a line of the cache.

    Loads from there are faster.
    """
    size = math.prod(shape)
    memory = np.zeros(size + ALIGNMENT // 8)
    first = -memory.ctypes.data % ALIGNMENT // 8
    return memory[first : first + size].reshape(shape)


def available_memory() -> float:
    """Bytes of memory that this process may use; infinite where unknown."""
    available = math.inf
    with suppress(AttributeError, ValueError, OSError):  # not on every platform
        available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # the limit of a container; "max" where there is none
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        available = min(available, limit)
    return available


def check_memory(
    columns: int, draws: int, per_kept: float = MEMORY_PER_KEPT, caller: str = "simulate"
) -> None:
    """Refuse draws that cannot fit in memory, before they are computed.

    `columns` is the number of kept values of a draw, `per_kept` the peak memory over that of these
    values, 8 bytes each. `caller` is the function that the message names.

    Raises:
        InputError: With the memory that is needed and that is available, in GiB.
    """
    needed, available = columns * draws * 8 * per_kept, available_memory()
    if needed > available:
        message = (
            f"{draws:,} draws of {columns} values need about {needed / 2**30:,.1f} GiB, and there"
            f" are {available / 2**30:,.1f} GiB; ask for fewer draws or outputs"
        )
        raise InputError([Fault(Location(caller), "draws", message)])
