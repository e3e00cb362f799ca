"""Numbers between 0 and 1 for a run of draws of one quantity, by each of the three samplers.

Every one is a pure function of (seed, name, draw), under Sobol' sequences of (seed, name,
dimension, draw). Draws are taken in blocks of 32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.sampling.philox import Word, fill_words
from sim.model.blocks import BLOCK

RANDOM, STRATIFIED, SOBOL = range(3)
Bits = NDArray[np.uint64]
_TO_UNIT = 2.0**-52
_ONE = np.uint64(1)
_ONE_POINT = np.uint64(1023 << 52)  # the bits of 1.0
_MASK = np.uint64(0xFFFFFFFF)


# Counters that no draw has: the seeds of the 32 scramblings of a quantity.
_SCRAMBLINGS = np.uint64(0xFFFFFFFF << 32)


@jit
def unit_interval(bits: Word) -> float:
    """The middle of one of 2^52 equal parts of the unit interval."""
    return (np.float64(bits) + 0.5) * _TO_UNIT


@jit
def take_places(uniforms: NDArray[np.float64], bits: Bits) -> None:
    """`unit_interval` of 52 bits each, which `bits`, the same memory as `uniforms`, holds.

    As the mantissa of a number from 1 to 2 they need no conversion, which processors may do one
    at a time only.
    """
    for i in range(bits.size):
        bits[i] |= _ONE_POINT
    for i in range(uniforms.size):
        uniforms[i] -= 1.0 - 2.0**-53  # exact


@jit
def fill_random(
    seed: Word,
    name: Word,
    first: int,
    uniforms: NDArray[np.float64],
    bits: Bits,
    words: Bits,
) -> None:
    """Independent numbers: the upper 52 bits of each draw's word (a 53rd would round up to 1).

    `bits` is the same memory as `uniforms`, and `words` [draw] working space, here and below:
    memory of its own, or no loop vectorises.
    """
    fill_words(seed, name, np.uint64(first) >> _ONE, words)
    for i in range(words.size):
        bits[i] = words[i] >> np.uint64(12)
    take_places(uniforms, bits)


@jit
def fill_stratified(
    seed: Word,
    name: Word,
    first: int,
    uniforms: NDArray[np.float64],
    bits: Bits,
    words: Bits,
    strata: Bits,
) -> None:
    """A Latin hypercube in every block of 32 draws (McKay, Beckman, Conover 1979).

    Of a draw's word 47 bits are its place within a stratum, and 17 shuffle the 32 strata
    (Durstenfeld 1964, so exact to 2^-12). `strata` [draw] is working space.
    """
    fill_words(seed, name, np.uint64(first) >> _ONE, words)
    for i in range(BLOCK):
        for start in range(0, words.size, BLOCK):  # within: a step waits for the block's last one
            # Places without a sign take half the time: none can count from the end.
            place = np.uint64(start + i)
            spare = words[place] & np.uint64(0x1FFFF)
            other = np.uint64(start) + ((spare * np.uint64(i + 1)) >> np.uint64(17))
            strata[place] = strata[other]
            strata[other] = np.uint64(i)
    for i in range(words.size):
        bits[i] = (strata[i] << np.uint64(47)) | (words[i] >> np.uint64(17))
    take_places(uniforms, bits)


@jit
def swapped(x: Word, mask: Word, bits: Word) -> Word:
    """A word with the bits of `mask` and those `bits` above them exchanged."""
    return ((x & mask) << bits) | ((x >> bits) & mask)


@jit
def reversed_bits(x: Word) -> Word:
    """The 32 bits of a word in the opposite order."""
    x = swapped(x, np.uint64(0x55555555), np.uint64(1))
    x = swapped(x, np.uint64(0x33333333), np.uint64(2))
    x = swapped(x, np.uint64(0x0F0F0F0F), np.uint64(4))
    x = swapped(x, np.uint64(0x00FF00FF), np.uint64(8))
    return swapped(x, np.uint64(0x0000FFFF), np.uint64(16))


@jit
def sobol_bits(directions: Bits, point: Word) -> Word:
    """The 32 bits, last one first, of a coordinate of a Sobol' point, in the order of Gray code.

    `directions` are the direction numbers of the dimension, their bits in the same order.
    """
    gray = point ^ (point >> _ONE)
    found = np.uint64(0)
    for bit in range(32):
        if (gray >> np.uint64(bit)) & _ONE:
            found ^= directions[bit]
    return found


@jit
def scrambled(x: Word, seed: Word) -> Word:
    """Nested uniform (Owen) scrambling of 32 bits given last one first; they come back in order.

    Each bit is flipped by a hash of the bits before it (Laine and Karras 2011, with the constants
    that Vegdahl found in 2021).
    """
    x ^= (x * np.uint64(0x3D20ADEA)) & _MASK
    x = (x + seed) & _MASK
    x = (x * ((seed >> np.uint64(16)) | _ONE)) & _MASK
    x ^= (x * np.uint64(0x05526C56)) & _MASK
    x ^= (x * np.uint64(0x53A22864)) & _MASK
    return reversed_bits(x)


@jit
def hashed(x: Word) -> Word:
    """32 bits of which each depends on all of those given (the end of MurmurHash3)."""
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x85EBCA6B)) & _MASK
    x ^= x >> np.uint64(13)
    x = (x * np.uint64(0xC2B2AE35)) & _MASK
    return x ^ (x >> np.uint64(16))


@jit
def fill_sobol(
    seed: Word,
    name: Word,
    directions: Bits,
    first: int,
    uniforms: NDArray[np.float64],
    seeds: Bits,
) -> None:
    """Draw i is point i div 32 of the i mod 32-th of 32 separately scrambled Sobol' sequences.

    `seeds`, at least BLOCK of them, are working space.
    """
    fill_words(seed, name, _SCRAMBLINGS, seeds[:BLOCK])
    for start in range(0, uniforms.size, BLOCK):
        x = sobol_bits(directions, np.uint64((first + start) // BLOCK))
        for i in range(BLOCK):
            upper = scrambled(x, seeds[i] >> np.uint64(32))
            lower = hashed(upper ^ (seeds[i] & _MASK)) >> np.uint64(12)
            uniforms[start + i] = unit_interval((upper << np.uint64(20)) | lower)
