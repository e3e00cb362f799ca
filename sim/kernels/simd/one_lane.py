"""One draw at a time, by numba's public interface alone.

The functions are those of `eight_lanes`, to the same bits; sums over a group of draws are taken in
the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit_not_inlined
from sim.model.blocks import GROUP

HALF = GROUP // 2
_MANTISSA = np.int64((1 << 52) - 1)  # bits of a float
_EXPONENT_OF_ONE = np.int64(1023 << 52)
Array = NDArray[np.float64]


@jit_not_inlined
def where(condition: bool, yes: Any, no: Any) -> Any:
    """`yes` if the condition holds, else `no`; both are evaluated."""
    return yes if condition else no


@jit_not_inlined
def in_any_lane(condition: bool) -> bool:
    """Whether a condition holds."""
    return condition


@jit_not_inlined
def take_lanes(array: Any, index: Any) -> Any:
    """The number of an array at an index."""
    return array[index]


@jit_not_inlined
def put_lanes(number: float, array: Any, index: Any) -> None:
    """Write a number to an array at an index."""
    array[index] = number


@jit_not_inlined
def take_rows(table: Array, rows: NDArray[np.uint64], first: int) -> Any:
    """Load a row of a table [row, 4] as its four columns.

    Its number stands in `rows` at `first`.
    """
    row = rows[first]
    return table[row, 0], table[row, 1], table[row, 2], table[row, 3]


@jit_not_inlined
def square_root(x: float) -> float:
    """Square root."""
    return np.sqrt(x)


@jit_not_inlined
def nearest(x: float) -> float:
    """The nearest integer, the even one of two."""
    return np.rint(x)


@jit_not_inlined
def magnitude(x: float) -> float:
    """The number without its sign."""
    return abs(x)


@jit_not_inlined
def power_of_two(exponent: float) -> float:
    """2^k of an integer k from -1,022 to 1,023."""
    # Added to 1.5 * 2^52, an integer stands in the last bits; NaN cannot be converted.
    bits = np.float64(exponent + 1.5 * 2.0**52).view(np.int64)
    return np.int64((bits + np.int64(1023)) << np.int64(52)).view(np.float64)


@jit_not_inlined
def split(x: float) -> Any:
    """Numbers m from 1 to 2 and k such that x = m 2^k.

    x is positive, finite and normal.
    """
    bits = np.float64(x).view(np.int64)
    mantissa = np.int64((bits & _MANTISSA) | _EXPONENT_OF_ONE).view(np.float64)
    return mantissa, float((bits >> np.int64(52)) - np.int64(1023))


@jit_not_inlined
def sum_of_lanes(x: float) -> float:
    """The number itself."""
    return x


@jit_not_inlined
def sum_where(values: Array, column: np.uint64, counted: Array) -> float:
    """Sum a row of values [column, draw] over draws that count.

    Of halves, quarters, then neighbours.
    """
    total = 0.0
    for i in range(2):
        halves = 0.0
        for k in range(i, HALF, 2):
            low = values[column, k] if counted[k] > 0.0 else 0.0
            high = values[column, k + HALF] if counted[k + HALF] > 0.0 else 0.0
            halves = low + high if k == i else halves + (low + high)
        total = halves if i == 0 else total + halves
    return total


@jit_not_inlined
def add_deviations(
    values: Array, column: np.uint64, counted: Array, centre: float, sums: Array, squares: Array
) -> None:
    """Add deviations from `centre` to `sums` and `squares` [HALF].

    Of a row of values [column, draw], where draws count.
    """
    for k in range(HALF):
        low = values[column, k] - centre if counted[k] > 0.0 else 0.0
        high = values[column, k + HALF] - centre if counted[k + HALF] > 0.0 else 0.0
        sums[k] += low + high
        squares[k] += low * low + high * high
