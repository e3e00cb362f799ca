"""Families with an unbounded tail: gamma, Weibull, Student's t, generalised Pareto."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import special

from sim.distributions.base import LOG_HALF, Positive
from sim.distributions.elicitation import (
    Array,
    Quantiles,
    find_root,
    fit_line,
    require_positive,
    require_two,
)
from sim.distributions.tailed import Tailed

LARGE_SHAPE = 5e5  # of a gamma: scipy's quantiles are good to 1e-9 below
LARGE_DF = 1e6  # of Student's t: likewise
_FAR = 40.0  # the score beyond which doubles hold no probability


class Gamma(Tailed):
    """Density proportional to (x/scale)^(shape-1) exp(-x/scale)."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("shape", "scale")
    moment_parameters: ClassVar[tuple[str, ...]] = ("shape", "scale")
    family: Literal["gamma"]
    shape: float = Field(ge=1e-3)  # below, half of the mass is nearer to 0 than any double
    scale: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        (p, x), (further, y) = require_two(quantiles, "gamma")
        ratio = math.log(y / require_positive(x))
        levels = np.array([p, further])

        def unit_quantiles(shape: float) -> Array:
            """The two quantiles for a scale of 1."""
            if shape >= LARGE_SHAPE:
                return _large_gamma(shape, special.ndtri(levels))
            return special.gammaincinv(shape, levels)

        def miss(shape: float) -> float:
            low, high = unit_quantiles(shape)
            return math.log(high / low) - ratio if low > 0 else math.inf

        shape = find_root(miss, 1e-2, 1e8, "gamma")
        return {"shape": shape, "scale": x / float(unit_quantiles(shape)[0])}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        shape = (require_positive(mean, "mean") / sd) ** 2
        return {"shape": shape, "scale": mean / shape}

    def lower(self, log_p: Array) -> Array:
        if self.shape >= LARGE_SHAPE:
            return self.scale * _large_gamma(self.shape, special.ndtri_exp(log_p))
        return self.scale * special.gammaincinv(self.shape, np.exp(log_p))

    def upper(self, log_q: Array) -> Array:
        if self.shape >= LARGE_SHAPE:
            return self.scale * _large_gamma(self.shape, -special.ndtri_exp(log_q))
        return self.scale * special.gammainccinv(self.shape, np.exp(log_q))

    def log_cdf(self, x: Array) -> Array:
        if self.shape >= LARGE_SHAPE:
            return special.log_ndtr(_large_gamma_score(self.shape, np.asarray(x) / self.scale))
        with np.errstate(divide="ignore"):
            return np.log(special.gammainc(self.shape, np.maximum(x, 0.0) / self.scale))

    def log_sf(self, x: Array) -> Array:
        if self.shape >= LARGE_SHAPE:
            return special.log_ndtr(-_large_gamma_score(self.shape, np.asarray(x) / self.scale))
        with np.errstate(divide="ignore"):
            return np.log(special.gammaincc(self.shape, np.maximum(x, 0.0) / self.scale))


def _large_gamma(shape: float, z: Array) -> Array:
    """The quantiles at normal scores of a gamma with a shape of `LARGE_SHAPE` or more, scale 1.

    The series of Cornish and Fisher in 1/sqrt(shape): to 1e-12 of the sd up to a score of 9.
    """
    return shape + _from_mean(shape, np.clip(z, -_FAR, _FAR))


def _from_mean(shape: float, z: Array) -> Array:
    """What `_large_gamma` adds to the mean."""
    root, z2 = math.sqrt(shape), z * z
    terms = (
        (z2 - 1.0) / 3.0,
        z * (z2 - 7.0) / 36.0,
        -(z2 * (3.0 * z2 + 7.0) - 16.0) / 810.0,
        z * (z2 * (9.0 * z2 + 256.0) - 433.0) / 38880.0,
    )
    series = terms[0] + (terms[1] + (terms[2] + terms[3] / root) / root) / root
    return root * z + series


def _large_gamma_score(shape: float, x: Array) -> Array:
    """The inverse of `_large_gamma`."""
    root = math.sqrt(shape)
    goal = (np.asarray(x) - shape) / root
    z = np.clip(goal, -_FAR, _FAR)
    for _ in range(16):  # each error is a tenth of the last at most
        z = np.clip(z + (goal - _from_mean(shape, z) / root), -_FAR, _FAR)
    return z


class Weibull(Tailed):
    """P(X > x) = exp(-(x/scale)^shape)."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("shape", "scale")
    moment_parameters: ClassVar[tuple[str, ...]] = ("shape", "scale")
    family: Literal["weibull"]
    shape: Positive
    scale: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        pairs = require_two(quantiles, "weibull")
        log_scale, power = fit_line(
            [(math.log(-math.log1p(-p)), math.log(require_positive(x))) for p, x in pairs]
        )
        return {"shape": 1.0 / power, "scale": math.exp(log_scale)}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        ratio = math.log1p((sd / require_positive(mean, "mean")) ** 2)

        def miss(shape: float) -> float:
            return (
                float(special.gammaln(1 + 2 / shape) - 2 * special.gammaln(1 + 1 / shape)) - ratio
            )

        shape = find_root(miss, 0.02, 1e4, "weibull")
        return {"shape": shape, "scale": mean / float(special.gamma(1 + 1 / shape))}

    def lower(self, log_p: Array) -> Array:
        return self.scale * (-np.log1p(-np.exp(log_p))) ** (1.0 / self.shape)

    def upper(self, log_q: Array) -> Array:
        return self.scale * (-log_q) ** (1.0 / self.shape)

    def log_cdf(self, x: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(-np.expm1(self.log_sf(x)))

    def log_sf(self, x: Array) -> Array:
        with np.errstate(over="ignore"):
            return -((np.maximum(x, 0.0) / self.scale) ** self.shape)


class StudentT(Tailed):
    """x = median + scale t, with Student's t of `df` degrees of freedom."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("median", "scale")
    moment_parameters: ClassVar[tuple[str, ...]] = ("median", "scale")
    family: Literal["student_t"]
    df: float = Field(ge=0.1)
    median: float
    scale: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        df = given["df"]

        def unit(p: float) -> float:
            """The value at a probability, for a median of 0 and a scale of 1."""
            if df < LARGE_DF:
                return float(special.stdtrit(df, p))
            tail = float(student_tail(df, np.log([min(p, 1.0 - p)]))[0])
            return math.copysign(tail, p - 0.5)

        pairs = [(unit(p), x) for p, x in require_two(quantiles, "student_t")]
        median, scale = fit_line(pairs)
        return {"median": median, "scale": scale}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        df = given["df"]
        if df <= 2:
            raise ValueError(f"a student_t has no sd with df of 2 or less, got {df:g}")
        return {"median": mean, "scale": sd * math.sqrt((df - 2) / df)}

    def stated_values(self) -> dict[str, float]:
        return {"median": self.median} if self.min is None and self.max is None else {}

    @property
    def moment_order_uncut(self) -> float:
        return self.df

    def lower(self, log_p: Array) -> Array:
        return self.median - self.scale * student_tail(self.df, log_p)

    def upper(self, log_q: Array) -> Array:
        return self.median + self.scale * student_tail(self.df, log_q)

    def log_cdf(self, x: Array) -> Array:
        return student_log_tail(self.df, -(np.asarray(x) - self.median) / self.scale)

    def log_sf(self, x: Array) -> Array:
        return student_log_tail(self.df, (np.asarray(x) - self.median) / self.scale)


def student_log_tail(df: float, t: Array) -> Array:
    """The log of P(T > t) for Student's t."""
    if df >= LARGE_DF:
        with np.errstate(over="ignore"):
            score = np.sqrt(df * np.log1p(t * t / df)) * ((8.0 * df + 1.0) / (8.0 * df + 3.0))
        return special.log_ndtr(-np.copysign(score, t))
    with np.errstate(divide="ignore", over="ignore"):
        near = special.betaincc(0.5, df / 2, t * t / (df + t * t)) / 2
        far = special.betainc(df / 2, 0.5, df / (df + t * t)) / 2
        tail = np.where(t * t < df, near, far)  # whichever argument is the small and exact one
        return np.where(t >= 0, np.log(tail), np.log1p(-tail))


def student_tail(df: float, log_q: Array) -> Array:
    """The t with log-probability log_q, at most log 1/2, above it.

    For a large df Wallace's transformation of the normal score, good to 1e-12 (Wallace 1959).
    """
    if df >= LARGE_DF:
        z = special.ndtri_exp(log_q) * ((8.0 * df + 3.0) / (8.0 * df + 1.0))
        return np.sqrt(df * np.expm1(z * z / df))
    tail = 2.0 * np.exp(log_q)
    # Near the middle t^2/(df + t^2), in the tail its complement, is the small and exact one.
    near = special.betaincinv(0.5, df / 2, np.maximum(-np.expm1(log_q - LOG_HALF), 0.0))
    far = special.betaincinv(df / 2, 0.5, tail)
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(
            tail > 0.5, np.sqrt(df * near / (1.0 - near)), np.sqrt(df * (1.0 - far) / far)
        )


class GeneralizedPareto(Tailed):
    """P(X > x) = (1 + shape (x - threshold)/scale)^(-1/shape) above `threshold`."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("shape", "scale")
    family: Literal["generalized_pareto"]
    shape: float
    scale: Positive
    threshold: float

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        """Shape and scale from two quantiles above the threshold."""
        threshold = given["threshold"]
        (p, x), (further, y) = require_two(quantiles, "generalized_pareto")
        if x <= threshold:
            raise ValueError(f"expected quantiles above the threshold, {threshold:g}, got {x:g}")
        near, far = -math.log1p(-p), -math.log1p(-further)
        ratio = (y - threshold) / (x - threshold)

        def over(shape: float, distance: float) -> float:
            return math.expm1(shape * distance) / shape if shape else distance

        def miss(shape: float) -> float:
            return math.log(over(shape, far) / over(shape, near) / ratio)

        from scipy.optimize import brentq

        if not miss(-50.0) < 0 < miss(50.0):
            raise ValueError("no generalized_pareto with a shape from -50 to 50 has these")
        shape = float(brentq(miss, -50.0, 50.0, xtol=1e-14))
        return {"shape": shape, "scale": (x - threshold) / over(shape, near)}

    def stated_values(self) -> dict[str, float]:
        return {} if self.min is not None else {"threshold": self.threshold}

    @property
    def moment_order(self) -> float:
        return self.moment_order_uncut if self.max is None else math.inf

    @property
    def moment_order_uncut(self) -> float:
        return 1.0 / self.shape if self.shape > 0 else math.inf

    def _above(self, log_q: Array) -> Array:
        if abs(self.shape) < 1e-12:
            return self.threshold - self.scale * log_q
        return self.threshold + self.scale * np.expm1(-self.shape * log_q) / self.shape

    def lower(self, log_p: Array) -> Array:
        return self._above(np.log1p(-np.exp(log_p)))

    def upper(self, log_q: Array) -> Array:
        return self._above(log_q)

    def log_sf(self, x: Array) -> Array:
        distance = np.maximum((np.asarray(x) - self.threshold) / self.scale, 0.0)
        if abs(self.shape) < 1e-12:
            return -distance
        with np.errstate(divide="ignore"):
            inside = np.maximum(self.shape * distance, -1.0)
            return -np.log1p(inside) / self.shape

    def log_cdf(self, x: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(-np.expm1(self.log_sf(x)))
