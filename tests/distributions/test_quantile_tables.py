"""Tables of quantile functions are within their bound, and exact at the median."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from sim.distributions.quantile_tables import BOUND, table_of, tabulate
from sim.parameters.distribution_errors import read_named_distribution

TAIL = ndtri(10.0 ** -np.linspace(0.3, 12, 3001))
SCORES = np.concatenate([TAIL, -TAIL, np.random.default_rng(1).normal(size=20_000)])
UNIT = {"family": "uniform", "min": 0, "max": 1}


@pytest.mark.parametrize(
    "entry",
    [
        {"family": "normal", "mean": 2, "sd": 3, "min": 1},
        {"family": "normal", "mean": 0, "sd": 1, "min": 40},
        {"family": "lognormal", "median": 1, "sigma": 0.2},
        {"family": "lognormal", "median": 1, "sigma": 3},
        {"family": "logit_normal", "median": 0.9, "sigma": 2, "min": 0, "max": 1},
        UNIT,
        {"family": "log_uniform", "min": 1, "max": 30},
        {"family": "triangular", "min": 0, "mode": 0.2, "max": 1},
        {"family": "triangular", "min": 0, "mode": 1, "max": 1},
        {"family": "pert", "min": 0, "mode": 1, "max": 10},
        {"family": "beta", "a": 0.5, "b": 0.5},
        {"family": "gamma", "shape": 0.1, "scale": 2},
        {"family": "weibull", "shape": 0.3, "scale": 2},
        {"family": "student_t", "df": 1, "median": 0, "scale": 1},
        {"family": "generalized_pareto", "shape": 3, "scale": 2, "threshold": 1},
        {"family": "metalog", "p10": 1, "p50": 2, "p90": 5, "min": 0, "max": 9},
        {
            "family": "mixture",
            "components": [{"family": "normal", "mean": m, "sd": 1} for m in (0, 3)],
            "weights": [1, 3],
        },
        {"family": "scipy.gamma", "a": 3},
        {"family": "scipy.laplace_asymmetric", "kappa": 2},
        {"family": "scipy.trapezoid", "c": 0.2, "d": 0.7},
    ],
    ids=lambda entry: entry["family"],
)
def test_a_table_is_within_its_bound(entry: dict[str, Any]) -> None:
    distribution = read_named_distribution(entry, "x")
    table = table_of(distribution)
    with np.errstate(over="ignore", divide="ignore"):
        exact = distribution.quantile(SCORES)
    low, middle, high = distribution.quantile(ndtri([0.25, 0.5, 0.75]))
    scale = np.maximum(np.abs(exact - middle), high - low)
    assert (np.abs(table.at(SCORES) - exact) <= BOUND * scale).all()
    assert table.error <= BOUND
    assert table.at(np.zeros(1))[0] == distribution.point


def test_a_table_does_not_depend_on_the_speed_of_the_machine() -> None:
    """The number of quantiles is limited, not the time; `error` says how good the table is."""
    distribution = read_named_distribution({"family": "scipy.burr12", "c": 2, "d": 3}, "x")
    computed = []

    def counted(z: np.ndarray) -> np.ndarray:
        computed.append(z.size)
        return distribution.quantile(z)

    few = tabulate(counted, most=500)
    assert sum(computed) < 1_500
    assert few.error > table_of(distribution).error
    assert len(few.cells) < len(table_of(distribution).cells)
