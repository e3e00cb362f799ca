"""Sums over draws, by compiled kernels, to the bits of `numpy.sum`.

A term says what is added up of a draw x and a number c: x, (x - c)^2, |x - c|, max(x - c, 0),
max(c - x, 0), or 1 where x <= c.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.shipped.entries import add_squared_deviations, add_up, sum_by_block
from sim.model.blocks import BLOCK
from sim.model.terms import AT_MOST, DISTANCE, EXCESS, SHORTFALL, SQUARE, VALUE

__all__ = ["AT_MOST", "DISTANCE", "EXCESS", "SHORTFALL", "SQUARE", "VALUE"]
Array = NDArray[np.float64]
Integers = NDArray[np.int64]
LEAF = 128  # numbers, at most, that NumPy adds one after another
LANES = 8  # of which it adds every eighth to a sum of its own
STACK = 64  # sums of halves that wait for the other half, at most


def sum_terms(values: Array, term: int, numbers: Array | float = 0.0) -> Array:
    """Sums [...] of a term of draws [..., draw] and numbers [...]."""
    rows, sums = _rows(values), np.empty(values.shape[:-1])
    tree = _pairwise_tree(rows.shape[1])
    add_up(rows, term, _for_each(numbers, sums.shape), *tree, np.empty(STACK), sums.reshape(-1))
    return sums


def sum_terms_by_block(values: Array, term: int, numbers: Array | float = 0.0) -> Array:
    """Sums [..., block] of a term of draws [..., draw] and numbers [...], in blocks of 32."""
    rows, shape = _rows(values), values.shape[:-1]
    sums = np.empty((len(rows), -(-rows.shape[1] // BLOCK)))
    sum_by_block(rows, term, _for_each(numbers, shape), sums)
    return sums.reshape(*shape, sums.shape[1])


def count_by_block(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """How many of each 32 flags [..., draw] are True [..., block]; the last block may have less.

    Eight flags are added at a time, as the bytes of a word: four words make a block.
    """
    *shape, draws = flags.shape
    blocks = -(-draws // BLOCK)
    if draws < blocks * BLOCK:
        padded = np.zeros((*shape, blocks * BLOCK), bool)
        padded[..., :draws] = flags
        flags = padded
    words = np.ascontiguousarray(flags).view(np.uint64).reshape(*shape, blocks, 4)
    by_byte = words[..., 0] + words[..., 1] + words[..., 2] + words[..., 3]
    return np.asarray((by_byte * np.uint64(0x0101010101010101)) >> np.uint64(56))


def sum_squared_deviations(values: Array, weight: Array) -> Array:
    """Sums [...] of squared weighted deviations of values [..., value] from their weighted mean."""
    rows, sums = _rows(values), np.empty(values.shape[:-1])
    tree = _pairwise_tree(rows.shape[1])
    space = np.empty(STACK), np.empty(rows.shape[1])
    add_squared_deviations(rows, weight, *tree, *space, sums.reshape(-1))
    return sums


def form_term(values: Array, term: int, number: Any) -> NDArray[Any]:
    """A term of draws and numbers that broadcast against them."""
    if term == VALUE:
        return values
    if term == AT_MOST:
        return np.asarray(values <= number)
    apart = values - number
    if term == SQUARE:
        return np.asarray(apart**2)
    if term == DISTANCE:
        return np.asarray(np.abs(apart))
    return np.asarray(np.maximum(apart if term == EXCESS else -apart, 0.0))


def _rows(values: Array) -> Array:
    """Draws as rows [row, draw] that are contiguous in memory."""
    return np.ascontiguousarray(values, dtype=np.float64).reshape(-1, values.shape[-1])


def _for_each(numbers: Array | float, shape: tuple[int, ...]) -> Array:
    """A number for each row, of numbers in this shape or one for all."""
    each = np.empty(shape)
    each[...] = numbers
    return each.reshape(-1)


@lru_cache(maxsize=64)
def _pairwise_tree(count: int) -> tuple[Integers, Integers]:
    """The leaves in which NumPy adds up so many numbers, and the pairs in which it adds these.

    Returns:
        The bounds of the leaves [leaf + 1], and after each leaf the number of sums that are
        complete with it.
    """
    bounds, pairs = [0], []

    def split(begin: int, size: int) -> None:
        if size <= LEAF:
            bounds.append(begin + size)
            pairs.append(0)
            return
        half = size // 2 // LANES * LANES
        split(begin, half)
        split(begin + half, size - half)
        pairs[-1] += 1

    split(0, count)
    return np.array(bounds, np.int64), np.array(pairs, np.int64)
