"""Memory that is there, and refusal of what cannot fit."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from sim.common.errors import Fault, InputError, Location

# Peak memory of simulating, summarising and storing, over that of the draws that are kept:
# 2.5 at 200,000 and at 1,000,000 draws, rounded up.
MEMORY_PER_KEPT = 3


def memory() -> float:
    """Bytes of memory that this process may have; infinite where the platform does not tell."""
    there = math.inf
    with suppress(AttributeError, ValueError, OSError):  # not on every platform
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # a container may have less; "max" where it has not
        there = min(there, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return there


def check_memory(
    columns: int, draws: int, per_kept: float = MEMORY_PER_KEPT, caller: str = "simulate"
) -> None:
    """Refuse what cannot fit in memory before anything is computed.

    `per_kept` is the peak of memory over that of the values.

    Raises:
        InputError: With how much is needed, and how much there is.
    """
    needed, there = columns * draws * 8 * per_kept, memory()
    if needed > there:
        message = (
            f"{draws:,} draws of {columns} values need about {needed / 2**30:,.1f} GiB, and there"
            f" are {there / 2**30:,.1f} GiB; ask for fewer draws or outputs"
        )
        raise InputError([Fault(Location(caller), "draws", message)])
