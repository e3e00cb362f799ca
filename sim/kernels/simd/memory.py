"""Loads and stores of SIMD vectors; the lane is each array's last axis.

No address need be where a line of the cache begins.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.numba_vectors.availability import LANES
from sim.kernels.numba_vectors.group import GROUP

if LANES == GROUP:
    from sim.kernels.simd.eight_lanes import by_lane, put_lanes, take_lanes, take_rows
else:
    from sim.kernels.simd.one_lane import put_lanes, take_lanes, take_rows

    @jit
    def by_lane(records: Any) -> Any:
        """Arrays and records, which have no lanes."""
        return records


__all__ = ["aligned", "by_lane", "put_lanes", "take_lanes", "take_rows", "zeros_by_lane"]
ALIGNMENT = 64  # bytes of a line of the cache


def aligned(*shape: int) -> NDArray[np.float64]:
    """Zeros of a shape, in memory that begins a line of the cache.

    Loads from there are faster.
    """
    size = math.prod(shape)
    memory = np.zeros(size + ALIGNMENT // 8)
    first = -memory.ctypes.data % ALIGNMENT // 8
    return memory[first : first + size].reshape(shape)


def zeros_by_lane(*shape: int) -> NDArray[np.float64]:
    """Zeros for `by_lane`: [*shape, lane].

    Just [*shape] where kernels compute one draw at a time.
    """
    return aligned(*shape, LANES) if LANES > 1 else aligned(*shape)
