"""The metalog, a distribution through three quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import model_validator
from scipy import special

from sim.distributions.elicitation import Array, Quantiles, require_three, split_quantiles
from sim.distributions.tailed import Tailed

# The largest |a3|/a2 with which a three-term metalog has a positive density everywhere.
_STEEPEST = 1.66711
_BISECTIONS = 80  # halve any bracket of scores to neighbours


class Metalog(Tailed):
    """Keelin's three-term metalog through three quantiles, e.g. p10, p50 and p90.

    M(p) = a1 + a2 logit(p) + a3 (p - 1/2) logit(p) for x; for log(x - min), -log(max - x) or
    log((x - min)/(max - x)) where there are bounds (Keelin 2016).
    """

    bounded: ClassVar[bool] = True
    quantile_parameters: ClassVar[tuple[str, ...]] = ("levels", "values")
    family: Literal["metalog"]
    levels: tuple[float, float, float]
    values: tuple[float, float, float]

    @model_validator(mode="before")
    @classmethod
    def _require_quantiles(cls, entry: Any) -> Any:
        if not split_quantiles(entry)[1]:
            raise ValueError("missing p10, p50, p90 (metalog takes three quantiles, min, max)")
        return entry

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        return "min", "max"

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, Any]:
        pairs = require_three(quantiles, "metalog")
        return {"levels": tuple(p for p, _ in pairs), "values": tuple(x for _, x in pairs)}

    @model_validator(mode="after")
    def _check_feasibility(self) -> Metalog:
        """Refuse quantiles outside the bounds, and those that give a negative density."""
        low, high = self.support
        if not low < self.values[0] or not self.values[-1] < high:
            raise ValueError(
                f"expected quantiles between min and max, {low:g} and {high:g},"
                f" got {self.values[0]:g} to {self.values[-1]:g}"
            )
        _, a2, a3 = self._terms
        if a2 <= 0 or abs(a3) >= _STEEPEST * a2:
            spread = [
                f"p{100 * p:g} = {x:g}" for p, x in zip(self.levels, self.values, strict=True)
            ]
            raise ValueError(
                f"no metalog has the quantiles {', '.join(spread)}: they are too skewed"
                " (its density would be negative); move the middle one, or give bounds"
            )
        return self

    def stated_values(self) -> dict[str, float]:
        return {f"p{100 * p:g}": x for p, x in zip(self.levels, self.values, strict=True)}

    def as_entry(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        return {
            "family": self.family,
            "quantiles": [list(pair) for pair in zip(self.levels, self.values, strict=True)],
            **{key: end for key, end in ends.items() if end is not None},
        }

    @cached_property
    def _terms(self) -> tuple[float, float, float]:
        """The coefficients a1, a2, a3."""
        p = np.array(self.levels)
        logit = special.logit(p)
        basis = np.stack([np.ones(3), logit, (p - 0.5) * logit], axis=1)
        a1, a2, a3 = np.linalg.solve(basis, self._to_unbounded(np.array(self.values)))
        return float(a1), float(a2), float(a3)

    def _to_unbounded(self, x: Array) -> Array:
        """A value on the scale without bounds."""
        low, high = self.support
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.min is None and self.max is None:
                return x
            above = np.log(np.maximum(x - low, 0.0))
            below = np.log(np.maximum(high - x, 0.0))
            if self.max is None:
                return above
            return -below if self.min is None else above - below

    def _from_unbounded(self, y: Array) -> Array:
        """The inverse of `_to_unbounded`."""
        low, high = self.support
        with np.errstate(over="ignore"):
            if self.min is None and self.max is None:
                return y
            if self.max is None:
                return low + np.exp(y)
            if self.min is None:
                return high - np.exp(-y)
            return np.where(
                y < 0,
                low + (high - low) * special.expit(y),
                high - (high - low) * special.expit(-y),
            )

    def _value(self, log_p: Array, log_q: Array) -> Array:
        """The value with these log-probabilities below and above it."""
        a1, a2, a3 = self._terms
        logit = log_p - log_q
        return self._from_unbounded(a1 + a2 * logit + a3 * (np.exp(log_p) - 0.5) * logit)

    def lower(self, log_p: Array) -> Array:
        return self._value(log_p, np.log1p(-np.exp(log_p)))

    def upper(self, log_q: Array) -> Array:
        return self._value(np.log1p(-np.exp(log_q)), log_q)

    @property
    def moment_order_uncut(self) -> float:
        _, a2, a3 = self._terms
        if self.min is not None and self.max is not None:
            return math.inf
        # One bound makes the other tail a power: exp of (a2 +- a3/2) times a log-probability.
        slope = 0.0
        if self.max is None and self.min is not None:
            slope = a2 + a3 / 2
        elif self.max is not None:
            slope = a2 - a3 / 2
        return 1.0 / slope if slope > 0 else math.inf

    def log_cdf(self, x: Array) -> Array:
        return special.log_ndtr(self._score(x))

    def log_sf(self, x: Array) -> Array:
        return special.log_ndtr(-self._score(x))

    def _score(self, x: Array) -> Array:
        """The normal score of a value, by bisection."""
        goal = self._to_unbounded(np.asarray(x, float))
        low, high = np.full(np.shape(goal), -40.0), np.full(np.shape(goal), 40.0)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            is_below = self._to_unbounded(self.quantile(middle)) < goal
            low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
        return (low + high) / 2
