from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantile_influence,
    quantiles_with_error,
    sd_with_error,
    share_with_error,
    slope_reach,
    tail_means_with_error,
)
from sim.statistics.replicates import Replicates, replicated, replicates_by


@pytest.mark.parametrize("n", [512, 2_000, 10_240])
def test_errors_equal_the_spread_of_independent_runs(n: int) -> None:
    """Errors of mean, sd, quantiles and probability against the spread over independent runs."""
    rng = np.random.default_rng(12)
    runs = rng.lognormal(size=(600, n))
    replicates = replicated(n, "random")
    value, error = quantiles_with_error(np.sort(runs, axis=-1), runs, replicates, [0.05, 0.5, 0.95])
    spread = value.std(axis=1, ddof=1)
    np.testing.assert_allclose(np.sqrt((error**2).mean(axis=1)), spread, rtol=0.15)
    for value, error in (mean_with_error(runs, replicates), sd_with_error(runs, replicates)):
        np.testing.assert_allclose(np.sqrt((error**2).mean()), value.std(ddof=1), rtol=0.12)
    for threshold in (0.1, 1.0, 5.0):
        replicates = replicated(n, "random")
        p, p_error = probability_with_error(runs > threshold, np.ones(runs.shape, bool), replicates)
        np.testing.assert_allclose(np.sqrt((p_error**2).mean()), p.std(ddof=1), rtol=0.2)


def test_probability_of_rare_events_has_the_error_of_wilson() -> None:
    happens = np.zeros(100_000, bool)
    valid = np.ones_like(happens)
    replicates = replicated(happens.size, "random")
    assert probability_with_error(happens, valid, replicates)[1] > 0
    happens[7] = True
    value, error = probability_with_error(happens, valid, replicates)
    assert value == 1e-5
    assert error == pytest.approx(1.1e-5, rel=0.1)


def test_quantiles_keep_infinite_draws() -> None:
    ordered = np.array([[0.0, 1.0, np.inf, np.inf]])
    value, _ = quantiles_with_error(ordered, ordered, replicated(4, "random"), [0.0, 0.5, 1.0])
    assert value[:, 0].tolist() == [0.0, np.inf, np.inf]


def test_quantile_next_to_infinity_has_an_infinite_error() -> None:
    """The median of some replicates is infinite: no finite number bounds it above."""
    runs = np.arange(1.0, 10_241.0)
    runs[5_130:] = np.inf
    rng = np.random.default_rng(1)
    rng.shuffle(runs)
    levels = [0.25, 0.5, 0.75]
    value, error = quantiles_with_error(
        np.sort(runs), runs, replicated(runs.size, "random"), levels
    )
    assert np.isfinite(value[0])
    assert 0 < error[0] < np.inf
    assert np.isfinite(value[1])
    assert error[1] == np.inf
    assert value[2] == np.inf
    assert error[2] == 0


def test_quantiles_below_the_first_finite_draw_are_minus_infinity() -> None:
    runs = np.concatenate([np.full(50, -np.inf), np.arange(50.0)])
    value, _ = quantiles_with_error(runs, runs, replicated(100, "random"), [0.4, 0.5, 0.6])
    assert value[0] == value[1] == -np.inf
    assert np.isfinite(value[2])


# Draws as of the three samplers: 600 runs of 10,240 draws of a function of a few inputs with a
# known distribution, so that all statistics have known answers.
RUNS, N = 600, 10_240
# The 97.5 % point of t with as many degrees as there are replicates but one: 32 sequences.
REACH = {"random": 1.96, "stratified": 1.96, "sobol": 2.0395134464}
SAMPLERS = ("random", "stratified", "sobol")


def reversed_bits(x: np.ndarray) -> np.ndarray:
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        bits, kept = np.uint32(shift), np.uint32(mask)
        x = ((x >> bits) & kept) | ((x & kept) << bits)
    return (x >> np.uint32(16)) | (x << np.uint32(16))


def scrambled(x: np.ndarray, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Nested uniform scrambling by hashing (Laine and Karras 2011), and a random digital shift."""
    x = reversed_bits(x) + rng.integers(0, 2**32, shape, dtype=np.uint32)
    for factor in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6):
        x = x ^ (x * np.uint32(factor))
    return reversed_bits(x) ^ rng.integers(0, 2**32, shape, dtype=np.uint32)


def normal_runs(sampler: str, inputs: int, seed: int, runs: int = RUNS) -> np.ndarray:
    """Runs [run, draw] of a standard normal that is the sum of `inputs` inputs."""
    rng = np.random.default_rng(seed)
    if sampler == "random":
        u = rng.random((inputs, runs, N))
    elif sampler == "stratified":
        strata = np.broadcast_to(np.arange(32), (inputs, runs, N // 32, 32))
        u = (rng.permuted(strata, axis=-1) + rng.random(strata.shape)) / 32
    else:
        points = qmc.Sobol(inputs, scramble=False, bits=32).random(512)[: N // 32].T * 2**32
        sequences = scrambled(points.astype(np.uint32)[:, None, None], rng, (inputs, runs, 32, 1))
        u = (sequences.swapaxes(-1, -2) + 0.5) / 2**32
    return ndtri(u.reshape(inputs, runs, N)).sum(axis=0) / np.sqrt(inputs)


Statistics = dict[str, tuple[np.ndarray, np.ndarray, float]]


def statistics_of(runs: np.ndarray, sampler: str) -> Statistics:
    """Values and errors [run] of statistics of normal draws, and known answers, by name."""
    replicates = replicated(N, sampler)
    ordered = np.sort(runs, axis=-1)
    statistics: Statistics = {"mean": (*mean_with_error(runs, replicates), 0.0)}
    statistics["sd"] = *sd_with_error(runs, replicates), 1.0
    levels = [0.05, 0.5, 0.9, 0.37]
    values, errors = quantiles_with_error(ordered, runs, replicates, levels)
    for level, value, error in zip(levels, values, errors, strict=True):
        statistics["median" if level == 0.5 else f"VaR {level}"] = value, error, float(ndtri(level))
    tails = [0.05, 0.95, 0.01]
    values, errors = tail_means_with_error(ordered, runs, replicates, tails)
    for level, value, error in zip(tails, values, errors, strict=True):
        density = np.exp(-(float(ndtri(level)) ** 2) / 2) / np.sqrt(2 * np.pi)
        answer = density / (1 - level) if level > 0.5 else -density / level
        statistics[f"CVaR {level}"] = value, error, answer
    for least in (0.5, -1.2):
        value, error = probability_with_error(runs >= least, np.ones(runs.shape, bool), replicates)
        statistics[f"P(>= {least})"] = value, error, 1 - float(ndtr(least))
    return statistics


def repeated(sampler: str, inputs: int) -> Statistics:
    """Statistics of 1,200 runs: their coverage is known to 0.6 %."""
    first, second = (statistics_of(normal_runs(sampler, inputs, seed), sampler) for seed in (2, 3))
    both = {name: np.concatenate([first[name][:2], second[name][:2]], axis=1) for name in first}
    return {name: (*both[name], first[name][2]) for name in first}


@pytest.fixture(scope="module", params=SAMPLERS)
def sampler_and_statistics(request: pytest.FixtureRequest) -> tuple[str, Statistics]:
    return request.param, repeated(request.param, inputs=3)


def test_intervals_of_95_percent_cover_the_answer(
    sampler_and_statistics: tuple[str, Statistics],
) -> None:
    sampler, statistics = sampler_and_statistics
    for name, (value, error, answer) in statistics.items():
        covered = (np.abs(value - answer) <= REACH[sampler] * error).mean()
        assert 0.93 < covered < 0.97, (name, covered)


def test_errors_equal_the_spread_over_seeds(
    sampler_and_statistics: tuple[str, Statistics],
) -> None:
    for name in ("mean", "median", "P(>= 0.5)"):
        value, error, _ = sampler_and_statistics[1][name]
        seeds = slice(300)
        spread = value[seeds].std(ddof=1)
        assert np.sqrt((error[seeds] ** 2).mean()) == pytest.approx(spread, rel=0.1), name


@pytest.mark.parametrize("sampler", SAMPLERS[1:])
def test_intervals_cover_the_answer_with_a_single_input(sampler: str) -> None:
    """Quantiles of replicates would jump from stratum to stratum; shares do not."""
    statistics = repeated(sampler, inputs=1)
    # The median lies at the edge of two strata, and is known to one or two draws.
    value, error, _ = statistics.pop("median")
    assert 0.8 < np.sqrt((error**2).mean()) / value.std() < 1.6
    for name, (value, error, answer) in statistics.items():
        covered = (np.abs(value - answer) <= REACH[sampler] * error).mean()
        assert 0.93 < covered < 0.97, (name, covered)


@pytest.mark.parametrize(("sampler", "n"), [*((s, N) for s in SAMPLERS), ("stratified", 960)])
@pytest.mark.parametrize("inputs", [1, 3])
def test_intervals_cover_the_answer_where_draws_are_left_out(
    sampler: str, n: int, inputs: int
) -> None:
    """Draws of a normal above 1.5 and 2 % of the others are left out: answers are still known."""
    cut = 1.5
    share = float(ndtr(cut))
    density = float(np.exp(-(cut**2) / 2) / np.sqrt(2 * np.pi))
    mean = -density / share
    answers = {"mean": mean, "sd": np.sqrt(1 - cut * density / share - mean**2)}
    answers |= {"median": float(ndtri(share / 2))}
    answers |= {"P": 1 - float(ndtr(-0.5)) / share}
    rng = np.random.default_rng(6)
    errors: dict[str, list[float]] = {name: [] for name in answers}
    deviations: dict[str, list[float]] = {name: [] for name in answers}
    for run in normal_runs(sampler, inputs, seed=7)[:, :n]:
        numbers = np.flatnonzero((run < cut) & (rng.random(n) > 0.02))
        kept, replicates = run[numbers], replicates_by(numbers, sampler)
        assert replicates.draws == kept.size == replicates.count.sum()
        median = quantiles_with_error(np.sort(kept), kept, replicates, [0.5])
        for name, (value, error) in {
            "mean": mean_with_error(kept, replicates),
            "sd": sd_with_error(kept, replicates),
            "median": (median[0][0], median[1][0]),
            "P": probability_with_error(kept >= -0.5, np.ones(kept.shape, bool), replicates),
        }.items():
            errors[name].append(float(error))
            deviations[name].append(float(value) - answers[name])
    reach = REACH[sampler] if n == N else 2.0452  # 30 replicates
    for name in answers:
        off, error = np.array(deviations[name]), np.array(errors[name])
        if n < N and name == "P" and inputs == 1:
            continue  # a threshold within one stratum: Wilson's interval is too wide
        assert 0.92 < (np.abs(off) <= reach * error).mean() < 0.98, name
        assert 0.85 < np.sqrt((error**2).mean()) / off.std() < 1.35, name


def wilson(variance: float, draws: float) -> float:
    """Half of Wilson's interval of one standard error, from the variance of a share."""
    return math.sqrt(variance + 1 / (4 * draws**2)) / (1 + 1 / draws)


@pytest.mark.parametrize("happen", [0, 1, 10, 40])
def test_error_of_a_probability_is_half_of_wilsons_interval(happen: int) -> None:
    n, replicates = 40, replicated(40, "random")
    events = np.arange(n) < happen
    p = happen / n
    value, error = probability_with_error(events, np.ones(n, bool), replicates)
    assert value == p
    assert error == pytest.approx(wilson(p * (1 - p) / (n - 1), n), rel=1e-12)
    counts = np.array([events, ~events]).astype(int)  # an event, and that it does not happen
    counted = share_with_error(counts, np.ones_like(counts), replicates)
    np.testing.assert_allclose(counted, [[p, 1 - p], [error, error]], rtol=1e-12)


def test_error_of_a_probability_is_of_the_draws_that_are_valid() -> None:
    valid = np.arange(80) % 2 == 0
    events = np.arange(80) < 20
    value, error = probability_with_error(events, valid, replicated(80, "random"))
    assert value == 0.25
    assert error == pytest.approx(wilson(0.25 * 0.75 / 39, 40), rel=1e-12)
    assert np.isnan(probability_with_error(events, valid & False, replicated(80, "random"))[0])


def test_error_of_a_share_of_blocks_is_that_of_a_ratio() -> None:
    """Blocks hold different numbers of valid draws: those of few move the share less."""
    rng = np.random.default_rng(3)
    valid = rng.random(320) < np.repeat(np.linspace(0.3, 1, 10), 32)
    events = valid & (rng.random(320) < 0.4)
    value, error = probability_with_error(events, valid, replicated(320, "stratified"))
    n, share = valid.sum(), events.sum() / valid.sum()
    residual = (events - share * valid).reshape(10, 32).sum(axis=1)
    assert value == share
    expected = wilson(10 / 9 * (residual**2).sum() / n**2, n)
    assert error == pytest.approx(expected, rel=1e-9)
    by_block = [part.reshape(10, 32).sum(axis=1) for part in (events, valid)]
    counted = share_with_error(*by_block, replicated(320, "stratified"))
    np.testing.assert_allclose(counted, (share, expected), rtol=1e-9)
    hidden = share_with_error(*by_block, replicated(320, "stratified"), hidden_variance=9.0)
    variance = 10 / 9 * (residual**2).sum() / n**2 + 9 / n**2
    assert hidden[1] == pytest.approx(wilson(variance, n), rel=1e-9)


def test_values_of_one_draw_are_not_independent() -> None:
    """Four equal sites tell as much as one."""
    rng = np.random.default_rng(3)
    events = rng.random(64) < 0.4
    replicates = replicated(64, "random")
    one = share_with_error(events.astype(int), np.ones(64, int), replicates)
    four = share_with_error(4 * events, np.full(64, 4), replicates, values_per_draw=4)
    np.testing.assert_allclose(four, one, rtol=1e-12)


def test_errors_of_a_mean_and_an_sd_are_those_of_textbooks() -> None:
    draws = np.random.default_rng(3).lognormal(size=50)
    replicates = replicated(50, "random")
    mean, error = mean_with_error(draws, replicates)
    assert mean == pytest.approx(draws.mean())
    assert error == pytest.approx(draws.std(ddof=1) / math.sqrt(50), rel=1e-12)
    sd, error = sd_with_error(draws, replicates)
    squares = (draws - draws.mean()) ** 2
    assert sd == pytest.approx(draws.std(ddof=1))
    assert error == pytest.approx(squares.std(ddof=1) / math.sqrt(50) / (2 * sd), rel=1e-12)
    assert sd_with_error(np.full(50, 7.0), replicates) == (0.0, 0.0)
    assert np.isnan(sd_with_error(np.full(20, 7.0), replicated(20, "random"))[1])
    assert np.isnan(sd_with_error(np.array([7.0]), replicated(1, "random"))[0])


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_error_of_a_quantile_of_evenly_spread_draws_is_that_of_a_share(level: float) -> None:
    """A draw further is a step of one: the slope is the same over any distance."""
    n = 1_001
    draws = np.arange(float(n))
    value, error = quantiles_with_error(draws, draws, replicated(n, "random"), [level])
    assert value[0] == pytest.approx(level * 1_000)
    below = (math.floor(level * 1_000) + 1) / n
    few = 1 + 1 / (n * min(level, 1 - level)) ** 2
    expected = 1_000 * math.sqrt((below * (1 - below) / (n - 1) + 0.5 / n**2) * few)
    assert error[0] == pytest.approx(expected, rel=1e-9)
    shifts = quantile_influence(draws, level)
    assert set(np.round(shifts, 6)) == {0.0, 1_000.0}
    assert np.count_nonzero(shifts) == n - round(below * n)


def test_slopes_are_taken_over_two_to_four_errors_of_a_share() -> None:
    """Further, the more draws lie beyond the quantile."""
    reaches = [slope_reach(beyond) for beyond in (1, 144, 324, 576, 10**6)]
    assert reaches == [2.0, 2.0, 3.0, 4.0, 4.0]
    kinked = np.concatenate([np.arange(500.0), 500 + 3 * np.arange(501.0)])
    _, error = quantiles_with_error(kinked, kinked, replicated(1_001, "random"), [0.5])
    straight = np.arange(1_001.0)
    _, known = quantiles_with_error(straight, straight, replicated(1_001, "random"), [0.5])
    assert error[0] / known[0] == pytest.approx(2.0, rel=0.01)  # of slopes 1 and 3, half each


def test_quantiles_have_an_error_where_a_draw_is_expected_beyond_them() -> None:
    draws = np.random.default_rng(3).normal(size=100)
    replicates = replicated(100, "random")
    levels = [0.009, 0.01, 0.99, 0.995]
    for estimate in (quantiles_with_error, tail_means_with_error):
        _, errors = estimate(np.sort(draws), draws, replicates, levels)
        assert np.isnan(errors).tolist() == [True, False, False, True]


@pytest.mark.parametrize("level", [0.1, 0.9])
def test_error_of_a_tail_mean_is_that_of_the_mean_excess(level: float) -> None:
    draws = np.random.default_rng(3).normal(size=200)
    ordered = np.sort(draws)
    means, errors = tail_means_with_error(ordered, draws, replicated(200, "random"), [level])
    tail = ordered[:20] if level < 0.5 else ordered[180:]
    assert means[0] == pytest.approx(tail.mean())
    beyond = np.quantile(draws, level) - draws
    excess = np.maximum(beyond if level < 0.5 else -beyond, 0) / 0.1
    few = math.sqrt(1 + 4 / 20)
    assert errors[0] == pytest.approx(few * excess.std(ddof=1) / math.sqrt(200), rel=1e-9)


def test_pooled_values_belong_to_the_replicate_of_their_draw() -> None:
    """Two quarters pooled have the error of their mean, not that of twice the draws."""
    draws = np.random.default_rng(3).lognormal(size=(3, 2, 320))
    replicates: Replicates = replicated(320, "stratified")
    mean, error = mean_with_error(draws, replicates, pooled=1)
    np.testing.assert_allclose(mean, draws.mean(axis=(1, 2)))
    np.testing.assert_allclose(error, mean_with_error(draws.mean(axis=1), replicates)[1])


def test_a_tail_of_less_than_one_draw_is_the_outermost() -> None:
    draws = np.arange(100.0)
    means, _ = tail_means_with_error(draws, draws, replicated(100, "random"), [0.001, 0.999])
    assert means.tolist() == [0.0, 99.0]


@pytest.mark.parametrize("level", [0.1, 0.9])
def test_influence_of_a_draw_has_the_slope_over_two_errors_of_a_share(level: float) -> None:
    """With a hundred draws beyond the quantile; of a cube the slope shows the distance."""
    steps = np.arange(1_001.0) - 1_000 * level
    reach = 2 * 1_000 * math.sqrt(0.09 / 1_001)
    shifts = quantile_influence(steps**3, level)
    assert shifts.max() == pytest.approx(1_000 * reach**2, rel=0.01)


def test_pooled_events_are_counted_as_those_of_their_block() -> None:
    rng = np.random.default_rng(3)
    valid = rng.random((2, 320)) < 0.8
    events, replicates = valid & (rng.random((2, 320)) < 0.4), replicated(320, "stratified")
    counts = [part.reshape(2, 10, 32).sum(axis=(0, 2)) for part in (events, valid)]
    pooled = probability_with_error(events, valid, replicates, pooled=1)
    assert pooled[0] == events.sum() / valid.sum()
    counted = share_with_error(*counts, replicates, values_per_draw=2)
    np.testing.assert_allclose(counted, pooled, rtol=1e-9)
