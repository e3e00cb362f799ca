"""Random numbers are known to the last bit: here they are made again from whole numbers.

Written from the papers in plain Python, without the kernels' functions or constants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from sim.engine.sampling_plan import SamplingPlan
from sim.kernels.sampling.quantities import fill_uniforms

WORD = 0xFFFFFFFF
NAMES = ("hardware.pue", "x")
SEEDS = (0, 1, 2**32 + 5, 2**64 - 1)
FIRSTS = (0, 32, 1024, 2**33)
DRAWS = 96


def philox(counter: int, name: int, seed: int) -> list[int]:
    """Two numbers of 64 bits: Philox4x32-10 (Salmon et al. 2011, section 4.3)."""
    c = [counter & WORD, counter >> 32, name & WORD, name >> 32]
    k = [seed & WORD, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & WORD, (a >> 32) ^ c[3] ^ k[1], a & WORD]
        k = [(k[0] + 0x9E3779B9) & WORD, (k[1] + 0xBB67AE85) & WORD]
    return [c[0] << 32 | c[1], c[2] << 32 | c[3]]


def name_hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def word(draw: int, name: int, seed: int) -> int:
    """The 64 random bits of a draw: two draws share a counter."""
    return philox(draw // 2, name, seed)[draw % 2]


def middle(bits: int) -> Fraction:
    """The middle of one of 2^52 equal parts of the unit interval."""
    return Fraction(2 * bits + 1, 2**53)


def random(name: int, seed: int, first: int) -> list[Fraction]:
    return [middle(word(first + i, name, seed) >> 12) for i in range(DRAWS)]


def stratified(name: int, seed: int, first: int) -> list[Fraction]:
    """Latin hypercubes: 17 bits shuffle (Durstenfeld 1964, inside out), 47 are the position."""
    numbers = []
    for block in range(first, first + DRAWS, 32):
        words = [word(block + i, name, seed) for i in range(32)]
        strata: list[int] = []
        for i in range(32):
            other = (words[i] % 2**17) * (i + 1) // 2**17
            strata.append(i)
            strata[i], strata[other] = strata[other], i
        numbers += [middle(s << 47 | w >> 17) for s, w in zip(strata, words, strict=True)]
    return numbers


def gray_point(point: int) -> int:
    """A point of Sobol's first dimension in the order of Gray code, 32 bits, last one first."""
    return point ^ point >> 1  # van der Corput's sequence: bits in the opposite order


def reverse(x: int) -> int:
    return int(f"{x:032b}"[::-1], 2)


def scramble(x: int, seed: int) -> int:
    """Owen scrambling (Laine and Karras 2011; constants of Vegdahl 2021)."""
    x ^= x * 0x3D20ADEA & WORD
    x = x + seed & WORD
    x = x * (seed >> 16 | 1) & WORD
    x ^= x * 0x05526C56 & WORD
    x ^= x * 0x53A22864 & WORD
    return reverse(x)


def murmur(x: int) -> int:
    """The finaliser of MurmurHash3 for 32 bits (Appleby 2011)."""
    x = (x ^ x >> 16) * 0x85EBCA6B & WORD
    x = (x ^ x >> 13) * 0xC2B2AE35 & WORD
    return x ^ x >> 16


def sobol(name: int, seed: int, first: int) -> list[Fraction]:
    """Draw i is point i div 32 of sequence i mod 32, whose seed no draw has."""
    numbers = []
    for draw in range(first, first + DRAWS):
        upper_seed, lower_seed = divmod(word(2 * (WORD << 32) + draw % 32, name, seed), 2**32)
        upper = scramble(gray_point(draw // 32), upper_seed)
        numbers.append(middle(upper << 20 | murmur(upper ^ lower_seed) >> 12))
    return numbers


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sampler", [random, stratified, sobol], ids=lambda f: f.__name__)
def test_numbers_of_a_sampler_have_the_bits_of_whole_number_arithmetic(
    sampler: Callable[[int, int, int], list[Fraction]], seed: int
) -> None:
    plan = SamplingPlan()
    plan.dimension()
    work = plan.scores(DRAWS)
    for name in NAMES:
        for first in FIRSTS:
            hashed = name_hash(name)
            kernel = plan.sampling(seed, sampler.__name__)
            fill_uniforms(kernel, np.uint64(hashed), 0, first, work)
            expected = sampler(hashed, seed, first)
            assert [Fraction(u) for u in work.own.tolist()] == expected, (name, first)
