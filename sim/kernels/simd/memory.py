"""Loads and stores of SIMD vectors; the lane is each array's last axis.

No address need be where a line of the cache begins.
"""

from __future__ import annotations

from typing import Any

from sim.kernels.jit import jit
from sim.kernels.numba_vectors.availability import LANES
from sim.model.blocks import GROUP

if LANES == GROUP:
    from sim.kernels.simd.eight_lanes import by_lane, put_lanes, take_lanes, take_rows
else:
    from sim.kernels.simd.one_lane import put_lanes, take_lanes, take_rows

    @jit
    def by_lane(records: Any) -> Any:
        """Arrays and records, which have no lanes."""
        return records


__all__ = ["by_lane", "put_lanes", "take_lanes", "take_rows"]
