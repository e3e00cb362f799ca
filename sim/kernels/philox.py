"""Random numbers as a pure function of (seed, name, draw): Philox4x32-10.

Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC11).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ONE = np.uint64(1)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_TWELVE = np.uint64(12)
_TO_UNIT = 2.0**-52

Word = np.uint64
Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@jit
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> Words:
    """Ten rounds of Philox4x32 on counter `c0..c3` with key `k0, k1`: four 32-bit words.

    Words are held in uint64, so that no product overflows and plain Python gives the same.
    """
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0 = (product_1 >> _SHIFT) ^ c1 ^ k0
        c1 = product_1 & _MASK
        c2 = (product_0 >> _SHIFT) ^ c3 ^ k1
        c3 = product_0 & _MASK
        k0 = (k0 + _WEYL_0) & _MASK
        k1 = (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


@jit
def unit_interval(high: Word, low: Word) -> float:
    """A double from the upper 52 bits of two words; a 53rd would round the largest to 1."""
    bits = ((high << _SHIFT) | low) >> _TWELVE
    return (np.float64(bits) + 0.5) * _TO_UNIT


@jit
def fill_uniforms(seed: Word, name: Word, first: int, uniforms: NDArray[np.float64]) -> None:
    """Fill `uniforms` with the numbers of `name` for draws `first`, `first` + 1, ...

    One Philox call gives an even draw and the odd one after it; `first` and the length are even.
    """
    k0, k1 = seed & _MASK, seed >> _SHIFT
    n0, n1 = name & _MASK, name >> _SHIFT
    pair = np.uint64(first) >> _ONE
    for i in range(uniforms.size // 2):
        counter = pair + np.uint64(i)
        w0, w1, w2, w3 = philox(counter & _MASK, counter >> _SHIFT, n0, n1, k0, k1)
        uniforms[2 * i] = unit_interval(w0, w1)
        uniforms[2 * i + 1] = unit_interval(w2, w3)
