"""Random bits as a pure function of (seed, name, draw): Philox4x32-10.

Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC11).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
Word = np.uint64
Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@jit
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> Words:
    """Four 32-bit words of Philox4x32-10, on counter `c0..c3` with key `k0, k1`.

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
def fill_words(seed: Word, name: Word, first_pair: Word, words: NDArray[np.uint64]) -> None:
    """Fill `words` with 64 random bits each, two for every counter.

    Counters begin at `first_pair`; the length of `words` is even.
    """
    k0, k1 = seed & _MASK, seed >> _SHIFT
    n0, n1 = name & _MASK, name >> _SHIFT
    for i in range(words.size // 2):
        counter = first_pair + np.uint64(i)
        w0, w1, w2, w3 = philox(counter & _MASK, counter >> _SHIFT, n0, n1, k0, k1)
        words[2 * i] = (w0 << _SHIFT) | w1
        words[2 * i + 1] = (w2 << _SHIFT) | w3
