"""Sampled distributions and correlations against closed forms, within Monte Carlo errors.

Seed and names are fixed, and draws depend on nothing else, so that the checks are deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sim.selftest.check import Check, within_error
from sim.simulation.sample import sample
from sim.statistics.datasets import json_attribute
from sim.statistics.summary import summarise

DRAWS = 65_536
SEED = 2026
Z95 = 1.6448536269514722
LOW, HIGH = -1.0, 2.0  # ends of the truncated normal, in standard deviations


def _normal_density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _normal_cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


TRUNCATED_MEAN = (_normal_density(LOW) - _normal_density(HIGH)) / (
    _normal_cdf(HIGH) - _normal_cdf(LOW)
)
# The name of an input, on which its draws depend, distribution, statistic -> closed form.
DISTRIBUTIONS: tuple[tuple[str, dict[str, Any], str, float], ...] = (
    ("lognormal, mean", {"family": "lognormal", "median": 2.0, "sigma": 0.4},
     "mean", 2 * math.exp(0.08)),
    ("lognormal by p10 and p90, p95", {"family": "lognormal", "p10": 2.0, "p90": 5.0},
     "p95", math.sqrt(10) * math.exp(math.log(2.5) / 2 * Z95 / 1.2815515655446004)),
    ("triangular, sd", {"family": "triangular", "min": 1.0, "mode": 2.0, "max": 5.0},
     "sd", math.sqrt((1 + 4 + 25 - 2 - 5 - 10) / 18)),
    ("PERT, mean", {"family": "pert", "min": 1.0, "mode": 2.0, "max": 5.0},
     "mean", (1 + 4 * 2 + 5) / 6),
    ("beta, sd", {"family": "beta", "a": 2.0, "b": 5.0},
     "sd", math.sqrt(2 * 5 / (7**2 * 8))),
    ("gamma, sd", {"family": "gamma", "shape": 3.0, "scale": 2.0},
     "sd", 2 * math.sqrt(3)),
    ("Weibull, p5", {"family": "weibull", "shape": 1.5, "scale": 2.0},
     "p5", 2 * (-math.log(0.95)) ** (1 / 1.5)),
    ("generalized Pareto, p95",
     {"family": "generalized_pareto", "shape": 0.3, "scale": 1.0, "threshold": 1.0},
     "p95", 1 + (0.05**-0.3 - 1) / 0.3),
    ("Student t of 2 degrees, p95", {"family": "student_t", "df": 2.0, "median": 0.0, "scale": 1.0},
     "p95", 0.9 * math.sqrt(2 / 0.19)),
    ("normal cut at both ends, mean",
     {"family": "normal", "mean": 3.0, "sd": 1.0, "min": 3 + LOW, "max": 3 + HIGH},
     "mean", 3 + TRUNCATED_MEAN),
    ("scipy's Gumbel, mean", {"family": "scipy.gumbel_r", "loc": 1.0, "scale": 2.0},
     "mean", 1 + 2 * 0.5772156649015329),
)  # fmt: skip
LOGNORMALS = {"x": DISTRIBUTIONS[0][1], "y": {"family": "lognormal", "median": 1.0, "sigma": 0.8}}
RHO = 0.5
CORRELATION: dict[str, Any] = {"inputs": ["x", "y"], "pairs": [["x", "y", RHO]]}


def checks() -> Iterator[Check]:
    """Checks of distributions, then of correlations and a copula."""
    ds = sample(
        {name: distribution for name, distribution, *_ in DISTRIBUTIONS}, draws=DRAWS, seed=SEED
    )
    summary = summarise(ds)
    for name, _, statistic, expected in DISTRIBUTIONS:
        if statistic.startswith("p"):
            level = int(statistic[1:]) / 100
            at = {"quantile": level}
            quantiles = (f"{name}_quantile", f"{name}_quantile_error")
            value, error = (summary[variable].sel(at) for variable in quantiles)
        else:
            value, error = (summary[f"{name}_{statistic}{suffix}"] for suffix in ("", "_error"))
        yield within_error(name, float(value), float(error), expected)
    for kind in ("spearman", "pearson"):
        ds = sample(LOGNORMALS, draws=DRAWS, seed=SEED, correlation={**CORRELATION, "kind": kind})
        (sampled,) = json_attribute(ds, "correlation")
        value, error = sampled[kind][0][1], sampled[f"{kind}_error"][0][1]
        yield within_error(f"{kind.capitalize()} correlation of two lognormals", value, error, RHO)
    copula = {**CORRELATION, "kind": "copula", "copula": "t", "nu": 4}
    ds = sample(LOGNORMALS, draws=DRAWS, seed=SEED, correlation=copula)
    ds["both"] = ((ds.x < 2.0) & (ds.y < 1.0)).astype(np.float64)
    both = summarise(ds, ["both"])
    quadrant = 0.25 + math.asin(RHO) / (2 * math.pi)
    name = "t copula, P(both below their medians)"
    yield within_error(name, float(both.both_mean), float(both.both_mean_error), quadrant)
