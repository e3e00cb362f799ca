"""Means and standard deviations of distributions against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sim.distributions.moments import moments
from sim.parameters.distribution_errors import read_named_distribution

CUT = stats.truncnorm(0.5, np.inf)
MOMENTS: list[tuple[dict[str, Any], float, float]] = [
    (
        {"family": "lognormal", "median": 2, "sigma": 1.5},
        2 * math.exp(1.125),
        2 * math.exp(1.125) * math.sqrt(math.expm1(2.25)),
    ),
    ({"family": "normal", "mean": 0, "sd": 1, "min": 0.5}, CUT.mean(), CUT.std()),
    ({"family": "uniform", "min": 1, "max": 4}, 2.5, 0.75**0.5),
    ({"family": "triangular", "min": 0, "mode": 1, "max": 1}, 2 / 3, 18**-0.5),
    ({"family": "beta", "a": 0.5, "b": 0.5}, 0.5, 8**-0.5),
    ({"family": "student_t", "df": 2.2, "median": 1, "scale": 2}, 1, 2 * 11**0.5),
    ({"family": "student_t", "df": 1.5, "median": 1, "scale": 2}, 1, math.nan),
    ({"family": "student_t", "df": 1, "median": 1, "scale": 2}, math.nan, math.nan),
    ({"family": "scipy.gamma", "a": 3}, 3, 3**0.5),
    ({"family": "discrete", "values": [1, 3], "weights": [1, 3]}, 2.5, 0.75**0.5),
    (
        {"family": "mixture", "components": [0, {"family": "uniform", "min": 4, "max": 6}],
         "weights": [3, 1]},
        1.25, (0.25 * (25 + 1 / 3) - 1.25**2) ** 0.5,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "mean", "sd"), MOMENTS, ids=lambda x: str(x)[:60])
def test_moments_are_those_of_the_formula(entry: dict[str, Any], mean: float, sd: float) -> None:
    np.testing.assert_allclose(moments(read_named_distribution(entry, "x")), (mean, sd), rtol=1e-8)
