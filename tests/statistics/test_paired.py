from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

from sim.analysis.compare import compare_runs, measure_run
from sim.analysis.measures import headline_measures
from sim.model.blocks import TILE
from sim.parameters.loading import load
from sim.simulation.simulate import simulate
from sim.statistics.paired import (
    HALVES,
    HALVES_TOO_WIDE,
    quantile_difference_error,
    share_difference_error,
)
from sim.statistics.replicates import replicated

N = 2_048


def scores(sampler: str, rng: np.random.Generator, size: int = N) -> np.ndarray:
    """Three standard normal inputs [input, draw], as of a sampler."""
    if sampler == "random":
        return rng.normal(size=(3, size))
    strata = np.broadcast_to(np.arange(32), (3, size // 32, 32))
    uniform = (rng.permuted(strata, axis=-1) + rng.random(strata.shape)) / 32
    return np.asarray(ndtri(uniform.reshape(3, size)))


def margin(z: np.ndarray, edit: float) -> np.ndarray:
    """A margin with a price, a use and another cost that the edit makes larger."""
    cost = 0.3 * np.exp(0.3 * z[0] + 0.4 * z[1] - 0.3 * z[2])
    return np.asarray(1 - cost - 0.05 * (1 + edit) * np.exp(0.3 * z[1]))


@pytest.mark.parametrize("sampler", ["random", "stratified"])
@pytest.mark.parametrize("edit", [0.001, 0.1, 1.0, 10.0])
def test_errors_of_paired_quantiles_hold_for_edits_of_every_size(sampler: str, edit: float) -> None:
    """With slopes of the quantiles they were 4 to 50 times too small for a small edit."""
    rng = np.random.default_rng(4)
    many = rng.normal(size=(3, 1_000_000))
    pairs = replicated(N, sampler)
    for level in (0.05, 0.5):
        answer, covered = np.subtract(*(np.quantile(margin(many, e), level) for e in (edit, 0))), 0
        for _ in range(60):
            z = scores(sampler, rng)
            first, second = margin(z, 0), margin(z, edit)
            apart = np.quantile(second, level) - np.quantile(first, level)
            error = quantile_difference_error(first, second, pairs, level)
            covered += abs(apart - answer) <= 1.96 * error
        assert covered >= 52, (level, covered)


@pytest.mark.long
def test_errors_of_paired_differences_hold_for_edits_of_the_base_case() -> None:
    """Coverage over 200 seeds, for power that costs .1, 1, 10 and 100 % more."""
    base = load("params/base.toml")
    median = 0.068
    edited = [
        load("params/base.toml", {"hardware.power_price_usd_per_kwh.median": median * (1 + edit)})
        for edit in (0.001, 0.01, 0.1, 1.0)
    ]
    measures = headline_measures(base)
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for seed in range(200):
        first = measure_run(simulate(base, draws=N, seed=seed), base, measures)
        for number, scenario in enumerate(edited):
            second = measure_run(simulate(scenario, draws=N, seed=seed), scenario, measures)
            apart = compare_runs(first, second, measures).data
            for name, *pair in zip(
                apart["measure"].values,
                apart["difference"].values,
                apart["difference_error"].values,
                strict=True,
            ):
                found.setdefault((number, str(name)), []).append((pair[0], pair[1]))
    for key, pairs in found.items():
        values, errors = np.array(pairs).T
        if not values.any():  # gigawatts do not move
            assert not errors.any()
            continue
        ratio = np.sqrt((errors**2).mean()) / values.std()
        assert ratio >= 0.8, (key, ratio)
        is_share = key[1].startswith("P(")
        if not is_share:  # of a share that no draw moves, the error is half a draw
            assert ratio <= 1.3, (key, ratio)
        if not is_share or abs(values.mean()) * N >= 5:  # of fewer draws, often none moves
            covered = (np.abs(values - values.mean()) <= 1.96 * errors).mean()
            assert covered >= 0.88, (key, covered)


def test_a_difference_without_an_honest_error_has_none() -> None:
    first = np.random.default_rng(1).normal(size=N)
    pairs = replicated(N, "stratified")
    assert np.isnan(quantile_difference_error(first, first + 0.1, pairs, 0.004))
    assert np.isfinite(quantile_difference_error(first, first + 0.1, pairs, 0.005))
    few = replicated(240, "stratified")
    assert np.isnan(quantile_difference_error(first[:240], first[:240], few, 0.5))


def test_an_edit_that_moves_nothing_has_no_error() -> None:
    first = np.random.default_rng(1).normal(size=N)
    pairs = replicated(N, "stratified")
    assert quantile_difference_error(first, first.copy(), pairs, 0.5) == 0.0
    assert share_difference_error(first > 0, first > 0, pairs, moved=False) == 0.0
    # Values moved, and by chance none of these draws over the threshold.
    assert share_difference_error(first > 0, first > 0, pairs, moved=True) == 0.5 / N


def exchanged(draws: np.ndarray, pairs: int) -> np.ndarray:
    """The draws, of which so many below the median change places with as many above it."""
    low, high = np.arange(pairs), draws.size - 1 - np.arange(pairs)
    other = draws.copy()
    other[low], other[high] = draws[high], draws[low]
    return other


def deviation_over_halves(
    first: np.ndarray, second: np.ndarray, replicate: np.ndarray, level: float
) -> float:
    """Standard deviation of a difference of quantiles over random halves of the replicates."""
    half = np.broadcast_to(np.arange(replicate.max() + 1) % 2, (HALVES, replicate.max() + 1))
    halves = np.random.Generator(np.random.Philox(key=0)).permuted(half, axis=1)[:, replicate]
    apart = [
        np.quantile(second[chosen == 1], level) - np.quantile(first[chosen == 1], level)
        for chosen in halves
    ]
    return float(np.std(apart, ddof=1))


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
@pytest.mark.parametrize(("sampler", "draws"), [("random", TILE + 904), ("stratified", 640)])
def test_error_of_a_small_edit_is_the_spread_over_random_halves(
    sampler: str, draws: int, level: float
) -> None:
    """Neighbouring draws stay together where there are more than a tile of replicates."""
    rng = np.random.default_rng(6)
    first = rng.normal(size=draws)
    second = first + 1e-5 * rng.normal(size=draws)
    replicate = np.arange(draws) // 32 if sampler == "stratified" else (
        np.arange(draws) * TILE // draws
    )  # fmt: skip
    error = quantile_difference_error(first, second, replicated(draws, sampler), level)
    expected = deviation_over_halves(first, second, replicate, level) / HALVES_TOO_WIDE
    assert error == pytest.approx(expected, rel=1e-9)


def test_error_of_an_edit_that_eight_draws_cross_comes_from_their_number() -> None:
    draws = np.arange(1_001.0)
    pairs = replicated(1_001, "random")
    for exchanges in (3, 4):
        other = exchanged(draws, exchanges)
        error = quantile_difference_error(draws, other, pairs, 0.5)
        if 2 * exchanges >= 8:  # a step of the quantile a draw: the error of a share, in draws
            assert error == pytest.approx(1_000 * math.sqrt(8 / 1_000 / 1_001), rel=1e-9)
        else:
            of_halves = deviation_over_halves(draws, other, np.arange(1_001), 0.5)
            assert error == pytest.approx(of_halves / HALVES_TOO_WIDE, rel=1e-9)


def test_error_of_a_difference_of_shares_is_that_of_pairs() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.random(N) < 0.3, rng.random(N) < 0.4
    of_pairs = (second.astype(float) - first).std(ddof=1) / math.sqrt(N)
    pairs = replicated(N, "random")
    still = share_difference_error(first, second, pairs, moved=False)
    assert still == pytest.approx(of_pairs, rel=1e-9)
    moved = share_difference_error(first, second, pairs, moved=True)
    assert moved == pytest.approx(math.hypot(of_pairs, 0.5 / N), rel=1e-9)
