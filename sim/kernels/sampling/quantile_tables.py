"""Quantile functions as tables over the normal score, and normal scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.kernels.jit import jit
from sim.kernels.simd.memory import put_lanes, take_lanes, take_rows
from sim.kernels.simd.vectors import LANES
from sim.model.sampling_records import (
    CELLS_PER_OCTAVE,
    NEAR_OCTAVES,
    NEAR_ROWS,
    OCTAVES,
    SPLIT,
    Array,
    Bits,
    TableSlot,
)

_FIRST_CELL = (1023 - 53) * CELLS_PER_OCTAVE
_FAR_CELLS = (OCTAVES - NEAR_OCTAVES) * CELLS_PER_OCTAVE
_WITHIN = 47  # bits of a double after those that name its cell
_MAGNITUDE = np.uint64(0x7FFFFFFFFFFFFFFF)
_REST = np.uint64((1 << _WITHIN) - 1)
_ONE = np.uint64(1023 << 52)  # the bits of 1.0


@jit
def cubic(a: float, b: float, c: float, d: float, t: float) -> float:
    """Cubic polynomial of coefficients a, ..., d at t from 0 to 1."""
    return a + t * (b + t * (c + t * d))


@jit
def cubic_of_row(cells: Array, row: Any, t: float) -> float:
    """The polynomial of a table's row at t."""
    return cubic(cells[row, 0], cells[row, 1], cells[row, 2], cells[row, 3], t)


@jit
def fill_from_rows(cells: Array, rows: Bits, fractions: Array, values: Array) -> None:
    """Write the polynomials of rows at fractions, from 0 to 1.

    `fractions` may be the memory of `values`.
    """
    in_lanes = values.size - values.size % LANES
    for i in range(0, in_lanes, LANES):
        a, b, c, d = take_rows(cells, rows, i)
        put_lanes(cubic(a, b, c, d, take_lanes(fractions, i)), values, i)
    for i in range(in_lanes, values.size):
        values[i] = cubic_of_row(cells, rows[i], fractions[i])


@jit
def table_value(cells: Array, slot: TableSlot, x: float) -> float:
    """A table's value at x; beyond its ends, that at them.

    A cell that is cut again holds NaN as its last number, and as its first the row where its parts
    begin.
    """
    position = min(max((x - slot.left_end) * slot.per_unit, 0.0), float(slot.rows))
    cell = np.int64(position)
    t = position - cell
    row = slot.first + cell
    while np.isnan(cells[row, 3]):
        position = t * SPLIT
        cell = np.int64(position)
        t = position - cell
        row = slot.first + np.int64(cells[row, 0]) + cell
    return cubic_of_row(cells, row, t)


@jit
def fill_from_table(cells: Array, slot: TableSlot, xs: Array, values: Array, rows: Bits) -> None:
    """Write `table_value` at every x.

    Cells that are cut again are rare, so all are first evaluated as if none was. `rows` [x] is
    working space.
    """
    first, last, left_end, per_unit = slot.first, float(slot.rows), slot.left_end, slot.per_unit
    for i in range(xs.size):
        position = min(max((xs[i] - left_end) * per_unit, 0.0), last)
        cell = np.int32(position)  # processors convert several to 32 bits at once, not to 64
        values[i] = position - cell
        rows[i] = np.uint64(first + cell)
    fill_from_rows(cells, rows, values, values)
    some_cut = False
    for i in range(xs.size):
        some_cut |= np.isnan(values[i])
    if some_cut:
        for i in range(xs.size):
            if np.isnan(values[i]):
                values[i] = table_value(cells, slot, xs[i])


@jit
def step_value(steps: Array, slot: TableSlot, x: float) -> float:
    """A step table's value at x, the one after all edges below.

    The numbers of its guide say how many edges lie below each of its scores; edges follow, then
    values.
    """
    position = min(max((x - slot.left_end) * slot.per_unit, 0.0), float(slot.rows))
    near = np.int64(position)
    edges = slot.first + slot.rows + 1
    # One entry of the guide farther either way, since `position` is rounded.
    low = 0 if near < 1 else np.int64(steps[slot.first + near - 1])
    high = slot.edges if near + 2 > slot.rows else np.int64(steps[slot.first + near + 2])
    while low < high:
        middle = (low + high) // 2
        if steps[edges + middle] < x:
            low = middle + 1
        else:
            high = middle
    return steps[edges + slot.edges + low]


@jit
def locate(
    probabilities: Array, far: int, side: int, fractions: Array, bits: Bits, rows: Bits
) -> None:
    """Find the cells of probabilities among those of `OCTAVES`, and where within.

    Probabilities are between 2^-53 and 1 - 2^-53. `rows` gets the numbers of cells less `far`, at
    least 0; probabilities above 1/2 are mirrored, and their cells begin at `side`. `fractions` gets
    the position within the cell, from 0 to 1; `bits` is the same memory.
    """
    for i in range(probabilities.size):
        p = probabilities[i]
        fractions[i] = p if p < 0.5 else p - 1.0  # exact
    for i in range(probabilities.size):
        upper = bits[i] >> np.uint64(63)
        cell = np.int64((bits[i] & _MAGNITUDE) >> np.uint64(_WITHIN)) - _FIRST_CELL
        rows[i] = np.uint64(max(cell - far, np.int64(0))) + upper * np.uint64(side)
        bits[i] = (bits[i] & _REST) | _ONE
    for i in range(probabilities.size):
        fractions[i] = (fractions[i] - 1.0) * CELLS_PER_OCTAVE  # exact


@jit
def to_normal_scores(
    normal: Array, scores: Array, fractions: Array, bits: Bits, rows: Bits
) -> None:
    """Replace probabilities by their normal scores.

    `normal` has a row for every cell of a probability up to 1/2. `fractions`, `bits` and `rows` are
    working space, as in `locate`.
    """
    locate(scores, 0, 0, fractions, bits, rows)
    fill_from_rows(normal, rows, fractions, fractions)
    for i in range(scores.size):
        scores[i] = np.copysign(fractions[i], scores[i] - 0.5)


@jit
def fill_from_probabilities(
    normal: Array,
    cells: Array,
    slot: TableSlot,
    near: int,
    probabilities: Array,
    values: Array,
    bits: Bits,
    rows: Bits,
) -> None:
    """Write a table's values at the normal scores of probabilities.

    Mostly without computing the scores: from row `near` on are `NEAR_ROWS` of the distribution's
    quantile function over probabilities below 1/2, and then as many above; NaN where one cubic is
    not enough. `values`, `bits` and `rows` are working space, as in `locate`.
    """
    locate(probabilities, _FAR_CELLS - 1, NEAR_ROWS, values, bits, rows)
    fill_from_rows(cells[near:], rows, values, values)
    some_far = False
    for i in range(values.size):
        some_far |= np.isnan(values[i])
    if some_far:
        for i in range(values.size):
            if np.isnan(values[i]):
                values[i] = table_value(cells, slot, normal_score(normal, probabilities[i]))


@jit
def normal_score(normal: Array, p: float) -> float:
    """The normal score of one probability, as `to_normal_scores` finds it."""
    bits = np.float64(p if p < 0.5 else 1.0 - p).view(np.uint64)
    row = np.int64(bits >> np.uint64(_WITHIN)) - _FIRST_CELL
    rest = np.uint64((bits & _REST) | _ONE).view(np.float64)
    fraction = (rest - 1.0) * CELLS_PER_OCTAVE  # exact
    return np.copysign(cubic_of_row(normal, row, fraction), p - 0.5)
