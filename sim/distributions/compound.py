"""Laws made of values, of quantiles or of other laws, and any continuous law of scipy."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError
from scipy import special

from sim.distributions.law import (
    LOG_HALF,
    Array,
    Law,
    NonNegative,
    Quantiles,
    Tailed,
    misfit,
    split_quantiles,
    three,
    unfit,
)
from sim.fields import nearest

# Of a law of scipy: so many quantiles must not take longer than so many seconds.
SCIPY_QUANTILES, SCIPY_SECONDS = 2000, 10.0
_BISECTIONS = 80  # halve any bracket of doubles near one another to neighbours


class Fixed(Law):
    """A quantity that is not uncertain."""

    value: float

    @property
    def point(self) -> float:
        return self.value

    def stated(self) -> dict[str, float]:
        return {"value": self.value}

    def quantile(self, z: Array) -> Array:
        return np.full(np.shape(z), self.value)

    def log_cdf(self, x: Array) -> Array:
        return np.where(np.asarray(x) >= self.value, 0.0, -np.inf)

    def log_sf(self, x: Array) -> Array:
        return np.where(np.asarray(x) >= self.value, -np.inf, 0.0)


class Metalog(Tailed):
    """Keelin's three-term metalog through three quantiles, e.g. p10, p50 and p90.

    M(p) = a1 + a2 logit(p) + a3 (p - 1/2) logit(p) for x; for log(x - min), -log(max - x) or
    log((x - min)/(max - x)) where there are bounds (Keelin 2016).
    """

    bounded: ClassVar[bool] = True
    by_quantiles: ClassVar[tuple[str, ...]] = ("levels", "values")
    family: Literal["metalog"]
    levels: tuple[float, float, float]
    values: tuple[float, float, float]

    @model_validator(mode="before")
    @classmethod
    def _by_quantiles_alone(cls, given: Any) -> Any:
        if not split_quantiles(given)[1]:
            raise ValueError("missing p10, p50, p90 (metalog takes three quantiles, min, max)")
        return given

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        return "min", "max"

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, Any]:
        pairs = three(quantiles, "metalog")
        return {"levels": tuple(p for p, _ in pairs), "values": tuple(x for _, x in pairs)}

    @model_validator(mode="after")
    def _feasible(self) -> Metalog:
        low, high = self.ends
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

    def stated(self) -> dict[str, float]:
        return {f"p{100 * p:g}": x for p, x in zip(self.levels, self.values, strict=True)}

    def said(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        return {
            "family": self.family,
            "quantiles": [list(pair) for pair in zip(self.levels, self.values, strict=True)],
            **{key: end for key, end in ends.items() if end is not None},
        }

    @cached_property
    def _terms(self) -> tuple[float, float, float]:
        p = np.array(self.levels)
        logit = special.logit(p)
        basis = np.stack([np.ones(3), logit, (p - 0.5) * logit], axis=1)
        a1, a2, a3 = np.linalg.solve(basis, self._free(np.array(self.values)))
        return float(a1), float(a2), float(a3)

    def _free(self, x: Array) -> Array:
        """A value on the scale that has no bounds."""
        low, high = self.ends
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.min is None and self.max is None:
                return x
            above = np.log(np.maximum(x - low, 0.0))
            below = np.log(np.maximum(high - x, 0.0))
            if self.max is None:
                return above
            return -below if self.min is None else above - below

    def _of_free(self, y: Array) -> Array:
        low, high = self.ends
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

    def _of_logs(self, log_p: Array, log_q: Array) -> Array:
        a1, a2, a3 = self._terms
        logit = log_p - log_q
        return self._of_free(a1 + a2 * logit + a3 * (np.exp(log_p) - 0.5) * logit)

    def lower(self, log_p: Array) -> Array:
        return self._of_logs(log_p, np.log1p(-np.exp(log_p)))

    def upper(self, log_q: Array) -> Array:
        return self._of_logs(np.log1p(-np.exp(log_q)), log_q)

    @property
    def moments_uncut(self) -> float:
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
        goal = self._free(np.asarray(x, float))
        low, high = np.full(np.shape(goal), -40.0), np.full(np.shape(goal), 40.0)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            under = self._free(self.quantile(middle)) < goal
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return (low + high) / 2


# The largest |a3|/a2 with which a three-term metalog has a positive density everywhere.
_STEEPEST = 1.66711


class Steps(Law):
    """A law of separate values: `atoms` rising, and the log-probabilities up to and above each."""

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        """The values, rising, and their probabilities."""
        raise NotImplementedError

    @cached_property
    def _logs(self) -> tuple[Array, Array]:
        _, weights = self.atoms
        with np.errstate(divide="ignore"):
            return np.log(np.cumsum(weights)), np.log(np.cumsum(weights[::-1])[::-1] - weights)

    @cached_property
    def edges(self) -> Array:
        """The normal scores at which one value gives way to the next."""
        up_to, above = self._logs
        low = special.ndtri_exp(np.minimum(up_to[:-1], LOG_HALF))
        high = -special.ndtri_exp(np.minimum(above[:-1], LOG_HALF))
        return np.where(up_to[:-1] <= above[:-1], low, high)

    def quantile(self, z: Array) -> Array:
        return self.atoms[0][np.searchsorted(self.edges, z, side="left")]

    def log_cdf(self, x: Array) -> Array:
        place = np.searchsorted(self.atoms[0], x, side="right")
        return np.concatenate([[-np.inf], self._logs[0][:-1], [0.0]])[place]

    def log_sf(self, x: Array) -> Array:
        place = np.searchsorted(self.atoms[0], x, side="right")
        return np.concatenate([[0.0], self._logs[1][:-1], [-np.inf]])[place]

    def stated(self) -> dict[str, float]:
        values = self.atoms[0]
        return {"values": float(values[0])} | ({"": float(values[-1])} if len(values) > 1 else {})


class Discrete(Steps):
    """Separate `values`, each as likely as its share of the `weights`."""

    family: Literal["discrete"]
    values: tuple[float, ...] = Field(min_length=1)
    weights: tuple[NonNegative, ...]

    @model_validator(mode="after")
    def _paired(self) -> Discrete:
        _check_weights(self.weights, len(self.values), "values")
        if len(set(self.values)) < len(self.values):
            raise ValueError("expected different values")
        return self

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        order = np.argsort(self.values)
        weights = np.array(self.weights)[order]
        values = np.array(self.values)[order]
        return values[weights > 0], weights[weights > 0] / weights.sum()


class Bernoulli(Steps):
    """1 with probability `p`, else 0."""

    family: Literal["bernoulli"]
    p: float = Field(ge=0, le=1)

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        weights = np.array([1.0 - self.p, self.p])
        return np.array([0.0, 1.0])[weights > 0], weights[weights > 0]


class Empirical(Steps):
    """Observed `values`, each as likely; or those in a `column` of a CSV `file`."""

    family: Literal["empirical"]
    values: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, given: Any, info: ValidationInfo) -> Any:
        """`info.context` is the folder in which the file is looked for; None is the working one."""
        if "file" not in given:
            return given
        if "values" in given:
            raise ValueError("give values or a file, not both")
        file, column = given["file"], given.get("column")
        wrong = [
            ("string_type", key, what)
            for key, what in (("file", file), ("column", column))
            if what is not None and not isinstance(what, str)
        ]
        if wrong:
            raise misfit(*wrong)
        rest = {key: what for key, what in given.items() if key not in ("file", "column")}
        try:
            values = read_column(Path(info.context or "") / file, column)
        except ValueError as error:
            told = PydanticCustomError("value_error", "{said}", {"said": str(error)})
            raise misfit((told, "file", file)) from None
        return {**rest, "values": values}

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        return "values", "file", "column"

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        values, counts = np.unique(self.values, return_counts=True)
        return values, counts / counts.sum()


def _component(said: Any, info: ValidationInfo) -> Law:
    """A law within a mixture: a table as in a file, or a number."""
    from sim.distributions import law_of

    if isinstance(said, Law):
        return said
    if isinstance(said, int | float) and not isinstance(said, bool):
        said = {"value": said}
    if not isinstance(said, dict):
        raise misfit(("dict_type", "", said))
    family = law_of(said)
    if family is None:
        kind = "literal_error" if "family" in said else "missing"
        raise misfit((kind, "family", said.get("family")))
    return family.model_validate(said, context=info.context)


class Mixture(Tailed):
    """Each of `components` with the probability of its share of the `weights`."""

    family: Literal["mixture"]
    components: tuple[Annotated[Law, BeforeValidator(_component)], ...] = Field(min_length=1)
    weights: tuple[NonNegative, ...]

    @model_validator(mode="after")
    def _paired(self) -> Mixture:
        _check_weights(self.weights, len(self.components), "components")
        return self

    def said(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        return {
            "family": self.family,
            "components": [part.said() for part in self.components],
            "weights": list(self.weights),
            **{key: end for key, end in ends.items() if end is not None},
        }

    @cached_property
    def _parts(self) -> list[tuple[float, Law]]:
        pairs = zip(self.weights, self.components, strict=True)
        return [(math.log(weight / sum(self.weights)), law) for weight, law in pairs if weight > 0]

    @property
    def moments_uncut(self) -> float:
        return min(law.moments for _, law in self._parts)

    def log_cdf(self, x: Array) -> Array:
        return np.logaddexp.reduce([log + law.log_shares_at(x)[0] for log, law in self._parts])

    def log_sf(self, x: Array) -> Array:
        return np.logaddexp.reduce([log + law.log_shares_at(x)[1] for log, law in self._parts])

    def log_below(self, x: Array) -> Array:
        return self.log_cdf(np.nextafter(x, -np.inf))

    def _log_from(self, x: float) -> Array:
        return self.log_sf(np.nextafter(np.asarray(x), -np.inf))

    def lower(self, log_p: Array) -> Array:
        z = special.ndtri_exp(log_p)
        return self._between(z, lambda x: self.log_cdf(x) >= log_p)

    def upper(self, log_q: Array) -> Array:
        z = -special.ndtri_exp(log_q)
        return self._between(z, lambda x: self.log_sf(x) <= log_q)

    def _between(self, z: Array, reached: Any) -> Array:
        """The least value that has reached a probability: it lies between the components' own."""
        own = np.stack([law.quantile(z) for _, law in self._parts])
        low, high = own.min(axis=0), own.max(axis=0)
        for _ in range(_BISECTIONS):
            # Halving the values would take long from 1e-300 to 1; halving the gap is enough here.
            middle = low + (high - low) / 2
            there = reached(middle)
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        for atom in self._atoms:
            just = reached(np.full_like(z, atom)) & ~reached(
                np.full_like(z, np.nextafter(atom, -np.inf))
            )
            high = np.where(just, atom, high)
        return high

    @cached_property
    def _atoms(self) -> list[float]:
        """The values that have a probability of their own."""
        found: list[float] = []
        for _, law in self._parts:
            if isinstance(law, Fixed):
                found.append(law.value)
            elif isinstance(law, Steps):
                found += law.atoms[0].tolist()
            elif isinstance(law, Mixture):
                found += law._atoms
        return found


class Scipy(Tailed):
    """Any continuous law of `scipy.stats`, by its own shape names, `loc` and `scale`."""

    family: str
    parameters: tuple[tuple[str, float], ...]

    @model_validator(mode="before")
    @classmethod
    def _sorted(cls, given: Any) -> Any:
        kept = {key: given[key] for key in ("family", "min", "max") if key in given}
        rest = {key: what for key, what in given.items() if key not in kept}
        shapes, others = scipy_parameters(given["family"])
        wrong = [("missing", key, given) for key in shapes if key not in rest]
        for key, what in rest.items():
            if key not in (*shapes, *others):
                wrong.append(("extra_forbidden", key, what))
            elif fault := unfit(what):
                wrong.append((fault, key, what))
        if wrong:
            raise misfit(*wrong)
        return {**kept, "parameters": tuple((key, float(what)) for key, what in rest.items())}

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        try:
            shapes, others = scipy_parameters(given["family"])
        except ValueError:
            return ()
        return (*shapes, *others, "min", "max")

    @model_validator(mode="after")
    def _quick_and_possible(self) -> Scipy:
        started = time.perf_counter()
        with np.errstate(all="ignore"):
            median = float(self._law.ppf(0.5))
        if not math.isfinite(median):
            raise ValueError(f"{self.family} does not allow these parameters")
        levels = (np.arange(16) + 0.5) / 16
        started = time.perf_counter()
        done = 0
        for level in levels:
            with np.errstate(all="ignore"):
                self._law.ppf(level)
            done += 1
            if time.perf_counter() - started > SCIPY_SECONDS / 10:
                break
        # One at a time costs more than many in one call, which is what counts.
        if (time.perf_counter() - started) / done > SCIPY_SECONDS / SCIPY_QUANTILES:
            started = time.perf_counter()
            with np.errstate(all="ignore"):
                self._law.ppf(np.linspace(0.01, 0.99, 2 * done))
            each = (time.perf_counter() - started) / (2 * done)
            if each > SCIPY_SECONDS / SCIPY_QUANTILES:
                raise ValueError(
                    f"{self.family} is too slow: scipy takes {1e3 * each:.0f} ms a quantile,"
                    f" about {SCIPY_QUANTILES * each:.0f} s for {SCIPY_QUANTILES:,}"
                    f" (at most {SCIPY_SECONDS:g} s)"
                )
        return self

    @cached_property
    def _law(self) -> Any:
        from scipy import stats

        return getattr(stats, self.family.removeprefix("scipy."))(**dict(self.parameters))

    def said(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        cut = {key: end for key, end in ends.items() if end is not None}
        return {"family": self.family, **dict(self.parameters), **cut}

    @property
    def moments_uncut(self) -> float:
        with np.errstate(all="ignore"):
            mean, variance = self._law.stats(moments="mv")
        return math.inf if np.isfinite(variance) else (2.0 if np.isfinite(mean) else 1.0)

    def lower(self, log_p: Array) -> Array:
        return np.asarray(self._law.ppf(np.exp(log_p)))

    def upper(self, log_q: Array) -> Array:
        return np.asarray(self._law.isf(np.exp(log_q)))

    def log_cdf(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._law.logcdf(x))

    def log_sf(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._law.logsf(x))


def scipy_parameters(family: str) -> tuple[list[str], list[str]]:
    """Shape names of a continuous law of scipy, and what may stand beside them.

    Raises:
        ValueError: If scipy has no such law.
    """
    from scipy import stats

    name = family.removeprefix("scipy.")
    known = [n for n in dir(stats) if isinstance(getattr(stats, n), stats.rv_continuous)]
    if name not in known:
        close = nearest(name, known)
        raise ValueError(f"scipy.stats has no continuous law '{name}'{close}")
    shapes = getattr(stats, name).shapes
    return ([] if not shapes else [part.strip() for part in shapes.split(",")]), ["loc", "scale"]


def read_column(path: Path, column: Any) -> tuple[float, ...]:
    """The numbers in a column of a CSV file with a header; the only one needs no name.

    Raises:
        ValueError: If there is no such file or column, or a cell holds no number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            names = list(reader.fieldnames or [])
            if column is None and len(names) == 1:
                column = names[0]
            if column not in names:
                said = "expected a column" if column is None else f"no column '{column}'"
                raise ValueError(f"{path.name}: {said}{nearest(str(column), names)}")
            found = []
            for row in reader:
                try:
                    value = float(row[column])
                except (TypeError, ValueError):
                    value = math.nan
                if not math.isfinite(value):
                    raise ValueError(
                        f"{path.name}, line {reader.line_num}: expected a number in {column},"
                        f" got {row[column]!r}"
                    )
                found.append(value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path.name} cannot be read: {reason}") from error
    if not found:
        raise ValueError(f"{path.name} holds no values")
    return tuple(found)


def _check_weights(weights: tuple[float, ...], count: int, what: str) -> None:
    if len(weights) != count:
        raise ValueError(f"expected as many weights as {what}, {count}, got {len(weights)}")
    if not sum(weights) > 0:
        raise ValueError("expected weights of which one is above 0")
