"""Counting in how many draws of a replicate something happens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.loops import REPLICATES, TILE
from sim.kernels.samplers import BLOCK
from sim.kernels.sketches import Tiles

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
def add_events(
    values: Array,
    tiles: Tiles,
    unknown: NDArray[np.bool_],
    events: Events,
    order: Integers,
    happens: Integers,
    valid: Integers,
) -> None:
    """Count by replicate [event, replicate] in which draws an event happens, and is not NaN.

    `unknown` [column] tells where there may be a NaN. Events are counted in this `order`, in which
    those that need the same values should be neighbours.
    """
    hits, known = np.empty(TILE, np.int64), np.empty(TILE, np.int64)
    draws = values.shape[1]
    for event in order:
        needed, begin, end = events.needed[event], events.first[event], events.first[event + 1]
        all_known = tiles.every
        for k in range(begin, end):
            all_known &= not unknown[events.columns[k]]
            all_known &= events.others[k] < 0 or not unknown[events.others[k]]
        if all_known:
            for place in range(tiles.held.size):
                valid[event, place % REPLICATES] += tiles.held[place]
        for start in range(0, draws, TILE):
            size = min(TILE, draws - start)
            for k in range(begin, end):
                row = values[events.columns[k], start : start + size]
                if events.others[k] < 0:
                    least = events.constants[k]
                    if events.strict[k]:
                        least = np.nextafter(least, np.inf)
                    if k == begin:
                        for i in range(size):
                            hits[i] = np.int64(row[i] >= least)
                    else:
                        for i in range(size):
                            hits[i] += np.int64(row[i] >= least)
                else:
                    than, also = (
                        values[events.others[k], start : start + size],
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
                    row = values[events.columns[k], start : start + size]
                    than = values[max(events.others[k], 0), start : start + size]
                    compared = events.others[k] >= 0
                    for i in range(size):
                        known[i] &= np.int64(
                            (row[i] == row[i]) & (not compared | (than[i] == than[i]))
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
