"""A sampling job of forty inputs, and the same in NumPy.

They are of six families; ten are correlated.
"""

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
CORRELATED = 10
RHO = 0.5
LOW, HIGH = special.ndtr([-1.0, 3.0])  # of the truncated normal


def family_of(name: str) -> str:
    """The family of an input, with which its name begins."""
    return name.rsplit(" ", 1)[0]


def correlated_inputs(independent: str = "") -> list[str]:
    """The ten correlated inputs: the first not `independent`.

    That is a family which is slow in a copula.
    """
    return [name for name in INPUTS if family_of(name) != independent][:CORRELATED]


def correlation_group(independent: str = "") -> dict[str, Any]:
    """Their correlation group."""
    matrix = (RHO + (1 - RHO) * np.eye(CORRELATED)).tolist()
    return {"inputs": correlated_inputs(independent), "matrix": matrix, "kind": "copula"}


NAMES = [f"{list(FAMILIES)[i % len(FAMILIES)]} {i}" for i in range(COUNT)]
INPUTS = {name: FAMILIES[family_of(name)] for name in NAMES}
CORRELATION = correlation_group()


def draw_with_numpy(draws: int, independent: str = "") -> Array:
    """The draws [input, draw] as vectorised NumPy makes them."""
    rng = np.random.default_rng(1)
    values = np.empty((COUNT, draws))
    factor = np.linalg.cholesky(RHO + (1 - RHO) * np.eye(CORRELATED))
    correlated = factor @ rng.standard_normal((CORRELATED, draws))
    scores = dict(zip(correlated_inputs(independent), correlated, strict=True))
    for i, name in enumerate(INPUTS):
        family, z = family_of(name), scores.get(name)
        values[i] = _draw(family, rng, draws) if z is None else _transform(family, z)
    return values


def _draw(family: str, rng: np.random.Generator, draws: int) -> Array:
    """Draws of an independent input, as NumPy makes them fastest."""
    match family:
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


def _transform(family: str, z: Array) -> Array:
    """Draws of an input from normal scores, which a copula gives."""
    match family:
        case "normal":
            return np.asarray(3.0 + 0.5 * z)
        case "lognormal":
            return np.asarray(2.0 * np.exp(0.4 * z))
    p = special.ndtr(z)
    match family:
        case "uniform":
            return np.asarray(1.0 + 3.0 * p)
        case "triangular":
            low, high = 1.0 + 2.0 * np.sqrt(p), 5.0 - np.sqrt(12.0 * (1.0 - p))
            return np.asarray(np.where(p < 0.25, low, high))
        case "pert":
            return np.asarray(1.0 + 4.0 * special.betaincinv(2.0, 4.0, p))
    return np.asarray(3.0 + special.ndtri(LOW + (HIGH - LOW) * p))
