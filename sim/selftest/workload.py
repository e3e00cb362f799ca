"""Forty inputs of six families, ten of them tied: a sampling job, and NumPy doing the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
FAMILIES: dict[str, dict[str, Any]] = {
    "normal": {"family": "normal", "mean": 3.0, "sd": 0.5},
    "lognormal": {"family": "lognormal", "median": 2.0, "sigma": 0.4},
    "uniform": {"family": "uniform", "min": 1.0, "max": 4.0},
    "triangular": {"family": "triangular", "min": 1.0, "mode": 2.0, "max": 5.0},
    "pert": {"family": "pert", "min": 1.0, "mode": 2.0, "max": 5.0},
    "truncated normal": {"family": "normal", "mean": 3.0, "sd": 1.0, "min": 2.0, "max": 6.0},
}
COUNT = 40
TIED = 10
RHO = 0.5
LOW, HIGH = special.ndtr([-1.0, 3.0])  # of the truncated normal


def family(name: str) -> str:
    """The family of an input, which its name begins with."""
    return name.rsplit(" ", 1)[0]


def tied(spared: str = "") -> list[str]:
    """The first ten inputs that are not of the family `spared`, which is slow in a copula."""
    return [name for name in INPUTS if family(name) != spared][:TIED]


def group(spared: str = "") -> dict[str, Any]:
    """The correlation group of them."""
    matrix = (RHO + (1 - RHO) * np.eye(TIED)).tolist()
    return {"inputs": tied(spared), "matrix": matrix, "kind": "copula"}


NAMES = [f"{list(FAMILIES)[i % len(FAMILIES)]} {i}" for i in range(COUNT)]
INPUTS = {name: FAMILIES[family(name)] for name in NAMES}
CORRELATION = group()


def by_numpy(draws: int, spared: str = "") -> Array:
    """The draws [input, draw] as vectorised NumPy makes them."""
    rng = np.random.default_rng(1)
    drawn = np.empty((COUNT, draws))
    factor = np.linalg.cholesky(RHO + (1 - RHO) * np.eye(TIED))
    mixed = factor @ rng.standard_normal((TIED, draws))
    scores = dict(zip(tied(spared), mixed, strict=True))
    for i, name in enumerate(INPUTS):
        given = scores.get(name)
        drawn[i] = _drawn(family(name), rng, draws) if given is None else _of(family(name), given)
    return drawn


def _drawn(distribution: str, rng: np.random.Generator, draws: int) -> Array:
    """Draws of an input that stands alone, as NumPy makes them fastest."""
    match distribution:
        case "normal":
            return rng.normal(3.0, 0.5, draws)
        case "lognormal":
            return rng.lognormal(np.log(2.0), 0.4, draws)
        case "uniform":
            return rng.uniform(1.0, 4.0, draws)
        case "triangular":
            return rng.triangular(1.0, 2.0, 5.0, draws)
        case "pert":
            return np.asarray(1.0 + 4.0 * rng.beta(2.0, 4.0, draws))
    return np.asarray(3.0 + special.ndtri(rng.uniform(LOW, HIGH, draws)))


def _of(distribution: str, z: Array) -> Array:
    """Draws of normal scores, which a copula gives."""
    match distribution:
        case "normal":
            return np.asarray(3.0 + 0.5 * z)
        case "lognormal":
            return np.asarray(2.0 * np.exp(0.4 * z))
    p = special.ndtr(z)
    match distribution:
        case "uniform":
            return np.asarray(1.0 + 3.0 * p)
        case "triangular":
            low, high = 1.0 + 2.0 * np.sqrt(p), 5.0 - np.sqrt(12.0 * (1.0 - p))
            return np.asarray(np.where(p < 0.25, low, high))
        case "pert":
            return np.asarray(1.0 + 4.0 * special.betaincinv(2.0, 4.0, p))
    return np.asarray(3.0 + special.ndtri(LOW + (HIGH - LOW) * p))
