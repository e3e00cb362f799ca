"""Counting in how many draws of a replicate something happens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.histograms import Tiles
from sim.kernels.jit import jit
from sim.model.blocks import BLOCK, REPLICATES, TILE

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


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
def least_of(events: Events, comparison: int) -> float:
    """The least number for which a comparison with a constant holds."""
    constant = events.constants[comparison]
    return np.nextafter(constant, np.inf) if events.strict[comparison] else constant


@jit
def _add_above(row: Array, least: float, total: Integers) -> None:
    """Add how many draws of each block of 32 are at least some number to those of its replicate."""
    for block in range(-(-row.size // BLOCK)):
        many = np.int64(0)
        for i in range(block * BLOCK, min((block + 1) * BLOCK, row.size)):
            many += np.int64(row[i] >= least)
        total[block % REPLICATES] += many


@jit
def add_events(
    values: Array,
    at: int,
    tiles: Tiles,
    unknown: NDArray[np.bool_],
    events: Events,
    order: Integers,
    happens: Integers,
    valid: Integers,
) -> None:
    """Count by replicate [event, replicate] in which draws an event happens, and is not NaN.

    The draws are those that stand in `values` [column, draw] from `at` on.
    `unknown` [column] tells where there may be a NaN. Events are counted in this `order`, in which
    those that need the same values should be neighbours.
    """
    hits, known = np.empty(TILE, np.int64), np.empty(TILE, np.int64)
    draws = tiles.counted.size
    for event in order:
        needed, begin, end = events.needed[event], events.first[event], events.first[event + 1]
        all_known = tiles.every
        for k in range(begin, end):
            all_known &= not unknown[events.columns[k]]
            all_known &= events.others[k] < 0 or not unknown[events.others[k]]
        if all_known:
            for place in range(tiles.held.size):
                valid[event, place % REPLICATES] += tiles.held[place]
        simple = end == begin + 1 and events.others[begin] < 0 and not tiles.by_sequence
        if simple and tiles.every:
            row = values[events.columns[begin], at : at + draws]
            _add_above(row, least_of(events, begin), happens[event])
            if not all_known:
                _add_above(row, -np.inf, valid[event])
            continue
        for start in range(0, draws, TILE):
            size = min(TILE, draws - start)
            here = slice(at + start, at + start + size)
            for k in range(begin, end):
                row = values[events.columns[k], here]
                if events.others[k] < 0:
                    least = least_of(events, k)
                    if k == begin:
                        for i in range(size):
                            hits[i] = np.int64(row[i] >= least)
                    else:
                        for i in range(size):
                            hits[i] += np.int64(row[i] >= least)
                else:
                    than, also = (
                        values[events.others[k], here],
                        not events.strict[k],
                    )
                    if k == begin:
                        hits[:size] = 0
                    for i in range(size):
                        hits[i] += np.int64((row[i] > than[i]) | (also & (row[i] == than[i])))
            if not all_known:
                for i in range(size):
                    known[i] = np.int64(tiles.counted[start + i])
                for k in range(begin, end):
                    row = values[events.columns[k], here]
                    than = values[max(events.others[k], 0), here]
                    exclusive_lock = events.others[k] < 0
                    for i in range(size):
                        known[i] &= np.int64(
                            (row[i] == row[i]) & (exclusive_lock | (than[i] == than[i]))
                        )
                for i in range(size):
                    hits[i] = np.int64((hits[i] >= needed) & (known[i] == 1))
                _add_by_replicate(known, size, tiles.by_sequence, valid[event])
            elif needed > 1:
                for i in range(size):
                    hits[i] = np.int64(hits[i] >= needed)
            _add_by_replicate(hits, size, tiles.by_sequence, happens[event])


@jit
def _add_by_replicate(found: Integers, size: int, by_sequence: bool, total: Integers) -> None:
    """Add numbers of the draws of a tile to those of their replicates."""
    for block in range(-(-size // BLOCK)):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, size)
        if by_sequence:
            for i in range(start, stop):
                total[i - start] += found[i]
        else:
            many = np.int64(0)
            for i in range(start, stop):
                many += found[i]
            total[block] += many
