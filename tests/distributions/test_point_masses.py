"""Values with a probability of their own are drawn to the last bit, as often as they should be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

import sim
from sim.distributions.moments import moments
from sim.distributions.normal import Lognormal
from sim.distributions.quantile_tables import TooRoughError, needs_table, table_of
from sim.parameters.distribution_errors import read_named_distribution

NORMAL = {"family": "normal", "mean": 0.0, "sd": 1.0}
LOGNORMAL = {"family": "lognormal", "median": 1.0, "sigma": 1.0}
PERT = {"family": "pert", "min": 10, "mode": 12, "max": 20}


def mixture(weights: list[float], *components: Any, **ends: float) -> dict[str, Any]:
    return {"family": "mixture", "weights": weights, "components": list(components), **ends}


PHI = stats.norm.cdf
BETA_BELOW = 0.3 * stats.beta(2, 2).cdf(0.7)
# A quarter each at 0 and 2, half normal; of these what lies between -1 and 1.
KEPT = 0.25 + 0.5 * (PHI(1) - PHI(-1))
CUT = 0.5 * (0.5 - PHI(-1)) / KEPT, (0.25 + 0.5 * (0.5 - PHI(-1))) / KEPT
# Each with a value, and the probabilities below and up to it.
MASSES: list[tuple[dict[str, Any], float, float, float]] = [
    (mixture([0.7, 0.3], NORMAL, 1), 1.0, 0.7 * PHI(1), 0.7 * PHI(1) + 0.3),
    (mixture([0.7, 0.3], 0, LOGNORMAL), 0.0, 0.0, 0.7),
    (mixture([0.5, 0.5], 0, LOGNORMAL), 0.0, 0.0, 0.5),
    (mixture([0.999, 0.001], 0, LOGNORMAL), 0.0, 0.0, 0.999),
    (mixture([0.7, 0.3], 0, {"family": "gamma", "shape": 0.05, "scale": 1}), 0.0, 0.0, 0.7),
    (mixture([0.7, 0.3], 0, {"family": "beta", "a": 0.1, "b": 0.1}), 0.0, 0.0, 0.7),
    (mixture([0.6, 0.4], 0.1, NORMAL), 0.1, 0.4 * PHI(0.1), 0.6 + 0.4 * PHI(0.1)),
    (mixture([0.7, 0.3], 10, PERT), 10.0, 0.0, 0.7),
    (mixture([0.7, 0.3], 20, PERT), 20.0, 0.3, 1.0),
    (
        mixture([0.7, 0.3], 0.7, {"family": "beta", "a": 2, "b": 2}),
        0.7, BETA_BELOW, 0.7 + BETA_BELOW,
    ),
    # A part of several values, one drawn by two parts.
    (
        mixture([0.4, 0.6], {"family": "discrete", "values": [-1, 1], "weights": [1, 3]}, NORMAL),
        1.0, 0.1 + 0.6 * PHI(1), 0.4 + 0.6 * PHI(1),
    ),
    (
        mixture([0.2, 0.2, 0.6], {"family": "empirical", "values": [1, 2, 2, 3]}, 2, NORMAL),
        2.0, 0.05 + 0.6 * PHI(2), 0.35 + 0.6 * PHI(2),
    ),
    # Values at the ends of a cut stay; those beyond are cut away.
    (mixture([0.5, 0.5], 0, NORMAL, min=0), 0.0, 0.0, 2 / 3),
    (mixture([0.5, 0.5], 0, NORMAL, max=0), 0.0, 1 / 3, 1.0),
    (mixture([1, 1, 2], 0, 2, NORMAL, min=-1, max=1), 0.0, *CUT),
    # Families with no spread are such values too.
    (
        mixture([0.5, 0.5], {**NORMAL, "mean": 1.0, "sd": 0.0}, NORMAL),
        1.0, 0.5 * PHI(1), 0.5 + 0.5 * PHI(1),
    ),
    (
        mixture([0.5, 0.5], {**LOGNORMAL, "sigma": 0.0}, NORMAL),
        1.0, 0.5 * PHI(1), 0.5 + 0.5 * PHI(1),
    ),
    # Mixtures within mixtures.
    (
        mixture([0.5, 0.5], mixture([0.5, 0.5], 3, NORMAL), NORMAL),
        3.0, 0.75 * PHI(3), 0.25 + 0.75 * PHI(3),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "value", "below", "up_to"), MASSES, ids=lambda x: str(x)[:90])
def test_a_value_of_its_own_begins_and_ends_where_its_probability_does(
    entry: dict[str, Any], value: float, below: float, up_to: float
) -> None:
    table = table_of(read_named_distribution(entry, "x"))
    start, end = ndtri(below), ndtri(up_to)
    # A score 1e-11 away: no probability is off by more than 4e-12.
    inside = np.linspace(max(start, -9) + 1e-11, min(end, 9) - 1e-11, 1001)
    assert (table.at(inside) == value).all()
    if start > -9:
        assert (table.at(np.linspace(-9, start - 1e-11, 5001)) < value).all()
        assert table.at(np.array([start - 1e-11]))[0] < value
    if end < 9:
        beyond = end + np.append(1e-11, np.geomspace(1e-10, 9 - end, 5000))
        assert (table.at(beyond) > value).all()


@pytest.mark.parametrize(("entry", "value", "below", "up_to"), MASSES, ids=lambda x: str(x)[:90])
def test_thresholds_at_a_value_of_its_own_are_answered_exactly(
    entry: dict[str, Any], value: float, below: float, up_to: float
) -> None:
    n = 4096
    x = sim.sample({"x": entry}, draws=n).x.values
    for share, answer in (
        ((x < value).mean(), below),
        ((x <= value).mean(), up_to),
        ((x >= value).mean(), 1 - below),
        ((x > value).mean(), 1 - up_to),
    ):
        assert abs(share - answer) <= 1.5 / math.sqrt(n) / 2  # strata hold it far nearer


def test_draws_of_fixed_values_alone_are_these_values() -> None:
    values = [0.1, 1.0, 2.2, 3.3]
    parts = [
        {"value": 0.1},
        mixture([1, 1], 1, {"family": "discrete", "values": [2.2, 3.3], "weights": [1, 1]}),
    ]
    entry = mixture([0.2, 0.8], *parts)
    distribution = read_named_distribution(entry, "x")
    assert not needs_table(distribution)
    x = sim.sample({"x": entry}, draws=10_000).x.values
    assert set(x.tolist()) == set(values)
    np.testing.assert_allclose(
        [(x == value).mean() for value in values], [0.2, 0.4, 0.2, 0.2], atol=0.003
    )
    cut = read_named_distribution({**entry, "min": 1.0, "max": 2.5}, "x")
    assert set(cut.quantile(np.linspace(-3, 3, 99)).tolist()) == {1.0, 2.2}
    np.testing.assert_allclose(moments(cut), (1.4, math.sqrt(0.32)), rtol=1e-12)


def test_the_median_is_that_of_the_table_where_a_value_ends_at_it() -> None:
    for entry, median in (
        (mixture([1, 1], 0, LOGNORMAL), 0.0),
        (mixture([1, 1], {**LOGNORMAL, "max": 1}, 5), 1.0),
        (mixture([1, 1], 0, {"family": "uniform", "min": 5, "max": 6}), 0.0),
    ):
        distribution = read_named_distribution(entry, "x")
        assert table_of(distribution).at(np.zeros(1))[0] == distribution.point
        assert distribution.point == pytest.approx(median, abs=1e-9)


def test_a_table_with_values_of_their_own_is_within_its_bound_of_the_rest() -> None:
    z = np.random.default_rng(3).normal(size=3_000)
    for entry, *_ in MASSES:
        distribution = read_named_distribution(entry, "x")
        table, exact = table_of(distribution), distribution.quantile(z)
        rest = exact[~np.isin(exact, distribution.point_masses)]
        low, middle, high = np.quantile(rest, [0.25, 0.5, 0.75]) if rest.size else (0, 0, 0)
        scale = np.maximum(np.abs(exact - middle), high - low)
        assert (np.abs(table.at(z) - exact) <= 1.2e-8 * scale).all()


def test_too_many_values_beside_a_continuous_part_are_refused_by_number() -> None:
    many = {"family": "empirical", "values": np.arange(600.0).tolist()}
    with pytest.raises(TooRoughError, match="it has 600 values with a probability of their own"):
        table_of(read_named_distribution(mixture([1, 1], many, NORMAL), "x"))
    assert not needs_table(read_named_distribution(mixture([1, 1], many, 3), "x"))


def test_a_constant_has_no_standard_deviation() -> None:
    for entry in (
        {"value": 0.1},
        {**LOGNORMAL, "median": 0.1, "sigma": 0.0},
        {**NORMAL, "mean": 0.1, "sd": 0.0, "min": 0.0},
        mixture([3.0], 0.1),
        mixture([1, 1], 0.1, {"family": "empirical", "values": [0.1, 0.1]}),
    ):
        assert moments(read_named_distribution(entry, "x")) == (0.1, 0.0)
    assert set(
        sim.sample({"x": {**LOGNORMAL, "median": 0.1, "sigma": 0.0}}, draws=64).x.values
    ) == {0.1}


@pytest.mark.parametrize("cut", [{}, {"min": 0.5}])
def test_nested_mixtures_take_a_time_linear_in_their_depth(
    cut: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    score = Lognormal.to_score
    monkeypatch.setattr(
        Lognormal, "to_score", lambda self, x: computed.append(np.size(x)) or score(self, x)
    )

    def count(depth: int) -> int:
        entry: dict[str, Any] = LOGNORMAL
        for i in range(depth):
            entry = mixture([1, 1], {**LOGNORMAL, "median": 1 + i / 10}, entry, **cut)
        distribution = read_named_distribution(entry, "x")
        computed.clear()
        distribution.quantile(np.linspace(-3, 3, 5))
        return sum(computed)

    assert count(12) <= 3.2 * count(4)


def test_mixtures_nested_too_deeply_are_refused() -> None:
    entry: dict[str, Any] = LOGNORMAL
    for _ in range(21):
        entry = mixture([1, 1], 1, entry)
    with pytest.raises(
        ValueError, match=r"x: mixtures are nested too deeply \(at most 20 levels\)"
    ):
        read_named_distribution(entry, "x")
    table_of(read_named_distribution(entry["components"][1], "x"))
    circle: dict[str, Any] = mixture([1, 1], 1, 2)
    circle["components"].append(circle)
    with pytest.raises(sim.InputError, match="nested too deeply"):
        sim.sample({"x": circle}, draws=10)
