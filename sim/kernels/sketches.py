"""Counting draws into the bins of a sketch, and how often something happens in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS = 2048
PER_COARSE = 16  # bins that are one where they are counted by replicate
COARSE_BINS = BINS // PER_COARSE
CELLS = 4096  # of the guide
NAN, LOWER, UPPER = range(3)  # the places of what is not finite
_FAR = 1e300  # what is farther from the middle is not told apart
_HALF = CELLS / 2
_COARSE_BITS = np.uint64(4)


class Runs(NamedTuple):
    """Draws `starts[k]`, `starts[k] + stride` ... below `stops[k]` belong to `replicates[k]`."""

    starts: Integers
    stops: Integers
    stride: int
    replicates: Integers


class Grid(NamedTuple):
    """The bins of every column: (-inf, edge 0], (edge 0, edge 1] ..., the last without end.

    Edges are levels of the draws that made them, so that some may be the same, of which
    the bin before the first holds what the others might. `edges` [column, BINS - 1] are the
    distinct ones, and +inf where there are no more; `bins` [column, distinct edge] the bin before
    each of them. `guide` [column, cell] says which is the first in a cell, and `steps` [column]
    how often those of one must be halved. Cells lie densest around `middle`, and half of them
    within `scale` of it. So many bins are `at_ends`, on either side.
    """

    edges: Array
    bins: NDArray[np.int16]
    guide: NDArray[np.int16]
    middle: Array
    scale: Array
    steps: Integers
    at_ends: int


class Events(NamedTuple):
    """What may happen in a draw: at least `needed` [event] of some comparisons hold.

    Comparisons `first[event]` to `first[event + 1]` are those of an event. One holds where the
    value of its column is above (`strict`) or at least a constant, or the value of another column
    (-1 where it is a constant).
    """

    first: Integers
    needed: Integers
    columns: Integers
    others: Integers
    constants: Array
    strict: NDArray[np.bool_]


@jit
def cell_of(x: float, middle: float, scale: float) -> np.int32:
    """The cell of the guide for a finite number; every step of it keeps the order of numbers."""
    away = min(max(x - middle, -_FAR), _FAR)
    far = 1.0 - scale / (scale + abs(away))
    return np.int32((1.0 + (far if away >= 0.0 else -far)) * _HALF)


@jit
def fill_guide(edges: Array, middle: float, scale: float, guide: NDArray[np.int16]) -> int:
    """Write a guide to the edges, and return the largest number of them in one cell."""
    edge, most = 0, 0
    for cell in range(CELLS + 1):
        guide[cell] = edge
        while edge < edges.size and edges[edge] < np.inf:
            if cell_of(edges[edge], middle, scale) > cell:
                break
            edge += 1
        most = max(most, edge - guide[cell])
    return most


@jit
def find_bins(row: Array, grid: Grid, column: int, bins: NDArray[np.uint32]) -> bool:
    """Write the bins of a column's values; whether some are not finite, which are in any bin."""
    edges, guide = grid.edges[column], grid.guide[column]
    middle, scale = grid.middle[column], grid.scale[column]
    odd = False
    for i in range(row.size):
        finite = abs(row[i]) < np.inf
        odd |= not finite
        bins[i] = cell_of(row[i] if finite else middle, middle, scale)
    steps = grid.steps[column]
    lowest = BINS - (1 << steps)  # from which on no step leaves the edges
    for i in range(row.size):
        bins[i] = min(np.int64(guide[np.uint64(bins[i])]), lowest)
    for left in range(steps):
        step = np.uint64(1 << (steps - 1 - left))
        before = step - np.uint64(1)
        for i in range(row.size):
            at = np.uint64(bins[i])
            bins[i] = at + step * np.uint64(edges[at + before] < row[i])
    of_edge = grid.bins[column]
    for i in range(row.size):
        bins[i] = of_edge[np.uint64(bins[i])]
    return odd


@jit
def add_to_bins(
    values: Array,
    runs: Runs,
    tiles: Integers,
    grid: Grid,
    counts: Integers,
    coarse: NDArray[np.int32],
    special: Integers,
    lowest: Array,
    highest: Array,
    ends: Array,
    bins: NDArray[np.uint32],
) -> None:
    """Count values [column, draw] in their bins; `bins` [draw] is working space.

    Counted are `counts` [column, bin], `coarse` [column, replicate, coarse bin] and, of what is
    not finite, `special` [column, replicate, 3]. `lowest` and `highest` [column] are those of the
    values at the ends, and `ends` [tile, replicate, column, 2] gets their sums; `tiles` [draw].
    """
    low, high = np.uint32(grid.at_ends), np.uint32(BINS - grid.at_ends)
    for column in range(values.shape[0]):
        row = values[column]
        odd = find_bins(row, grid, column, bins)
        all_counts = counts[column]
        for run in range(runs.replicates.size):
            replicate = runs.replicates[run]
            start, stop, stride = runs.starts[run], runs.stops[run], runs.stride
            of_replicate = coarse[column, replicate]
            at_ends = False
            for i in range(start, stop, stride):
                at_ends |= (bins[i] < low) | (bins[i] >= high)
            if odd:
                for i in range(start, stop, stride):
                    x, at = row[i], np.uint64(bins[i])
                    if abs(x) < np.inf:
                        all_counts[at] += 1
                        of_replicate[at >> _COARSE_BITS] += 1
                    else:
                        kind = NAN if np.isnan(x) else LOWER if x < 0.0 else UPPER
                        special[column, replicate, kind] += 1
            else:
                for i in range(start, stop, stride):
                    at = np.uint64(bins[i])
                    all_counts[at] += 1
                    of_replicate[at >> _COARSE_BITS] += 1
            if at_ends:
                for i in range(start, stop, stride):
                    x = row[i]
                    if (low <= bins[i] < high) or not abs(x) < np.inf:
                        continue
                    ends[tiles[i], replicate, column, np.int64(bins[i] >= high)] += x
                    lowest[column] = min(lowest[column], x)
                    highest[column] = max(highest[column], x)


@jit
def add_events(
    values: Array,
    runs: Runs,
    events: Events,
    happens: Integers,
    valid: Integers,
    hits: NDArray[np.int16],
    known: NDArray[np.int16],
) -> None:
    """Count by replicate [event, replicate] in which draws an event happens, and is not NaN.

    `hits` and `known` [draw] are working space.
    """
    for event in range(events.needed.size):
        needed = events.needed[event]
        hits[:] = 0
        known[:] = 1
        for k in range(events.first[event], events.first[event + 1]):
            row, other, constant = values[events.columns[k]], events.others[k], events.constants[k]
            if other >= 0:
                than = values[other]
                for i in range(row.size):
                    above = row[i] > than[i] or (row[i] == than[i] and not events.strict[k])
                    hits[i] += np.int16(above)
                    known[i] &= np.int16(not (np.isnan(row[i]) or np.isnan(than[i])))
            elif events.strict[k]:
                for i in range(row.size):
                    hits[i] += np.int16(row[i] > constant)
                    known[i] &= np.int16(row[i] == row[i])
            else:
                for i in range(row.size):
                    hits[i] += np.int16(row[i] >= constant)
                    known[i] &= np.int16(row[i] == row[i])
        for run in range(runs.replicates.size):
            happened, counted = np.int64(0), np.int64(0)
            for i in range(runs.starts[run], runs.stops[run], runs.stride):
                happened += np.int64((hits[i] >= needed) & (known[i] != 0))
                counted += np.int64(known[i])
            happens[event, runs.replicates[run]] += happened
            valid[event, runs.replicates[run]] += counted
