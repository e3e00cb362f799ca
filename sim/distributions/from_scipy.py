"""Any continuous distribution of scipy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import model_validator

from sim.common.text import nearest
from sim.distributions.elicitation import Array, find_number_fault, validation_error
from sim.distributions.tailed import Tailed

PREFIX = "scipy."

# A distribution is too slow by the number of times that its functions are computed, never by a
# clock: whether a file is good must not depend on the machine.
MOST_EVALUATIONS = 500  # for a quantile
_TRIED = 16  # quantiles
# What scipy documents for a distribution to override.
_FUNCTIONS = ("_pdf", "_logpdf", "_cdf", "_logcdf", "_sf", "_logsf", "_ppf", "_isf")
# Those of which one value is an integral that compiled code computes, unseen: about how many
# evaluations of the integrand.
_INTEGRALS = {"levy_stable": 100, "studentized_range": 1000}


class Scipy(Tailed):
    """Any continuous distribution of `scipy.stats`, by its shape names, `loc` and `scale`."""

    family: str
    parameters: tuple[tuple[str, float], ...]

    @model_validator(mode="before")
    @classmethod
    def _collect_parameters(cls, entry: Any) -> Any:
        """The entry with what scipy calls its parameters in one field, `parameters`."""
        fields = {key: entry[key] for key in ("family", "min", "max") if key in entry}
        rest = {key: value for key, value in entry.items() if key not in fields}
        shapes, others = scipy_parameters(entry["family"])
        wrong = [("missing", key, entry) for key in shapes if key not in rest]
        for key, value in rest.items():
            if key not in (*shapes, *others):
                wrong.append(("extra_forbidden", key, value))
            elif fault := find_number_fault(value):
                wrong.append((fault, key, value))
        if wrong:
            raise validation_error(*wrong)
        return {**fields, "parameters": tuple((key, float(value)) for key, value in rest.items())}

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        try:
            shapes, others = scipy_parameters(given["family"])
        except ValueError:
            return ()
        return (*shapes, *others, "min", "max")

    @model_validator(mode="after")
    def _check_parameters_and_speed(self) -> Scipy:
        """Refuse parameters that scipy does not allow, and slow quantiles."""
        limited = _limit_evaluations(self._freeze(), self.family.removeprefix(PREFIX))
        with np.errstate(all="ignore"):
            try:
                median = float(limited.ppf(0.5))
                if math.isfinite(median):
                    limited.ppf((np.arange(_TRIED) + 0.5) / _TRIED)
            except _TooManyError:
                raise ValueError(
                    f"{self.family} is too slow: scipy computes its functions more than"
                    f" {MOST_EVALUATIONS} times for a quantile"
                ) from None
        if not math.isfinite(median):
            raise ValueError(f"{self.family} does not allow these parameters")
        return self

    @cached_property
    def _distribution(self) -> Any:
        return self._freeze()

    def _freeze(self) -> Any:
        from scipy import stats

        return getattr(stats, self.family.removeprefix(PREFIX))(**dict(self.parameters))

    def as_entry(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        cut = {key: end for key, end in ends.items() if end is not None}
        return {"family": self.family, **dict(self.parameters), **cut}

    @property
    def support(self) -> tuple[float, float]:
        # A table follows slow quantiles less closely, and may cross an end by its error.
        (low, high), (least, most) = super().support, self._distribution.support()
        return max(low, float(least)), min(high, float(most))

    @property
    def moment_order_uncut(self) -> float:
        with np.errstate(all="ignore"):
            mean, variance = self._distribution.stats(moments="mv")
        return math.inf if np.isfinite(variance) else (2.0 if np.isfinite(mean) else 1.0)

    def lower(self, log_p: Array) -> Array:
        return np.asarray(self._distribution.ppf(np.exp(log_p)))

    def upper(self, log_q: Array) -> Array:
        return np.asarray(self._distribution.isf(np.exp(log_q)))

    def log_cdf(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._distribution.logcdf(x))

    def log_sf(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._distribution.logsf(x))


class _TooManyError(Exception):
    """More evaluations than `MOST_EVALUATIONS` for each quantile."""


def _limit_evaluations(frozen: Any, name: str) -> Any:
    """A distribution of scipy, changed to raise where its functions are computed too often.

    Raises later:
        _TooManyError: From any method, after enough evaluations for `_TRIED` quantiles.
    """
    left = MOST_EVALUATIONS * _TRIED // _INTEGRALS.get(name, 1)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def count(x: Any, *shapes: Any) -> Any:
            nonlocal left
            left -= np.size(x)
            if left < 0:
                raise _TooManyError
            return function(x, *shapes)

        return count

    for function in _FUNCTIONS:  # of an instance that scipy makes for each frozen distribution
        setattr(frozen.dist, function, counted(getattr(frozen.dist, function)))
    return frozen


def scipy_parameters(family: str) -> tuple[list[str], list[str]]:
    """Names of shapes and of other parameters of a scipy distribution.

    Raises:
        ValueError: If scipy has no such distribution.
    """
    from scipy import stats

    name = family.removeprefix(PREFIX)
    known = [n for n in dir(stats) if isinstance(getattr(stats, n), stats.rv_continuous)]
    if name not in known:
        close = nearest(name, known)
        raise ValueError(f"scipy.stats has no continuous distribution '{name}'{close}")
    shapes = getattr(stats, name).shapes
    return ([] if not shapes else [part.strip() for part in shapes.split(",")]), ["loc", "scale"]
