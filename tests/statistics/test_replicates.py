from __future__ import annotations

import numpy as np
import pytest

from sim.model.blocks import replicate_of
from sim.statistics.replicates import Replicates, mean_of_replicates, replicated, replicates_by


def assert_means_of_replicates(replicates: Replicates, numbers: np.ndarray) -> None:
    """The mean of a replicate is that of its first draws, as many as it counts."""
    values = np.random.default_rng(3).normal(size=(2, numbers.size))
    replicate = replicate_of(numbers, replicates.sampler)
    kept = [np.flatnonzero(replicate == r) for r in range(32)]
    kept = [indices for indices in kept if len(indices)][: len(replicates.count)]
    expected = [
        values[:, indices[:n]].mean(axis=-1)
        for indices, n in zip(kept, replicates.count, strict=True)
    ]
    np.testing.assert_allclose(replicates.means(values), np.transpose(expected), rtol=1e-12)
    np.testing.assert_array_equal(
        replicates.means(values > 0), replicates.means((values > 0).astype(float))
    )


def test_replicate_r_holds_the_blocks_r_modulo_32() -> None:
    replicates = replicated(4_000, "random")
    assert list(replicates.count) == [96] * 32
    assert_means_of_replicates(replicates, np.arange(4_000))


def test_full_blocks_are_replicates_below_1024_draws() -> None:
    replicates = replicated(1_000, "random")
    assert list(replicates.count) == [32] * 31
    assert_means_of_replicates(replicates, np.arange(1_000))


def test_sobol_replicates_are_the_scrambled_sequences() -> None:
    replicates = replicated(100, "sobol")
    assert list(replicates.count) == [3] * 32
    assert_means_of_replicates(replicates, np.arange(100))
    assert not replicated(63, "sobol").enough


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_replicates_keep_their_draws_where_others_are_left_out(sampler: str) -> None:
    rng = np.random.default_rng(5)
    numbers = np.flatnonzero(rng.random(5 * 1_024) > 0.01)
    replicates = replicates_by(numbers, sampler, None)
    np.testing.assert_array_equal(
        replicates.count, np.bincount(replicate_of(numbers, sampler), minlength=32)
    )
    assert_means_of_replicates(replicates, numbers)
    few = np.delete(np.arange(1_000), [3, 700])
    replicates = replicates_by(few, sampler, None)
    full = 32 if sampler == "sobol" else 31  # the last block is incomplete
    assert len(replicates.count) == full
    assert_means_of_replicates(replicates, few)
    # If 2,000 draws were evaluated, all blocks of these draws are full.
    assert len(replicates_by(few, sampler, 2_000).count) == 32


def test_mean_of_replicates_weights_them_by_size() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=2_000)
    groups = np.arange(2_000) // 32 % 32
    count = np.bincount(groups, minlength=32)
    means = np.bincount(groups, x) / count
    value, error = mean_of_replicates(means[:, None], count, count > 0, "random")
    assert value[0] == pytest.approx(x.mean())
    assert error[0] == pytest.approx(1 / np.sqrt(2_000), rel=0.3)
