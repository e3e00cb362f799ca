"""What a law is: a quantile function with both of its tails, and how it is cut to an interval.

Probabilities are handled as logarithms, so that a tail is exact however far out it is cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.special import log_ndtr, ndtri_exp

from sim.distributions.elicitation import Array, Quantiles, misfit, number, split_quantiles, unfit

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
LOG_HALF = math.log(0.5)


def log_difference(larger: Any, smaller: Any) -> Any:
    """log(exp(larger) - exp(smaller))."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(smaller == -np.inf, larger, larger + np.log(-np.expm1(smaller - larger)))


class Distribution(BaseModel):
    """What a file says about a quantity. `point` is its value without uncertainty.

    A family gives either `quantile`, or the four functions of its tails from which `quantile`
    follows. `by_quantiles` are the parameters that quantiles can stand for, `by_moments` those
    that `mean` and `sd` can.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )
    by_quantiles: ClassVar[tuple[str, ...]] = ()
    by_moments: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        """Equal parameters; what a law remembers of its own computations does not count."""
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name) for name in type(self).model_fields
        )

    @model_validator(mode="before")
    @classmethod
    def _elicited(cls, given: Any) -> Any:
        """Parameters in place of the quantiles, or of the mean and sd, that a file gives."""
        if not isinstance(given, dict):
            return given
        quantiles: Quantiles = []
        if cls.by_quantiles:
            given, quantiles = split_quantiles(given)
        # Frozen laws are keys of what is memoised, so their lists are tuples.
        given = {key: tuple(x) if isinstance(x, list) else x for key, x in given.items()}
        if quantiles:
            return cls._from(given, cls.by_quantiles, "quantiles", quantiles)
        own = cls.model_fields
        if cls.by_moments and any(key in given and key not in own for key in ("mean", "sd")):
            return cls._from(given, cls.by_moments, "mean and sd", None)
        return given

    @classmethod
    def _from(
        cls, given: dict[str, Any], free: tuple[str, ...], what: str, quantiles: Quantiles | None
    ) -> Any:
        name = given.get("family")
        both = [key for key in free if key in given]
        if both:
            raise ValueError(f"give {', '.join(both)} or {what}, not both")
        own = set(cls.model_fields) - {"family"}
        wrong = [(fault, key, x) for key, x in given.items() if key in own if (fault := unfit(x))]
        if wrong:
            raise misfit(*wrong)
        try:
            with np.errstate(all="ignore"):
                if quantiles is not None:
                    return {**given, **cls.from_quantiles(quantiles, given)}
                rest = {key: said for key, said in given.items() if key not in ("mean", "sd")}
                mean, sd = (number(given[key], key) for key in ("mean", "sd"))
                if sd <= 0:
                    raise ValueError(f"expected sd above 0, got {sd:g}")
                return {**rest, **cls.from_moments(mean, sd, rest)}
        except KeyError as missing:
            raise ValueError(f"missing {missing.args[0]} ({name} by {what} needs it)") from None
        except ArithmeticError:
            raise ValueError(f"no {name} has these {what}") from None

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        """The parameters `by_quantiles` from pairs of level and value.

        Raises:
            ValueError: If there are too few or too many, or no such law has them.
        """
        raise NotImplementedError

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        """The parameters `by_moments` from mean and sd.

        Raises:
            ValueError: If no such law has them.
        """
        raise NotImplementedError

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        """The keys of a file that give the law beside `family`, those that it needs first."""
        fields = {key: field for key, field in cls.model_fields.items() if key != "family"}
        return tuple(sorted(fields, key=lambda key: not fields[key].is_required()))

    @property
    def point(self) -> float:
        """The median (for a fixed quantity its value)."""
        return float(self.quantile(np.zeros(1))[0])

    def stated(self) -> dict[str, float]:
        """The numbers that must lie in the quantity's domain, by key."""
        return {}

    def said(self) -> dict[str, Any]:
        """The law in the words of a parameter file, as plain data."""
        return {
            key: list(what) if isinstance(what, tuple) else what
            for key, what in self.model_dump().items()
            if what is not None
        }

    def quantile(self, z: Array) -> Array:
        """The value at each normal score: that which Phi(z) of the mass lies below."""
        raise NotImplementedError

    def log_cdf(self, x: Array) -> Array:
        """The log of P(X <= x)."""
        raise NotImplementedError

    def log_sf(self, x: Array) -> Array:
        """The log of P(X > x)."""
        raise NotImplementedError

    def log_shares_at(self, x: Array) -> tuple[Array, Array]:
        """The logs of P(X <= x) and P(X > x), after a cut."""
        return self.log_cdf(x), self.log_sf(x)

    def standard(self) -> tuple[Distribution, float, float]:
        """A law of the same shape, with the shift and the factor that give this one from it."""
        return self, 0.0, 1.0

    @property
    def ends(self) -> tuple[float, float]:
        """The interval that no draw leaves."""
        return -math.inf, math.inf

    @property
    def moments(self) -> float:
        """The order below which moments exist: the mean if above 1, the sd if above 2."""
        return math.inf

    @property
    def cut_off(self) -> float:
        """The probability that a cut by `min` and `max` takes away."""
        return 0.0

    @property
    def left(self) -> float:
        """The probability that a cut leaves, exact where that is next to nothing."""
        return 1.0


class Tailed(Distribution):
    """A continuous law that gives its tails; `min` and `max` cut it, unless they are its ends."""

    min: float | None = None
    max: float | None = None
    # Whether `min` and `max` are the ends of the law rather than a cut.
    bounded: ClassVar[bool] = False

    def lower(self, log_p: Array) -> Array:
        """The value with log-probability `log_p`, at most log 1/2, below it."""
        raise NotImplementedError

    def upper(self, log_q: Array) -> Array:
        """The value with log-probability `log_q`, at most log 1/2, above it."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _leaves_something(self) -> Tailed:
        if self.bounded or (self.min is None and self.max is None):
            return self
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"expected min < max, got {self.min:g}, {self.max:g}")
        *_, kept = self._cut()
        if not kept > -math.inf:
            raise ValueError(
                f"nothing is left of the law between min and max: {self._interval()} holds less"
                " than 1e-300 of it"
            )
        return self

    def _interval(self) -> str:
        low = "-inf" if self.min is None else f"{self.min:g}"
        return f"{low} to {'inf' if self.max is None else f'{self.max:g}'}"

    def _cut(self) -> tuple[float, float, float]:
        """Log-probabilities below `min`, above `max`, and between them."""
        below, above = -math.inf, -math.inf
        kept = 0.0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.min is not None:
                below = float(self.log_below(np.asarray(self.min)))
            if self.max is not None:
                above = float(self.log_sf(np.asarray(self.max)))
            if self.min is not None and below > LOG_HALF:
                kept = float(log_difference(float(self._log_from(self.min)), above))
            elif self.max is not None and above > LOG_HALF:
                kept = float(log_difference(float(self.log_cdf(np.asarray(self.max))), below))
            elif self.min is not None or self.max is not None:
                kept = float(np.log1p(-np.exp(below) - np.exp(above)))
        return below, above, kept if not math.isnan(kept) else -math.inf

    def log_shares_at(self, x: Array) -> tuple[Array, Array]:
        up_to, over = self.log_cdf(x), self.log_sf(x)
        if self.bounded or (self.min is None and self.max is None):
            return up_to, over
        below, above, kept = self._cut()
        # Of two numbers near 1 the difference is lost: then that of their complements is taken.
        if below > LOG_HALF and self.min is not None:
            up_to = log_difference(self._log_from(self.min), np.maximum(over, above))
        else:
            up_to = log_difference(np.maximum(up_to, below), below)
        if above > LOG_HALF and self.max is not None:
            most = self.log_cdf(np.asarray(self.max))
            over = log_difference(most, np.clip(self.log_cdf(x), below, most))
        else:
            over = log_difference(np.maximum(over, above), above)
        return np.minimum(up_to - kept, 0.0), np.minimum(over - kept, 0.0)

    def log_below(self, x: Array) -> Array:
        """The log of P(X < x)."""
        return self.log_cdf(x)

    def _log_from(self, x: float) -> Array:
        """The log of P(X >= x)."""
        return self.log_sf(np.asarray(x))

    def quantile(self, z: Array) -> Array:
        log_p, log_q = log_ndtr(z), log_ndtr(-np.asarray(z))
        is_cut = not self.bounded and (self.min is not None or self.max is not None)
        if is_cut:
            below, above, kept = self._cut()
            log_p, log_q = np.logaddexp(below, log_p + kept), np.logaddexp(above, log_q + kept)
        is_low = log_p <= log_q
        x = np.empty(np.shape(z))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            x[is_low] = self.lower(np.minimum(log_p[is_low], LOG_HALF))
            x[~is_low] = self.upper(np.minimum(log_q[~is_low], LOG_HALF))
        return np.clip(x, *self.ends) if is_cut else x

    @property
    def ends(self) -> tuple[float, float]:
        low = -math.inf if self.min is None else self.min
        return low, math.inf if self.max is None else self.max

    @property
    def moments(self) -> float:
        if self.min is not None and self.max is not None:
            return math.inf
        return self.moments_uncut

    @property
    def moments_uncut(self) -> float:
        """The order below which moments of the law without a cut exist."""
        return math.inf

    @property
    def cut_off(self) -> float:
        if self.bounded:
            return 0.0
        below, above, kept = self._cut()
        gone = math.exp(below) + math.exp(above)
        return gone if gone < 0.5 else -math.expm1(kept)

    @property
    def left(self) -> float:
        return 1.0 if self.bounded else math.exp(self._cut()[2])


class OfScore(Tailed):
    """A law that is a rising function of a normal score."""

    def of_score(self, z: Array) -> Array:
        """The value at a score of the law without a cut."""
        raise NotImplementedError

    def score(self, x: Array) -> Array:
        """The score of a value."""
        raise NotImplementedError

    def quantile(self, z: Array) -> Array:
        if self.bounded or (self.min is None and self.max is None):
            with np.errstate(over="ignore"):
                return self.of_score(np.asarray(z))
        return super().quantile(z)

    def lower(self, log_p: Array) -> Array:
        return self.of_score(ndtri_exp(log_p))

    def upper(self, log_q: Array) -> Array:
        return self.of_score(-ndtri_exp(log_q))

    def log_cdf(self, x: Array) -> Array:
        return np.asarray(log_ndtr(self.score(x)))

    def log_sf(self, x: Array) -> Array:
        return np.asarray(log_ndtr(-self.score(x)))
