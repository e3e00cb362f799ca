"""Distributions between two ends."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import model_validator
from scipy import special

from sim.distributions.base import Positive
from sim.distributions.beta_functions import (
    MOST_OF_BETA,
    UpToBeta,
    beta_log_cdf,
    beta_logits,
    beta_share,
    solve_beta,
)
from sim.distributions.elicitation import (
    Array,
    Quantiles,
    fit_line,
    normal_score,
    relative_position,
    require_positive,
    require_three,
    require_two,
)
from sim.distributions.tailed import Tailed


class Bounded(Tailed):
    """A distribution with ends `min` and `max`, given by positions between them."""

    bounded: ClassVar[bool] = True
    min: float
    max: float

    @model_validator(mode="after")
    def _check_order(self) -> Bounded:
        if not self.min < self.max:
            raise ValueError(f"expected min < max, got {self.min:g}, {self.max:g}")
        if not math.isfinite(self.max - self.min):
            raise ValueError(
                f"min and max, {self.min:g} and {self.max:g}, are farther apart than a double holds"
            )
        return self

    def stated_values(self) -> dict[str, float]:
        return {"min": self.min, "max": self.max}

    def log_below(self, share: Array, rest: Array) -> Array:
        """The log-probability below a position, counted from `min` and from `max`.

        Both are shares of the width, and add up to 1.
        """
        raise NotImplementedError

    def log_above(self, share: Array, rest: Array) -> Array:
        """The log-probability above a position, given as in `log_below`."""
        raise NotImplementedError

    def log_cdf(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.log_below(*self._position(x))

    def log_sf(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.log_above(*self._position(x))

    def _position(self, x: Array) -> tuple[Array, Array]:
        """The position of a value, counted from `min` and from `max`."""
        x, width = np.asarray(x), self.max - self.min
        from_min, from_max = (x - self.min) / width, (self.max - x) / width
        return np.clip(from_min, 0.0, 1.0), np.clip(from_max, 0.0, 1.0)

    def lower(self, log_p: Array) -> Array:
        return self.min + (self.max - self.min) * self.share_below(log_p)

    def upper(self, log_q: Array) -> Array:
        return self.max - (self.max - self.min) * self.share_above(log_q)

    def share_below(self, log_p: Array) -> Array:
        """The position, counted from `min`, that has log_p below it."""
        raise NotImplementedError

    def share_above(self, log_q: Array) -> Array:
        """The position, counted from `max`, that has log_q above it."""
        raise NotImplementedError


class Uniform(Bounded):
    """Constant density between `min` and `max`."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("min", "max")
    moment_parameters: ClassVar[tuple[str, ...]] = ("min", "max")
    family: Literal["uniform"]

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        low, width = fit_line(require_two(quantiles, "uniform"))
        return {"min": low, "max": low + width}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        return {"min": mean - math.sqrt(3) * sd, "max": mean + math.sqrt(3) * sd}

    def share_below(self, log_p: Array) -> Array:
        return np.exp(log_p)

    def share_above(self, log_q: Array) -> Array:
        return np.exp(log_q)

    def log_below(self, share: Array, rest: Array) -> Array:
        return np.log(share)

    def log_above(self, share: Array, rest: Array) -> Array:
        return np.log(rest)


class LogUniform(Tailed):
    """The logarithm of the value is uniform between those of the ends."""

    bounded: ClassVar[bool] = True
    quantile_parameters: ClassVar[tuple[str, ...]] = ("min", "max")
    family: Literal["log_uniform"]
    min: Positive
    max: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        pairs = require_two(quantiles, "log_uniform")
        low, width = fit_line([(p, math.log(require_positive(x))) for p, x in pairs])
        return {"min": math.exp(low), "max": math.exp(low + width)}

    @model_validator(mode="after")
    def _check_order(self) -> LogUniform:
        if not self.min < self.max:
            raise ValueError(f"expected min < max, got {self.min:g}, {self.max:g}")
        return self

    def stated_values(self) -> dict[str, float]:
        return {"min": self.min, "max": self.max}

    @property
    def _width(self) -> float:
        return float(_log_ratio(self.max, self.min))

    def lower(self, log_p: Array) -> Array:
        return self._multiply(self.min, self._width * np.exp(log_p))

    def upper(self, log_q: Array) -> Array:
        return self._multiply(self.max, -self._width * np.exp(log_q))

    def _multiply(self, end: float, log: Array) -> Array:
        """An end times the exponential, which itself may be more than a double holds."""
        if self._width < 700.0:
            return end * np.exp(log)
        return end * np.exp(log / 2) * np.exp(log / 2)

    def log_cdf(self, x: Array) -> Array:
        x = np.clip(x, self.min, self.max)
        with np.errstate(divide="ignore"):
            return np.log(_log_ratio(x, self.min) / self._width)

    def log_sf(self, x: Array) -> Array:
        x = np.clip(x, self.min, self.max)
        with np.errstate(divide="ignore"):
            return np.log(_log_ratio(self.max, x) / self._width)


def _log_ratio(larger: Array | float, smaller: Array | float) -> Array:
    """The log of a ratio, which itself may be more than a double holds."""
    with np.errstate(over="ignore"):
        ratio = np.divide(larger, smaller)
    return np.where(np.isinf(ratio), np.log(larger) - np.log(smaller), np.log(ratio))


class Peaked(Bounded):
    """A bounded distribution with a mode, which three quantiles determine."""

    mode: float

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        """Ends and mode from three quantiles, by least squares."""
        from scipy.optimize import least_squares

        family = str(given.get("family"))
        pairs = require_three(quantiles, family)
        z = special.ndtri([p for p, _ in pairs])
        x = np.array([value for _, value in pairs])
        fixed = {key: given[key] for key in ("family", "shape") if key in given}

        def build(unknown: Array) -> Peaked:
            """The distribution with `min`, log(mode - min) and log(max - mode)."""
            low, below, above = unknown[0], math.exp(unknown[1]), math.exp(unknown[2])
            ends = {"min": low, "mode": low + below, "max": low + below + above}
            return cls.model_validate({**fixed, **{key: float(end) for key, end in ends.items()}})

        width = float(x[-1] - x[0])
        tails = [(width / 2, x[1], width / 2)]
        modes = [x[0] - width / 9, (x[0] + x[1]) / 2, (x[1] + x[2]) / 2, x[2] + width / 9]
        # A steep side between two of them, or all on one side, is found from a guess like it.
        sizes = [0.2 * width, 2 * width, 20 * width]
        tails += itertools.product(sizes, modes, sizes)
        for below, mode, above in tails:
            low, high = min(x[0], mode) - below, max(x[2], mode) + above
            solution = least_squares(
                lambda unknown: (build(unknown).quantile(z) - x) / width,
                [low, math.log(mode - low), math.log(high - mode)], xtol=1e-15, ftol=1e-15,
                gtol=1e-15, bounds=([-np.inf, *[math.log(width) - 12] * 2], [np.inf] * 3),
            )  # fmt: skip
            if np.abs(solution.fun).max() <= 1e-9:
                break
        else:
            raise ValueError(f"no {family} has these quantiles: they are too skewed or too flat")
        distribution = build(solution.x)
        return {"min": distribution.min, "mode": distribution.mode, "max": distribution.max}

    @model_validator(mode="after")
    def _check_mode(self) -> Peaked:
        if not self.min <= self.mode <= self.max:
            raise ValueError(
                f"expected min <= mode <= max, got {self.min:g}, {self.mode:g}, {self.max:g}"
            )
        return self

    def stated_values(self) -> dict[str, float]:
        return {"min": self.min, "mode": self.mode, "max": self.max}

    @property
    def _peak(self) -> float:
        return (self.mode - self.min) / (self.max - self.min)


class Triangular(Peaked):
    """Density rising linearly from `min` to `mode`, falling linearly to `max`."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("min", "mode", "max")
    family: Literal["triangular"]

    def share_below(self, log_p: Array) -> Array:
        c, p = self._peak, np.exp(log_p)
        return np.where(p <= c, np.sqrt(c * p), 1.0 - np.sqrt((1.0 - c) * (1.0 - p)))

    def share_above(self, log_q: Array) -> Array:
        c, q = self._peak, np.exp(log_q)
        return np.where(q <= 1.0 - c, np.sqrt((1.0 - c) * q), 1.0 - np.sqrt(c * (1.0 - q)))

    def log_below(self, share: Array, rest: Array) -> Array:
        c, d = self._sides
        # Beyond the mode its own probability and the rest: a difference from 1 loses the tail.
        return np.log(np.where(share <= c, share**2 / c, c + (share - c) * (d + rest) / d))

    def log_above(self, share: Array, rest: Array) -> Array:
        c, d = self._sides
        return np.log(np.where(rest <= d, rest**2 / d, d + (rest - d) * (c + share) / c))

    @property
    def _sides(self) -> tuple[float, float]:
        """The shares of the width below and above the mode."""
        width = self.max - self.min
        return (self.mode - self.min) / width, (self.max - self.mode) / width


class Pert(Peaked):
    """A beta distribution on [min, max] given by its mode.

    Its mean is (min + shape mode + max)/(shape + 2).
    """

    quantile_parameters: ClassVar[tuple[str, ...]] = ("min", "mode", "max")
    family: Literal["pert"]
    shape: UpToBeta = 4.0

    @property
    def _beta(self) -> tuple[float, float]:
        return 1.0 + self.shape * self._peak, 1.0 + self.shape * (1.0 - self._peak)

    def share_below(self, log_p: Array) -> Array:
        return beta_share(*self._beta, log_p)

    def share_above(self, log_q: Array) -> Array:
        return beta_share(*self._beta[::-1], log_q)

    def log_below(self, share: Array, rest: Array) -> Array:
        return beta_log_cdf(*self._beta, share, rest)

    def log_above(self, share: Array, rest: Array) -> Array:
        return beta_log_cdf(*self._beta[::-1], rest, share)


class Beta(Bounded):
    """Density proportional to s^(a-1) (1-s)^(b-1), s the position between `min` and `max`."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("a", "b")
    moment_parameters: ClassVar[tuple[str, ...]] = ("a", "b")
    family: Literal["beta"]
    a: UpToBeta
    b: UpToBeta
    min: float = 0.0
    max: float = 1.0

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        """The parameters a and b from two quantiles, by root finding."""
        from scipy.optimize import root

        low, high = given.get("min", 0.0), given.get("max", 1.0)
        pairs = require_two(quantiles, "beta")
        shares = np.array([relative_position(x, low, high) for _, x in pairs])
        levels = np.array([p for p, _ in pairs])
        # The first guess: the mean and sd of the normal distribution with these quantiles.
        points = [(normal_score(p), float(s)) for p, s in zip(levels, shares, strict=True)]
        center, spread = fit_line(points)
        center = min(max(center, 0.02), 0.98)
        total = max(center * (1 - center) / spread**2 - 1, 0.1)
        goal = special.logit(levels)
        farthest = math.log(10 * MOST_OF_BETA)

        def miss(unknown: Array) -> Array:
            a, b = np.exp(np.minimum(unknown, farthest))
            below = special.betainc(a, b, shares)
            above = special.betainc(b, a, 1.0 - shares)
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(below) - np.log(above) - goal)

        solution = root(miss, np.log([center * total, (1 - center) * total]), tol=1e-13)
        a, b = np.exp(np.minimum(solution.x, farthest))
        rests = np.array([(high - x) / (high - low) for _, x in pairs])
        if not np.abs(beta_logits(a, b, shares, rests) - goal).max() < 1e-9:
            a, b = solve_beta(shares, rests, goal)
        return cls._require_computable(float(a), float(b))

    @staticmethod
    def _require_computable(a: float, b: float) -> dict[str, float]:
        """Both parameters by name.

        Raises:
            ValueError: If one is larger than `MOST_OF_BETA`.
        """
        if max(a, b) > MOST_OF_BETA:
            raise ValueError(
                f"it is too narrow: a beta with a = {a:.3g} and b = {b:.3g} (at most"
                f" {MOST_OF_BETA:g}) is a normal, or near an end a gamma: give one of these"
            )
        return {"a": a, "b": b}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        low, high = given.get("min", 0.0), given.get("max", 1.0)
        center = relative_position(mean, low, high)
        total = center * (1 - center) / (sd / (high - low)) ** 2 - 1
        if total <= 0:
            raise ValueError(
                f"sd {sd:g} is too large for a mean of {mean:g} between {low:g} and {high:g}:"
                f" expected less than {(high - low) * math.sqrt(center * (1 - center)):g}"
            )
        return cls._require_computable(center * total, (1 - center) * total)

    def share_below(self, log_p: Array) -> Array:
        return beta_share(self.a, self.b, log_p)

    def share_above(self, log_q: Array) -> Array:
        return beta_share(self.b, self.a, log_q)

    def log_below(self, share: Array, rest: Array) -> Array:
        return beta_log_cdf(self.a, self.b, share, rest)

    def log_above(self, share: Array, rest: Array) -> Array:
        return beta_log_cdf(self.b, self.a, rest, share)
