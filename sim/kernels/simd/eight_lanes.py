"""Numbers by lane as vectors of the processor.

Without a compiler they are arrays of eight draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import lower_builtin, overload, type_callable
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.numba_vectors import intrinsics
from sim.kernels.numba_vectors.availability import LANES
from sim.kernels.numba_vectors.vector_types import NUMBER, TRUTH, types

HALF = LANES // 2
Array = NDArray[np.float64]
square_root, nearest, magnitude = (
    intrinsics.square_root, intrinsics.nearest, intrinsics.magnitude,
)  # fmt: skip
power_of_two, split = intrinsics.power_of_two, intrinsics.split


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds and `no` elsewhere, by lane.

    Both are evaluated.
    """
    return np.where(condition, yes, no)[()]


def in_any_lane(condition: Any) -> bool:
    """Whether a condition holds for some of the draws."""
    return bool(np.any(condition))


def sum_of_lanes(x: Any) -> Any:
    """Sum over all lanes, always in the same order.

    Of halves, quarters, then neighbours.
    """
    while len(x) > 1:
        x = x[: len(x) // 2] + x[len(x) // 2 :]
    return x[0]


def take_lanes(array: Any, index: Any) -> Any:
    """Load numbers of an array from an index on, one a lane.

    They stand along the last axis.
    """
    *row, first = index if isinstance(index, tuple) else (index,)
    return array[(*row, slice(first, first + LANES))].copy()


def put_lanes(number: Any, array: Any, index: Any) -> None:
    """Store a number by lane in an array from an index on.

    Along the last axis.
    """
    *row, first = index if isinstance(index, tuple) else (index,)
    array[(*row, slice(first, first + LANES))] = number


def add_halves(number: Any, row: Any) -> None:
    """Add the sum of lower and upper lanes to an array [HALF]."""
    row += number[:HALF] + number[HALF:]


def take_rows(table: Any, rows: Any, first: Any) -> Any:
    """Load rows of a table [row, 4] as its four columns.

    The numbers of rows stand in `rows` from `first` on.
    """
    return tuple(table[rows[first : first + LANES]].T)


def by_lane(records: Any) -> Any:
    """Arrays and records whose last axis is the lane, by lane.

    `records` is one, or a named tuple of them. Records of fields without lanes stay as they are.
    """
    return records


@overload(where, strict=False)
def _where(condition: Any, yes: Any, no: Any) -> Any:
    if condition == TRUTH or NUMBER in (yes, no):
        return lambda condition, yes, no: intrinsics.select(condition, yes, no)
    return lambda condition, yes, no: yes if condition else no


@overload(in_any_lane, strict=False)
def _in_any_lane(condition: Any) -> Any:
    if condition == TRUTH:
        return lambda condition: intrinsics.any_lane(condition)
    return lambda condition: condition


@overload(sum_of_lanes, strict=False)
def _sum_of_lanes(x: Any) -> Any:
    return lambda x: intrinsics.lane_sum(x)


@overload(take_lanes, strict=False)
def _take_lanes(array: Any, index: Any) -> Any:
    return lambda array, index: intrinsics.load(array, index)


@overload(put_lanes, strict=False)
def _put_lanes(number: Any, array: Any, index: Any) -> Any:
    return lambda number, array, index: intrinsics.store(number, array, index)


@overload(add_halves, strict=False)
def _add_halves(number: Any, row: Any) -> Any:
    return lambda number, row: intrinsics.add_halves(number, row)


@overload(take_rows, strict=False)
def _take_rows(table: Any, rows: Any, first: Any) -> Any:
    return lambda table, rows, first: intrinsics.load_rows(table, rows, first)


# No overload: a function that returns a named tuple with a record in it cannot be compiled.
@type_callable(by_lane)
def _type_by_lane(context: Any) -> Any:
    return lambda records: intrinsics.type_by_lane(records)


@lower_builtin(by_lane, types.Any)
def _by_lane(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return intrinsics.convert_by_lane(context, builder, sig.args[0], sig.return_type, args[0])


@jit
def sum_where(values: Array, column: np.uint64, counted: Array) -> float:
    """Sum a row of values [column, draw] over draws that count.

    In the order of `sum_of_lanes`.
    """
    row = take_lanes(values, (column, 0))
    return sum_of_lanes(where(take_lanes(counted, 0) > 0.0, row, 0.0))


@jit
def add_deviations(
    values: Array, column: np.uint64, counted: Array, centre: float, sums: Array, squares: Array
) -> None:
    """Add deviations from `centre` to `sums` and `squares` [HALF].

    Of a row of values [column, draw], where draws count.
    """
    deviation = take_lanes(values, (column, 0)) - centre
    deviation = where(take_lanes(counted, 0) > 0.0, deviation, 0.0)
    add_halves(deviation, sums)
    add_halves(deviation * deviation, squares)
