from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import sim.statistics.order_statistics as order_statistics
from sim.statistics.draws_estimator import DrawsEstimator
from sim.statistics.estimators import quantiles_with_error, tail_means_with_error
from sim.statistics.order_statistics import FEWEST, OrderStatistics
from sim.statistics.replicates import replicated

N = 20_011
COLUMNS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "lognormal": lambda rng: rng.lognormal(size=N),
    "whole numbers": lambda rng: rng.poisson(3.0, size=N).astype(float),
    "constant": lambda rng: np.full(N, -7.25),
    "an atom of two fifths": lambda rng: np.where(rng.random(N) < 0.4, 0.0, rng.normal(size=N)),
    "infinities": lambda rng: np.where(rng.random(N) < 0.4, np.inf, 1 / (rng.random(N) < 0.9)),
    "sorted": lambda rng: np.sort(rng.normal(size=N)),
    "periodic": lambda rng: np.sin(np.arange(N) * np.pi / 32),
    "not reported": lambda rng: np.full(N, np.nan),
    "one not reported": lambda rng: np.where(np.arange(N) == 77, np.nan, rng.normal(size=N)),
}
RANGES = [(0, 1_000), (N // 4, N // 4 + 2), (N // 2 - 5, N // 2 + 5), (N - 1_000, N)]


def make_column(name: str) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return COLUMNS[name](np.random.default_rng(4))


def sorted_or_nan(draws: np.ndarray) -> np.ndarray:
    return np.full(N, np.nan) if np.isnan(draws).any() else np.sort(draws)


@pytest.mark.parametrize("name", COLUMNS)
def test_known_ranks_are_those_of_sorted_draws(name: str) -> None:
    draws = make_column(name)
    ordered, expected = OrderStatistics(draws, RANGES), sorted_or_nan(draws)
    for begin, end in RANGES:
        np.testing.assert_array_equal(ordered[..., begin:end], expected[begin:end])
        ranks = np.array([end - 1, begin])
        np.testing.assert_array_equal(ordered[..., ranks], expected[ranks])
    assert ordered[..., 3:3].shape == (0,)


def test_ranks_that_are_not_known_are_refused() -> None:
    ordered = OrderStatistics(make_column("lognormal"), RANGES)
    for key in (2_000, np.array([0, 2_000]), slice(900, 1_900), slice(900, N)):
        with pytest.raises(IndexError):
            ordered[..., key]


def test_fewer_than_half_of_the_draws_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And all of them where the sample misleads: here it lies below all other draws."""
    taken: list[int] = []
    take = order_statistics.take_between

    def count_taken(*arguments: object) -> int:
        taken.append(take(*arguments))
        return taken[-1]

    monkeypatch.setattr(order_statistics, "take_between", count_taken)
    draws = make_column("lognormal")
    OrderStatistics(draws, RANGES)
    assert 2_000 < taken[-1] < 0.6 * N
    step = order_statistics._Brackets(N, RANGES).step
    misleading = draws.copy()
    misleading[::step] = -np.arange(misleading[::step].size)
    ordered, expected = OrderStatistics(misleading, RANGES), np.sort(misleading)
    for begin, end in RANGES:
        assert ordered[..., begin:end].tolist() == expected[begin:end].tolist()


@pytest.mark.parametrize("draws", [1, 30, FEWEST - 1])
def test_few_draws_are_all_sorted(draws: int) -> None:
    values = np.random.default_rng(1).normal(size=(2, draws))
    ordered = OrderStatistics(values, [(0, 1)])
    assert ordered[..., 0:draws].tolist() == np.sort(values, axis=-1).tolist()


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("sampler", ["stratified", "random", "sobol"])
def test_statistics_have_the_bits_of_those_of_sorted_draws(name: str, sampler: str) -> None:
    draws, replicates = make_column(name), replicated(N, sampler)
    ordered = sorted_or_nan(draws)
    levels, tails = (0.25, 0.5, 0.95, 0.999, 0.0), (0.05, 0.95)
    estimator = DrawsEstimator(draws, replicates, 0, (levels, tails, ()))
    for actual, expected in (
        (
            estimator.quantiles_with_error((*levels, *tails)),
            quantiles_with_error(ordered, draws, replicates, (*levels, *tails)),
        ),
        (
            estimator.tail_means_with_error(tails),
            tail_means_with_error(ordered, draws, replicates, tails),
        ),
    ):
        np.testing.assert_array_equal(actual, expected)
