"""Quantile functions as tables over the normal score, and the normal score of a probability."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.simd.memory import put_lanes, take_lanes, take_rows
from sim.kernels.simd.vectors import LANES

Array = NDArray[np.float64]
Bits = NDArray[np.uint64]
SPLIT = 4  # cells into which one is cut


# Probabilities p of 2^-53 to 1/2 by their exponent and the first bits of their mantissa.
OCTAVES = 52
CELLS_PER_OCTAVE = 32


# Octaves on either side of 1/2 in which values follow from probabilities at once, all but 1 of
# 4,096 draws. Rows of a side: one for what is farther out, the cells, and 1/2 itself.
NEAR_OCTAVES = 12
NEAR_ROWS = NEAR_OCTAVES * CELLS_PER_OCTAVE + 2
_FIRST_CELL = (1023 - 53) * CELLS_PER_OCTAVE
_FAR_CELLS = (OCTAVES - NEAR_OCTAVES) * CELLS_PER_OCTAVE
_WITHIN = 47  # bits of a double after those that name its cell
_MAGNITUDE = np.uint64(0x7FFFFFFFFFFFFFFF)
_REST = np.uint64((1 << _WITHIN) - 1)
_ONE = np.uint64(1023 << 52)  # the bits of 1.0


class TableSlot(NamedTuple):
    """Where a table stands among all, and what it spans.

    Rows (of a step table places of its guide) begin at `first`, `rows` of them side by side from
    `start` on, `per_unit` to a unit. A step table has so many `edges`.
    """

    first: int
    rows: int
    edges: int
    start: float
    per_unit: float


TABLE_SLOT = np.dtype(
    (
        np.record,
        [
            *((name, np.int64) for name in ("first", "rows", "edges")),
            *((name, np.float64) for name in ("start", "per_unit")),
        ],
    )
)


@jit
def cubic(a: float, b: float, c: float, d: float, t: float) -> float:
    """The polynomial of which a, ..., d are the coefficients, at t from 0 to 1."""
    return a + t * (b + t * (c + t * d))


@jit
def cubic_of_row(cells: Array, row: Any, t: float) -> float:
    """The polynomial of a row at t."""
    return cubic(cells[row, 0], cells[row, 1], cells[row, 2], cells[row, 3], t)


@jit
def fill_from_rows(cells: Array, rows: Bits, places: Array, values: Array) -> None:
    """The polynomials of rows at places, from 0 to 1, which may be the memory of `values`."""
    whole = values.size - values.size % LANES
    for i in range(0, whole, LANES):
        a, b, c, d = take_rows(cells, rows, i)
        put_lanes(cubic(a, b, c, d, take_lanes(places, i)), values, i)
    for i in range(whole, values.size):
        values[i] = cubic_of_row(cells, rows[i], places[i])


@jit
def table_value(cells: Array, place: TableSlot, x: float) -> float:
    """The value of a table at x, at its ends beyond them.

    A cell that is cut again holds NaN as its last number, and as its first where its parts begin.
    """
    at = min(max((x - place.start) * place.per_unit, 0.0), float(place.rows))
    within = np.int64(at)
    t = at - within
    row = place.first + within
    while np.isnan(cells[row, 3]):
        finer = t * SPLIT
        within = np.int64(finer)
        t = finer - within
        row = place.first + np.int64(cells[row, 0]) + within
    return cubic_of_row(cells, row, t)


@jit
def fill_from_table(cells: Array, place: TableSlot, xs: Array, values: Array, rows: Bits) -> None:
    """`table_value` at every x; cells that are cut again are rare, so all are first tried whole.

    `rows` [x] is working space.
    """
    first, last, start, per_unit = place.first, float(place.rows), place.start, place.per_unit
    for i in range(xs.size):
        at = min(max((xs[i] - start) * per_unit, 0.0), last)
        within = np.int32(at)  # processors convert to so many bits side by side
        values[i] = at - within
        rows[i] = np.uint64(first + within)
    fill_from_rows(cells, rows, values, values)
    some_cut = False
    for i in range(xs.size):
        some_cut |= np.isnan(values[i])
    if some_cut:
        for i in range(xs.size):
            if np.isnan(values[i]):
                values[i] = table_value(cells, place, xs[i])


@jit
def step_value(steps: Array, place: TableSlot, x: float) -> float:
    """The value of a step table at x: the one after as many edges as lie below x.

    The numbers of a guide say how many edges lie below each of its places; edges follow, then
    values.
    """
    at = min(max((x - place.start) * place.per_unit, 0.0), float(place.rows))
    near = np.int64(at)
    edges = place.first + place.rows + 1
    # One place farther either way, since `at` is rounded.
    low = 0 if near < 1 else np.int64(steps[place.first + near - 1])
    high = place.edges if near + 2 > place.rows else np.int64(steps[place.first + near + 2])
    while low < high:
        middle = (low + high) // 2
        if steps[edges + middle] < x:
            low = middle + 1
        else:
            high = middle
    return steps[edges + place.edges + low]


@jit
def locate(
    probabilities: Array, far: int, side: int, places: Array, bits: Bits, rows: Bits
) -> None:
    """Find the cells of probabilities, between 2^-53 and 1 - 2^-53, among those of `OCTAVES`.

    `rows` gets their numbers less `far`, at least 0; probabilities above 1/2 are mirrored, their
    cells begin at `side`. `places` gets where in the cell, from 0 to 1; `bits` is the same memory.
    """
    for i in range(probabilities.size):
        p = probabilities[i]
        places[i] = p if p < 0.5 else p - 1.0  # exact
    for i in range(probabilities.size):
        upper = bits[i] >> np.uint64(63)
        cell = np.int64((bits[i] & _MAGNITUDE) >> np.uint64(_WITHIN)) - _FIRST_CELL
        rows[i] = np.uint64(max(cell - far, np.int64(0))) + upper * np.uint64(side)
        bits[i] = (bits[i] & _REST) | _ONE
    for i in range(probabilities.size):
        places[i] = (places[i] - 1.0) * CELLS_PER_OCTAVE  # exact


@jit
def turn_into_scores(normal: Array, scores: Array, places: Array, bits: Bits, rows: Bits) -> None:
    """Replace probabilities by their normal scores; what follows is the space of `locate`.

    `normal` has a row for every cell of a probability up to 1/2.
    """
    locate(scores, 0, 0, places, bits, rows)
    fill_from_rows(normal, rows, places, places)
    for i in range(scores.size):
        scores[i] = np.copysign(places[i], scores[i] - 0.5)


@jit
def fill_from_probabilities(
    normal: Array,
    cells: Array,
    place: TableSlot,
    near: int,
    probabilities: Array,
    values: Array,
    bits: Bits,
    rows: Bits,
) -> None:
    """The values of a table at the normal scores of probabilities, mostly without these.

    From row `near` on are `NEAR_ROWS` of the law's quantile function over probabilities below 1/2,
    and then as many above; NaN where one cubic is not enough. `values` is the `places` of `locate`.
    """
    locate(probabilities, _FAR_CELLS - 1, NEAR_ROWS, values, bits, rows)
    fill_from_rows(cells[near:], rows, values, values)
    some_far = False
    for i in range(values.size):
        some_far |= np.isnan(values[i])
    if some_far:
        for i in range(values.size):
            if np.isnan(values[i]):
                values[i] = table_value(cells, place, normal_score(normal, probabilities[i]))


@jit
def normal_score(normal: Array, p: float) -> float:
    """The normal score of one probability, as `turn_into_scores` finds it."""
    mantissa, exponent = math.frexp(p if p < 0.5 else 1.0 - p)
    at = (2.0 * mantissa - 1.0) * CELLS_PER_OCTAVE
    row = (exponent + OCTAVES) * CELLS_PER_OCTAVE + np.int64(at)
    return np.copysign(cubic_of_row(normal, row, at - np.int64(at)), p - 0.5)
