"""Counting draws into the bins of a histogram.

Draws come in tiles, of which each block of 32 is a replicate of the Monte Carlo error, or each draw
of a block is one (`Tiles.by_sequence`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.simd.functions import next_above
from sim.model.blocks import BLOCK, REPLICATES, TILE
from sim.model.histogram_bins import BINS, LOWER, NAN, PER_COARSE, UPPER
from sim.model.histogram_records import CELLS, Grid, Tiles

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
_BLOCKS = TILE // BLOCK
_HALF = CELLS / 2
_COARSE_BITS = np.uint64(4)
_ONE, _TWO = np.uint64(1), np.uint64(2)
_SCALES = tuple(2.0**k for k in range(-3, 5))  # over the range of the middle half of the edges
_LEAST_SCALE, _LARGEST_SCALE = 1e-300, 1e300


@jit
def cell_of(x: float, middle: float, scale: float) -> np.int32:
    """The cell of the guide for a number, the first for NaN.

    A larger number never has an earlier cell: every step is monotone.
    """
    away = x - middle
    far = 1.0 - scale / (scale + abs(away))
    signed = far if away >= 0.0 else -far
    return np.int32((1.0 + (signed if away == away else -1.0)) * _HALF)


@jit
def take_finite(row: Array, tiles: Tiles, taken: Array) -> int:
    """Copy the finite values of draws that count, and return their number."""
    count = 0
    for i in range(row.size):
        if abs(row[i]) < np.inf and tiles.counted[i]:
            taken[count] = row[i]
            count += 1
    return count


@jit
def choose_edges(ordered: Array, ranks: Integers, edges: Array) -> None:
    """Write the edges of sorted finite draws: those at `ranks` [edge].

    A number at two or more of the ranks is an atom: its first edge comes to lie just below it.
    """
    edge = 0
    while edge < edges.size:
        number = ordered[ranks[edge]]
        first = edge
        while edge < edges.size and ordered[ranks[edge]] == number:
            edges[edge] = number
            edge += 1
        if ranks[edge - 1] > ranks[first]:
            edges[first] = -next_above(-number)


@jit
def _largest_cell_count(edges: Array, size: int, middle: float, scale: float) -> int:
    """The largest number of edges that one cell of the guide holds.

    Of the first `size` edges.
    """
    largest, count, before = 0, 0, np.int32(-1)
    for edge in range(size):
        cell = cell_of(edges[edge], middle, scale)
        count = count + 1 if cell == before else 1
        before = cell
        largest = max(largest, count)
    return largest


@jit
def lay_out(all_edges: Array, grid: Grid) -> None:
    """Write the grid of edges [column, edge], of which several may be equal."""
    for column in range(all_edges.shape[0]):
        row, edges, guide = all_edges[column], grid.edges[column], grid.guide[column]
        size = 0
        for edge in range(row.size):
            if edge == 0 or row[edge] > row[edge - 1]:
                edges[size], grid.bins[column, size] = row[edge], edge
                size += 1
        low, middle, high = edges[size // 4], edges[size // 2], edges[size * 3 // 4]
        best, scale = BINS, 1.0
        for factor in _SCALES:
            candidate = min(max((high - low) * factor, _LEAST_SCALE), _LARGEST_SCALE)
            largest = _largest_cell_count(edges, size, middle, candidate)
            if largest < best:
                best, scale = largest, candidate
        steps = 0
        while best >> steps:
            steps += 1
        grid.middle[column], grid.scale[column], grid.steps[column] = middle, scale, steps
        lowest = BINS - (1 << steps)  # from which on no step leaves the edges
        cell = 0
        for edge in range(size):
            edge_cell = cell_of(edges[edge], middle, scale)
            while cell <= edge_cell:
                guide[cell] = min(edge, lowest)
                cell += 1
        while cell <= CELLS:
            guide[cell] = min(size, lowest)
            cell += 1


@jit
def find_bins(row: Array, grid: Grid, column: int, bins: NDArray[np.uint32]) -> None:
    """Write the bins of a column's values; NaN gets the first."""
    edges, guide, edge_bins = grid.edges[column], grid.guide[column], grid.bins[column]
    middle, scale = grid.middle[column], grid.scale[column]
    for i in range(row.size):
        bins[i] = cell_of(row[i], middle, scale)
    steps_left = grid.steps[column]
    # Two steps at a time: most columns need no more, and what lies between stays in registers.
    if steps_left % 2:
        steps_left -= 1
        step = np.uint64(1 << steps_left)
        for i in range(row.size):
            edge = np.uint64(guide[np.uint64(bins[i])])
            bins[i] = edge + step * np.uint64(edges[edge + step - _ONE] < row[i])
    else:
        steps_left -= 2
        step = np.uint64(1 << steps_left)
        for i in range(row.size):
            edge = np.uint64(guide[np.uint64(bins[i])])
            edge += _TWO * step * np.uint64(edges[edge + _TWO * step - _ONE] < row[i])
            bins[i] = edge + step * np.uint64(edges[edge + step - _ONE] < row[i])
    while steps_left > 0:
        steps_left -= 2
        step = np.uint64(1 << steps_left)
        for i in range(row.size):
            edge = np.uint64(bins[i])
            edge += _TWO * step * np.uint64(edges[edge + _TWO * step - _ONE] < row[i])
            bins[i] = edge + step * np.uint64(edges[edge + step - _ONE] < row[i])
    for i in range(row.size):
        bins[i] = edge_bins[np.uint64(bins[i])]


@jit
def _is_constant(row: Array) -> bool:
    """Whether all values are the same; stops at the first that differs."""
    first = row[0]
    first_is_nan = first != first
    for begin in range(0, row.size, BLOCK):
        same = True
        for i in range(begin, min(begin + BLOCK, row.size)):
            same &= (row[i] == first) | (first_is_nan & (row[i] != row[i]))
        if not same:
            return False
    return True


@jit
def find_nan(values: Array, has_nan: NDArray[np.bool_]) -> None:
    """Set `has_nan` [column] where a value [column, draw] is NaN."""
    for column in range(values.shape[0]):
        row = values[column]
        for begin in range(0, row.size, TILE):
            found = False
            for i in range(begin, min(begin + TILE, row.size)):
                found |= row[i] != row[i]
            if found:
                has_nan[column] = True
                break


@jit
def add_to_bins(
    values: Array,
    tiles: Tiles,
    grid: Grid,
    counts: NDArray[np.int32],
    coarse: NDArray[np.int32],
    special: Integers,
    lowest: Array,
    highest: Array,
    ends: Array,
    has_nan: NDArray[np.bool_],
    bins: NDArray[np.uint32],
    space: Array,
) -> None:
    """Count values [column, draw] in their bins.

    Counted are `counts` [column, bin], `coarse` [column, replicate, coarse bin] and, of what is not
    finite, `special` [column, replicate, 3]. `lowest` and `highest` [column] are those of the
    values at the ends, and `ends` [column, tile and replicate, 2] gets their sums. `has_nan`
    [column] is set where there is a NaN. `bins` and `space` [draw] are working space.
    """
    low, between = np.uint32(grid.at_ends), np.uint32(BINS - 2 * grid.at_ends)
    step = 1 if tiles.by_sequence else 0
    for column in range(values.shape[0]):
        if tiles.every and _is_constant(values[column]):
            _add_constant(
                values[column], tiles, grid, column, counts, coarse, special, lowest, highest,
                ends, has_nan, bins,
            )  # fmt: skip
            continue
        column_counts, column_coarse, sums = counts[column], coarse[column], ends[column]
        least, most = lowest[column], highest[column]
        for begin in range(0, values.shape[1], TILE):  # a tile's values and bins fit in the cache
            row = values[column, begin : begin + TILE]
            if not tiles.every:
                for i in range(row.size):
                    space[i] = row[i] if tiles.counted[begin + i] else np.nan
                row = space[: row.size]
            find_bins(row, grid, column, bins)
            tile = begin // TILE * REPLICATES
            for block in range(-(-row.size // BLOCK)):
                block_begin, block_end = block * BLOCK, min((block + 1) * BLOCK, row.size)
                replicate = 0 if tiles.by_sequence else block
                rare = False  # at an end, where values that are not finite are too
                for i in range(block_begin, block_end):
                    rare |= bool(np.uint32(bins[i] - low) >= between)
                if not rare:
                    for i in range(block_begin, block_end):
                        bin_index = np.uint64(bins[i])
                        column_counts[bin_index] += 1
                        column_coarse[replicate, bin_index >> _COARSE_BITS] += 1
                        replicate += step
                    continue
                for i in range(block_begin, block_end):
                    x, bin_index = row[i], np.uint64(bins[i])
                    if abs(x) < np.inf:
                        column_counts[bin_index] += 1
                        column_coarse[replicate, bin_index >> _COARSE_BITS] += 1
                        if np.uint32(bins[i] - low) >= between:
                            sums[tile + replicate, np.int64(bins[i] >= low)] += x
                            least, most = min(least, x), max(most, x)
                    elif tiles.counted[begin + i]:
                        kind = _kind_index(x)
                        special[column, replicate, kind] += 1
                        has_nan[column] |= kind == NAN
                    replicate += step
        lowest[column], highest[column] = least, most


@jit
def _kind_index(x: float) -> int:
    """The index of what is not finite: NAN, LOWER or UPPER."""
    return NAN if x != x else LOWER if x < 0.0 else UPPER


@jit
def _add_constant(
    row: Array,
    tiles: Tiles,
    grid: Grid,
    column: int,
    counts: NDArray[np.int32],
    coarse: NDArray[np.int32],
    special: Integers,
    lowest: Array,
    highest: Array,
    ends: Array,
    has_nan: NDArray[np.bool_],
    bins: NDArray[np.uint32],
) -> None:
    """Count the values of a row that are all the same.

    To the bits of `add_to_bins`.
    """
    x = row[0]
    if not abs(x) < np.inf:
        kind = _kind_index(x)
        has_nan[column] |= kind == NAN
        for r in range(tiles.held.size):
            special[column, r % REPLICATES, kind] += tiles.held[r]
        return
    find_bins(row[:1], grid, column, bins)
    bin_index = np.int64(bins[0])
    for r in range(tiles.held.size):
        counts[column, bin_index] += tiles.held[r]
        coarse[column, r % REPLICATES, bin_index // PER_COARSE] += tiles.held[r]
    if grid.at_ends <= bin_index < BINS - grid.at_ends:
        return
    lowest[column] = min(lowest[column], x)
    highest[column] = max(highest[column], x)
    added, total = 0, 0.0
    for r in range(tiles.held.size):
        if tiles.held[r] < added:
            added, total = 0, 0.0
        while added < tiles.held[r]:
            added, total = added + 1, total + x
        ends[column, r, np.int64(bin_index >= grid.at_ends)] = total
