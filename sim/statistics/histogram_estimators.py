"""Statistics of draws that are counted in histograms, with their standard errors.

They estimate what `sim.statistics.estimators` gives for the draws themselves, from the number of
draws in each bin (`sim.engine.histograms`). Draws are taken as evenly spread within a bin. So a
quantile is off by the width of its bin at most, which holds a share sqrt(p (1 - p)) pi / 2048 of
the draws. Measured for smooth distributions and 65,536 kept draws, the root mean square deviation
of a quantile is 0.02 to 0.06 of its Monte Carlo standard error from p1 to p99, for any number of
draws, and 0.1 at p0.1; that of a tail mean is smaller. The standard errors include an estimate of
this deviation from how much the densities of neighbouring bins differ: it is negligible except at
gaps, and at levels beyond which few kept draws lie. Atoms, infinities, the sums of values at the
ends, and declared probabilities are exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.histogram_bins import LOWER, NAN, PER_COARSE, UPPER
from sim.statistics.datasets import BIN_COUNT
from sim.statistics.estimators import ROUNDING, share_with_error, slope_reach, tail_factor
from sim.statistics.replicates import Replicates, sampler_of, standard_error
from sim.statistics.tails import worst_share_of_bins

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _BinPosition:
    """Positions [column]: the bin, and the share of its draws below."""

    bin: Integers
    share: Array


class HistogramEstimator:
    """Statistics of a variable from its histograms.

    The dims of the variable are flattened to one, `column`.

    `edges` [column, edge], `counts` [column, bin], `before` [column, edge] (draws below each edge),
    `coarse` [replicate, column, coarse bin], `special` [replicate, column, kind] (draws that are
    not finite), `ends` [replicate, column, end] (sums of values in the end bins) and `count`
    [replicate] (draws).
    """

    def __init__(self, ds: xr.Dataset, name: str) -> None:
        def flat(suffix: str, lead: int) -> NDArray[Any]:
            """Values [..., column, last dim] of a variable with `lead` leading dims."""
            values = np.asarray(ds.variables[name + suffix].values)
            # One order in memory, so that sums do not depend on the source of the numbers.
            return np.ascontiguousarray(values).reshape(*values.shape[:lead], -1, values.shape[-1])

        counts = ds.variables[name + BIN_COUNT]
        self.dims = [str(dim) for dim in counts.dims[:-1]]
        self.shape = counts.shape[:-1]
        self.edges: Array = flat("_bin_edge", 0)
        self.counts: Integers = flat(BIN_COUNT, 0)
        self.coarse: Integers = flat("_replicate_bin_count", 1)
        self.special: Integers = flat("_replicate_special", 1)
        self.ends: Array = flat("_replicate_end_sum", 1)
        self.at_ends = int(ds.variables[name + "_replicate_end_sum"].attrs["bins"])
        self.columns = np.arange(len(self.counts))
        # Every column has the same number of draws.
        self.count: Integers = (self.coarse.sum(axis=-1) + self.special.sum(axis=-1))[:, 0]
        self.draws = int(self.count.sum())
        self.replicates = Replicates(self.count, sampler_of(ds))
        of_kinds = self.special.sum(axis=0)
        self.nan_count, self.minus_inf_count, self.plus_inf_count = (
            of_kinds[..., kind] for kind in (NAN, LOWER, UPPER)
        )
        # Draws below each edge, including those that are -inf.
        self.before: Integers = self.minus_inf_count[:, None] + np.pad(
            np.cumsum(self.counts, axis=1), ((0, 0), (1, 0))
        )

    @cached_property
    def cumulative_counts(self) -> Integers:
        """`before` of all columns as one increasing array [column * edge]."""
        return np.asarray(self.before + self.columns[:, None] * (self.draws + 1)).ravel()

    def bin_of(self, ranks: Integers) -> Integers:
        """Bins of the draws with these ranks [..., column]; -1 for -inf."""
        edges = np.searchsorted(
            self.cumulative_counts, ranks + self.columns * (self.draws + 1), "right"
        )
        bins = edges - self.columns * self.before.shape[1] - 1
        return np.asarray(np.minimum(bins, self.counts.shape[1] - 1))

    @cached_property
    def middles(self) -> Array:
        """Middles of the bins [column, bin]; of an atom its value."""
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        with np.errstate(invalid="ignore"):
            middle = np.nan_to_num(0.5 * low + 0.5 * high)
        return np.where(np.nextafter(low, np.inf) >= high, np.nan_to_num(high), middle)

    @cached_property
    def sums(self) -> Array:
        """Sums of the draws in bins [column, bin]; exact over each end."""
        sums = self.counts * self.middles
        ends = self.ends.sum(axis=0)
        sums[:, 0] = ends[:, 0] - sums[:, 1 : self.at_ends].sum(axis=1)
        sums[:, -1] = ends[:, 1] - sums[:, -self.at_ends : -1].sum(axis=1)
        return sums

    def unflatten(self, values: Array, lead: int = 0) -> Array:
        """Numbers [..., column] in the variable's shape, after `lead` dims."""
        return values.reshape((*values.shape[:lead], *self.shape))

    def values_of_ranks(self, ranks: Integers) -> Array:
        """Draws with these ranks [..., column] from 0; the outermost are exact."""
        first, last = self.minus_inf_count, self.before[:, -1] - 1  # finite draws
        finite = np.clip(ranks, first, np.maximum(last, first))
        bins = self.bin_of(finite)
        low, high = self.edges[self.columns, bins], self.edges[self.columns, bins + 1]
        counts = np.maximum(self.counts[self.columns, bins], 1)
        t = (finite - self.before[self.columns, bins] + 0.5) / counts
        t = np.where(self._is_outer(bins), 0.5, t)
        with np.errstate(invalid="ignore"):
            values = np.clip(low * (1 - t) + high * t, low, high)
        values = np.where(np.nextafter(low, np.inf) >= high, high, values)
        values = np.where(finite == first, self.edges[:, 0], values)
        values = np.where(finite == last, self.edges[:, -1], values)
        values = np.where(ranks < first, -np.inf, values)
        return np.where(ranks > last, np.inf, values)

    def quantiles(self, levels: Sequence[float]) -> Array:
        """Quantiles [level, column], linear between draws as in `estimators`."""
        position = np.array(levels)[:, None] * (self.draws - 1)
        rank = np.floor(position).astype(np.int64)
        ranks = np.array([rank, np.minimum(rank + 1, self.draws - 1)])
        shape = (*ranks.shape[:2], len(self.counts))
        below, above = self.values_of_ranks(np.broadcast_to(ranks, shape))
        with np.errstate(invalid="ignore", over="ignore"):
            between = below + (position - rank) * (above - below)
        exact = (position == rank) | (below == above) | np.isneginf(below)
        return np.where(self.nan_count > 0, np.nan, np.where(exact, below, between))

    def position_of(self, numbers: Array) -> _BinPosition:
        """Positions of numbers [column]; beyond all bins, in the last one."""
        last = self.counts.shape[1] - 1
        bins = np.minimum((self.edges[:, 1:] < numbers[:, None]).sum(axis=1), last)
        low, high = self.edges[self.columns, bins], self.edges[self.columns, bins + 1]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share = np.nan_to_num((numbers - low) / (high - low))
        share = np.where(self._is_outer(bins) & (share > 0.0), 0.5, np.clip(share, 0.0, 1.0))
        return _BinPosition(bins, np.where(numbers >= high, 1.0, share))

    def _is_outer(self, bins: Integers) -> NDArray[np.bool_]:
        """Whether bins [..., column] are the first or the last.

        Few kept draws or none lie there, so it is not known how the draws are spread within.
        """
        return np.asarray((bins == 0) | (bins == self.counts.shape[1] - 1))

    def count_below(self, position: _BinPosition) -> Array:
        """Number of draws [column] at or below a position."""
        inside = position.share * self.counts[self.columns, position.bin]
        return np.asarray(self.before[self.columns, position.bin] + inside)

    def count_below_by_replicate(self, position: _BinPosition) -> tuple[Array, Array]:
        """Draws [column, replicate] at or below a position, with hidden variance.

        The coarse bin of every replicate is split in the ratio of all draws together. Which draws
        of a replicate lie on either side is random: this variance [column] does not show in the
        counts.
        """
        coarse = position.bin // PER_COARSE
        first = self.before[self.columns, coarse * PER_COARSE]
        inside = self.coarse[:, self.columns, coarse]
        count = inside.sum(axis=0)
        part = (self.count_below(position) - first) / np.maximum(count, 1)
        uneven = self._unevenness(position) * self.counts[self.columns, position.bin]
        hidden = part * (1 - part) * count + uneven**2
        lower = np.arange(self.coarse.shape[-1]) < coarse[:, None]
        below = np.where(lower, self.coarse, 0).sum(axis=-1) + self.special[..., LOWER]
        return (below + part * inside).T, hidden

    def worst_share(self, power: int = 1, tail: float | None = None) -> Array:
        """Share [...] of the worst draws in a statistic, as `tails.worst_share`."""
        middle = self.quantiles([0.5])
        counts = self.counts.astype(float)
        if tail is not None:
            size = max(1, round(min(tail, 1 - tail) * self.draws))
            ahead = self.before[:, :-1] if tail <= 0.5 else self.draws - self.before[:, 1:]
            counts = np.clip(size - ahead, 0, counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(self.counts > 0, self.sums / self.counts, middle.T)
        share = worst_share_of_bins(np.abs(means - middle.T) ** power, counts, self.draws)
        unknown = (self.special.sum(axis=0) > 0).any(axis=-1)
        return self.unflatten(np.where(unknown, math.nan, share))

    def quantiles_with_error(self, levels: Sequence[float]) -> tuple[Array, Array]:
        """Quantiles [level, ...] and their standard errors, as in `estimators`."""
        quantiles = self.quantiles(levels)
        errors = [self._quantile_error(*pair) for pair in zip(levels, quantiles, strict=True)]
        return self.unflatten(quantiles, 1), self.unflatten(np.array(errors), 1)

    def _quantile_error(self, level: float, quantile: Array) -> Array:
        """Standard error of a quantile [column].

        As `estimators` gives it for draws, plus the deviation within the bin; NaN where less than
        one draw is expected beyond it.
        """
        n = self.draws
        beyond = n * min(level, 1 - level)
        if not self.replicates.enough or beyond < 1:
            return np.full(quantile.shape, math.nan)
        spread = math.sqrt(level * (1 - level) / n)
        reach = max(slope_reach(beyond) * spread, self._edge_spacing(level))
        (near, rise), (_, run) = self._rises(level, [spread, reach])
        near = near / 2
        position = self.position_of(np.nan_to_num(quantile))
        counts, hidden = self.count_below_by_replicate(position)
        below = standard_error(counts / self.replicates.count, self.replicates)
        below = np.sqrt((below**2 + (hidden + 0.5) / n**2) * (1 + 1 / beyond**2))
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = (self.edges[self.columns, position.bin + k] for k in (0, 1))
            error = np.hypot(below * rise / run, (high - low) * self._unevenness(position))
        error = np.where(np.isfinite(error) & np.isfinite(quantile), error, near)
        return np.where(np.isnan(quantile), math.nan, error)

    def _edge_spacing(self, level: float) -> float:
        """Distance of the levels of neighbouring edges, the resolution of slopes."""
        return float(math.pi / self.counts.shape[1] * math.sqrt(level * (1 - level)))

    def _rises(self, level: float, reaches: Sequence[float]) -> tuple[Array, list[float]]:
        """Rises [reach, column] of quantiles over level ± reach, and the levels' distances."""
        lower = [max(level - reach, 0.0) for reach in reaches]
        upper = [min(level + reach, 1.0) for reach in reaches]
        low, high = self.quantiles(lower + upper).reshape(2, len(reaches), -1)
        runs = [last - first for first, last in zip(lower, upper, strict=True)]
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(low == high, 0.0, high - low), runs

    def _unevenness(self, position: _BinPosition) -> Array:
        """Estimated deviation [column] of a position from uneven spread within its bin.

        As a share of the width or of the draws of the bin. From the logarithmic differences of the
        densities of the bin and its neighbours; the sd of a uniform distribution over the bin
        (1 / sqrt(12)) at most, or without neighbours; half of an outer bin. 0 in an atom, and at
        the edges of a bin.
        """

        def density(bins: Integers) -> Array:
            """Draws per unit of the variable [column]; NaN without a density."""
            inner = np.clip(bins, 0, self.counts.shape[1] - 1)
            low, high = self.edges[self.columns, inner], self.edges[self.columns, inner + 1]
            counts = self.counts[self.columns, inner]
            known = (np.nextafter(low, np.inf) < high) & (counts > 0)
            return np.where(known, counts / (high - low), math.nan)

        bins, share = position.bin, position.share
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            middle, *neighbours = (density(bins + k) for k in (0, -1, 1))
            left, right = (np.where(np.isnan(side), middle, side) for side in neighbours)
            slope, bend = np.abs(np.log(right / left)), np.abs(np.log(middle**2 / left / right))
            uneven = np.maximum(slope, bend) * share * (1 - share) / 4
            uneven = np.minimum(uneven, 1 / math.sqrt(12))
        isolated = np.isnan(neighbours[0]) & np.isnan(neighbours[1])  # far out: edges are draws
        uneven = np.where(isolated, 1 / math.sqrt(12), np.nan_to_num(uneven))
        uneven = np.where(self._is_outer(bins), 0.5, uneven)
        inside = (share > 0.0) & (share < 1.0) & ~np.isnan(middle)
        return np.where(inside, uneven, 0.0)

    def tail_means_with_error(self, levels: Sequence[float]) -> tuple[Array, Array]:
        """Means of tails [level, ...] and their standard errors, as in `estimators`."""
        pairs = [self._tail_mean(level) for level in levels]
        means, errors = (np.array(part) for part in zip(*pairs, strict=True))
        return self.unflatten(means, 1), self.unflatten(errors, 1)

    def _tail_mean(self, level: float) -> tuple[Array, Array]:
        """Tail mean [column] and its standard error; infinite draws count."""
        n, low_tail = self.draws, level <= 0.5
        # The number of draws below the boundary of the tail.
        if low_tail:
            boundary = max(1, math.ceil(level * n - ROUNDING))
        else:
            boundary = min(n - 1, math.floor(level * n + ROUNDING))
        # The bin with the boundary, and how many of its draws lie below.
        bins = np.maximum(self.bin_of(np.full(len(self.counts), boundary)), 0)
        inside = self.counts[self.columns, bins]
        part = np.clip(boundary - self.before[self.columns, bins], 0, inside)
        edge = self.edges[self.columns, bins]
        width = np.diff(self.edges, axis=1)[self.columns, bins]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share = np.nan_to_num(part / inside)
            atom = np.nextafter(edge, np.inf) >= edge + width
            # Mean of the evenly spread lower part of the bin; the upper part has the remaining sum.
            shift = np.where(atom, 0.0, width * (1 - share) / 2)
            below_part = part * (self.middles[self.columns, bins] - shift)
        before = np.where(np.arange(self.counts.shape[1]) < bins[:, None], self.sums, 0.0)
        below = before.sum(axis=1) + below_part
        total = self.sums.sum(axis=1)
        mean = below / boundary if low_tail else (total - below) / (n - boundary)
        minus_inf = self.minus_inf_count > (0 if low_tail else boundary)
        plus_inf = self.before[:, -1] < boundary if low_tail else self.plus_inf_count > 0
        mean = np.where(minus_inf, -np.inf, np.where(plus_inf, np.inf, mean))
        mean = np.where((minus_inf & plus_inf) | (self.nan_count > 0), np.nan, mean)
        if not self.replicates.enough:
            return mean, np.full(mean.shape, math.nan)
        error = self._tail_error(level, bins, share, below_part)
        return mean, np.where(np.isfinite(mean), error, math.nan)

    def _tail_error(self, level: float, bins: Integers, share: Array, below_part: Array) -> Array:
        """Standard error [column] of a tail mean, from the mean excess.

        The excess is that over the quantile. `bins` [column] hold the boundary of the tail, `share`
        [column] of whose draws lie below it, with sum `below_part` [column]. The coarse bin of the
        boundary is split in the ratio of all draws together.
        """
        quantile = self.quantiles([level])[0]
        coarse = bins // PER_COARSE
        coarse_sums = self.sums.reshape(len(self.sums), -1, PER_COARSE).sum(axis=-1)
        coarse_counts = self.coarse.sum(axis=0)
        sums = self._sums_by_replicate(coarse_sums, coarse_counts, coarse)
        indices = np.arange(coarse_counts.shape[1])
        with np.errstate(invalid="ignore", divide="ignore"):
            beyond = indices < coarse[:, None] if level <= 0.5 else indices > coarse[:, None]
            excess = np.where(beyond, sums - self.coarse * quantile[:, None], 0.0).sum(axis=-1)
            fine = np.arange(self.counts.shape[1])
            inner = (fine >= coarse[:, None] * PER_COARSE) & (fine < bins[:, None])
            part = self.counts[self.columns, bins] * share
            tail_count = np.where(inner, self.counts, 0).sum(axis=1) + part
            tail_sum = np.where(inner, self.sums, 0.0).sum(axis=1) + below_part
            if level > 0.5:
                tail_count = coarse_counts[self.columns, coarse] - tail_count
                tail_sum = coarse_sums[self.columns, coarse] - tail_sum
            per_draw = np.nan_to_num(
                (tail_sum - quantile * tail_count) / coarse_counts[self.columns, coarse]
            )
            excess = excess + per_draw * self.coarse[:, self.columns, coarse]
            mean = excess.T / self.replicates.count / min(level, 1 - level)
        factor = tail_factor(self.draws * min(level, 1 - level))
        return standard_error(mean, self.replicates) * factor

    def _sums_by_replicate(self, sums: Array, counts: Integers, boundary: Integers) -> Array:
        """Sums of the draws in coarse bins [replicate, column, coarse bin].

        `sums` and `counts` [column, coarse bin] are those of all draws, `boundary` [column] is the
        coarse bin in which the tail begins. Replicates share the mean of a bin. Only at an end that
        does not hold the boundary is their sum known: it stands in the first bin of the end, and
        the others hold 0.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            by_replicate = self.coarse * np.nan_to_num(sums / counts)
        width = self.at_ends // PER_COARSE
        indices = np.arange(counts.shape[1])
        for end, first in ((0, 0), (1, indices.size - width)):
            in_end = (indices >= first) & (indices < first + width)
            exact = ~in_end[boundary]
            by_replicate[:, exact[:, None] & in_end] = 0.0
            by_replicate[:, exact, first] = self.ends[:, exact, end]
        return np.asarray(by_replicate)

    def probability_with_error(self, relation: str, number: float) -> tuple[Array, Array]:
        """Probability [...] of values in relation to a number, and its error.

        The relation is `>=`, `>`, `<=` or `<`. Draws that are NaN are left out.
        """
        valid = (self.count[:, None] - self.special[..., NAN]).T
        below: NDArray[Any]
        if math.isinf(number):
            equal = self.special[..., UPPER if number > 0 else LOWER].T
            if relation in ("<", ">="):
                counts = valid - equal if number > 0 else np.zeros_like(equal)
            else:
                counts = valid if number > 0 else equal
            below, hidden, total = counts, np.zeros(len(valid)), counts.sum(axis=1)
        else:
            strictly = relation in ("<", ">=")
            edge = np.nextafter(number, -np.inf) if strictly else number
            position = self.position_of(np.full(len(self.counts), edge))
            below, hidden = self.count_below_by_replicate(position)
            total = self.count_below(position)
        if relation in (">", ">="):
            below, total = valid - below, valid.sum(axis=1) - total
        value, error = share_with_error(below, valid, self.replicates, hidden, all_happen=total)
        return self.unflatten(value), self.unflatten(error)

    def finite_with_error(self) -> tuple[Array, Array]:
        """Share [...] of finite draws and its error; NaN are left out."""
        valid = (self.count[:, None] - self.special[..., NAN]).T
        finite = self.coarse.sum(axis=-1).T
        value, error = share_with_error(finite, valid, self.replicates)
        return self.unflatten(value), self.unflatten(error)
