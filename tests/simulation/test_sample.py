"""Distributions, dependence and errors of the sampler alone, for any inputs."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from scipy.special import ndtr

import sim
from sim.distributions.families import FAMILIES
from sim.engine.sampling_plan import SamplingPlan
from sim.kernels.sampling.quantities import fill_normal
from sim.model.blocks import TILE
from sim.parameters.distribution_errors import read_named_distribution

SAMPLERS = ("random", "stratified", "sobol")
MILLION = 1_000_000
UNIT = {"family": "normal", "mean": 0, "sd": 1}
PRICE = {"family": "lognormal", "p10": 2.0, "p90": 5.0}
EVERY_FAMILY: dict[str, dict[str, Any]] = {
    "normal": {"family": "normal", "mean": 2, "sd": 3},
    "normal, cut": {"family": "normal", "mean": 0, "sd": 1, "min": 40},
    "lognormal": PRICE,
    "lognormal, cut": {**PRICE, "max": 4.0},
    "logit_normal": {"family": "logit_normal", "median": 0.8, "sigma": 1.2, "min": 0, "max": 1},
    "uniform": {"family": "uniform", "min": -1, "max": 3},
    "log_uniform": {"family": "log_uniform", "min": 1, "max": 30},
    "triangular": {"family": "triangular", "min": 0, "mode": 0.2, "max": 1},
    "pert": {"family": "pert", "min": 0, "mode": 1, "max": 10},
    "beta": {"family": "beta", "a": 0.5, "b": 2},
    "gamma": {"family": "gamma", "shape": 0.3, "scale": 2},
    "weibull": {"family": "weibull", "shape": 1.7, "scale": 2},
    "student_t": {"family": "student_t", "df": 3, "median": 1, "scale": 2},
    "generalized_pareto": {
        "family": "generalized_pareto", "shape": 0.2, "scale": 2, "threshold": 1,
    },
    "metalog": {"family": "metalog", "p10": 1, "p50": 2, "p90": 5, "min": 0},
    "mixture": {
        "family": "mixture",
        "components": [{"family": "normal", "mean": m, "sd": 1} for m in (0, 6)],
        "weights": [1, 3],
    },
    "scipy": {"family": "scipy.gumbel_r", "loc": 1, "scale": 2},
}  # fmt: skip
SEPARATE: dict[str, dict[str, Any]] = {
    "discrete": {"family": "discrete", "values": [3, 1, 2], "weights": [1, 1, 2]},
    "bernoulli": {"family": "bernoulli", "p": 0.003},
    "empirical": {"family": "empirical", "values": [1, 5, 5, 9]},
}  # fmt: skip


def test_every_family_is_covered_by_these_tests() -> None:
    drawn = {table["family"].split(".")[0] for table in (EVERY_FAMILY | SEPARATE).values()}
    assert drawn == {*FAMILIES, "scipy"}


def shares(distribution: Any, x: np.ndarray) -> np.ndarray:
    """P(X <= x), exactly."""
    with np.errstate(divide="ignore"):
        return np.exp(distribution.log_probabilities_at(x)[0])


@pytest.fixture(scope="module", params=SAMPLERS)
def million(request: pytest.FixtureRequest) -> xr.Dataset:
    return sim.sample({**EVERY_FAMILY, **SEPARATE}, draws=MILLION, seed=3, sampler=request.param)


def test_million_draws_follow_their_distribution(million: xr.Dataset) -> None:
    for name, table in EVERY_FAMILY.items():
        distribution = read_named_distribution(table, name)
        ranks = np.arange(1, MILLION + 1, 50) / MILLION  # between them it can be 5e-5 more
        expected = shares(distribution, np.sort(million[name].values)[::50])
        distance = max((ranks - expected).max(), (expected - ranks + 1 / MILLION).max())
        assert distance < stats.kstwo.ppf(0.999, MILLION), name


def test_discrete_values_have_their_probabilities(million: xr.Dataset) -> None:
    for name, table in SEPARATE.items():
        values, likely = read_named_distribution(table, name).atoms
        drawn, counts = np.unique(million[name].values, return_counts=True)
        np.testing.assert_array_equal(drawn, values)
        allowed = 4 * np.sqrt(likely * (1 - likely) / MILLION)
        assert (np.abs(counts / MILLION - likely) < allowed).all(), name


def test_million_draws_have_the_mean_and_sd_of_their_distribution(million: xr.Dataset) -> None:
    closed = {
        "normal": (2, 3),
        "uniform": (1, 4 / math.sqrt(12)),
        "pert": (14 / 6, math.sqrt((1 + 4 * 0.1) * (1 + 4 * 0.9) / 36 / 7) * 10),
        "beta": (0.2, math.sqrt(0.16 / 3.5)),
        "gamma": (0.6, 2 * math.sqrt(0.3)),
        "scipy": (1 + 2 * np.euler_gamma, 2 * math.pi / math.sqrt(6)),
        "bernoulli": (0.003, math.sqrt(0.003 * 0.997)),
        "discrete": (2, math.sqrt(0.5)),
        "mixture": (4.5, math.sqrt(1 + 36 * 3 / 16)),
    }
    for name, (mean, sd) in closed.items():
        x = million[name].values
        assert abs(x.mean() - mean) < 4.5 * sd / math.sqrt(MILLION), name
        kurtosis = ((x - mean) ** 4).mean() / sd**4
        assert abs(x.std() / sd - 1) < 4.5 * math.sqrt((kurtosis - 1) / 4 / MILLION), name


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_draw_depends_on_its_name_and_number_only(sampler: str) -> None:
    names = ("a", "b", "c")
    long = sim.sample(dict.fromkeys(names, PRICE), draws=5000, seed=4, sampler=sampler, threads=2)
    short = sim.sample(dict.fromkeys(names, PRICE), draws=777, seed=4, sampler=sampler, threads=1)
    xr.testing.assert_identical(long.isel(draw=slice(777)).assign_attrs(draws=777), short)
    if sampler != "sobol":  # whose dimensions follow the order of the names
        inputs = {"z": UNIT, "c": PRICE, "a": PRICE}
        reordered = sim.sample(inputs, draws=777, seed=4, sampler=sampler)
        for name in ("a", "c"):
            np.testing.assert_array_equal(reordered[name], short[name])
    fixed = sim.sample({"a": 3.0, "b": PRICE, "c": PRICE}, draws=777, seed=4, sampler=sampler)
    assert fixed["a"].dims == ()
    assert float(fixed["a"]) == 3.0
    np.testing.assert_array_equal(fixed["c"], short["c"])


def test_full_blocks_are_latin_hypercubes_in_the_scores() -> None:
    inputs = {"score": UNIT, "share": {"family": "uniform", "min": 0, "max": 1}}
    ds = sim.sample(inputs, draws=32 * 1000 + 7)
    for p in (ndtr(ds["score"].values), ds["share"].values):
        strata = np.floor(32 * p[: 32 * 1000]).reshape(-1, 32)
        np.testing.assert_array_equal(np.sort(strata), np.tile(np.arange(32), (1000, 1)))


def test_number_of_threads_changes_no_bit() -> None:
    inputs = {f"x{i}": distribution for i, distribution in enumerate(EVERY_FAMILY.values())}
    first, second = (sim.sample(inputs, draws=40_001, seed=5, threads=n) for n in (1, 2))
    xr.testing.assert_identical(first, second)
    assert sim.sample({"x": PRICE}, draws=1)["x"].size == 1


def test_loadings_on_a_common_factor_correlate_inputs() -> None:
    inputs = {name: {**UNIT, "loads": {"demand": load}} for name, load in (("a", 0.8), ("b", -0.5))}
    ds = sim.sample(inputs, draws=100_000)
    assert abs(np.corrcoef(ds["a"], ds["b"])[0, 1] + 0.4) < 0.01
    assert abs(float(ds["a"].std()) - 1) < 0.01


def tied(rho: float, draws: int = MILLION, **group: Any) -> xr.Dataset:
    table = {"inputs": ["a", "b"], "pairs": [["a", "b", rho]], "kind": "copula", **group}
    return sim.sample({"a": PRICE, "b": EVERY_FAMILY["pert"]}, draws, seed=6, correlation=table)


def both_above_median(ds: xr.Dataset) -> float:
    above = [ds[name] > read_named_distribution(table, name).point for name, table in
             (("a", PRICE), ("b", EVERY_FAMILY["pert"]))]  # fmt: skip
    return float((above[0] & above[1]).mean())


def test_gaussian_copula_has_the_rank_correlation_of_its_closed_form() -> None:
    ds = tied(0.7)
    assert abs(stats.spearmanr(ds["a"], ds["b"]).statistic - 0.6829105) < 0.003
    assert abs(both_above_median(ds) - 0.3734083) < 0.002
    (group,) = json.loads(ds.attrs["correlation"])
    assert abs(group["spearman"][0][1] - 0.6829) < 0.02
    assert group["draws"] == 8_192


@pytest.mark.long  # it draws by the million
def test_t_copula_has_the_tails_of_its_closed_form() -> None:
    ds = tied(0.5, copula="t", nu=4)
    assert abs(both_above_median(ds) - (0.25 + math.asin(0.5) / (2 * math.pi))) < 0.002
    u = [stats.rankdata(ds[name]) / MILLION for name in "ab"]

    def share(q: float) -> float:
        """P(both in the tail of mass q), by the density of the t copula."""
        t = stats.t.ppf(q, 4)
        bivariate = stats.multivariate_t(shape=[[1, 0.5], [0.5, 1]], df=4, seed=1)
        return float(bivariate.cdf([t, t], maxpts=300_000)) / q

    # As q falls the share tends to the coefficient of tail dependence, .2531700.
    assert 2 * stats.t.cdf(-math.sqrt(5 * 0.5 / 1.5), 5) == pytest.approx(0.2531700, abs=1e-7)
    for q in (0.05, 0.005):
        expected = share(q)
        allowed = 4.5 * math.sqrt(expected / (q * MILLION))
        lower = float(((u[0] <= q) & (u[1] <= q)).mean()) / q
        upper = float(((u[0] > 1 - q) & (u[1] > 1 - q)).mean()) / q
        assert abs(lower - expected) < allowed
        assert abs(upper - expected) < allowed
    assert 0.2531700 < share(0.001) < share(0.05)
    for name, table in (("a", PRICE), ("b", EVERY_FAMILY["pert"])):
        x = np.sort(ds[name].values)
        distance = np.abs(
            shares(read_named_distribution(table, name), x) - np.arange(1, MILLION + 1) / MILLION
        )
        assert distance.max() < stats.kstwo.ppf(0.999, MILLION)


def test_gaussian_copula_has_no_tail_dependence() -> None:
    u = [stats.rankdata(tied(0.5)[name]) / MILLION for name in "ab"]
    assert float(((u[0] <= 0.002) & (u[1] <= 0.002)).mean()) / 0.002 < 0.12


@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.9])
def test_spearman_and_pearson_correlations_are_reached(rho: float) -> None:
    ds = tied(rho, kind="spearman")
    assert abs(stats.spearmanr(ds["a"], ds["b"]).statistic - rho) < 0.003
    ds = tied(rho, kind="pearson")
    assert abs(np.corrcoef(ds["a"], ds["b"])[0, 1] - rho) < 0.005


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_correlation_group_changes_only_its_members(sampler: str) -> None:
    inputs = dict.fromkeys("abcd", PRICE)
    group = {"inputs": ["c", "b"], "pairs": [["b", "c", 0.5]], "kind": "spearman"}
    free, bound = (
        sim.sample(inputs, 2000, sampler=sampler, correlation=groups) for groups in ((), group)
    )
    for name in "ad":
        np.testing.assert_array_equal(free[name], bound[name])
    # b is the first by name, so the group keeps its score, up to the last bits of a conversion.
    np.testing.assert_allclose(free["b"], bound["b"], rtol=1e-8)
    assert not np.array_equal(free["c"], bound["c"])


def test_order_of_a_group_does_not_change_draws() -> None:
    inputs = dict.fromkeys("abc", PRICE)
    matrix = np.array([[1, 0.2, 0.6], [0.2, 1, -0.3], [0.6, -0.3, 1]])
    datasets = []
    for order in ([0, 1, 2], [2, 0, 1]):
        table = {
            "inputs": [list("abc")[i] for i in order],
            "matrix": matrix[np.ix_(order, order)].tolist(),
            "kind": "copula", "copula": "t", "nu": 5,
        }  # fmt: skip
        datasets.append(sim.sample(inputs, 1000, correlation=[table]))
    xr.testing.assert_identical(*datasets)


def test_sample_reports_all_faults_together() -> None:
    with pytest.raises(sim.InputError) as raised:
        sim.sample(
            {"a": {"family": "lognorml", "median": 1, "sigma": 1}, "b": PRICE, "c": 2.0,
             "d": {**PRICE, "loads": {"demand": 0.9, "power": 0.9}},
             "e": {**PRICE, "loads": {"demnd": 0.9}}},
            draws=0, seed=-1, sampler="sobel", threads=0,
            correlation={"inputs": ["b", "c", "x"], "pairs": [["b", "c", 0.2]], "kind": "copula"},
        )  # fmt: skip
    message = str(raised.value)
    for part in (
        "sample: a: unknown family 'lognorml'; did you mean 'lognormal'?",
        "sample: d.loads: the squares of the loadings add up to 1.62, which exceeds 1",
        "sample: e.loads.demnd: unknown factor; did you mean 'demand'?",
        "sample: draws: expected a whole number of draws from 1",
        "sample: seed: expected a whole number from 0",
        "sample: sampler: unknown sampler 'sobel'; did you mean 'sobol'?",
        "sample: threads: expected a whole number of threads",
        "sample: correlation[0].inputs: c is a fixed value",
        "sample: correlation[0].inputs: unknown input 'x'",
    ):
        assert part in message


def test_mixing_variable_of_a_t_copula_is_independent_of_an_input_of_its_name() -> None:
    group = {"name": "c", "inputs": ["a", "b"], "kind": "copula", "copula": "t", "nu": 3,
             "pairs": [["a", "b", 0.5]]}  # fmt: skip
    ds = sim.sample(dict.fromkeys("abc", UNIT), draws=50_000, correlation=group)
    assert abs(stats.spearmanr(np.abs(ds["a"]), ds["c"]).statistic) < 0.02


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([1, 2], {}, "inputs: expected names with their distributions"),
        ({1: PRICE}, {}, "1: expected a name, got 1"),
        ({"draw": PRICE}, {}, "draw: is a reserved name"),
        ({"factors.demand": PRICE}, {}, "factors.demand: is a reserved name"),
        ({"a": PRICE}, {"correlation": 5}, "correlation: expected a group, or a list of groups"),
        ({"a": PRICE}, {"correlation": [5]}, r"correlation\[0\]: expected a table"),
        ({"a": "x"}, {}, "a: expected a number, or a table"),
        ({"a": {**UNIT, "sd": 0}, "b": UNIT},
         {"correlation": {"inputs": ["a", "b"], "kind": "pearson", "pairs": [["a", "b", 0.2]]}},
         "a has one value only"),
        (dict.fromkeys("abcd", UNIT),
         {"correlation": [{"name": "g", "inputs": list(pair), "kind": "copula", "pairs": []}
                          for pair in ("ab", "cd")]},
         "there are two groups 'g'"),
    ],
)  # fmt: skip
def test_sample_refuses_invalid_inputs_and_groups(
    inputs: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(sim.InputError, match=message):
        sim.sample(inputs, draws=32, **options)


def test_sample_takes_numpy_arrays_as_lists() -> None:
    group = {"inputs": ["a", "b"], "kind": "copula", "matrix": np.array([[1, 0.5], [0.5, 1]])}
    inputs = {"a": {"family": "empirical", "values": np.arange(5.0)}, "b": UNIT, "c": np.float64(2)}
    ds = sim.sample(inputs, draws=64, correlation=group)
    assert set(np.unique(ds["a"])) == set(range(5))
    assert sim.sample({}, draws=3).sizes["draw"] == 3


def test_a_matrix_that_numpy_computed_is_taken_also_where_it_is_singular() -> None:
    names = [f"x{i}" for i in range(5)]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        data = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))
        if seed % 2:
            data[:, 4] = data[:, 0] - data[:, 1]
        for matrix in (np.corrcoef(data.T), pd.DataFrame(data, columns=names).corr()):
            group = {"inputs": names, "kind": "copula", "matrix": matrix}
            ds = sim.sample(dict.fromkeys(names, UNIT), draws=2048, correlation=group)
            assert np.isfinite(ds.to_dataframe().to_numpy()).all()
            drawn = np.corrcoef([ds[name] for name in names])
            np.testing.assert_allclose(drawn, matrix, atol=0.11)


HEAVY: dict[str, tuple[dict[str, Any], float]] = {  # an input, and Pearson's correlation asked
    "lognormal 1": ({"family": "lognormal", "median": 1, "sigma": 1}, 0.5),
    "lognormal 2": ({"family": "lognormal", "median": 1, "sigma": 2}, 0.3),
    "t 3": ({"family": "student_t", "df": 3, "median": 0, "scale": 1}, 0.6),
    "t 5": ({"family": "student_t", "df": 5, "median": 0, "scale": 1}, -0.4),
    "normal": (UNIT, 0.5),
}


@pytest.mark.long
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", HEAVY)
def test_intervals_of_pearson_cover_what_was_asked_also_of_heavy_tails(
    name: str, sampler: str
) -> None:
    covered = count_covered(name, sampler, seeds=300, draws=2048)
    assert 0.86 < covered / 300 < 0.99


@pytest.mark.parametrize("name", ["lognormal 2", "t 3"])
def test_errors_of_pearson_are_honest_where_tails_are_heavy(name: str) -> None:
    """Errors from parts of one sample cover 0.43 and 0.55."""
    assert count_covered(name, "stratified", seeds=40, draws=8192) >= 33


def count_covered(name: str, sampler: str, seeds: int, draws: int) -> int:
    """Of so many seeds, how many 95 % intervals hold the correlation that was asked."""
    law, rho = HEAVY[name]
    group = {"inputs": ["a", "b"], "kind": "pearson", "pairs": [["a", "b", rho]]}
    covered = 0
    for seed in range(seeds):
        ds = sim.sample({"a": law, "b": law}, draws, seed, sampler, group, threads=1)
        (entry,) = json.loads(ds.attrs["correlation"])
        covered += abs(entry["pearson"][0][1] - rho) < 1.96 * entry["pearson_error"][0][1]
    return covered


def test_errors_of_ranks_count_draws_after_the_last_full_tile() -> None:
    group = {"inputs": ["a", "b"], "kind": "spearman", "pairs": [["a", "b", 0.5]]}
    errors = [
        json.loads(sim.sample(dict.fromkeys("ab", UNIT), n, correlation=group).attrs["correlation"])
        [0]["spearman_error"][0][1]
        for n in (1023, 1024, 1536, 2047)
    ]  # fmt: skip
    assert errors[0] is None
    np.testing.assert_allclose(errors[1:], errors[1] / np.sqrt([1, 1.5, 2047 / 1024]), atol=1e-4)


@pytest.mark.parametrize("rho", [-0.5, 0.3, 0.65])
def test_rank_correlations_of_discrete_inputs_are_reached(rho: float) -> None:
    coin, four = {"family": "bernoulli", "p": 0.5}, SEPARATE["empirical"]
    for distribution in (UNIT, four):
        group = {"inputs": ["a", "b"], "kind": "spearman", "pairs": [["a", "b", rho]]}
        ds = sim.sample({"a": coin, "b": distribution}, draws=400_000, correlation=group)
        assert abs(stats.spearmanr(ds["a"], ds["b"]).statistic - rho) < 0.006
    group["pairs"] = [["a", "b", 0.95]]
    with pytest.raises(sim.InputError, match=r"it is from -0\.866 to 0\.866"):
        sim.sample({"a": coin, "b": UNIT}, draws=32, correlation=group)


def test_sobol_draws_keep_when_loads_or_last_inputs_are_added() -> None:
    first = sim.sample({"a": UNIT, "b": UNIT}, draws=256, sampler="sobol")
    second = sim.sample(
        {"a": UNIT, "b": {**UNIT, "loads": {"demand": 0.5}}, "c": UNIT}, draws=256, sampler="sobol"
    )
    np.testing.assert_array_equal(first["a"], second["a"])


def test_sobol_refuses_too_many_draws() -> None:
    with pytest.raises(sim.InputError, match="'stratified' and 'random' go on"):
        sim.sample({"a": PRICE}, draws=2**37 + 1, sampler="sobol")


def test_sobol_has_more_than_a_thousand_independent_dimensions() -> None:
    ds = sim.sample({f"x{i}": UNIT for i in range(1200)}, draws=2048, sampler="sobol")
    drawn = np.array([ds[f"x{i}"].values for i in (0, 1000, 1199)])
    assert np.abs(np.corrcoef(drawn)[np.triu_indices(3, 1)]).max() < 0.1
    assert (np.abs(drawn.mean(axis=1)) < 0.02).all()


def test_sobol_points_differ_beyond_two_to_the_31_draws() -> None:
    plan = SamplingPlan()
    plan.add("x", 0, read_named_distribution(UNIT, "x"))
    sampling, scores = plan.sampling(1, "sobol"), plan.scores(TILE)
    name = sampling.quantities[0].name
    seen = []
    for first in (0, 2**31, 2**36, 2**37 - TILE):
        fill_normal(sampling, name, 0, first, scores)
        assert abs(stats.norm.cdf(scores.own).mean() - 0.5) < 0.02
        seen.append(scores.own.copy())
    assert len(np.unique(np.concatenate(seen))) == 4 * TILE


def test_units_and_notes_are_attributes_of_the_result() -> None:
    ds = sim.sample({"price": {**PRICE, "unit": "USD", "note": "a guess"}, "n": 4}, draws=32)
    assert ds["price"].attrs == {"units": "USD", "note": "a guess"}
    assert ds.attrs["sampler"] == "stratified"
    assert ds.attrs["draws"] == 32
    assert float(ds["n"]) == 4


def test_normal_truncated_far_in_its_tail_is_exponential() -> None:
    """Beyond 40 sd the excess of a normal is all but exponential."""
    x = sim.sample({"x": EVERY_FAMILY["normal, cut"]}, draws=200_000)["x"].values
    assert (x >= 40).all()
    assert abs((x - 40).mean() - (1 / 40 - 1 / 40**3)) < 5 / 40 / math.sqrt(200_000)
    assert stats.kstest((x - 40) * 40, "expon").statistic < 0.01


# Reported errors against the spread over seeds

KNOWN = {
    "a": UNIT,
    "b": {"family": "lognormal", "median": 1, "sigma": 0.5},
    "c": EVERY_FAMILY["pert"],
}
SEEDS = 300


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_errors_equal_the_spread_over_seeds(sampler: str) -> None:
    """Mean, median and P(>=) of a smooth function of three inputs, to 10 %."""
    values, errors = [], []
    for seed in range(SEEDS):
        ds = sim.sample(KNOWN, draws=8192, seed=seed, sampler=sampler, threads=1)
        ds["y"] = ds["a"] + np.log(ds["b"]) * 2 + ds["a"] * ds["c"] / 4
        summary = sim.summarise(ds, ["y"], quantiles=[0.5], at_least=[1.0])
        names = ("y_mean", "y_quantile", "y_exceedance")
        values.append([float(summary[name].squeeze()) for name in names])
        errors.append([float(summary[f"{name}_error"].squeeze()) for name in names])
    spread = np.std(values, axis=0, ddof=1)
    reported = np.sqrt(np.mean(np.square(errors), axis=0))
    assert np.abs(reported / spread - 1).max() < 0.1
