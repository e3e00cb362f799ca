"""Expressions: one statistic of one output, `p5(inference_gross_margin@2026Q4)`.

`stat(output[label,...]@quarter)` with stat `mean`, `sd`, `p5` (any percentile), `cvar5` (the mean
of the 5 % tail; above 50 of the upper one), or `P(output[label,...]@quarter >= number)`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.common.text import nearest
from sim.model.catalogue import DIMS, OUTPUTS, hint, parse_expression
from sim.model.declarations import Output
from sim.model.dims import COORDS, REFERENCE_QUARTER
from sim.model.outputs import PROBABILITIES
from sim.model.values import ValueSyntaxError, refuse_percent
from sim.statistics.datasets import BLOCK_M2, RELATIONS, REPLICATE_M2, REPLICATE_MEAN, has_histogram
from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
    sd_with_error,
    tail_means_with_error,
)
from sim.statistics.histogram_estimators import HistogramEstimator
from sim.statistics.replicates import replicates_of
from sim.statistics.summary import summarise

STATISTICS = ("mean", "sd", "p5", "p50", "p95", "cvar5", "P")
SHAPE = "expected stat(output[label,...]@quarter) or P(output >= number)"


@dataclass(frozen=True, slots=True)
class Expression:
    """One statistic of one variable, parsed.

    `statistic` is "mean", "sd", "quantile", "cvar" or "P"; `number` the level of a quantile or
    tail, or the number that P compares with by `relation`.
    """

    text: str
    statistic: str
    variable: str
    labels: tuple[str, ...] = ()
    quarter: str | None = None
    number: float = math.nan
    relation: str = ""


def parse(text: str, location: str = "expression") -> Expression:
    """Parse an expression.

    Raises:
        InputError: For a syntax error or an unknown statistic.
    """
    stripped = text.strip()

    def error(message: str) -> InputError:
        return InputError([Fault(Location(location), stripped, message)])

    match = re.fullmatch(r"([A-Za-z]\w*?)\s*(\d+(?:\.\d*)?)?\s*\((.*)\)", stripped)
    if match is None:
        raise error(SHAPE)
    word, level, inside = match[1], match[2], match[3]
    number, relation = math.nan, ""
    if word == "P" and level is None:
        compared = re.fullmatch(r"(.*?)\s*(>=|<=|>|<)\s*(\S+)\s*", inside)
        if compared is None:
            raise error("expected P(output >= number)")
        inside, relation = compared[1], compared[2]
        try:
            number = float(compared[3])
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise error(f"expected a number after {relation}, got '{compared[3]}'")
    elif word in ("p", "cvar") and level is not None:
        number = float(level) / 100
        if not 0 < number < 1:
            raise error(f"expected a level between 0 and 100, got {word}{level}")
    elif word not in ("mean", "sd") or level is not None:
        statistic = f"{word}{level or ''}"
        raise error(f"unknown statistic '{statistic}'{_statistic_hint(statistic)}")
    parts = parse_expression(inside)
    if parts is None:
        raise error(SHAPE)
    if relation:
        try:
            refuse_percent(parts[0], number)
        except ValueSyntaxError as fault:
            raise error(str(fault)) from None
    names = {"p": "quantile"}
    return Expression(stripped, names.get(word, word), *parts, number, relation)


def _statistic_hint(statistic: str) -> str:
    """Text that suggests a known statistic in place of an unknown one."""
    synonyms = {"median": "p50", "std": "sd", "stdev": "sd", "average": "mean"}
    if statistic in synonyms:
        return f"; did you mean '{synonyms[statistic]}'?"
    if re.fullmatch(r"prob\w*|Pr|p", statistic):
        return "; did you mean 'P(output >= number)'?"
    return nearest(statistic, STATISTICS)


def check(
    expression: Expression,
    labs: Sequence[str],
    landlords: Sequence[str],
    location: str = "expression",
) -> None:
    """Check that a run of these parties can evaluate an expression.

    Raises:
        InputError: For an unknown output, label or quarter, or an output without such a statistic.
    """
    faults = _Faults(expression, location)
    name = expression.variable
    if name not in OUTPUTS:
        raise faults.unknown(OUTPUTS)
    labels = {"lab": list(labs), "landlord": list(landlords), **COORDS}
    faults.resolve({dim: labels[dim] for dim in DIMS[name]})
    faults.check_moments()


def evaluate(
    expression: Expression | str, ds: xr.Dataset, location: str = "expression"
) -> tuple[float, float]:
    """Value of an expression over a Dataset, and its standard error.

    Means and sds come from moments by replicate where no draws are kept; other statistics from
    histograms where the Dataset has them. The error is NaN where there are too few draws.

    Raises:
        InputError: For an unknown output, label or quarter, or draws that are not kept.
    """
    parsed = parse(expression, location) if isinstance(expression, str) else expression
    faults = _Faults(parsed, location)
    name = parsed.variable
    drawn = name in ds.variables and "draw" in ds.variables[name].dims
    if not drawn and name + REPLICATE_MEAN not in ds:
        if name in OUTPUTS:
            raise faults.error(f"'{name}' is not kept here: sim.redraw(ds, ['{name}']) draws it")
        if name in ds.variables:
            raise faults.error(f"'{name}' is the same in every draw")
        drawn_names = [str(n) for n, v in ds.data_vars.items() if "draw" in v.dims]
        raise faults.unknown([*OUTPUTS, *drawn_names])
    if not drawn and parsed.statistic not in ("mean", "sd"):
        raise faults.error(
            f"of '{name}' only mean and sd are kept here: sim.redraw(ds, ['{name}']) draws it"
        )
    dims = ds.variables[name if drawn else name + REPLICATE_MEAN].dims
    labels = {str(dim): ds[dim].values.tolist() for dim in dims if dim not in ("draw", "replicate")}
    indices = faults.resolve(labels)
    faults.check_moments()
    in_histogram = has_histogram(ds, name)
    if in_histogram and parsed.statistic not in ("mean", "sd"):
        parts = [str(v) for v in ds.data_vars if str(v).startswith((f"{name}_bin", f"{name}_repl"))]
        return _of_histogram(parsed, HistogramEstimator(ds[parts].isel(indices), name))
    if in_histogram or not drawn:
        parts = [name + suffix for suffix in (REPLICATE_MEAN, REPLICATE_M2, BLOCK_M2)]
        moments = ds[[*(part for part in parts if part in ds), "replicate_count"]].isel(indices)
        summary = summarise(moments, [name], quantiles=(), tails=(), threads=1)
        statistic = f"{name}_{parsed.statistic}"
        return float(summary[statistic]), float(summary[f"{statistic}_error"])
    values = np.ascontiguousarray(ds.variables[name].isel(indices).values, dtype=np.float64)
    return _of_draws(parsed, values, ds)


def draws_needed(parsed: Iterable[Expression], ds: xr.Dataset) -> list[str]:
    """The variables of whose draws `evaluate` takes the values of expressions.

    They may be lacking in the Dataset. Of others it takes histograms, or means and sds of moments.
    """
    needed: dict[str, None] = {}
    for expression in parsed:
        name = expression.variable
        by_moments = expression.statistic in ("mean", "sd") and name + REPLICATE_MEAN in ds
        if not has_histogram(ds, name) and (name in ds or not by_moments):
            needed[name] = None
    return list(needed)


def select_draws(expression: Expression, ds: xr.Dataset) -> NDArray[np.float64]:
    """The kept draws [draw] of which an expression is a statistic.

    Raises:
        InputError: For an unknown label or quarter.
    """
    variable = ds.variables[expression.variable]
    labels = {str(dim): ds[dim].values.tolist() for dim in variable.dims if dim != "draw"}
    indices = _Faults(expression, "expression").resolve(labels)
    return np.ascontiguousarray(variable.isel(indices).values, dtype=np.float64)


def _of_histogram(expression: Expression, estimator: HistogramEstimator) -> tuple[float, float]:
    """Value and error of an expression over the draws of a histogram."""
    if expression.statistic == "P":
        value, error = estimator.probability_with_error(expression.relation, expression.number)
        return float(value), float(error)
    estimate = {
        "quantile": estimator.quantiles_with_error,
        "cvar": estimator.tail_means_with_error,
    }[expression.statistic]
    values, errors = estimate([expression.number])
    return float(values[0]), float(errors[0])


def _of_draws(
    expression: Expression, values: NDArray[np.float64], ds: xr.Dataset
) -> tuple[float, float]:
    """Value and error of an expression over `values` [draw].

    Both are NaN where a draw is NaN, except for probabilities.
    """
    replicates = replicates_of(ds)
    value: Any
    error: Any
    if expression.statistic == "P":
        happens = RELATIONS[expression.relation](values, expression.number)
        value, error = probability_with_error(happens, ~np.isnan(values), replicates)
        return float(value), float(error)
    if np.isnan(values).any():
        return math.nan, math.nan
    if expression.statistic in ("mean", "sd"):
        moment = mean_with_error if expression.statistic == "mean" else sd_with_error
        value, error = moment(values, replicates)
        return float(value), float(error)
    quantile = expression.statistic == "quantile"
    estimate = quantiles_with_error if quantile else tail_means_with_error
    value, error = estimate(np.sort(values), values, replicates, [expression.number])
    return float(value[0]), float(error[0])


@dataclass(frozen=True, slots=True)
class _Faults:
    """Errors about one expression."""

    expression: Expression
    location: str

    def error(self, message: str) -> InputError:
        return InputError([Fault(Location(self.location), self.expression.text, message)])

    def unknown(self, known: Iterable[str]) -> InputError:
        """Error for a variable that is no output; `known` names are suggested."""
        name = self.expression.variable
        if name in PROBABILITIES:
            return self.error(
                f"'{name}' is itself a probability; say P({PROBABILITIES[name].of} >= number)"
            )
        return self.error(f"unknown output '{name}'{hint(name, list(known))}")

    def check_moments(self) -> None:
        """Refuse moments of unbounded ratios, which need not exist."""
        name, statistic = self.expression.variable, self.expression.statistic
        output: Output | None = OUTPUTS.get(name)
        if output is not None and output.unbounded and statistic in ("mean", "sd", "cvar"):
            raise self.error(f"'{name}' is an unbounded ratio, of which no {statistic} need exist")

    def resolve(self, known: Mapping[str, Sequence[Any]]) -> dict[str, int]:
        """Indices of the labels and the quarter, by dim.

        `known` are the labels of every dim.

        Raises:
            InputError: For unknown, missing or superfluous labels.
        """
        labels = list(self.expression.labels)
        texts = {dim: [str(label) for label in values] for dim, values in known.items()}
        quarter = self.expression.quarter
        indices: dict[str, int] = {}
        if quarter is not None:
            if "quarter" not in texts:
                raise self.error(f"'{self.expression.variable}' has no quarter")
            if quarter not in texts["quarter"]:
                raise self.error(f"unknown quarter '{quarter}'{nearest(quarter, texts['quarter'])}")
            indices["quarter"] = texts["quarter"].index(quarter)
        free = [dim for dim in texts if dim not in indices]
        candidates = [label for dim in free for label in texts[dim]]
        for label in labels:
            if label not in candidates and free:
                raise self.error(f"unknown label '{label}'{nearest(label, candidates)}")
            if label not in candidates:
                raise self.error(f"no label is needed, got '{label}'")
        # A lab and a landlord may share a name: then the first dim is the first label's.
        for dims in itertools.permutations(free, min(len(labels), len(free))):
            if all(label in texts[dim] for dim, label in zip(dims, labels, strict=False)):
                pairs = zip(dims, labels, strict=False)
                indices |= {dim: texts[dim].index(label) for dim, label in pairs}
                break
        else:
            raise self.error(f"labels of one kind twice: {', '.join(labels)}")
        if len(labels) > len(free):
            raise self.error(f"expected at most {len(free)} labels, got {', '.join(labels)}")
        missing = [self._missing(dim, texts[dim]) for dim in texts if dim not in indices]
        if missing:
            raise self.error("; ".join(missing))
        return indices

    def _missing(self, dim: str, labels: Sequence[str]) -> str:
        """Message that an expression lacks a label of a dim."""
        if dim == "quarter":
            example = REFERENCE_QUARTER if REFERENCE_QUARTER in labels else labels[0]
            return f"say a quarter, e.g. @{example}"
        known = f"; known: {', '.join(labels)}" if 1 < len(labels) <= 20 else ""
        return f"say a {dim}, e.g. [{labels[0]}]{known}"
