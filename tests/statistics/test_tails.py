from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from histogram_datasets import columns_with_histograms
from scipy.stats import genpareto

import sim
from sim.statistics.histogram_estimators import HistogramEstimator
from sim.statistics.tails import refuse_heavy_tail, tail_index, worst_share


def test_worst_share_is_that_of_the_draws_furthest_from_the_centre() -> None:
    draws = np.zeros(10_000)
    draws[[1, 7]] = 30, -10
    draws[100:1_100] = 0.01
    ordered, centre = np.sort(draws), np.array(0.0)
    assert worst_share(ordered, centre) == pytest.approx(40.01 / 50)  # three draws of 10,000
    assert worst_share(ordered, centre, power=2) == pytest.approx(1_000.0001 / 1_000.1)
    assert worst_share(ordered, centre, tail=0.05) == 1.0
    assert worst_share(ordered, centre, tail=0.95) == pytest.approx(30.02 / 34.99)
    assert worst_share(np.zeros(500), centre) == 0.0
    assert np.isnan(worst_share(np.array([0.0, np.inf]), centre))


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_worst_share_of_histograms_is_that_of_the_draws(sigma: float) -> None:
    draws = np.exp(sigma * np.random.default_rng(3).normal(size=(2, 200_000)))
    draws[1] *= -1
    estimator = HistogramEstimator(columns_with_histograms(draws, 32_768), "x")
    ordered = np.sort(draws, axis=-1)
    centre = ordered[:, 100_000]
    for power, tail in ((1, None), (1, 0.05), (1, 0.95), (2, None)):
        exact = worst_share(ordered, centre, power, tail)
        rtol = 0.02 if power == 1 else 0.3  # the squares within the last bin are not known
        np.testing.assert_allclose(estimator.worst_share(power, tail), exact, rtol=rtol)


@pytest.mark.parametrize("index", [-0.2, 0.0, 0.3, 0.5, 0.8])
def test_tail_index_is_that_of_a_generalised_pareto_distribution(index: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        draws = genpareto(index).rvs(50_000, random_state=rng)
        assert tail_index(draws, heavier=False) == pytest.approx(index, abs=0.15)
        assert tail_index(-draws) == pytest.approx(max(index, -1.0), abs=0.15)


def test_equal_draws_leave_a_tail_its_index() -> None:
    draws = genpareto(0.5).rvs(50_000, random_state=np.random.default_rng(1))
    assert tail_index(np.round(draws, 1)) == pytest.approx(tail_index(draws), abs=0.02)


def test_tail_index_of_draws_without_a_tail_is_minus_infinity() -> None:
    assert tail_index(np.ones(5_000)) == -np.inf
    assert tail_index(np.tile([0.0, 1.0], 2_000)) == -np.inf
    assert np.isnan(tail_index(np.array([1.0, np.inf])))


@pytest.mark.parametrize(("sigma", "least", "most"), [(0.5, 0, 0), (1.0, 0, 0), (2.0, 99, 100)])
def test_a_mean_is_refused_where_few_draws_carry_its_variance(
    sigma: float, least: int, most: int
) -> None:
    rng = np.random.default_rng(8)
    refused = sum(
        bool(refuse_heavy_tail(np.exp(sigma * rng.normal(size=65_536)), "mean", 0))
        for _ in range(100)
    )
    assert least <= refused <= most


def test_a_tail_mean_is_refused_for_its_own_tail() -> None:
    draws = np.exp(2 * np.random.default_rng(8).normal(size=65_536))
    assert "ask for a quantile" in refuse_heavy_tail(draws, "cvar", 0.95)
    assert refuse_heavy_tail(draws, "cvar", 0.05) == ""
    assert refuse_heavy_tail(-draws, "cvar", 0.05) != ""


def test_summary_holds_the_share_of_the_worst_draws_beside_a_mean() -> None:
    """26 of 100,000 draws moved a tail mean by 24 points, without a word."""
    draws = np.random.default_rng(2).normal(size=100_000)
    plain = sim.summarise(xr.Dataset({"x": ("draw", draws)}))
    draws[:26] -= 5_000
    owned = sim.summarise(xr.Dataset({"x": ("draw", draws)}))
    for name in ("x_mean_worst_share", "x_sd_worst_share"):
        assert plain[name] < 0.02
        assert owned[name] > 0.5
    distance = np.sort(np.abs(draws - np.sort(draws)[50_000]))
    for name, sums in (("x_mean", distance), ("x_sd", distance**2)):
        expected = sums[-30:].sum() / sums.sum()
        assert float(owned[f"{name}_worst_share"]) == pytest.approx(expected)
    assert float(owned.x_cvar_worst_share.sel(tail=0.05)) > 0.9
    assert float(owned.x_cvar_worst_share.sel(tail=0.95)) < 0.02


def index_by_hand(excess: list[float]) -> float:
    """Index of a generalised Pareto distribution of sorted draws (Zhang and Stephens 2009)."""
    n, points = len(excess), 30 + int(len(excess) ** 0.5)
    quartile = excess[int(n / 4 + 0.5) - 1]

    def index_at(b: float) -> float:
        return sum(math.log(1 - b * x) for x in excess) / n

    grid = [
        1 / excess[-1] + (1 - math.sqrt(points / (j - 0.5))) / (3 * quartile)
        for j in range(1, points + 1)
    ]
    profile = [n * (math.log(-b / index_at(b)) - index_at(b) - 1) for b in grid]
    weights = [math.exp(height - max(profile)) for height in profile]
    b = sum(x * weight for x, weight in zip(grid, weights, strict=True)) / sum(weights)
    return (n * index_at(b) + 5) / (n + 10)  # a prior of ten draws at 1/2


@pytest.mark.parametrize(("draws", "in_tail"), [(40, 8), (1_000, 95)])
def test_tail_index_is_of_the_draws_beyond_the_largest_below_the_tail(
    draws: int, in_tail: int
) -> None:
    """The tail is a fifth of few draws, and three times the root of the number of many."""
    values = np.random.default_rng(4).lognormal(size=draws)
    ordered = np.sort(values)
    expected = index_by_hand([float(x - ordered[-in_tail - 1]) for x in ordered[-in_tail:]])
    assert tail_index(values, heavier=False) == pytest.approx(expected, rel=1e-9)
    assert tail_index(-values) == pytest.approx(expected, rel=1e-9)  # the lower is the heavier


def test_a_tail_of_less_than_one_draw_is_that_of_one() -> None:
    ordered = np.arange(100.0)
    for tail in (0.001, 0.999):
        assert worst_share(ordered, np.array(50.0), tail=tail) == 1.0


def test_the_worst_draws_may_be_most_of_a_tail() -> None:
    """Of 100,000 draws 30 are the worst, and 40 lie in the tail."""
    ordered = np.arange(100_000.0)
    tail = ordered[-40:] - 50_000
    share = worst_share(ordered, np.array(50_000.0), tail=0.9996)
    assert share == pytest.approx(tail[-30:].sum() / tail.sum())
