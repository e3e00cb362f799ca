"""Families have the quantiles of scipy, and those by which they are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr, ndtri

from sim.parameters.distribution_errors import read_named_distribution

LEVELS = np.array([1e-10, 1e-6, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-6])
SCORES = np.append(ndtri(LEVELS), -ndtri(1e-10))
WIDE = math.sqrt(math.log1p(2.25))
FAMILIES: list[tuple[dict[str, Any], Any]] = [
    ({"family": "normal", "mean": 2, "sd": 3}, stats.norm(2, 3)),
    ({"family": "normal", "mean": 0, "sd": 1, "min": 3, "max": 3.5}, stats.truncnorm(3, 3.5)),
    ({"family": "lognormal", "median": 2, "sigma": 0.5}, stats.lognorm(0.5, scale=2)),
    (
        {"family": "lognormal", "mean": 2, "sd": 3},
        stats.lognorm(WIDE, scale=2 * math.exp(-(WIDE**2) / 2)),
    ),
    ({"family": "uniform", "min": 1, "max": 3}, stats.uniform(1, 2)),
    ({"family": "log_uniform", "min": 1, "max": 30}, stats.loguniform(1, 30)),
    ({"family": "triangular", "min": 0, "mode": 0.2, "max": 1}, stats.triang(0.2)),
    ({"family": "pert", "min": 0, "mode": 1, "max": 10}, stats.beta(1.4, 4.6, scale=10)),
    ({"family": "beta", "mean": 0.3, "sd": 0.1}, stats.beta(6, 14)),
    ({"family": "gamma", "shape": 0.3, "scale": 2}, stats.gamma(0.3, scale=2)),
    ({"family": "weibull", "shape": 0.7, "scale": 2}, stats.weibull_min(0.7, scale=2)),
    ({"family": "student_t", "df": 2.5, "median": 1, "scale": 2}, stats.t(2.5, 1, 2)),
    (
        {"family": "generalized_pareto", "shape": 0.5, "scale": 2, "threshold": 1},
        stats.genpareto(0.5, 1, 2),
    ),
    (
        {"family": "generalized_pareto", "shape": -0.5, "scale": 2, "threshold": 1},
        stats.genpareto(-0.5, 1, 2),
    ),
    ({"family": "scipy.gamma", "a": 3, "scale": 2}, stats.gamma(3, scale=2)),
]


@pytest.mark.parametrize(("entry", "known"), FAMILIES, ids=lambda case: str(case)[:60])
def test_quantiles_are_those_of_scipy(entry: dict[str, Any], known: Any) -> None:
    distribution = read_named_distribution(entry, "x")
    values = distribution.quantile(SCORES)
    expected = np.append(known.ppf(LEVELS), known.isf(1e-10))
    scale = np.maximum(np.abs(expected - known.median()), known.ppf(0.75) - known.ppf(0.25))
    assert (np.abs(values - expected) < 1e-11 * scale).all()
    up_to, above = distribution.log_probabilities_at(values)
    np.testing.assert_allclose(np.exp(up_to[2:-1]), LEVELS[2:], rtol=1e-10)
    np.testing.assert_allclose(above[-1], math.log(1e-10), rtol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_cut_40_sd_out_has_the_tail_of_the_normal(sign: int) -> None:
    end = {"min": 40} if sign > 0 else {"max": -40}
    distribution = read_named_distribution({"family": "normal", "mean": 0, "sd": 1, **end}, "x")
    share = np.array([0.999, 0.5, 1e-6])  # above the cut, of what is left
    x = sign * distribution.quantile(sign * -ndtri(share))
    # sf(x) = share sf(40); the tail of a normal is exp(-x^2/2)/x (1 - 1/x^2 + 3/x^4 - ...).
    tail = [math.log1p(-1 / y**2 + 3 / y**4 - 15 / y**6) - y * y / 2 - math.log(y) for y in x]
    cut = math.log1p(-1 / 1600 + 3 / 40**4 - 15 / 40**6) - 800 - math.log(40)
    np.testing.assert_allclose(tail, cut + np.log(share), atol=1e-8)
    assert distribution.cut_share == 1


@pytest.mark.parametrize(
    ("entry", "quantiles"),
    [
        ({"family": family, "p10": 1, "p90": 5, **rest}, {0.1: 1, 0.9: 5})
        for family, rest in {
            "normal": {}, "lognormal": {}, "uniform": {}, "log_uniform": {}, "gamma": {},
            "weibull": {}, "student_t": {"df": 4}, "generalized_pareto": {"threshold": 0},
            "logit_normal": {"min": 0, "max": 9}, "beta": {"min": 0, "max": 9},
        }.items()
    ]
    + [
        ({"family": family, "p10": 1, "p50": 2, "p90": 3.5, **rest}, {0.1: 1, 0.5: 2, 0.9: 3.5})
        for family in ("triangular", "pert", "metalog")
        for rest in ([{}] if family != "metalog" else [{}, {"min": 0}, {"max": 9}])
    ],
    ids=str,
)  # fmt: skip
def test_a_distribution_given_by_quantiles_has_them(
    entry: dict[str, Any], quantiles: dict[float, float]
) -> None:
    distribution = read_named_distribution(entry, "x")
    values = distribution.quantile(ndtri(list(quantiles)))
    np.testing.assert_allclose(values, list(quantiles.values()), rtol=1e-9)
    assert read_named_distribution(distribution.as_entry(), "x") == distribution


def test_a_mixture_keeps_its_atom_and_its_gap() -> None:
    some = {"family": "lognormal", "median": 2, "sigma": 0.4}
    distribution = read_named_distribution(
        {"family": "mixture", "components": [{"value": 0}, some], "weights": [0.8, 0.2]}, "x"
    )
    values = distribution.quantile(ndtri([0.1, 0.5, 0.79, 0.9]))
    assert values[:3].tolist() == [0, 0, 0]
    assert values[3] == pytest.approx(2, rel=1e-12)


def test_a_mixture_holds_truncated_components() -> None:
    half = {"family": "normal", "mean": 0, "sd": 1}
    distribution = read_named_distribution(
        {
            "family": "mixture",
            "components": [{**half, "min": 0}, {**half, "max": 0}],
            "weights": [0.5, 0.5],
        },
        "x",
    )
    np.testing.assert_allclose(distribution.quantile(SCORES), SCORES, rtol=1e-10, atol=1e-10)


def test_discrete_values_have_their_shares() -> None:
    distribution = read_named_distribution(
        {"family": "discrete", "values": [3, 1, 2], "weights": [1, 1, 2]}, "x"
    )
    assert distribution.quantile(ndtri([0.1, 0.3, 0.7, 0.8])).tolist() == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"family": "gama", "shape": 1}, "unknown family 'gama'; did you mean 'gamma'?"),
        (
            {"family": "scipy.gama", "a": 1},
            "no continuous distribution 'gama'; did you mean 'gamma'?",
        ),
        ({"family": "scipy.gamma"}, "missing a (scipy.gamma takes a, loc, scale, min, max)"),
        ({"family": "metalog", "p10": 1, "p50": 1.1, "p90": 5}, "too skewed"),
        ({"family": "normal", "p10": 3, "p90": 1}, "quantiles must rise with their levels"),
        ({"family": "gamma", "shape": 1, "p10": 4, "p90": 5}, "not both"),
        ({"family": "beta", "mean": 0.5, "sd": 0.6}, "too large"),
        ({"family": "discrete", "values": [1, 2], "weights": [1]}, "as many weights"),
        ({"family": "empirical", "file": "none.csv"}, "none.csv cannot be read"),
    ],
)
def test_an_impossible_distribution_is_refused_in_words(
    entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=r"^x[.:]") as caught:
        read_named_distribution(entry, "x")
    assert message in str(caught.value)


def test_a_mixture_of_components_far_apart_has_exact_quantiles() -> None:
    wide = {"family": "lognormal", "median": 1, "sigma": 20}
    distribution = read_named_distribution(
        {
            "family": "mixture",
            "components": [{"family": "normal", "mean": 0, "sd": 1}, wide],
            "weights": [0.999999, 1e-6],
        },
        "x",
    )
    z = np.array([-3.0, 0.0, 3.0, 4.0, 5.0])
    below, above = distribution.log_probabilities_at(distribution.quantile(z))
    np.testing.assert_allclose(np.exp(below), ndtr(z), rtol=1e-9)
    np.testing.assert_allclose(np.exp(above), ndtr(-z), rtol=1e-6)


def test_a_cut_between_the_parts_of_a_mixture_leaves_one_of_them() -> None:
    parts = [{"family": "normal", "mean": m, "sd": 1} for m in (-20, 20)]
    entry = {"family": "mixture", "components": parts, "weights": [1, 1], "min": 0}
    z = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(read_named_distribution(entry, "x").quantile(z), 20 + z, rtol=1e-9)


def test_a_truncated_heavy_tail_has_all_moments() -> None:
    entry = {"family": "generalized_pareto", "shape": 0.8, "scale": 1, "threshold": 1}
    assert read_named_distribution(entry, "x").moment_order == 1.25
    assert read_named_distribution({**entry, "max": 100}, "x").moment_order == math.inf


def test_weights_that_no_double_holds_are_refused() -> None:
    for entry in (
        {"family": "discrete", "values": [1, 2], "weights": [1e308, 1e308]},
        {"family": "mixture", "components": [1, 2], "weights": [1e308, 1e308]},
    ):
        with pytest.raises(ValueError, match="add up to more than a double holds"):
            read_named_distribution(entry, "x")
