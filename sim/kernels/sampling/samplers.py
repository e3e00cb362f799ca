"""Numbers between 0 and 1 for draws of one quantity, by three samplers.

Each is a pure function of (seed, name, draw), under Sobol' sequences of (seed, name, dimension,
draw). Draws are taken in blocks of 32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.sampling.philox import fill_words
from sim.model.blocks import BLOCK
from sim.model.sampling_records import SOBOL_DIMENSIONS, Bits, Word

_ONE = np.uint64(1)
_ONE_POINT = np.uint64(1023 << 52)  # the bits of 1.0
_MASK = np.uint64(0xFFFFFFFF)
# Counters that no draw has: the seeds of the 32 scramblings of a quantity, and of the 32 shuffles
# of a group of dimensions.
_SCRAMBLINGS = np.uint64(0xFFFFFFFF << 32)
_SHUFFLES = np.uint64((0xFFFFFFFF << 32) + BLOCK)


@jit
def to_unit_interval(uniforms: NDArray[np.float64], bits: Bits) -> None:
    """Turn 52 random bits each into the middle of one of 2^52 equal parts of the unit interval.

    `bits` holds them, in the memory of `uniforms`. As the mantissa of a number from 1 to 2 they
    need no conversion, which some processors do one at a time only.
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
    """Fill `uniforms` [draw] with independent numbers.

    From the upper 52 bits of each draw's word (a 53rd would round up to 1). `bits` is the memory of
    `uniforms`, and `words` [draw] working space, here and below: memory of its own, or no loop
    vectorises.
    """
    fill_words(seed, name, np.uint64(first) >> _ONE, words)
    for i in range(words.size):
        bits[i] = words[i] >> np.uint64(12)
    to_unit_interval(uniforms, bits)


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
    """Fill `uniforms` [draw] with a Latin hypercube in every block of 32 draws.

    After McKay, Beckman, Conover (1979). Of a draw's word 47 bits are its position within a
    stratum, and 17 shuffle the 32 strata (Durstenfeld 1964, so exact to 2^-12). `strata` [draw] is
    working space.
    """
    fill_words(seed, name, np.uint64(first) >> _ONE, words)
    for i in range(BLOCK):
        for begin in range(0, words.size, BLOCK):  # inner: a step waits for the block's last one
            # Indices without a sign take half the time: none can count from the end.
            own = np.uint64(begin + i)
            spare = words[own] & np.uint64(0x1FFFF)
            other = np.uint64(begin) + ((spare * np.uint64(i + 1)) >> np.uint64(17))
            strata[own] = strata[other]
            strata[other] = np.uint64(i)
    for i in range(words.size):
        bits[i] = (strata[i] << np.uint64(47)) | (words[i] >> np.uint64(17))
    to_unit_interval(uniforms, bits)


@jit
def swap_bits(x: Word, mask: Word, bits: Word) -> Word:
    """Exchange the bits of `mask` and those `bits` above them."""
    return ((x & mask) << bits) | ((x >> bits) & mask)


@jit
def reverse_bits(x: Word) -> Word:
    """The 32 bits of a word in the opposite order."""
    x = swap_bits(x, np.uint64(0x55555555), np.uint64(1))
    x = swap_bits(x, np.uint64(0x33333333), np.uint64(2))
    x = swap_bits(x, np.uint64(0x0F0F0F0F), np.uint64(4))
    x = swap_bits(x, np.uint64(0x00FF00FF), np.uint64(8))
    return swap_bits(x, np.uint64(0x0000FFFF), np.uint64(16))


@jit
def scramble(x: Word, seed: Word) -> Word:
    """Nested uniform (Owen) scrambling of 32 bits, given last one first.

    They come back in order. Each bit is flipped by a hash of the bits before it (Laine and Karras
    2011, with the constants that Vegdahl found in 2021).
    """
    x ^= (x * np.uint64(0x3D20ADEA)) & _MASK
    x = (x + seed) & _MASK
    x = (x * ((seed >> np.uint64(16)) | _ONE)) & _MASK
    x ^= (x * np.uint64(0x05526C56)) & _MASK
    x ^= (x * np.uint64(0x53A22864)) & _MASK
    return reverse_bits(x)


@jit
def mix_bits(x: Word) -> Word:
    """32 bits that each depend on all of those given (MurmurHash3's finaliser)."""
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x85EBCA6B)) & _MASK
    x ^= x >> np.uint64(13)
    x = (x * np.uint64(0xC2B2AE35)) & _MASK
    return x ^ (x >> np.uint64(16))


@jit
def shuffle_points(point: Word, shuffles: Bits, points: Bits) -> None:
    """Fill `points` [sequence] with the numbers of points that stand in place of `point`.

    `shuffles` [sequence] are seeds. Every 2^k numbers from 0 on change places among themselves: the
    order of points is scrambled as their coordinates are (Burley 2020), and less the scrambling of
    number 0, so that numbers do not grow.
    """
    turned = reverse_bits(point)
    for i in range(BLOCK):
        points[i] = scramble(turned, shuffles[i]) ^ scramble(np.uint64(0), shuffles[i])


@jit
def fill_coordinates(directions: Bits, point: Word, points: Bits, coordinates: Bits) -> None:
    """Fill `coordinates` [sequence] of Sobol' points: 32 bits, last one first.

    `points` [sequence] are their numbers, with no more bits than `point`; they come back in the
    order of Gray code. `directions` [bit] are the direction numbers of the dimension, their bits
    in the same order.
    """
    for i in range(BLOCK):
        coordinates[i] = np.uint64(0)
        points[i] ^= points[i] >> _ONE
    bit = 0
    while point >> np.uint64(bit):
        direction = directions[bit]
        for i in range(BLOCK):  # inner, so that the sequences of a block go side by side
            coordinates[i] ^= direction * ((points[i] >> np.uint64(bit)) & _ONE)
        bit += 1


@jit
def fill_sobol(
    seed: Word,
    name: Word,
    directions: Bits,
    dimension: int,
    first: int,
    uniforms: NDArray[np.float64],
    bits: Bits,
    points: Bits,
    seeds: Bits,
    shuffles: Bits,
) -> None:
    """Fill `uniforms` [draw] from 32 separately scrambled Sobol' sequences.

    Draw i is point i div 32 of sequence i mod 32. Every 8 dimensions are the first 8 of
    `directions` [dimension, bit], in an order of points of their own (Owen 1998, "Latin supercube
    sampling"): m points have only m/2 kinds of first digits, so of many dimensions some would go up
    and down together. `bits` is the memory of `uniforms`; `points`, `seeds` and `shuffles`, of at
    least BLOCK, are working space.
    """
    group = np.uint64(dimension // SOBOL_DIMENSIONS)
    own = directions[dimension % SOBOL_DIMENSIONS]
    fill_words(seed, name, _SCRAMBLINGS, seeds[:BLOCK])
    fill_words(seed, group, _SHUFFLES, shuffles[:BLOCK])
    for i in range(BLOCK):
        shuffles[i] &= _MASK
    for begin in range(0, uniforms.size, BLOCK):
        point = np.uint64((first + begin) // BLOCK)
        coordinates = bits[begin : begin + BLOCK]
        if group > np.uint64(0):
            shuffle_points(point, shuffles, points)
        else:
            points[:BLOCK] = point
        fill_coordinates(own, point, points, coordinates)
        for i in range(BLOCK):
            upper = scramble(coordinates[i], seeds[i] >> np.uint64(32))
            lower = mix_bits(upper ^ (seeds[i] & _MASK)) >> np.uint64(12)
            coordinates[i] = (upper << np.uint64(20)) | lower
    to_unit_interval(uniforms, bits)
