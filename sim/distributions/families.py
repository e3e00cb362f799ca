"""The families of continuous laws, each with its named parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import model_validator
from scipy import special

from sim.distributions.law import (
    LOG_HALF,
    Array,
    Law,
    NonNegative,
    OfScore,
    Positive,
    Quantiles,
    Tailed,
    line,
    three,
    two,
)


def _score(level: float) -> float:
    return float(special.ndtri(level))


def _root(function: Callable[[float], float], low: float, high: float, what: str) -> float:
    """The root of a function of a positive parameter between two ends, searched on its log."""
    from scipy.optimize import brentq

    if not function(low) * function(high) < 0:
        raise ValueError(f"no {what} has these")
    return math.exp(
        brentq(lambda a: function(math.exp(a)), math.log(low), math.log(high), xtol=1e-14)
    )


class Normal(OfScore):
    """x = mean + sd z, cut to [min, max] where these are given."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("mean", "sd")
    family: Literal["normal"]
    mean: float
    sd: NonNegative

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        mean, sd = line([(_score(p), x) for p, x in two(quantiles, "normal")])
        return {"mean": mean, "sd": sd}

    @property
    def point(self) -> float:
        return self.mean if self.min is None and self.max is None else super().point

    def stated(self) -> dict[str, float]:
        return {"mean": self.mean} if self.min is None and self.max is None else {}

    def of_score(self, z: Array) -> Array:
        return self.mean + self.sd * z

    def score(self, x: Array) -> Array:
        return (x - self.mean) / self.sd


class Lognormal(OfScore):
    """x = median exp(sigma z); `sigma` is the standard deviation of log x."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("median", "sigma")
    by_moments: ClassVar[tuple[str, ...]] = ("median", "sigma")
    family: Literal["lognormal"]
    median: Positive
    sigma: NonNegative

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        center, sigma = line(
            [(_score(p), math.log(_positive(x))) for p, x in two(quantiles, "lognormal")]
        )
        return {"median": math.exp(center), "sigma": sigma}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        variance = math.log1p((sd / _positive(mean, "mean")) ** 2)
        return {"median": mean * math.exp(-variance / 2), "sigma": math.sqrt(variance)}

    @property
    def point(self) -> float:
        return self.median if self.min is None and self.max is None else super().point

    def stated(self) -> dict[str, float]:
        return {"median": self.median} if self.min is None and self.max is None else {}

    def of_score(self, z: Array) -> Array:
        return self.median * np.exp(self.sigma * z)

    def score(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(x <= 0, -np.inf, np.log(x / self.median) / self.sigma)

    def standard(self) -> tuple[Law, float, float]:
        if self.min is not None or self.max is not None:
            return self, 0.0, 1.0
        return self.model_copy(update={"median": 1.0}), 0.0, self.median


class LogitNormal(OfScore):
    """x = min + (max - min) expit(logit((median - min)/(max - min)) + sigma z)."""

    bounded: ClassVar[bool] = True
    by_quantiles: ClassVar[tuple[str, ...]] = ("median", "sigma")
    family: Literal["logit_normal"]
    median: float
    sigma: NonNegative
    min: float
    max: float

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        low, high = given["min"], given["max"]
        points = [
            (_score(p), float(special.logit(_share(x, low, high))))
            for p, x in two(quantiles, "logit_normal")
        ]
        center, sigma = line(points)
        return {"median": low + (high - low) * float(special.expit(center)), "sigma": sigma}

    @model_validator(mode="after")
    def _ordered(self) -> LogitNormal:
        if not self.min < self.median < self.max:
            raise ValueError(
                f"expected min < median < max, got {self.min:g}, {self.median:g}, {self.max:g}"
            )
        return self

    @property
    def point(self) -> float:
        return self.median

    def stated(self) -> dict[str, float]:
        return {"min": self.min, "median": self.median, "max": self.max}

    def of_score(self, z: Array) -> Array:
        share = (self.median - self.min) / (self.max - self.min)
        with np.errstate(over="ignore"):
            odds = (1.0 - share) * np.exp(-self.sigma * z)
        return self.min + (self.max - self.min) * (share / (share + odds))

    def score(self, x: Array) -> Array:
        width = self.max - self.min
        center = special.logit((self.median - self.min) / width)
        place = np.clip((x - self.min) / width, 0.0, 1.0)
        return np.asarray((special.logit(place) - center) / self.sigma)

    def standard(self) -> tuple[Law, float, float]:
        width = self.max - self.min
        center = (self.median - self.min) / width
        unit = LogitNormal.model_construct(
            family="logit_normal", median=center, sigma=self.sigma, min=0.0, max=1.0
        )
        return unit, self.min, width


class Bounded(Tailed):
    """A law with ends `min` and `max`, which says where a value lies between them."""

    bounded: ClassVar[bool] = True
    min: float
    max: float

    @model_validator(mode="after")
    def _ordered(self) -> Bounded:
        if not self.min < self.max:
            raise ValueError(f"expected min < max, got {self.min:g}, {self.max:g}")
        return self

    def stated(self) -> dict[str, float]:
        return {"min": self.min, "max": self.max}

    def log_shares(self, share: Array) -> tuple[Array, Array]:
        """Log-probabilities below and above a place between 0 and 1."""
        raise NotImplementedError

    def log_cdf(self, x: Array) -> Array:
        return self.log_shares(self._place(x))[0]

    def log_sf(self, x: Array) -> Array:
        return self.log_shares(self._place(x))[1]

    def _place(self, x: Array) -> Array:
        return np.clip((np.asarray(x) - self.min) / (self.max - self.min), 0.0, 1.0)

    def lower(self, log_p: Array) -> Array:
        return self.min + (self.max - self.min) * self.share_below(log_p)

    def upper(self, log_q: Array) -> Array:
        return self.max - (self.max - self.min) * self.share_above(log_q)

    def share_below(self, log_p: Array) -> Array:
        """The distance from `min`, as a share of the width, that has log_p below it."""
        raise NotImplementedError

    def share_above(self, log_q: Array) -> Array:
        """The distance from `max`, as a share of the width, that has log_q above it."""
        raise NotImplementedError


class Uniform(Bounded):
    """Every value between `min` and `max` alike."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("min", "max")
    by_moments: ClassVar[tuple[str, ...]] = ("min", "max")
    family: Literal["uniform"]

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        low, width = line(two(quantiles, "uniform"))
        return {"min": low, "max": low + width}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        return {"min": mean - math.sqrt(3) * sd, "max": mean + math.sqrt(3) * sd}

    def share_below(self, log_p: Array) -> Array:
        return np.exp(log_p)

    def share_above(self, log_q: Array) -> Array:
        return np.exp(log_q)

    def log_shares(self, share: Array) -> tuple[Array, Array]:
        with np.errstate(divide="ignore"):
            return np.log(share), np.log1p(-share)


class LogUniform(Tailed):
    """The log of the value is uniform between those of `min` and `max`."""

    bounded: ClassVar[bool] = True
    by_quantiles: ClassVar[tuple[str, ...]] = ("min", "max")
    family: Literal["log_uniform"]
    min: Positive
    max: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        pairs = [(p, math.log(_positive(x))) for p, x in two(quantiles, "log_uniform")]
        low, width = line(pairs)
        return {"min": math.exp(low), "max": math.exp(low + width)}

    @model_validator(mode="after")
    def _ordered(self) -> LogUniform:
        if not self.min < self.max:
            raise ValueError(f"expected min < max, got {self.min:g}, {self.max:g}")
        return self

    def stated(self) -> dict[str, float]:
        return {"min": self.min, "max": self.max}

    @property
    def _width(self) -> float:
        return math.log(self.max / self.min)

    def lower(self, log_p: Array) -> Array:
        return self.min * np.exp(self._width * np.exp(log_p))

    def upper(self, log_q: Array) -> Array:
        return self.max * np.exp(-self._width * np.exp(log_q))

    def log_cdf(self, x: Array) -> Array:
        x = np.clip(x, self.min, self.max)
        with np.errstate(divide="ignore"):
            return np.log(np.log(x / self.min) / self._width)

    def log_sf(self, x: Array) -> Array:
        x = np.clip(x, self.min, self.max)
        with np.errstate(divide="ignore"):
            return np.log(np.log(self.max / x) / self._width)


class Peaked(Bounded):
    """A bounded law with a most likely value, which three quantiles determine."""

    mode: float

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        from scipy.optimize import least_squares

        name, levels = str(given.get("family")), three(quantiles, str(given.get("family")))
        z = special.ndtri([p for p, _ in levels])
        x = np.array([value for _, value in levels])
        fixed = {key: given[key] for key in ("family", "shape") if key in given}

        def law(unknown: Array) -> Peaked:
            low, below, above = unknown[0], math.exp(unknown[1]), math.exp(unknown[2])
            said = {"min": low, "mode": low + below, "max": low + below + above}
            return cls.model_validate({**fixed, **{key: float(what) for key, what in said.items()}})

        width = float(x[-1] - x[0])
        start = [x[0] - width / 2, math.log(x[1] - x[0] + width / 2)]
        start.append(math.log(x[2] - x[1] + width / 2))
        found = least_squares(
            lambda unknown: (law(unknown).quantile(z) - x) / width,
            start, xtol=1e-15, ftol=1e-15, gtol=1e-15,
            bounds=([-np.inf, math.log(width) - 12, math.log(width) - 12], [np.inf] * 3),
        )  # fmt: skip
        if np.abs(found.fun).max() > 1e-9:
            raise ValueError(f"no {name} has these quantiles: they are too skewed or too flat")
        made = law(found.x)
        return {"min": made.min, "mode": made.mode, "max": made.max}

    @model_validator(mode="after")
    def _mode_between(self) -> Peaked:
        if not self.min <= self.mode <= self.max:
            raise ValueError(
                f"expected min <= mode <= max, got {self.min:g}, {self.mode:g}, {self.max:g}"
            )
        return self

    def stated(self) -> dict[str, float]:
        return {"min": self.min, "mode": self.mode, "max": self.max}

    @property
    def _peak(self) -> float:
        return (self.mode - self.min) / (self.max - self.min)


class Triangular(Peaked):
    """Density rising in a line from `min` to `mode`, and falling in a line to `max`."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("min", "mode", "max")
    family: Literal["triangular"]

    def share_below(self, log_p: Array) -> Array:
        c, p = self._peak, np.exp(log_p)
        return np.where(p <= c, np.sqrt(c * p), 1.0 - np.sqrt((1.0 - c) * (1.0 - p)))

    def share_above(self, log_q: Array) -> Array:
        c, q = self._peak, np.exp(log_q)
        return np.where(q <= 1.0 - c, np.sqrt((1.0 - c) * q), 1.0 - np.sqrt(c * (1.0 - q)))

    def log_shares(self, share: Array) -> tuple[Array, Array]:
        c = self._peak
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.where(share <= c, share**2 / c, 1.0 - (1.0 - share) ** 2 / (1.0 - c))
            above = np.where(share >= c, (1.0 - share) ** 2 / (1.0 - c), 1.0 - share**2 / c)
            return np.log(below), np.log(above)


class Pert(Peaked):
    """A beta law between `min` and `max` with mean (min + shape mode + max)/(shape + 2)."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("min", "mode", "max")
    family: Literal["pert"]
    shape: Positive = 4.0

    @property
    def _beta(self) -> tuple[float, float]:
        return 1.0 + self.shape * self._peak, 1.0 + self.shape * (1.0 - self._peak)

    def share_below(self, log_p: Array) -> Array:
        return _beta_share(*self._beta, log_p)

    def share_above(self, log_q: Array) -> Array:
        return _beta_share(*self._beta[::-1], log_q)

    def log_shares(self, share: Array) -> tuple[Array, Array]:
        return _beta_shares(*self._beta, share)


class Beta(Bounded):
    """Density proportional to s^(a-1) (1-s)^(b-1), s the place between `min` and `max`."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("a", "b")
    by_moments: ClassVar[tuple[str, ...]] = ("a", "b")
    family: Literal["beta"]
    a: Positive
    b: Positive
    min: float = 0.0
    max: float = 1.0

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        from scipy.optimize import root

        low, high = given.get("min", 0.0), given.get("max", 1.0)
        pairs = two(quantiles, "beta")
        shares = np.array([_share(x, low, high) for _, x in pairs])
        levels = np.array([p for p, _ in pairs])
        # Where it starts: the mean and sd of the normal law with these quantiles.
        center, spread = line([(_score(p), float(s)) for p, s in zip(levels, shares, strict=True)])
        center = min(max(center, 0.02), 0.98)
        total = max(center * (1 - center) / spread**2 - 1, 0.1)
        goal = special.logit(levels)

        def miss(unknown: Array) -> Array:
            a, b = np.exp(unknown)
            below = special.betainc(a, b, shares)
            above = special.betainc(b, a, 1.0 - shares)
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(below) - np.log(above) - goal)

        found = root(miss, np.log([center * total, (1 - center) * total]), tol=1e-13)
        if not np.abs(miss(found.x)).max() < 1e-9:
            raise ValueError("no beta has these quantiles between min and max")
        a, b = np.exp(found.x)
        return {"a": float(a), "b": float(b)}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        low, high = given.get("min", 0.0), given.get("max", 1.0)
        center = _share(mean, low, high)
        total = center * (1 - center) / (sd / (high - low)) ** 2 - 1
        if total <= 0:
            raise ValueError(
                f"sd {sd:g} is too large for a mean of {mean:g} between {low:g} and {high:g}:"
                f" expected less than {(high - low) * math.sqrt(center * (1 - center)):g}"
            )
        return {"a": center * total, "b": (1 - center) * total}

    def share_below(self, log_p: Array) -> Array:
        return _beta_share(self.a, self.b, log_p)

    def share_above(self, log_q: Array) -> Array:
        return _beta_share(self.b, self.a, log_q)

    def log_shares(self, share: Array) -> tuple[Array, Array]:
        return _beta_shares(self.a, self.b, share)


class Gamma(Tailed):
    """Density proportional to (x/scale)^(shape-1) exp(-x/scale)."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("shape", "scale")
    by_moments: ClassVar[tuple[str, ...]] = ("shape", "scale")
    family: Literal["gamma"]
    shape: Positive
    scale: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        (p, x), (further, y) = two(quantiles, "gamma")
        ratio = math.log(y / _positive(x))

        def miss(shape: float) -> float:
            low, high = special.gammaincinv(shape, [p, further])
            return math.log(high / low) - ratio if low > 0 else math.inf

        shape = _root(miss, 1e-2, 1e8, "gamma")
        return {"shape": shape, "scale": x / float(special.gammaincinv(shape, p))}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        shape = (_positive(mean, "mean") / sd) ** 2
        return {"shape": shape, "scale": mean / shape}

    def lower(self, log_p: Array) -> Array:
        return self.scale * special.gammaincinv(self.shape, np.exp(log_p))

    def upper(self, log_q: Array) -> Array:
        return self.scale * special.gammainccinv(self.shape, np.exp(log_q))

    def log_cdf(self, x: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(special.gammainc(self.shape, np.maximum(x, 0.0) / self.scale))

    def log_sf(self, x: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(special.gammaincc(self.shape, np.maximum(x, 0.0) / self.scale))


class Weibull(Tailed):
    """P(X > x) = exp(-(x/scale)^shape)."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("shape", "scale")
    by_moments: ClassVar[tuple[str, ...]] = ("shape", "scale")
    family: Literal["weibull"]
    shape: Positive
    scale: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        pairs = two(quantiles, "weibull")
        log_scale, power = line(
            [(math.log(-math.log1p(-p)), math.log(_positive(x))) for p, x in pairs]
        )
        return {"shape": 1.0 / power, "scale": math.exp(log_scale)}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        ratio = math.log1p((sd / _positive(mean, "mean")) ** 2)

        def miss(shape: float) -> float:
            return (
                float(special.gammaln(1 + 2 / shape) - 2 * special.gammaln(1 + 1 / shape)) - ratio
            )

        shape = _root(miss, 0.02, 1e4, "weibull")
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
    """x = median + scale t, with t of Student's law with `df` degrees of freedom."""

    by_quantiles: ClassVar[tuple[str, ...]] = ("median", "scale")
    by_moments: ClassVar[tuple[str, ...]] = ("median", "scale")
    family: Literal["student_t"]
    df: Positive
    median: float
    scale: Positive

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        df = given["df"]
        pairs = [(float(special.stdtrit(df, p)), x) for p, x in two(quantiles, "student_t")]
        median, scale = line(pairs)
        return {"median": median, "scale": scale}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        df = given["df"]
        if df <= 2:
            raise ValueError(f"a student_t has no sd with df of 2 or less, got {df:g}")
        return {"median": mean, "scale": sd * math.sqrt((df - 2) / df)}

    def stated(self) -> dict[str, float]:
        return {"median": self.median} if self.min is None and self.max is None else {}

    @property
    def moments_uncut(self) -> float:
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
    """The log of P(T > t) of Student's law with `df` degrees of freedom."""
    with np.errstate(divide="ignore", over="ignore"):
        near = special.betaincc(0.5, df / 2, t * t / (df + t * t)) / 2
        far = special.betainc(df / 2, 0.5, df / (df + t * t)) / 2
        tail = np.where(t * t < df, near, far)  # whichever argument is the small and exact one
        return np.where(t >= 0, np.log(tail), np.log1p(-tail))


def student_tail(df: float, log_q: Array) -> Array:
    """The t that has log-probability log_q, at most log 1/2, above it."""
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

    by_quantiles: ClassVar[tuple[str, ...]] = ("shape", "scale")
    family: Literal["generalized_pareto"]
    shape: float
    scale: Positive
    threshold: float

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        threshold = given["threshold"]
        (p, x), (further, y) = two(quantiles, "generalized_pareto")
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
            raise ValueError("no generalized_pareto has these quantiles")
        shape = float(brentq(miss, -50.0, 50.0, xtol=1e-14))
        return {"shape": shape, "scale": (x - threshold) / over(shape, near)}

    def stated(self) -> dict[str, float]:
        return {} if self.min is not None else {"threshold": self.threshold}

    @property
    def moments_uncut(self) -> float:
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


def _positive(x: float, what: str = "quantiles") -> float:
    if x <= 0:
        raise ValueError(f"expected {what} above 0, got {x:g}")
    return x


def _share(x: float, low: float, high: float) -> float:
    if not low < x < high:
        raise ValueError(f"expected a value between min and max, {low:g} and {high:g}, got {x:g}")
    return (x - low) / (high - low)


def _beta_share(a: float, b: float, log_p: Array) -> Array:
    """The share that has log-probability log_p below it: by its power law where it is tiny."""
    log_tiny = (log_p + math.log(a) + special.betaln(a, b)) / a
    is_tiny = log_tiny < math.log(1e-17 / (1.0 + b))  # the next term is below the last bit
    usual = special.betaincinv(a, b, np.where(is_tiny, 0.5, np.exp(log_p)))
    unsolved = is_tiny | np.isnan(usual)  # scipy gives none near 1e-17 where a or b is about 1
    return np.where(unsolved, np.exp(np.minimum(log_tiny, 0.0)), usual)


def _beta_shares(a: float, b: float, share: Array) -> tuple[Array, Array]:
    with np.errstate(divide="ignore"):
        return (
            np.log(special.betainc(a, b, share)),
            np.log(special.betainc(b, a, 1.0 - share)),
        )
