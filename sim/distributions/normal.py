"""Families whose values are rising functions of a normal score."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import model_validator
from scipy import special

from sim.distributions.base import Distribution, NonNegative, Positive
from sim.distributions.elicitation import (
    Array,
    Quantiles,
    fit_line,
    normal_score,
    relative_position,
    require_positive,
    require_two,
)
from sim.distributions.tailed import ScoreTransform


class Normal(ScoreTransform):
    """x = mean + sd z, cut to [min, max] where these are given."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("mean", "sd")
    family: Literal["normal"]
    mean: float
    sd: NonNegative

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        mean, sd = fit_line([(normal_score(p), x) for p, x in require_two(quantiles, "normal")])
        return {"mean": mean, "sd": sd}

    @property
    def point(self) -> float:
        return self.mean if self.min is None and self.max is None else super().point

    def stated_values(self) -> dict[str, float]:
        return {"mean": self.mean} if self.min is None and self.max is None else {}

    @property
    def spread(self) -> float:
        return self.sd

    def from_score(self, z: Array) -> Array:
        return self.mean + self.sd * z

    def to_score(self, x: Array) -> Array:
        return (x - self.mean) / self.sd


class Lognormal(ScoreTransform):
    """x = median exp(sigma z); `sigma` is the standard deviation of log x."""

    quantile_parameters: ClassVar[tuple[str, ...]] = ("median", "sigma")
    moment_parameters: ClassVar[tuple[str, ...]] = ("median", "sigma")
    family: Literal["lognormal"]
    median: Positive
    sigma: NonNegative

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        pairs = require_two(quantiles, "lognormal")
        points = [(normal_score(p), math.log(require_positive(x))) for p, x in pairs]
        center, sigma = fit_line(points)
        return {"median": math.exp(center), "sigma": sigma}

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        variance = math.log1p((sd / require_positive(mean, "mean")) ** 2)
        return {"median": mean * math.exp(-variance / 2), "sigma": math.sqrt(variance)}

    @property
    def point(self) -> float:
        return self.median if self.min is None and self.max is None else super().point

    def stated_values(self) -> dict[str, float]:
        return {"median": self.median} if self.min is None and self.max is None else {}

    @property
    def spread(self) -> float:
        return self.sigma

    def from_score(self, z: Array) -> Array:
        return self.median * np.exp(self.sigma * z)

    def to_score(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(x <= 0, -np.inf, np.log(x / self.median) / self.sigma)

    def standard(self) -> tuple[Distribution, float, float]:
        if self.min is not None or self.max is not None:
            return self, 0.0, 1.0
        return self.model_copy(update={"median": 1.0}), 0.0, self.median


class LogitNormal(ScoreTransform):
    """x = min + (max - min) expit(logit((median - min)/(max - min)) + sigma z)."""

    bounded: ClassVar[bool] = True
    quantile_parameters: ClassVar[tuple[str, ...]] = ("median", "sigma")
    family: Literal["logit_normal"]
    median: float
    sigma: NonNegative
    min: float
    max: float

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        low, high = given["min"], given["max"]
        points = [
            (normal_score(p), float(special.logit(relative_position(x, low, high))))
            for p, x in require_two(quantiles, "logit_normal")
        ]
        center, sigma = fit_line(points)
        return {"median": low + (high - low) * float(special.expit(center)), "sigma": sigma}

    @model_validator(mode="after")
    def _check_order(self) -> LogitNormal:
        if not self.min < self.median < self.max:
            raise ValueError(
                f"expected min < median < max, got {self.min:g}, {self.median:g}, {self.max:g}"
            )
        return self

    @property
    def point(self) -> float:
        return self.median

    def stated_values(self) -> dict[str, float]:
        return {"min": self.min, "median": self.median, "max": self.max}

    @property
    def spread(self) -> float:
        return self.sigma

    def from_score(self, z: Array) -> Array:
        share = (self.median - self.min) / (self.max - self.min)
        with np.errstate(over="ignore"):
            odds = (1.0 - share) * np.exp(-self.sigma * z)
        return self.min + (self.max - self.min) * (share / (share + odds))

    def to_score(self, x: Array) -> Array:
        width = self.max - self.min
        center = special.logit((self.median - self.min) / width)
        share = np.clip((x - self.min) / width, 0.0, 1.0)
        return np.asarray((special.logit(share) - center) / self.sigma)

    def standard(self) -> tuple[Distribution, float, float]:
        width = self.max - self.min
        center = (self.median - self.min) / width
        unit = LogitNormal.model_construct(
            family="logit_normal", median=center, sigma=self.sigma, min=0.0, max=1.0
        )
        return unit, self.min, width
