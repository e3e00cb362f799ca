"""Stratified draws are Latin hypercubes by block; Sobol' draws are scrambled (t, m, s)-nets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri
from scipy.stats import qmc

from sim.engine.sampling_plan import SamplingPlan, direction_numbers, name_hash
from sim.kernels.sampling.philox import philox
from sim.kernels.sampling.quantities import fill_uniforms
from sim.kernels.sampling.samplers import SOBOL_DIMENSIONS, fill_coordinates, shuffle_points
from sim.model.blocks import BLOCK

Array = NDArray[Any]
DRAWS = 100_000 // BLOCK * BLOCK
SAMPLERS = ("random", "stratified", "sobol")


def uniforms(
    sampler: str,
    name: str = "hardware.pue",
    draws: int = DRAWS,
    first: int = 0,
    seed: int = 1,
    dimension: int = 0,
) -> Array:
    """The numbers of one name between 0 and 1, before they become normal scores."""
    plan = SamplingPlan()
    work = plan.scores(draws)
    name_of = np.uint64(name_hash(name))
    fill_uniforms(plan.sampling(seed, sampler), name_of, dimension, first, work)
    return work.own


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_numbers_are_uniform(sampler: str, seed: int) -> None:
    numbers = uniforms(sampler, seed=seed)
    assert ((numbers > 0) & (numbers < 1)).all()
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_numbers_at_each_position_of_a_block_are_uniform(sampler: str) -> None:
    by_position = uniforms(sampler).reshape(-1, BLOCK)
    for position in range(BLOCK):
        assert stats.kstest(by_position[:, position], "uniform").pvalue > 1e-4


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("first", [32, 1024, 2**33])
def test_a_draw_has_its_number_wherever_a_run_of_draws_begins(sampler: str, first: int) -> None:
    np.testing.assert_array_equal(
        uniforms(sampler, draws=64, first=first),
        uniforms(sampler, draws=96, first=first - 32)[32:],
    )


@pytest.mark.parametrize(
    ("sampler", "other"),
    [
        *((sampler, "name") for sampler in SAMPLERS),
        *(("random", x) for x in ("seed", "draw", "call")),
    ],
)
def test_names_seeds_and_draws_are_independent(sampler: str, other: str) -> None:
    first_numbers = uniforms(sampler)
    second_numbers = {
        "name": uniforms(sampler, "hardware.it_power_ratio", dimension=1),
        "seed": uniforms(sampler, seed=2),
        "draw": np.roll(first_numbers, -1),
        "call": np.roll(first_numbers, -2),
    }[other]
    table, _, _ = np.histogram2d(first_numbers, second_numbers, bins=16, range=[(0, 1), (0, 1)])
    chance = stats.chisquare(table.ravel()).statistic
    # Strata spread the draws more evenly over the table than chance: only too uneven is wrong.
    assert chance < stats.chi2.ppf(0.999, table.size - 1)


def test_every_block_of_stratified_draws_is_a_latin_hypercube() -> None:
    strata = np.floor(uniforms("stratified") * BLOCK).astype(int).reshape(-1, BLOCK)
    np.testing.assert_array_equal(np.sort(strata), np.tile(np.arange(BLOCK), (len(strata), 1)))


def test_strata_are_shuffled_evenly_and_independently_in_every_block() -> None:
    strata = np.floor(uniforms("stratified", draws=32 * 20_000) * BLOCK).astype(int)
    by_position = strata.reshape(-1, BLOCK)
    counts = np.array([np.bincount(column, minlength=BLOCK) for column in by_position.T])
    # 31 x 31 free cells, as rows and columns add up to the number of blocks.
    chance = ((counts - 20_000 / BLOCK) ** 2 / (20_000 / BLOCK)).sum() * (BLOCK - 1) / BLOCK
    assert abs(chance - 31**2) < 4 * np.sqrt(2 * 31**2)
    neighbours = np.abs(np.corrcoef(by_position[:-1].ravel(), by_position[1:].ravel())[0, 1])
    assert neighbours < 4 / np.sqrt(strata.size)


def test_positions_within_strata_are_uniform_and_independent_of_the_stratum() -> None:
    scaled = uniforms("stratified") * BLOCK
    table, _, _ = np.histogram2d(np.floor(scaled), scaled % 1, bins=(BLOCK, 16))
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_unscrambled_points_are_those_of_joe_and_kuo() -> None:
    n = 512
    directions = direction_numbers(SOBOL_DIMENSIONS)
    public = qmc.Sobol(SOBOL_DIMENSIONS, scramble=False).random(n)
    points, coordinates = np.empty((2, BLOCK), np.uint64)
    for dimension in range(SOBOL_DIMENSIONS):
        for point in range(n):
            points[:] = point
            fill_coordinates(directions[dimension], np.uint64(point), points, coordinates)
            ours = {int(f"{b:032b}"[::-1], 2) / 2**32 for b in coordinates}
            assert ours == {public[point, dimension]}


def test_a_shuffle_moves_every_power_of_two_of_points_within_itself() -> None:
    seeds = np.random.default_rng(1).integers(2**32, size=BLOCK, dtype=np.uint64)
    parts = 256
    orders = np.empty((parts, BLOCK), np.uint64)
    for point in range(parts):
        shuffle_points(np.uint64(point), seeds, orders[point])
    for power in range(9):
        size = 2**power
        np.testing.assert_array_equal(
            np.sort(orders[:size], axis=0), np.tile(np.arange(size)[:, None], (1, BLOCK))
        )
    assert len(np.unique(orders, axis=1).T) == BLOCK
    far = np.empty(BLOCK, np.uint64)
    shuffle_points(np.uint64(2**32 - 1), seeds, far)
    assert (far < 2**32).all()


@pytest.mark.parametrize("dimension", [0, 5, 8, 200])
def test_sobol_draws_have_the_bits_of_a_plain_restatement(dimension: int) -> None:
    """By lists of bits, the first one first, and by integers without an end."""
    word, first = 0xFFFFFFFF, 32 * 1000

    def hashed(x: int, seed: int) -> int:
        """Laine and Karras's hash of 32 bits, last one first, with Vegdahl's constants."""
        x ^= x * 0x3D20ADEA
        x += seed
        x *= (seed >> 16) | 1
        x ^= x * 0x05526C56
        x ^= x * 0x53A22864
        return int(f"{x & word:032b}"[::-1], 2)

    def words(name: int, counter: int) -> list[int]:
        """64 random bits for every sequence, from Philox with seed 1."""
        sixteen = [
            [int(part) for part in philox(*map(np.uint64, (
                counter + i & word, counter + i >> 32, name & word, name >> 32, 1, 0)))]
            for i in range(16)
        ]  # fmt: skip
        return [a << 32 | b for w in sixteen for a, b in (w[:2], w[2:])]

    group, column = divmod(dimension, 8)
    table = qmc.Sobol(8, scramble=False, bits=32)._sv[column].tolist()
    scramblings = words(name_hash("hardware.pue"), 0xFFFFFFFF << 32)
    shuffles = words(group, (0xFFFFFFFF << 32) + 32)
    expected = []
    for draw in range(first, first + 64):
        point, sequence = divmod(draw, 32)
        if group:
            shuffle = shuffles[sequence] & word
            point = hashed(int(f"{point:032b}"[::-1], 2), shuffle) ^ hashed(0, shuffle)
        coordinate = 0
        for bit in range(32):
            coordinate ^= table[bit] * ((point ^ point >> 1) >> bit & 1)
        seed = scramblings[sequence]
        upper = hashed(int(f"{coordinate:032b}"[::-1], 2), seed >> 32)
        rest = upper ^ seed & word  # then MurmurHash3's finaliser
        rest = (rest ^ rest >> 16) * 0x85EBCA6B & word
        rest = (rest ^ rest >> 13) * 0xC2B2AE35 & word
        lower = (rest ^ rest >> 16) >> 12
        expected.append((2 * (upper << 20 | lower) + 1) / 2**53)
    actual = uniforms("sobol", draws=64, first=first, dimension=dimension)
    np.testing.assert_array_equal(actual, expected)


# Of independent draws the largest of all pairs are 0.12 and 0.045.
@pytest.mark.parametrize(("draws", "largest"), [(1024, 0.26), (8192, 0.075)])
def test_sobol_draws_of_no_two_dimensions_are_correlated(draws: int, largest: float) -> None:
    """In the first sequences of so many dimensions some pairs had 0.3 up to 8,192 draws."""
    scores = np.array(
        [ndtri(uniforms("sobol", f"name {i}", draws, dimension=i)) for i in range(251)]
    )
    r = np.corrcoef(scores)[np.triu_indices(len(scores), 1)]
    assert np.sqrt(np.mean(r**2)) < 1.25 / np.sqrt(draws)
    assert np.abs(r).max() < largest


def test_each_sobol_sequence_has_one_point_in_every_equal_part() -> None:
    parts = 1024
    by_sequence = uniforms("sobol", draws=32 * parts, dimension=5).reshape(parts, BLOCK)
    taken = np.sort(np.floor(by_sequence * parts).astype(int), axis=0)
    np.testing.assert_array_equal(taken, np.tile(np.arange(parts)[:, None], (1, BLOCK)))


@pytest.mark.parametrize("dimension", [0, 8])
def test_two_dimensions_of_a_sobol_sequence_share_every_elementary_interval(dimension: int) -> None:
    parts = 1024  # the first two dimensions are a (0, m, 2)-net in base 2
    first_numbers = uniforms("sobol", draws=32 * parts, dimension=dimension).reshape(parts, BLOCK)
    other = uniforms("sobol", "prices.api_discount", draws=32 * parts, dimension=dimension + 1)
    other = other.reshape(parts, BLOCK)
    for power in range(11):
        wide, tall = 2**power, parts // 2**power
        for sequence in (0, 17, 31):
            cell = np.floor(first_numbers[:, sequence] * wide) * tall + np.floor(
                other[:, sequence] * tall
            )
            assert len(np.unique(cell)) == parts


def test_scramblings_are_nested_and_uniform() -> None:
    """A bit is flipped by the bits before it: points that share those stay together."""
    parts = 256
    numbers = np.array(
        [uniforms("sobol", f"name {i}", draws=32 * parts).reshape(parts, BLOCK) for i in range(64)]
    )
    numbers = numbers.swapaxes(1, 2).reshape(-1, parts)  # [scrambling, point]
    plain = qmc.Sobol(1, scramble=False).random(parts)[:, 0]
    for depth in (1, 2, 5):
        before = np.floor(plain * 2**depth).astype(int)
        after = np.floor(numbers * 2**depth).astype(int)
        images = np.array([after[:, before == part] for part in range(2**depth)])
        assert (images == images[..., :1]).all()
        counts = np.array([np.bincount(row, minlength=2**depth) for row in images[..., 0]])
        expected = numbers.shape[0] / 2**depth
        chance = ((counts - expected) ** 2 / expected).sum()
        free = (2**depth - 1) ** 2
        assert abs(chance - free) < 5 * np.sqrt(2 * free)


def test_sobol_sequences_are_independent_replicates() -> None:
    means = [
        uniforms("sobol", f"name {i}", draws=32 * 64).reshape(64, BLOCK).mean(axis=0)
        for i in range(400)
    ]
    correlations = np.corrcoef(np.array(means).T)[np.triu_indices(BLOCK, 1)]
    assert abs(np.mean(400 * correlations**2) - 1) < 0.3
    assert np.abs(correlations).max() * np.sqrt(400) < 5.5


@pytest.mark.parametrize("sampler", ["random", "stratified"])
def test_two_thousand_names_are_independent(sampler: str) -> None:
    n, names = 1024, 2000
    scores = np.array([ndtri(uniforms(sampler, f"name {i}", draws=n)) for i in range(names)])
    r = np.corrcoef(scores)[np.triu_indices(names, 1)]
    assert abs(np.mean(n * r**2) - 1) < 0.05
    assert np.abs(r).max() * np.sqrt(n) < 6.5
