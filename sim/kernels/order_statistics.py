"""Sums over the draws of a column, and the draws between bounds.

Statistics of draws are made of these. Numbers are added up as NumPy does: eight running sums, in
leaves of at most 128 numbers, which are added in pairs. So a sum has the bits of `numpy.sum`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.model.blocks import BLOCK, TILE
from sim.model.terms import AT_MOST, DISTANCE, EXCESS, SHORTFALL, SQUARE, VALUE

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
_LANES = 8  # running sums


@jit
def _term(x: float, term: int, number: float) -> float:
    """What is added up of a draw, but for AT_MOST; NaN stays NaN."""
    apart = x - number
    if term == VALUE:
        return x
    if term == SQUARE:
        return apart * apart
    if term == DISTANCE:
        return abs(apart)
    if term == EXCESS:
        return 0.0 if apart <= 0.0 else apart
    return 0.0 if apart >= 0.0 else -apart


@jit
def _add_leaf(row: Array, begin: int, end: int, term: int, number: float) -> float:
    """Add up the terms of at most 128 draws, in the order of `numpy.sum`."""
    if end - begin < _LANES:
        total = 0.0
        for i in range(begin, end):
            total += _term(row[i], term, number)
        return total
    a, b = _term(row[begin], term, number), _term(row[begin + 1], term, number)
    c, d = _term(row[begin + 2], term, number), _term(row[begin + 3], term, number)
    e, f = _term(row[begin + 4], term, number), _term(row[begin + 5], term, number)
    g, h = _term(row[begin + 6], term, number), _term(row[begin + 7], term, number)
    whole = begin + (end - begin) // _LANES * _LANES
    for i in range(begin + _LANES, whole, _LANES):
        a += _term(row[i], term, number)
        b += _term(row[i + 1], term, number)
        c += _term(row[i + 2], term, number)
        d += _term(row[i + 3], term, number)
        e += _term(row[i + 4], term, number)
        f += _term(row[i + 5], term, number)
        g += _term(row[i + 6], term, number)
        h += _term(row[i + 7], term, number)
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, end):
        total += _term(row[i], term, number)
    return total


@jit
def _add_blocks(row: Array, term: int, number: float, sums: Array) -> None:
    """Write the sums [block] of the terms of each 32 draws."""
    full = row.size // BLOCK
    for block in range(full):
        sums[block] = _add_leaf(row, block * BLOCK, (block + 1) * BLOCK, term, number)
    if full < sums.size:
        sums[full] = _add_leaf(row, full * BLOCK, row.size, term, number)


@jit
def _count_blocks(row: Array, number: float, sums: Array) -> None:
    """Write how many of each 32 draws are at most a number [block]."""
    full = row.size // BLOCK
    for block in range(full):
        count, draws = np.int64(0), row[block * BLOCK : (block + 1) * BLOCK]
        for i in range(BLOCK):
            count += np.int64(draws[i] <= number)
        sums[block] = count
    if full < sums.size:
        count = np.int64(0)
        for i in range(full * BLOCK, row.size):
            count += np.int64(row[i] <= number)
        sums[full] = count


@jit
def sum_by_block(rows: Array, term: int, numbers: Array, sums: Array) -> None:
    """Write the sums [row, block] of a term of draws [row, draw] and numbers [row].

    A block is 32 draws; the last may have less.
    """
    for k in range(rows.shape[0]):
        row, number, own = rows[k], numbers[k], sums[k]
        if term == VALUE:
            _add_blocks(row, VALUE, number, own)
        elif term == SQUARE:
            _add_blocks(row, SQUARE, number, own)
        elif term == EXCESS:
            _add_blocks(row, EXCESS, number, own)
        elif term == SHORTFALL:
            _add_blocks(row, SHORTFALL, number, own)
        elif term == AT_MOST:
            _count_blocks(row, number, own)
        else:
            _add_blocks(row, DISTANCE, number, own)


@jit
def _add_leaves(
    row: Array, term: int, number: float, leaves: Integers, pairs: Integers, stack: Array
) -> float:
    """Add up the terms of a row, leaf by leaf; see `add_up`."""
    top = 0
    for leaf in range(pairs.size):
        stack[top] = _add_leaf(row, leaves[leaf], leaves[leaf + 1], term, number)
        for _ in range(pairs[leaf]):
            top -= 1
            stack[top] += stack[top + 1]
        top += 1
    return stack[0]


@jit
def add_up(
    rows: Array,
    term: int,
    numbers: Array,
    leaves: Integers,
    pairs: Integers,
    stack: Array,
    sums: Array,
) -> None:
    """Write the sums [row] of a term of draws [row, draw] and numbers [row].

    `leaves` [leaf + 1] are the bounds of leaves, `pairs` [leaf] how many sums are complete after
    each; `stack` is working space.
    """
    for k in range(rows.shape[0]):
        if term == VALUE:
            sums[k] = _add_leaves(rows[k], VALUE, numbers[k], leaves, pairs, stack)
        elif term == SQUARE:
            sums[k] = _add_leaves(rows[k], SQUARE, numbers[k], leaves, pairs, stack)
        else:
            sums[k] = _add_leaves(rows[k], DISTANCE, numbers[k], leaves, pairs, stack)


@jit
def add_squared_deviations(
    rows: Array,
    weight: Array,
    leaves: Integers,
    pairs: Integers,
    stack: Array,
    products: Array,
    sums: Array,
) -> None:
    """Write the sums [row] of squared weighted deviations of values [row, value].

    They are deviations from the weighted mean of a row. `products` [value] and `stack` are working
    space, the others as in `add_up`.
    """
    for k in range(rows.shape[0]):
        row = rows[k]
        for i in range(row.size):
            products[i] = weight[i] * row[i]
        mean = _add_leaves(products, VALUE, 0.0, leaves, pairs, stack)
        for i in range(row.size):
            deviation = weight[i] * (row[i] - mean)
            products[i] = deviation * deviation
        sums[k] = _add_leaves(products, VALUE, 0.0, leaves, pairs, stack)


@jit
def take_between(
    row: Array, low: Array, high: Array, below: Integers, taken: Array, inside: Integers
) -> int:
    """Copy the draws that lie within one of several bounds, and return their number.

    Bounds are `low` to `high` [bound], both included. `below` [bound + 1] gets the numbers of draws
    below each lower bound, and of those that are NaN, which lie in none. `taken` has room for all
    draws; `inside` [1,024] is working space.
    """
    bounds = low.size
    below[:] = 0
    count = 0
    for begin in range(0, row.size, TILE):
        part = row[begin : begin + TILE]
        unknown = np.int64(0)
        for i in range(part.size):
            inside[i] = 0
            unknown += np.int64(part[i] != part[i])
        below[bounds] += unknown
        for bound in range(bounds):
            least, most, smaller = low[bound], high[bound], np.int64(0)
            for i in range(part.size):
                smaller += np.int64(part[i] < least)
                inside[i] |= np.int64((part[i] >= least) & (part[i] <= most))
            below[bound] += smaller
        for i in range(part.size):
            taken[count] = part[i]
            count += inside[i]
    return count
