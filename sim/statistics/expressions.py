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
from sim.model.catalogue import DIMS, OUTPUTS, parse_expression
from sim.model.declarations import Output
from sim.model.dims import COORDS, REFERENCE_QUARTER
from sim.model.outputs import PROBABILITIES
from sim.statistics.datasets import RELATIONS, REPLICATE_MEAN
from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
    sd_with_error,
    tail_means_with_error,
)
from sim.statistics.histogram_estimators import HistogramEstimator, has_histogram
from sim.statistics.replicates import replicates_of
from sim.statistics.summary import summarise

STATISTICS = ("mean", "sd", "p5", "p50", "p95", "cvar5", "P")
SHAPE = "expected stat(output[label,...]@quarter) or P(output >= number)"


@dataclass(frozen=True, slots=True)
class Expression:
    """A statistic of a variable.

    `statistic` is "mean", "sd", "quantile", "cvar" or "P"; `number` the level of a quantile or
    tail, or the number with which P compares by `relation`.
    """

    text: str
    statistic: str
    variable: str
    labels: tuple[str, ...] = ()
    quarter: str | None = None
    number: float = math.nan
    relation: str = ""


def parse(text: str, location: str = "expression") -> Expression:
    """Read an expression.

    Raises:
        InputError: If it does not read as one, or for an unknown statistic.
    """
    written = text.strip()

    def wrong(message: str) -> InputError:
        return InputError([Fault(Location(location), written, message)])

    match = re.fullmatch(r"([A-Za-z]\w*?)\s*(\d+(?:\.\d*)?)?\s*\((.*)\)", written)
    if match is None:
        raise wrong(SHAPE)
    word, level, inside = match[1], match[2], match[3]
    number, relation = math.nan, ""
    if word == "P" and level is None:
        compared = re.fullmatch(r"(.*?)\s*(>=|<=|>|<)\s*(\S+)\s*", inside)
        if compared is None:
            raise wrong("expected P(output >= number)")
        inside, relation = compared[1], compared[2]
        try:
            number = float(compared[3])
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise wrong(f"expected a number after {relation}, got '{compared[3]}'")
    elif word in ("p", "cvar") and level is not None:
        number = float(level) / 100
        if not 0 < number < 1:
            raise wrong(f"expected a level between 0 and 100, got {word}{level}")
    elif word not in ("mean", "sd") or level is not None:
        said = f"{word}{level or ''}"
        raise wrong(f"unknown statistic '{said}'{_near_statistic(said)}")
    parts = parse_expression(inside)
    if parts is None:
        raise wrong(SHAPE)
    names = {"p": "quantile"}
    return Expression(written, names.get(word, word), *parts, number, relation)


def _near_statistic(said: str) -> str:
    usual = {"median": "p50", "std": "sd", "stdev": "sd", "average": "mean"}
    if said in usual:
        return f"; did you mean '{usual[said]}'?"
    if re.fullmatch(r"prob\w*|Pr|p", said):
        return "; did you mean 'P(output >= number)'?"
    return nearest(said, STATISTICS)


def check(
    expression: Expression,
    labs: Sequence[str],
    landlords: Sequence[str],
    location: str = "expression",
    of_a_run: bool = True,
) -> None:
    """See that a run of these labs and landlords will be able to tell an expression.

    Unless it is `of_a_run`, whatever is asked for is kept.

    Raises:
        InputError: For an unknown output, label or quarter, or an output without such a statistic.
    """
    wrong = _Faults(expression, location)
    name = expression.variable
    if name not in OUTPUTS:
        raise wrong.unknown(OUTPUTS)
    known = {"lab": list(labs), "landlord": list(landlords), **COORDS}
    wrong.resolve({dim: known[dim] for dim in DIMS[name]})
    wrong.sensible()
    kept = OUTPUTS[name].kept if of_a_run else "draws"
    if kept == "":
        raise wrong.error(f"'{name}' is not kept by a run")
    if kept == "moments" and expression.statistic not in ("mean", "sd"):
        raise wrong.error(f"of '{name}' a run keeps only mean and sd")


def evaluate(
    expression: Expression | str, ds: xr.Dataset, location: str = "expression"
) -> tuple[float, float]:
    """The value of an expression over the draws of a Dataset, and its standard error.

    Means and sds come from moments where no draws are kept, and all else from a sketch where
    there is one. The error is NaN where there are too few draws to tell.

    Raises:
        InputError: For an unknown output, label or quarter, or draws that are not there.
    """
    asked = parse(expression, location) if isinstance(expression, str) else expression
    wrong = _Faults(asked, location)
    name = asked.variable
    drawn = name in ds.variables and "draw" in ds.variables[name].dims
    moments = name + REPLICATE_MEAN in ds
    if not drawn and not moments:
        if name in OUTPUTS:
            raise wrong.error(f"'{name}' is not kept here: name it in keep=")
        if name in ds.variables:
            raise wrong.error(f"'{name}' is the same in every draw")
        every = [str(n) for n, v in ds.data_vars.items() if "draw" in v.dims]
        raise wrong.unknown([*OUTPUTS, *every])
    if not drawn and asked.statistic not in ("mean", "sd"):
        raise wrong.error(f"of '{name}' only mean and sd are kept here")
    dims = ds.variables[name if drawn else name + REPLICATE_MEAN].dims
    known = {str(dim): ds[dim].values.tolist() for dim in dims if dim not in ("draw", "replicate")}
    at = wrong.resolve(known)
    wrong.sensible()
    sketched = has_histogram(ds, name)
    if sketched and asked.statistic not in ("mean", "sd"):
        own = [str(v) for v in ds.data_vars if str(v).startswith((f"{name}_bin", f"{name}_repl"))]
        return _of_histogram(asked, HistogramEstimator(ds[own].isel(at), name))
    if sketched or not drawn:
        suffixes = (REPLICATE_MEAN, "_replicate_m2")
        narrowed = ds[[*(name + suffix for suffix in suffixes), "replicate_count"]].isel(at)
        summary = summarise(narrowed, [name], quantiles=(), tails=(), threads=1)
        found = summary[f"{name}_{asked.statistic}"], summary[f"{name}_{asked.statistic}_error"]
        return float(found[0]), float(found[1])
    values = np.ascontiguousarray(ds.variables[name].isel(at).values, dtype=np.float64)
    return _of_draws(asked, values, ds)


def _of_histogram(asked: Expression, binned: HistogramEstimator) -> tuple[float, float]:
    """The statistic of all draws of a sketch, and its error."""
    if asked.statistic == "P":
        value, error = binned.probability_with_error(asked.relation, asked.number)
        return float(value), float(error)
    of_levels = {"quantile": binned.quantiles_with_error, "cvar": binned.tail_means_with_error}
    values, errors = of_levels[asked.statistic]([asked.number])
    return float(values[0]), float(errors[0])


def _of_draws(
    asked: Expression, values: NDArray[np.float64], ds: xr.Dataset
) -> tuple[float, float]:
    """The statistic of draws, and its error."""
    replicates = replicates_of(ds)
    value: Any
    error: Any
    if asked.statistic == "P":
        happens = RELATIONS[asked.relation](values, asked.number)
        value, error = probability_with_error(happens, ~np.isnan(values), replicates)
        return float(value), float(error)
    if np.isnan(values).any():
        return math.nan, math.nan
    if asked.statistic in ("mean", "sd"):
        moment = mean_with_error if asked.statistic == "mean" else sd_with_error
        value, error = moment(values, replicates)
        return float(value), float(error)
    of = quantiles_with_error if asked.statistic == "quantile" else tail_means_with_error
    value, error = of(np.sort(values), values, replicates, [asked.number])
    return float(value[0]), float(error[0])


@dataclass(frozen=True, slots=True)
class _Faults:
    """What is wrong with an expression, in words."""

    expression: Expression
    location: str

    def error(self, message: str) -> InputError:
        return InputError([Fault(Location(self.location), self.expression.text, message)])

    def unknown(self, known: Iterable[str]) -> InputError:
        name = self.expression.variable
        if name in PROBABILITIES:
            return self.error(
                f"'{name}' is itself a probability; say P({PROBABILITIES[name].of} >= number)"
            )
        return self.error(f"unknown output '{name}'{nearest(name, list(known))}")

    def sensible(self) -> None:
        """Refuse moments of ratios that have none."""
        name, statistic = self.expression.variable, self.expression.statistic
        output: Output | None = OUTPUTS.get(name)
        if output is not None and output.unbounded and statistic in ("mean", "sd", "cvar"):
            raise self.error(f"'{name}' is an unbounded ratio, of which no {statistic} need exist")

    def resolve(self, known: Mapping[str, Sequence[Any]]) -> dict[str, int]:
        """The place of the labels and the quarter, by dim; `known` are the labels of every dim."""
        labels = list(self.expression.labels)
        texts = {dim: [str(label) for label in values] for dim, values in known.items()}
        quarter = self.expression.quarter
        at: dict[str, int] = {}
        if quarter is not None:
            if "quarter" not in texts:
                raise self.error(f"'{self.expression.variable}' has no quarter")
            if quarter not in texts["quarter"]:
                raise self.error(f"unknown quarter '{quarter}'{nearest(quarter, texts['quarter'])}")
            at["quarter"] = texts["quarter"].index(quarter)
        free = [dim for dim in texts if dim not in at]
        every = [label for dim in free for label in texts[dim]]
        for label in labels:
            if label not in every:
                what = f"unknown label '{label}'" if free else f"no label is needed, got '{label}'"
                raise self.error(what + (nearest(label, every) if free else ""))
        # A lab and a landlord may share a name: then the first dim is the first label's.
        for dims in itertools.permutations(free, min(len(labels), len(free))):
            if all(label in texts[dim] for dim, label in zip(dims, labels, strict=False)):
                found = zip(dims, labels, strict=False)
                at |= {dim: texts[dim].index(label) for dim, label in found}
                break
        else:
            raise self.error(f"labels of one kind twice: {', '.join(labels)}")
        if len(labels) > len(free):
            raise self.error(f"expected at most {len(free)} labels, got {', '.join(labels)}")
        missing = [self._missing(dim, texts[dim]) for dim in texts if dim not in at]
        if missing:
            raise self.error("; ".join(missing))
        return at

    def _missing(self, dim: str, labels: Sequence[str]) -> str:
        if dim == "quarter":
            example = REFERENCE_QUARTER if REFERENCE_QUARTER in labels else labels[0]
            return f"say a quarter, e.g. @{example}"
        known = f"; known: {', '.join(labels)}" if 1 < len(labels) <= 20 else ""
        return f"say a {dim}, e.g. [{labels[0]}]{known}"
