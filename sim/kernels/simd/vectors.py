"""Choices by lane, and sums over the draws of a group."""

from __future__ import annotations

from sim.kernels.numba_vectors.availability import LANES, UNAVAILABLE
from sim.model.blocks import GROUP

if LANES == GROUP:
    from sim.kernels.simd.eight_lanes import (
        add_deviations,
        in_any_lane,
        sum_of_lanes,
        sum_where,
        where,
    )
else:
    from sim.kernels.simd.one_lane import (
        add_deviations,
        in_any_lane,
        sum_of_lanes,
        sum_where,
        where,
    )

__all__ = [
    "GROUP",
    "LANES",
    "UNAVAILABLE",
    "add_deviations",
    "in_any_lane",
    "sum_of_lanes",
    "sum_where",
    "where",
]
