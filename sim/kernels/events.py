"""Counting the draws of a replicate in which events happen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.simd.functions import next_above
from sim.kernels.simd.memory import take_lanes
from sim.kernels.simd.vectors import LANES, sum_of_lanes, where
from sim.model.blocks import BLOCK, REPLICATES, TILE
from sim.model.event_records import Events
from sim.model.histogram_records import Tiles

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@jit
def least_of(events: Events, comparison: int) -> float:
    """The least number for which a comparison with a constant holds."""
    constant = events.constants[comparison]
    return next_above(constant) if events.strict[comparison] else constant


@jit
def _add_above(row: Array, least: float, total: Integers) -> None:
    """Count the values that are at least some number, block by block.

    Those of each block of 32 draws are added to `total` [replicate].
    """
    for block in range(row.size // BLOCK):
        begin = block * BLOCK
        count = where(take_lanes(row, begin) >= least, 1.0, 0.0)
        for i in range(begin + LANES, begin + BLOCK, LANES):
            count = count + where(take_lanes(row, i) >= least, 1.0, 0.0)
        total[block % REPLICATES] += np.int64(sum_of_lanes(count))
    for i in range(row.size // BLOCK * BLOCK, row.size):
        total[row.size // BLOCK % REPLICATES] += np.int64(row[i] >= least)


@jit
def _add_joint(
    values: Array, at: int, draws: int, events: Events, event: int, happens: Integers,
    valid: Integers,
) -> None:  # fmt: skip
    """Count the draws in which an event of several comparisons happens and is known.

    They are complete blocks from `at` of `values` [column, draw] on, and all of them count. Counts
    are added to `happens` and `valid` [replicate].
    """
    first, end, needed = events.first[event], events.first[event + 1], events.needed[event]
    for block in range(draws // BLOCK):
        happen_count, known_count = 0.0, 0.0
        for i in range(at + block * BLOCK, at + (block + 1) * BLOCK, LANES):
            value = take_lanes(values, (events.columns[first], i))
            hits, known = where(value == value, 0.0, 0.0), where(value == value, 1.0, 0.0)
            for k in range(first, end):
                value = take_lanes(values, (events.columns[k], i))
                bound = where(value == value, events.constants[k], np.nan)
                if events.others[k] >= 0:
                    bound = take_lanes(values, (events.others[k], i))
                passes = value > bound
                if not events.strict[k]:
                    passes = value >= bound
                hits = hits + where(passes, 1.0, 0.0)
                known = where((value == value) & (bound == bound), known, 0.0)
            happen_count += sum_of_lanes(where(hits >= needed, known, 0.0))
            known_count += sum_of_lanes(known)
        happens[block % REPLICATES] += np.int64(happen_count)
        valid[block % REPLICATES] += np.int64(known_count)


@jit
def add_events(
    values: Array,
    at: int,
    tiles: Tiles,
    has_nan: NDArray[np.bool_],
    events: Events,
    order: Integers,
    happens: Integers,
    valid: Integers,
    hits: Integers,
    known: Integers,
) -> None:
    """Count draws in which events happen, and in which they are known.

    Counts go to `happens` and `valid` [event, replicate]. The draws are those that stand in
    `values` [column, draw] from `at` on. `has_nan` [column] says where there may be a NaN. Events
    are counted in this `order`, in which those that need the same values should be neighbours.
    `hits` and `known` [TILE] are working space.
    """
    draws = tiles.counted.size
    for event in order:
        needed, begin, end = events.needed[event], events.first[event], events.first[event + 1]
        all_known = tiles.every
        for k in range(begin, end):
            all_known &= not has_nan[events.columns[k]]
            all_known &= events.others[k] < 0 or not has_nan[events.others[k]]
        simple = end == begin + 1 and events.others[begin] < 0 and not tiles.by_sequence
        if tiles.every and not simple and not tiles.by_sequence and draws % BLOCK == 0:
            _add_joint(values, at, draws, events, event, happens[event], valid[event])
            continue
        if all_known:
            for r in range(tiles.held.size):
                valid[event, r % REPLICATES] += tiles.held[r]
        if simple and tiles.every:
            row = values[events.columns[begin], at : at + draws]
            _add_above(row, least_of(events, begin), happens[event])
            if not all_known:
                _add_above(row, -np.inf, valid[event])
            continue
        for tile in range(0, draws, TILE):
            size = min(TILE, draws - tile)
            tile_draws = slice(at + tile, at + tile + size)
            for k in range(begin, end):
                row = values[events.columns[k], tile_draws]
                if events.others[k] < 0:
                    least = least_of(events, k)
                    if k == begin:
                        for i in range(size):
                            hits[i] = np.int64(row[i] >= least)
                    else:
                        for i in range(size):
                            hits[i] += np.int64(row[i] >= least)
                else:
                    other, or_equal = values[events.others[k], tile_draws], not events.strict[k]
                    if k == begin:
                        hits[:size] = 0
                    for i in range(size):
                        hits[i] += np.int64((row[i] > other[i]) | (or_equal & (row[i] == other[i])))
            if not all_known:
                for i in range(size):
                    known[i] = np.int64(tiles.counted[tile + i])
                for k in range(begin, end):
                    row = values[events.columns[k], tile_draws]
                    other = values[max(events.others[k], 0), tile_draws]
                    is_constant = events.others[k] < 0
                    for i in range(size):
                        other_known = is_constant | (other[i] == other[i])
                        known[i] &= np.int64((row[i] == row[i]) & other_known)
                for i in range(size):
                    hits[i] = np.int64((hits[i] >= needed) & (known[i] == 1))
                _add_by_replicate(known, size, tiles.by_sequence, valid[event])
            elif needed > 1:
                for i in range(size):
                    hits[i] = np.int64(hits[i] >= needed)
            _add_by_replicate(hits, size, tiles.by_sequence, happens[event])


@jit
def _add_by_replicate(flags: Integers, size: int, by_sequence: bool, total: Integers) -> None:
    """Add the first `size` flags of a tile's draws to `total` [replicate]."""
    for block in range(-(-size // BLOCK)):
        begin, end = block * BLOCK, min((block + 1) * BLOCK, size)
        if by_sequence:
            for i in range(begin, end):
                total[i - begin] += flags[i]
        else:
            count = np.int64(0)
            for i in range(begin, end):
                count += flags[i]
            total[block] += count
