"""Statistics of formed values, and what is formed of statistics, with paired errors.

To first order a statistic moves with the mean of a shift by each draw (its influence). So does what
is formed of statistics, with the sum of their shifts times its slopes. Its error is that of the
mean of these sums by replicate: draws that move several statistics together count together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.expressions.tree import Operation, Statistic, Tree, statistics_of
from sim.statistics.estimators import (
    mean_with_error,
    quantile_influence,
    quantiles_with_error,
    sd_with_error,
    tail_means_with_error,
)
from sim.statistics.paired import quantile_difference_error, share_difference_error
from sim.statistics.replicates import numbers_of, standard_error
from sim.statistics.values import DrawnValue, draw_value

Array = NDArray[np.float64]
Drawn = Mapping[Statistic, DrawnValue]


@dataclass(frozen=True)
class Estimate:
    """A statistic, its error, and its shift by replicate, of which the mean moves with it.

    `hidden` is the part of the error that replicates do not show, such as that of an event that
    happens in no draw.
    """

    value: float
    error: float
    shift: Array
    hidden: float = 0.0


def evaluate(tree: Tree, ds: xr.Dataset) -> tuple[float, float]:
    """Value of a statistic, or of what is formed of statistics, over the draws of a Dataset.

    Returns:
        The value and its standard error, NaN where a draw is not known.
    """
    return evaluate_drawn(tree, {of: draw_value(of.of, ds) for of in statistics_of(tree)})


def evaluate_drawn(tree: Tree, drawn: Drawn) -> tuple[float, float]:
    """As `evaluate`, from the draws of the value or event of each statistic."""
    if isinstance(tree, Statistic):
        return value_with_error(tree, drawn[tree])
    value, shift, hidden = combine(tree, drawn)
    return value, _error_of(shift, hidden, drawn)


def differences(trees: Sequence[Tree], datasets: Sequence[xr.Dataset]) -> list[tuple[float, float]]:
    """Differences of a statistic between the first Dataset and each other, of the same draws.

    Raises:
        ValueError: For Datasets of other draws.
    """
    first = datasets[0]
    for ds in datasets[1:]:
        if not np.array_equal(numbers_of(ds), numbers_of(first)):
            raise ValueError("expected Datasets of the same draws")
    return [
        _difference((trees[0], tree), (first, ds))
        for tree, ds in zip(trees[1:], datasets[1:], strict=True)
    ]


def value_with_error(statistic: Statistic, drawn: DrawnValue) -> tuple[float, float]:
    """A statistic of draws, and its error, as that of an output."""
    if statistic.kind == "P":
        return drawn.probability()
    if drawn.draws.size == 1 and drawn.known.all():
        return 0.0 if statistic.kind == "sd" else float(drawn.draws[0]), 0.0
    if not drawn.known.all():
        return math.nan, math.nan
    values = np.ascontiguousarray(drawn.draws, dtype=np.float64)
    value: Any
    error: Any
    if statistic.kind in ("mean", "sd"):
        moment = mean_with_error if statistic.kind == "mean" else sd_with_error
        value, error = moment(values, drawn.replicates)
        return float(value), float(error)
    of = quantiles_with_error if statistic.kind == "quantile" else tail_means_with_error
    value, error = of(np.sort(values), values, drawn.replicates, [statistic.level])
    return float(value[0]), float(error[0])


def estimate(statistic: Statistic, drawn: DrawnValue) -> Estimate:
    """A statistic with its shift by replicate, whose spread is that of its error."""
    value, error = value_with_error(statistic, drawn)
    count = len(drawn.replicates.count)
    if drawn.draws.size == 1 or not math.isfinite(value):
        return Estimate(value, error, np.zeros(count))
    shift = drawn.replicates.means(_influence(statistic, value, drawn))
    seen = float(standard_error(shift, drawn.replicates))
    if not math.isfinite(error) or not seen > 0:
        return Estimate(value, error, np.zeros(count), error)
    return Estimate(value, error, shift * (error / seen))


def _influence(statistic: Statistic, value: float, drawn: DrawnValue) -> Array:
    """The shift [draw] of a statistic by each draw, but for a constant."""
    if statistic.kind == "P":
        known = drawn.known
        return np.asarray(((drawn.draws & known) - value * known) / known.mean())
    draws: Array = np.ascontiguousarray(drawn.draws, dtype=np.float64)
    if statistic.kind == "mean":
        return np.asarray(draws - value)
    if statistic.kind == "sd":
        return np.asarray((draws - draws.mean()) ** 2 / (2 * value or 1.0))
    if statistic.kind == "quantile":
        return quantile_influence(draws, statistic.level)
    level = statistic.level
    edge = np.quantile(draws, level)
    excess = np.minimum(draws - edge, 0) if level <= 0.5 else np.maximum(draws - edge, 0)
    return np.asarray(excess / min(level, 1 - level))


def _combine(
    tree: Tree, leaves: Sequence[Statistic], estimates: Sequence[Estimate]
) -> tuple[float, Array]:
    """What is formed of statistics, and its slopes [statistic]."""
    if isinstance(tree, Statistic):
        index = leaves.index(tree)
        slopes = np.zeros(len(leaves))
        slopes[index] = 1.0
        return estimates[index].value, slopes
    if not isinstance(tree, Operation):
        assert isinstance(tree, float)  # values stand inside of statistics alone
        return tree, np.zeros(len(leaves))
    parts = [_combine(operand, leaves, estimates) for operand in tree.operands]
    (a, slope_a), (b, slope_b) = parts[0], parts[-1]
    if tree.operator == "+":
        return a + b, slope_a + slope_b
    if tree.operator == "-":
        return a - b, slope_a - slope_b
    if tree.operator == "*":
        return a * b, slope_a * b + slope_b * a
    if tree.operator == "/":
        with np.errstate(all="ignore"):
            quotient = float(np.float64(a) / np.float64(b))
            return quotient, np.asarray((slope_a - quotient * slope_b) / np.float64(b))
    if tree.operator == "negative":
        return -a, -slope_a
    return abs(a), slope_a if a >= 0 else -slope_a


def combine(tree: Tree, drawn: Drawn) -> tuple[float, Array, float]:
    """What is formed of statistics, its shift by replicate, and the error that this does not show.

    The latter is NaN where that of a statistic is not known.
    """
    leaves = list(drawn)
    estimates = [estimate(leaf, drawn[leaf]) for leaf in leaves]
    value, slopes = _combine(tree, leaves, estimates)
    hidden = math.hypot(*(of.hidden * s for of, s in zip(estimates, slopes, strict=True) if s))
    shift = sum(of.shift * slope for of, slope in zip(estimates, slopes, strict=True))
    return value, np.asarray(shift), hidden


def _error_of(shift: Array, hidden: float, drawn: Drawn) -> float:
    """The error of a shift by replicate, with what it does not show."""
    replicates = next(iter(drawn.values())).replicates
    shown = float(standard_error(shift, replicates)) if shift.any() else 0.0
    return math.hypot(shown, hidden)


def _difference(
    trees: tuple[Tree, Tree], datasets: tuple[xr.Dataset, xr.Dataset]
) -> tuple[float, float]:
    """The difference of a statistic between two Datasets of the same draws, and its error."""
    first, second = (
        {leaf: draw_value(leaf.of, ds) for leaf in statistics_of(tree)}
        for tree, ds in zip(trees, datasets, strict=True)
    )
    return difference_drawn(trees, (first, second))


def difference_drawn(trees: tuple[Tree, Tree], drawn: tuple[Drawn, Drawn]) -> tuple[float, float]:
    """The difference of a statistic between two sets of draws in pairs, and its error."""
    (a, b), (first, second) = trees, drawn
    if isinstance(a, Statistic) and isinstance(b, Statistic):
        return _plain_difference(a, first[a], second[b])
    (value_a, shift_a, hidden_a), (value_b, shift_b, hidden_b) = (
        combine(tree, of) for tree, of in zip(trees, drawn, strict=True)
    )
    pairs = zip(first.values(), second.values(), strict=True)
    if all(np.array_equal(x.draws, y.draws, equal_nan=x.draws.dtype != bool) for x, y in pairs):
        return value_b - value_a, 0.0
    return value_b - value_a, _error_of(shift_b - shift_a, math.hypot(hidden_a, hidden_b), first)


def _plain_difference(
    statistic: Statistic, first: DrawnValue, second: DrawnValue
) -> tuple[float, float]:
    """The difference of one statistic, and its error."""
    pairs = first.replicates
    values = [value_with_error(statistic, of)[0] for of in (first, second)]
    difference = values[1] - values[0]
    if np.array_equal(first.draws, second.draws, equal_nan=first.draws.dtype != bool):
        return difference, 0.0
    if not math.isfinite(difference):
        return difference, math.nan
    draws = [np.broadcast_to(of.draws, pairs.draws) for of in (first, second)]
    if statistic.kind == "P" and first.known.all() and second.known.all():
        return difference, share_difference_error(draws[0], draws[1], pairs, moved=True)
    a, b = (np.ascontiguousarray(of, dtype=np.float64) for of in draws)
    if statistic.kind == "quantile":
        return difference, quantile_difference_error(a, b, pairs, statistic.level)
    one, other = (estimate(statistic, of) for of in (first, second))
    hidden = math.hypot(one.hidden, other.hidden)
    return difference, _error_of(other.shift - one.shift, hidden, {statistic: first})
