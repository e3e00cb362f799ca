"""Any continuous distribution of scipy."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import model_validator

from sim.common.text import nearest
from sim.distributions.base import Tailed
from sim.distributions.elicitation import Array, find_number_fault, validation_error

PREFIX = "scipy."

# This number of quantiles must not take longer than this number of seconds.
SCIPY_QUANTILES, SCIPY_SECONDS = 2000, 10.0


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
        with np.errstate(all="ignore"):
            median = float(self._distribution.ppf(0.5))
        if not math.isfinite(median):
            raise ValueError(f"{self.family} does not allow these parameters")
        levels = (np.arange(16) + 0.5) / 16
        started = time.perf_counter()
        done = 0
        for level in levels:
            with np.errstate(all="ignore"):
                self._distribution.ppf(level)
            done += 1
            if time.perf_counter() - started > SCIPY_SECONDS / 10:
                break
        # One at a time costs more than many in one call, which is what counts.
        if (time.perf_counter() - started) / done > SCIPY_SECONDS / SCIPY_QUANTILES:
            started = time.perf_counter()
            with np.errstate(all="ignore"):
                self._distribution.ppf(np.linspace(0.01, 0.99, 2 * done))
            seconds = (time.perf_counter() - started) / (2 * done)
            if seconds > SCIPY_SECONDS / SCIPY_QUANTILES:
                raise ValueError(
                    f"{self.family} is too slow: scipy takes {1e3 * seconds:.0f} ms a quantile,"
                    f" about {SCIPY_QUANTILES * seconds:.0f} s for {SCIPY_QUANTILES:,}"
                    f" (at most {SCIPY_SECONDS:g} s)"
                )
        return self

    @cached_property
    def _distribution(self) -> Any:
        from scipy import stats

        return getattr(stats, self.family.removeprefix(PREFIX))(**dict(self.parameters))

    def as_entry(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        cut = {key: end for key, end in ends.items() if end is not None}
        return {"family": self.family, **dict(self.parameters), **cut}

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
