from __future__ import annotations

import numpy as np
import pytest

from sim.model.blocks import replicate_of
from sim.statistics.replicates import Replicates, mean_of_replicates, replicated, replicates_by


def assert_means_of_replicates(how: Replicates, numbers: np.ndarray) -> None:
    """Every replicate has the mean of as many of its draws as it counts, the first ones."""
    values = np.random.default_rng(3).normal(size=(2, numbers.size))
    replicate = replicate_of(numbers, how.sampler)
    kept = [np.flatnonzero(replicate == r) for r in range(32)]
    kept = [places for places in kept if len(places)][: len(how.count)]
    expected = [
        values[:, places[:n]].mean(axis=-1) for places, n in zip(kept, how.count, strict=True)
    ]
    np.testing.assert_allclose(how.means(values), np.transpose(expected), rtol=1e-12)
    np.testing.assert_array_equal(how.means(values > 0), how.means((values > 0).astype(float)))


def test_replicate_r_holds_the_draws_whose_block_is_r_modulo_32() -> None:
    how = replicated(4_000, "random")
    assert list(how.count) == [96] * 32
    assert_means_of_replicates(how, np.arange(4_000))


def test_below_1024_draws_every_full_block_is_a_replicate() -> None:
    how = replicated(1_000, "random")
    assert list(how.count) == [32] * 31
    assert_means_of_replicates(how, np.arange(1_000))


def test_replicates_of_sobol_draws_are_the_sequences_in_turn() -> None:
    how = replicated(100, "sobol")
    assert list(how.count) == [3] * 32
    assert_means_of_replicates(how, np.arange(100))
    assert not replicated(63, "sobol").enough


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_draws_left_out_keep_the_others_in_their_replicates(sampler: str) -> None:
    rng = np.random.default_rng(5)
    numbers = np.flatnonzero(rng.random(5 * 1_024) > 0.01)
    how = replicates_by(numbers, sampler, None)
    np.testing.assert_array_equal(
        how.count, np.bincount(replicate_of(numbers, sampler), minlength=32)
    )
    assert_means_of_replicates(how, numbers)
    few = np.delete(np.arange(1_000), [3, 700])
    how = replicates_by(few, sampler, None)
    assert len(how.count) == (32 if sampler == "sobol" else 31)  # the last block is not full
    assert_means_of_replicates(how, few)
    # Of 2,000 draws that were evaluated these are some: all their blocks are full.
    assert len(replicates_by(few, sampler, 2_000).count) == 32


def test_the_error_of_a_mean_from_replicates_weighs_them_by_size() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=2_000)
    groups = np.arange(2_000) // 32 % 32
    count = np.bincount(groups, minlength=32)
    means = np.bincount(groups, x) / count
    value, error = mean_of_replicates(means[:, None], count, count > 0, "random")
    assert value[0] == pytest.approx(x.mean())
    assert error[0] == pytest.approx(1 / np.sqrt(2_000), rel=0.3)
