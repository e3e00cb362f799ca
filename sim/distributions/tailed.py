"""Distributions given by their exact tails, perhaps cut to an interval.

Probabilities are handled as logarithms, so that a tail is exact however far out it is cut.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import model_validator
from scipy.special import log_ndtr, ndtri_exp

from sim.distributions.base import LOG_HALF, Distribution
from sim.distributions.elicitation import Array


def log_difference(larger: Any, smaller: Any) -> Any:
    """The value of log(exp(larger) - exp(smaller)), element by element."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(smaller == -np.inf, larger, larger + np.log(-np.expm1(smaller - larger)))


class _Cut(NamedTuple):
    """Log-probabilities of a cut: below `min`, above `max` and between them.

    Each is exact where it is tiny; `kept` is -inf where nothing is left. `from_min` and `to_max`
    are those of P(X >= min) and P(X <= max) without the cut.
    """

    below: float
    above: float
    kept: float
    from_min: float
    to_max: float


class Tailed(Distribution):
    """A distribution given by its tails; `min` and `max` truncate it.

    Of a `bounded` family they are parameters instead.
    """

    min: float | None = None
    max: float | None = None
    bounded: ClassVar[bool] = False

    def lower(self, log_p: Array) -> Array:
        """The value with log-probability `log_p`, at most log 1/2, below it."""
        raise NotImplementedError

    def upper(self, log_q: Array) -> Array:
        """The value with log-probability `log_q`, at most log 1/2, above it."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _check_cut(self) -> Tailed:
        if not self._is_cut:
            return self
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"expected min < max, got {self.min:g}, {self.max:g}")
        if not self._cut.kept > -math.inf:
            raise ValueError(
                f"nothing is left of the distribution between min and max: {self._interval()}"
                " holds less than 1e-300 of it"
            )
        return self

    def _interval(self) -> str:
        low = "-inf" if self.min is None else f"{self.min:g}"
        return f"{low} to {'inf' if self.max is None else f'{self.max:g}'}"

    @property
    def _is_cut(self) -> bool:
        return not self.bounded and (self.min is not None or self.max is not None)

    @cached_property
    def _cut(self) -> _Cut:
        below = above = -math.inf
        from_min = to_max = kept = 0.0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.min is not None:
                below, from_min = map(float, self._log_around(self.min))
            if self.max is not None:
                to_max, above = map(float, self.log_tails(np.asarray(self.max)))
            if self.min is not None and below > LOG_HALF:
                kept = float(log_difference(from_min, above))
            elif self.max is not None and above > LOG_HALF:
                kept = float(log_difference(to_max, below))
            elif self.min is not None or self.max is not None:
                kept = float(np.log1p(-np.exp(below) - np.exp(above)))
        kept = kept if not math.isnan(kept) else -math.inf
        return _Cut(below, above, kept, from_min, to_max)

    def _log_around(self, x: float) -> tuple[Array, Array]:
        """The logs of P(X < x) and P(X >= x), without a cut."""
        has_own = x in self.uncut_point_masses
        return self.log_tails(np.asarray(np.nextafter(x, -math.inf) if has_own else x))

    @property
    def uncut_point_masses(self) -> Array:
        """The `point_masses` of the distribution without its cut."""
        return np.empty(0)

    @property
    def point_masses(self) -> Array:
        values, (low, high) = self.uncut_point_masses, self.support
        return values[(low <= values) & (values <= high)]

    def log_probabilities_at(self, x: Array) -> tuple[Array, Array]:
        """The logs of P(X <= x) and P(X > x), after a cut.

        Both are exact where they are tiny.
        """
        log_p, log_q = self.log_tails(x)
        if not self._is_cut:
            return log_p, log_q
        below, above, kept, from_min, to_max = self._cut
        # Of two numbers near 1 the difference is lost: then that of their complements is taken.
        if below > LOG_HALF and self.min is not None:
            up_to = log_difference(from_min, np.maximum(log_q, above))
        else:
            up_to = log_difference(np.maximum(log_p, below), below)
        if above > LOG_HALF and self.max is not None:
            over = log_difference(to_max, np.clip(log_p, below, to_max))
        else:
            over = log_difference(np.maximum(log_q, above), above)
        return np.minimum(up_to - kept, 0.0), np.minimum(over - kept, 0.0)

    def log_probability_at(self, x: Array, side: int) -> Array:
        if self._is_cut:
            return self.log_probabilities_at(x)[side]
        return super().log_probability_at(x, side)

    def _uncut_tails(self, z: Array) -> tuple[Array, Array]:
        """Log-probabilities below and above the values at scores, without the cut."""
        log_p, log_q = log_ndtr(z), log_ndtr(-np.asarray(z))
        if self._is_cut:
            cut = self._cut
            log_p = np.logaddexp(cut.below, log_p + cut.kept)
            log_q = np.logaddexp(cut.above, log_q + cut.kept)
        return log_p, log_q

    def quantile(self, z: Array) -> Array:
        log_p, log_q = self._uncut_tails(z)
        is_low = log_p <= log_q
        x = np.empty(np.shape(z))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            x[is_low] = self.lower(np.minimum(log_p[is_low], LOG_HALF))
            x[~is_low] = self.upper(np.minimum(log_q[~is_low], LOG_HALF))
        return np.clip(x, *self.support) if self._is_cut else x

    @property
    def support(self) -> tuple[float, float]:
        low = -math.inf if self.min is None else self.min
        return low, math.inf if self.max is None else self.max

    @property
    def moment_order(self) -> float:
        if self.min is not None and self.max is not None:
            return math.inf
        return self.moment_order_uncut

    @property
    def moment_order_uncut(self) -> float:
        """The order below which moments of the distribution without its cut exist."""
        return math.inf

    @property
    def cut_share(self) -> float:
        if self.bounded:
            return 0.0
        removed = math.exp(self._cut.below) + math.exp(self._cut.above)
        return removed if removed < 0.5 else -math.expm1(self._cut.kept)

    @property
    def kept_share(self) -> float:
        return 1.0 if self.bounded else math.exp(self._cut.kept)


class ScoreTransform(Tailed):
    """A distribution whose values are a rising function of a normal score.

    With a spread of 0 it has one value, and each other has a score of -inf or inf.
    """

    @property
    def spread(self) -> float:
        """The factor of the score."""
        raise NotImplementedError

    @property
    def uncut_point_masses(self) -> Array:
        return np.empty(0) if self.spread else self.from_score(np.zeros(1))

    def from_score(self, z: Array) -> Array:
        """The value at a normal score, without a cut."""
        raise NotImplementedError

    def to_score(self, x: Array) -> Array:
        """The normal score of a value, without a cut."""
        raise NotImplementedError

    def quantile(self, z: Array) -> Array:
        if not self._is_cut:
            with np.errstate(over="ignore"):
                return self.from_score(np.asarray(z))
        return super().quantile(z)

    def lower(self, log_p: Array) -> Array:
        return self.from_score(ndtri_exp(log_p))

    def upper(self, log_q: Array) -> Array:
        return self.from_score(-ndtri_exp(log_q))

    def log_cdf(self, x: Array) -> Array:
        return np.asarray(log_ndtr(self._score_of(x)))

    def log_sf(self, x: Array) -> Array:
        return np.asarray(log_ndtr(-self._score_of(x)))

    def _score_of(self, x: Array) -> Array:
        if self.spread:
            return self.to_score(x)
        return np.where(np.asarray(x) < self.uncut_point_masses[0], -math.inf, math.inf)
