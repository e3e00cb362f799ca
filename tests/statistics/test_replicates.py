from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sim.parameters.scenario import Scenario
from sim.simulation.simulate import simulate
from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
    sd_with_error,
    tail_means_with_error,
)
from sim.statistics.moments import mean_of_replicates
from sim.statistics.replicates import Replicates, replicated, replicates_by
from sim.statistics.summary import summarise

SAMPLERS = ("random", "stratified", "sobol")
Statistics = dict[str, np.ndarray]


def group_of(numbers: np.ndarray, sampler: str) -> np.ndarray:
    """The group of independent draws to which a draw of this number belongs."""
    return {"random": numbers, "stratified": numbers // 32, "sobol": numbers % 32}[sampler]


def assert_replicates_are_groups(replicates: Replicates, numbers: np.ndarray) -> None:
    """There is a replicate for every group, with the mean of all its draws."""
    values = np.random.default_rng(3).normal(size=(2, numbers.size))
    group = group_of(numbers, replicates.sampler)
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    assert list(replicates.count) == [len(indices) for indices in members]
    expected = np.transpose([values[:, indices].mean(axis=-1) for indices in members])
    np.testing.assert_allclose(replicates.means(values), expected, rtol=1e-12)
    np.testing.assert_array_equal(
        replicates.means(values > 0), replicates.means((values > 0).astype(float))
    )
    for replicate, indices in enumerate(members):
        assert set(replicates.of_draws()[indices]) == {replicate}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("draws", [1, 31, 32, 33, 100, 1_000, 1_024, 4_000, 4_097])
def test_replicates_hold_every_draw(draws: int, sampler: str) -> None:
    replicates = replicated(draws, sampler)
    assert replicates.draws == draws
    assert_replicates_are_groups(replicates, np.arange(draws))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_replicates_keep_their_draws_where_others_are_left_out(sampler: str) -> None:
    numbers = np.flatnonzero(np.random.default_rng(5).random(5_000) > 0.01)
    if sampler == "random":
        assert len(replicates_by(numbers, sampler).count) == numbers.size
    else:
        assert_replicates_are_groups(replicates_by(numbers, sampler), numbers)


@pytest.mark.parametrize(
    ("sampler", "fewest"), [("random", 30), ("stratified", 256), ("sobol", 256)]
)
def test_errors_begin_at_a_stated_number_of_draws(sampler: str, fewest: int) -> None:
    assert not replicated(fewest - 1, sampler).enough
    assert replicated(fewest, sampler).enough


@pytest.mark.parametrize("sampler", ["stratified", "sobol"])
def test_draws_of_two_runs_with_the_same_numbers_are_replicates_of_their_own(sampler: str) -> None:
    numbers = np.tile(np.arange(640), 2)
    both, one = replicates_by(numbers, sampler), replicated(640, sampler)
    assert list(both.count) == [*one.count] * 2
    values = np.random.default_rng(2).normal(size=1_280)
    expected = [one.means(values[:640]), one.means(values[640:])]
    np.testing.assert_allclose(both.means(values), np.concatenate(expected), rtol=1e-12)


def errors_of(values: np.ndarray, sampler: str) -> Statistics:
    """Standard errors of statistics of draws, by name."""
    replicates, ordered = replicated(values.size, sampler), np.sort(values)
    return {
        "mean": mean_with_error(values, replicates)[1],
        "sd": sd_with_error(values, replicates)[1],
        "quantiles": quantiles_with_error(ordered, values, replicates, [0.05, 0.5, 0.95])[1],
        "tails": tail_means_with_error(ordered, values, replicates, [0.05, 0.95])[1],
        "probability": probability_with_error(values > 1, np.ones(values.size, bool), replicates)[
            1
        ],
    }


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(draws=st.integers(256, 3_000), seed=st.integers(0, 2**32 - 1))
def test_an_error_does_not_depend_on_the_order_of_independent_draws(
    sampler: str, draws: int, seed: int
) -> None:
    """Single draws, blocks or sequences change places."""
    rng = np.random.default_rng(seed)
    values = rng.lognormal(size=draws)
    if sampler == "random":
        moved = rng.permutation(values)
    elif sampler == "stratified":
        full = draws // 32 * 32
        blocks = rng.permutation(values[:full].reshape(-1, 32)).ravel()
        moved = np.concatenate([blocks, values[full:]])
    else:
        values = values[: draws // 32 * 32]
        moved = values.reshape(-1, 32)[:, rng.permutation(32)].ravel()
    before, after = errors_of(values, sampler), errors_of(moved, sampler)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("draws", [300, 1_023, 1_025, 2_000, 2_048, 4_999])
def test_every_draw_enters_the_errors(draws: int, sampler: str) -> None:
    """An outlier has the error of its own size, wherever it stands."""
    for position in (0, draws // 2, draws - 1):
        values = np.ones(draws)
        values[position] = 1e6
        errors = errors_of(values, sampler)
        spread = values.std(ddof=1) / draws**0.5
        np.testing.assert_allclose(errors["mean"], spread, rtol=0.08)
        assert errors["tails"][1] > 0.9 * spread / 0.05
        assert errors["probability"] == pytest.approx(1.1 / draws, rel=0.1)


@pytest.fixture(scope="module")
def coverage() -> dict[tuple[str, str], list[float]]:
    """Share [number of draws] of 400 runs whose interval of two errors holds the known answer."""
    rng = np.random.default_rng(11)
    tails = np.sort(np.exp(np.random.default_rng(5).normal(size=2_000_000)))[:100_000].mean()
    p5 = -1.6448536269514722
    answers = {
        "normal": (0.0, 0.0, p5, -2.0627128),
        "lognormal": (np.exp(0.5), 1.0, np.exp(p5), tails),
        "two points": (0.3, 0.0, 0.0, 0.0),
    }
    above_half = {"normal": 0.3085375, "lognormal": 0.7558914, "two points": 0.3}
    covered: dict[tuple[str, str], list[float]] = {}
    for draws in np.unique(np.round(np.geomspace(30, 5_000, 40)).astype(int)):
        score = rng.normal(size=(400, draws))
        for law, (mean, median, p5, tail) in answers.items():
            runs = {"normal": score, "lognormal": np.exp(score)}.get(law)
            if runs is None:
                runs = (rng.random(size=(400, draws)) < 0.3).astype(float)
            replicates, ordered = replicated(int(draws), "random"), np.sort(runs, axis=-1)
            above = runs > 0.5
            known = above_half[law]
            quantiles = quantiles_with_error(ordered, runs, replicates, [0.5, 0.05])
            results = {
                "mean": (*mean_with_error(runs, replicates), mean),
                "median": (quantiles[0][0], quantiles[1][0], median),
                "p5": (quantiles[0][1], quantiles[1][1], p5),
                "probability": (
                    *probability_with_error(above, np.ones(runs.shape, bool), replicates), known,
                ),
                "CVaR5": (
                    *(part[0] for part in tail_means_with_error(ordered, runs, replicates, [0.05])),
                    tail,
                ),
            }  # fmt: skip
            for name, (value, error, answer) in results.items():
                inside = np.abs(value - answer) <= 1.96 * error
                covered.setdefault((law, name), []).append(float(inside.mean()))
    return covered


@pytest.mark.parametrize("law", ["normal", "lognormal", "two points"])
def test_intervals_hold_their_coverage_from_30_to_5000_draws(
    law: str, coverage: dict[tuple[str, str], list[float]]
) -> None:
    """400 runs tell a coverage of .95 to .011: three of these are allowed at a single number."""
    noise = 3 * 0.016
    for name in ("mean", "median", "probability", "p5", "CVaR5"):
        shares = np.array(coverage[law, name])
        if law == "two points" and name in ("median", "p5", "CVaR5"):
            assert (shares >= 0.95).all()  # they lie on an atom, and cannot move but at few draws
            continue
        least = 0.80 if name in ("p5", "CVaR5") else 0.88
        assert shares.mean() >= least
        assert shares.min() >= least - noise, (name, shares)
        if name not in ("p5", "CVaR5"):
            assert shares.mean() <= 0.97
            assert shares.max() <= 0.97 + noise


def test_mean_of_replicates_weights_them_by_size() -> None:
    x = np.random.default_rng(1).normal(size=2_000)
    groups = np.arange(2_000) // 32 % 32
    count = np.bincount(groups, minlength=32)
    means = np.bincount(groups, x) / count
    ds = xr.Dataset({"replicate_count": ("replicate", count)}, attrs={"sampler": "stratified"})
    value, error = mean_of_replicates(means[:, None], ds)
    assert value[0] == pytest.approx(x.mean())
    assert error[0] == pytest.approx(1 / np.sqrt(2_000), rel=0.3)


@pytest.mark.parametrize("draws", [300, 2_000, 5_000])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_error_of_a_mean_is_that_of_its_draws_where_only_moments_are_kept(
    draws: int, sampler: str, base: Scenario
) -> None:
    """Also beyond the kept draws, of which the moments are made later."""
    moments = simulate(base, draws=draws, sampler=sampler)
    kept = simulate(base, draws=draws, sampler=sampler, keep=["unit_cost", "gw"])
    assert "unit_cost" not in moments
    summaries = [summarise(ds, ["unit_cost"]) for ds in (moments, kept)]
    for name in ("unit_cost_mean", "unit_cost_mean_error"):
        np.testing.assert_allclose(summaries[0][name], summaries[1][name], rtol=1e-8)
