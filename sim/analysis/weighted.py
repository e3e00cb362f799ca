"""Statistics of weighted draws, with errors.

Draws stand in 32 groups of replicates. An estimate is self-normalised, and made again without each
group in turn, normalised by the weights that are left: the spread of these gives its error
(jackknife), and that of whatever is formed of several statistics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.analysis.regression import groups_of, jackknife_error
from sim.expressions.tree import Operation, Statistic, Tree
from sim.statistics.estimators import slope_reach
from sim.statistics.replicates import Replicates

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Weighted:
    """An estimate, those without each group of draws [group], and what these do not show.

    `effective` is the effective number of draws beyond a quantile, and NaN of other statistics.
    """

    value: float
    left_out: Array
    hidden: float = 0.0
    effective: float = math.nan

    @property
    def error(self) -> float:
        """The standard error."""
        return math.hypot(float(jackknife_error(self.left_out)), self.hidden)

    def minus(self, other: Weighted) -> Weighted:
        """The difference of two estimates from the same draws, which pair."""
        hidden = math.hypot(self.hidden, other.hidden) if self.value != other.value else 0.0
        return Weighted(self.value - other.value, self.left_out - other.left_out, hidden)


class Weights:
    """Weights [draw] of draws, normalised to sum 1, and the groups of their replicates.

    Raises:
        ValueError: If all are 0.
    """

    def __init__(self, log_weights: Array, replicates: Replicates) -> None:
        largest = float(log_weights.max(initial=-math.inf))
        if not math.isfinite(largest):
            raise ValueError("no draw has a weight")
        raw = np.exp(log_weights - largest)
        self.log_mean = largest + math.log(raw.mean())
        self.raw = raw
        self.values: Array = raw / raw.sum()
        self.replicates = replicates
        parts = groups_of(replicates)
        self.group = np.zeros(raw.size, np.int64)
        for number, part in enumerate(parts):
            self.group[part] = number
        self.groups = len(parts)

    @cached_property
    def effective(self) -> float:
        """The effective number of draws (Kish): 1 over the sum of squared weights."""
        return 1.0 / float(self.values @ self.values)

    @property
    def largest(self) -> float:
        """The largest weight."""
        return float(self.values.max())

    def effective_draws(self) -> Weighted:
        """The effective number of draws with its error."""
        ones, squares = self.sums(self.values), self.sums(self.values**2)
        count = np.bincount(self.group, minlength=self.groups)
        left = (1 - ones) ** 2 / (squares.sum() - squares) * (count.sum() / (count.sum() - count))
        return self._estimate(self.effective, left)

    def log_evidence(self) -> Weighted:
        """The log of the mean weight with its error."""
        count = np.bincount(self.group, minlength=self.groups)
        sums = self.sums(self.raw)
        with np.errstate(divide="ignore"):
            left = np.log((sums.sum() - sums) / (count.sum() - count) / self.raw.mean())
        return self._estimate(self.log_mean, self.log_mean + left)

    def sums(self, values: Array) -> Array:
        """Sums by group [group] of values [draw]."""
        return np.asarray(np.bincount(self.group, values, self.groups), float)

    @cached_property
    def totals(self) -> Array:
        """The weights of groups [group]."""
        return self.sums(self.values)

    def mean(self, values: Array, among: Array | None = None) -> Weighted:
        """The weighted mean of values [draw], of the draws `among` which are 1, and its error."""
        known = self.values if among is None else self.values * among
        weight = self.totals if among is None else self.sums(known)
        sums = self.sums(known * values)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = sums.sum() / weight.sum()
            left = (sums.sum() - sums) / (weight.sum() - weight)
        return self._estimate(float(value), left)

    def _estimate(self, value: float, left_out: Array, hidden: float = 0.0) -> Weighted:
        """An estimate, whose error is NaN where there are too few draws."""
        enough = self.replicates.enough and self.groups > 1
        return Weighted(value, left_out if enough else np.full(self.groups, math.nan), hidden)


class Sorted:
    """Draws [draw] of a value or event, NaN where they are not known, sorted once."""

    def __init__(self, draws: Array) -> None:
        self.draws = draws
        self.known = ~np.isnan(draws)
        self.all_known = bool(self.known.all())

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Indices of the draws in ascending order."""
        return np.argsort(self.draws, kind="stable")

    def quantiles(self, weights: Weights, levels: Sequence[float]) -> Array:
        """Weighted quantiles [level], linear between draws; the usual ones of equal weights."""
        weight, draws = weights.values[self.order], self.draws[self.order]
        if not weight.all():
            draws, weight = draws[weight > 0], weight[weight > 0]
        middle = np.cumsum(weight) - weight / 2
        span = middle[-1] - middle[0]
        if not span > 0:
            return np.full(len(levels), draws[0])
        position = (middle - middle[0]) / span
        found = np.interp(levels, position, draws)
        if not np.isfinite(found).all():  # between a finite draw and an infinite one
            at = np.minimum(np.searchsorted(position, levels), draws.size - 1)
            found = np.where(np.isnan(found), draws[at], found)
        return np.asarray(found)


def estimate(statistic: Statistic, of: Sorted, weights: Weights) -> Weighted:
    """A statistic of weighted draws.

    It is NaN where a draw is not known, but for a probability, which is of the draws that are.
    """
    if statistic.kind == "P":
        among = None if of.all_known else of.known.astype(float)
        share = weights.mean(np.nan_to_num(of.draws), among)
        # Of an event that happens in all draws, or none, replicates show no error.
        unseen = 1 / weights.effective if share.value in (0.0, 1.0) else 0.5 / weights.effective
        return Weighted(share.value, share.left_out, unseen)
    if not of.all_known:
        return Weighted(math.nan, np.full(weights.groups, math.nan))
    if statistic.kind == "mean":
        return weights.mean(of.draws)
    if statistic.kind == "sd":
        centre = weights.mean(of.draws)
        squares = weights.mean((of.draws - centre.value) ** 2)
        left = np.sqrt(np.maximum(squares.left_out - (centre.left_out - centre.value) ** 2, 0.0))
        return Weighted(math.sqrt(squares.value), left)
    if statistic.kind == "quantile":
        return _quantile(statistic.level, of, weights)
    level = statistic.level
    edge = of.quantiles(weights, [level])[0]
    sign = -1.0 if level <= 0.5 else 1.0
    excess = weights.mean(np.maximum(sign * (of.draws - edge), 0.0))
    part = sign / min(level, 1 - level)
    return Weighted(edge + part * excess.value, edge + part * excess.left_out)


def _quantile(level: float, of: Sorted, weights: Weights) -> Weighted:
    """A quantile: the share of draws up to it without each group, times the slope (Woodruff)."""
    effective = weights.effective
    spread = math.sqrt(level * (1 - level) / effective)
    beyond = effective * min(level, 1 - level)
    reach = slope_reach(beyond) * spread
    first, last = max(level - reach, 0.0), min(level + reach, 1.0)
    value, low, high = of.quantiles(weights, [level, first, last])
    below = of.draws <= value
    side = weights.values[below if level <= 0.5 else ~below]
    squares = float(side @ side)
    held = float(side.sum()) ** 2 / squares if squares else 0.0
    if beyond < 1:  # nothing is known beyond the outer draws
        return Weighted(float(value), np.full(weights.groups, math.nan), effective=held)
    share = weights.mean(below.astype(float))
    slope = 0.0 if low == high else (high - low) / (last - first)
    few = math.sqrt(1 + 1 / beyond**2)
    with np.errstate(invalid="ignore"):
        left = value - (share.left_out - share.value) * slope * few
    return Weighted(float(value), left, slope * few * math.sqrt(0.5) / effective, held)


def combine(tree: Tree, parts: Mapping[Statistic, Weighted]) -> Weighted:
    """What is formed of statistics: its value, those without each group, and the hidden error."""
    values = {of: part.value for of, part in parts.items()}
    value = float(_evaluate(tree, values))
    if isinstance(tree, Statistic):
        return parts[tree]
    left = _evaluate(tree, {of: part.left_out for of, part in parts.items()})
    hidden = [
        float(_evaluate(tree, {**values, of: part.value + part.hidden})) - value
        for of, part in parts.items()
        if part.hidden
    ]
    return Weighted(value, np.asarray(left, float), math.hypot(*hidden))


def _evaluate(tree: Tree, numbers: Mapping[Statistic, float | Array]) -> float | Array:
    if isinstance(tree, Statistic):
        return numbers[tree]
    if not isinstance(tree, Operation):
        assert isinstance(tree, float)  # values stand inside of statistics alone
        return tree
    parts = [_evaluate(operand, numbers) for operand in tree.operands]
    with np.errstate(all="ignore"):
        match tree.operator:
            case "+":
                return parts[0] + parts[1]
            case "-":
                return parts[0] - parts[1]
            case "*":
                return parts[0] * parts[1]
            case "/":
                return np.float64(1.0) * parts[0] / parts[1]
            case "negative":
                return -parts[0]
    return np.abs(parts[0])
