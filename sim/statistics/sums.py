"""Sums over draws, by compiled kernels, to the bits of `numpy.sum`.

A term says what is added up of a draw x and a number c: x, (x - c)^2, |x - c|, max(x - c, 0),
max(c - x, 0), or 1 where x <= c.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.order_statistics import (
    AT_MOST,
    DISTANCE,
    EXCESS,
    SHORTFALL,
    SQUARE,
    VALUE,
    add_squared_deviations,
    add_up,
    sum_by_block,
)
from sim.model.blocks import BLOCK

__all__ = ["AT_MOST", "DISTANCE", "EXCESS", "SHORTFALL", "SQUARE", "VALUE"]
Array = NDArray[np.float64]
Integers = NDArray[np.int64]
LEAF = 128  # numbers, at most, that NumPy adds one after another
LANES = 8  # of which it adds every eighth to a sum of its own
STACK = 64  # sums of halves that wait for the other half, at most


def sum_terms(values: Array, term: int, numbers: Array | float = 0.0) -> Array:
    """Sums [...] of a term of draws [..., draw] and numbers [...]."""
    rows, each = _rows(values, numbers)
    leaves, pairs = _pairwise_tree(rows.shape[1])
    stack = np.empty(STACK)
    sums = [
        add_up(row, term, number, leaves, pairs, stack)
        for row, number in zip(rows, each, strict=True)
    ]
    return np.array(sums).reshape(values.shape[:-1])


def sum_terms_by_block(values: Array, term: int, numbers: Array | float = 0.0) -> Array:
    """Sums [..., block] of a term of draws [..., draw] and numbers [...], in blocks of 32."""
    rows, each = _rows(values, numbers)
    sums = np.empty((len(rows), -(-rows.shape[1] // BLOCK)))
    for row, number, own in zip(rows, each, sums, strict=True):
        sum_by_block(row, term, number, own)
    return sums.reshape(*values.shape[:-1], -1)


def sum_squared_deviations(values: Array, weight: Array) -> Array:
    """Sums [...] of squared weighted deviations of values [..., value] from their weighted mean."""
    rows, _ = _rows(values, 0.0)
    leaves, pairs = _pairwise_tree(rows.shape[1])
    stack, products = np.empty(STACK), np.empty(rows.shape[1])
    sums = [add_squared_deviations(row, weight, leaves, pairs, stack, products) for row in rows]
    return np.array(sums).reshape(values.shape[:-1])


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


def _rows(values: Array, numbers: Array | float) -> tuple[Array, list[float]]:
    """Draws as rows [row, draw] that are contiguous in memory, and a number for each."""
    rows = np.ascontiguousarray(values, dtype=np.float64).reshape(-1, values.shape[-1])
    return rows, np.broadcast_to(numbers, values.shape[:-1]).ravel().tolist()


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
