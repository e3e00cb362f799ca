"""Statistics over a Dataset: values of expressions, and their Monte Carlo errors.

The statistic of one output is taken from moments or histograms of all draws where a run has more
draws than it keeps. What is formed of outputs, or of statistics, is of the kept draws; its error is
that of all its parts together, replicate by replicate, and no root of a sum of squares.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.expressions.kinds import EXAMPLES
from sim.expressions.names import Names
from sim.expressions.parse import check_expression, parse_statistic
from sim.expressions.tree import FACTOR, Expression, ExpressionError, Statistic, references
from sim.model.catalogue import OUTPUTS, hint, quantities
from sim.statistics import formed
from sim.statistics.datasets import BLOCK_M2, RELATIONS, REPLICATE_M2, REPLICATE_MEAN, has_histogram
from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
    sd_with_error,
    tail_means_with_error,
)
from sim.statistics.histogram_estimators import HistogramEstimator
from sim.statistics.names import names_of, own_dims
from sim.statistics.replicates import replicates_of
from sim.statistics.summary import summarise
from sim.statistics.values import draw_value, labels_of, names_needed

__all__ = ["Expression", "check", "draws_needed", "evaluate", "evaluate_paired", "parse"]
SHAPE = f"expected a statistic such as {EXAMPLES['statistic']} or P({EXAMPLES['event']})"


def parse(text: str, location: str = "expression") -> Expression:
    """Parse a statistic, whatever its names.

    Raises:
        InputError: For a syntax error or another kind of expression.
    """
    try:
        return parse_statistic(text, names=None)
    except ExpressionError as error:
        raise _error(text.strip(), location, str(error)) from None


def check(
    expression: Expression, names: Names, location: str = "expression", factors: bool = True
) -> Expression:
    """Check that a run with these names can evaluate an expression.

    Returns:
        The expression with ids in place of labels as typed.

    Raises:
        InputError: For an unknown output, label or quarter, an output without such a statistic, or
            a score of a factor unless `factors`.
    """
    try:
        checked = check_expression(expression, names)
    except ExpressionError as error:
        raise _error(expression.text, location, str(error)) from None
    scores = [of.name for of in references(checked.tree) if of.name.startswith(FACTOR)]
    if scores and not factors:
        message = f"'{scores[0]}' is no output or input, but the score of a factor"
        raise _error(expression.text, location, message)
    return checked


def evaluate(
    expression: Expression | str, ds: xr.Dataset, location: str = "expression"
) -> tuple[float, float]:
    """Value of an expression over a Dataset, and its standard error.

    Means and sds of one output come from moments by replicate where no draws are kept, other
    statistics of one output from histograms where the Dataset has them. What is formed is of the
    draws that the Dataset holds. The error is NaN where there are too few draws.

    Raises:
        InputError: For an unknown output, label or quarter, or draws that are not kept.
    """
    parsed = parse(expression, location) if isinstance(expression, str) else expression
    resolved = _resolved(parsed, ds, location)
    if not parsed.variable:
        return formed.evaluate(resolved.tree, ds)
    name, statistic = resolved.variable, resolved.statistic
    drawn = _has_draws(ds, name)
    if not drawn and name + REPLICATE_MEAN not in ds:
        raise _error(parsed.text, location, f"'{name}' is the same in every draw")
    if not drawn and statistic not in ("mean", "sd"):
        message = f"of '{name}' only mean and sd are kept here: sim.redraw(ds, ['{name}']) draws it"
        raise _error(parsed.text, location, message)
    indices = _indices(resolved, ds)
    in_histogram = has_histogram(ds, name)
    if in_histogram and statistic not in ("mean", "sd"):
        parts = [str(v) for v in ds.data_vars if str(v).startswith((f"{name}_bin", f"{name}_repl"))]
        return _of_histogram(resolved, HistogramEstimator(ds[parts].isel(indices), name))
    if in_histogram or not drawn:
        parts = [name + suffix for suffix in (REPLICATE_MEAN, REPLICATE_M2, BLOCK_M2)]
        moments = ds[[*(part for part in parts if part in ds), "replicate_count"]].isel(indices)
        summary = summarise(moments, [name], quantiles=(), tails=(), threads=1)
        variable = f"{name}_{statistic}"
        return float(summary[variable]), float(summary[f"{variable}_error"])
    values = np.ascontiguousarray(ds.variables[name].isel(indices).values, dtype=np.float64)
    return _of_draws(resolved, values, ds)


def evaluate_paired(
    expression: Expression | str, datasets: Sequence[xr.Dataset], location: str = "expression"
) -> list[tuple[float, float]]:
    """Differences of an expression from that over the first Dataset, and their errors.

    The Datasets hold the same draws, made with the same random numbers: errors are those of the
    differences draw by draw.

    Returns:
        A difference and its error for each Dataset after the first.

    Raises:
        InputError: As `evaluate`.
        ValueError: For Datasets of other draws.
    """
    parsed = parse(expression, location) if isinstance(expression, str) else expression
    trees = [_resolved(parsed, ds, location, draws=True).tree for ds in datasets]
    return formed.differences(trees, datasets)


def draws_needed(parsed: Iterable[Expression], ds: xr.Dataset) -> list[str]:
    """The variables of whose draws `evaluate` takes the values of expressions.

    They may be lacking in the Dataset. Of others it takes histograms, or means and sds of moments.
    """
    needed: dict[str, None] = {}
    for expression in parsed:
        name = expression.variable
        if not name:
            needed |= dict.fromkeys(names_needed([expression.tree]))
            continue
        by_moments = expression.statistic in ("mean", "sd") and name + REPLICATE_MEAN in ds
        if not has_histogram(ds, name) and (name in ds or not by_moments):
            needed[name] = None
    return list(needed)


def select_draws(statistic: Statistic, ds: xr.Dataset) -> NDArray[np.float64]:
    """The kept draws [draw] of which a statistic is."""
    tree = names_of(ds, [statistic.of]).resolve(statistic.of)
    draws = np.broadcast_to(draw_value(tree, ds).draws, ds.sizes["draw"])
    return np.ascontiguousarray(draws, dtype=np.float64)


def _resolved(
    expression: Expression, ds: xr.Dataset, location: str, draws: bool = False
) -> Expression:
    """The checked expression, of which the Dataset has what it needs; all `draws` if asked.

    Raises:
        InputError: As `evaluate`.
    """
    plain = bool(expression.variable) and not draws
    for name in names_needed([expression.tree]):
        held = name in ds.variables or (plain and name + REPLICATE_MEAN in ds)
        if held:
            continue
        if name in OUTPUTS:
            message = f"'{name}' is not kept here: sim.redraw(ds, ['{name}']) draws it"
            raise _error(expression.text, location, message)
        if name in quantities() or name.startswith(FACTOR):
            message = f"'{name}' is not here: sim.redraw(ds, ['{name}']) gives it"
            raise _error(expression.text, location, message)
        drawn_names = [str(n) for n, v in ds.data_vars.items() if "draw" in v.dims]
        message = f"unknown output or input '{name}'{hint(name, [*OUTPUTS, *drawn_names])}"
        raise _error(expression.text, location, message)
    return check(expression, names_of(ds, [expression.tree]), location)


def _has_draws(ds: xr.Dataset, name: str) -> bool:
    return name in ds.variables and "draw" in ds.variables[name].dims


def _indices(expression: Expression, ds: xr.Dataset) -> dict[str, int]:
    """Indices of the labels and the quarter of a plain expression, by dim."""
    reference = next(references(expression.tree))
    dims = own_dims(ds, reference.name)
    labels = labels_of(reference, dims)
    return {
        dim: list(map(str, ds[dim].values)).index(label)
        for dim, label in zip(dims, labels, strict=True)
    }


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


def _error(text: str, location: str, message: str) -> InputError:
    return InputError([Fault(Location(location), text, message)])
