"""Standard errors of differences between runs whose draws have the same random numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.model.blocks import TILE
from sim.statistics.estimators import quantile_influence
from sim.statistics.replicates import Replicates, standard_error

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
HALVES = 400  # half-samples, from which an error is known to 4 %
HALVES_TOO_WIDE = 1.07  # measured: 0.91 to 1.27 over 70 edits, outputs and levels
FEWEST_CROSSING = 8  # draws, from which on their number tells an error
MOST_GROUPS = TILE  # into which replicates are merged, so that half-samples stay small
REACH = 6.0  # standard deviations of a share: no half-sample's quantile lies further away
FEWEST_BEYOND = 10  # draws beyond a quantile, below which half-samples hold too few of them


def share_difference_error(
    first: NDArray[Any], second: NDArray[Any], pairs: Replicates, moved: bool
) -> float:
    """Standard error of the difference of two shares of Boolean draws [draw] in pairs.

    `moved` says that the values behind them differ: then it is at least half a draw, as for a
    probability of 0.
    """
    error = float(standard_error(pairs.means(second.astype(float) - first), pairs))
    return math.hypot(error, 0.5 / pairs.draws) if moved else error


def quantile_difference_error(
    first: Array, second: Array, pairs: Replicates, level: float
) -> float:
    """Standard error of the difference of a quantile between draws [draw] in pairs.

    Where enough draws cross the quantiles from one side to the other, it comes to first order from
    the shares of the draws beyond them, as that of one quantile. A smaller edit moves the two
    quantiles together. Their difference is that of the one or two draws at which they lie, and
    varies as it does between neighbouring draws: so it does between random halves of the
    replicates, of whose differences it is the standard deviation. Resamples that repeat draws, and
    slopes, do not show it.

    Returns:
        The error; NaN where no honest one can be given: with too few draws or replicates, too few
        draws beyond the quantile, or draws that are not finite.
    """
    beyond = pairs.draws * min(level, 1 - level)
    if not pairs.enough or beyond < FEWEST_BEYOND:
        return math.nan
    with np.errstate(invalid="ignore"):
        shifts = [quantile_influence(draws, level) for draws in (first, second)]
        crossing = np.count_nonzero((shifts[0] > 0) != (shifts[1] > 0))
        if crossing >= FEWEST_CROSSING:
            return float(standard_error(pairs.means(shifts[1] - shifts[0]), pairs))
        group, halves = _half_samples(pairs)
        apart = _quantiles_of_halves(second, group, halves, level) - _quantiles_of_halves(
            first, group, halves, level
        )
        return float(apart.std(ddof=1)) / HALVES_TOO_WIDE


def _half_samples(pairs: Replicates) -> tuple[Integers, NDArray[np.int64]]:
    """The group of each draw [draw], and 1 for the groups of each half [half, group], else 0.

    Groups are replicates, or as many neighbouring ones as make at most `MOST_GROUPS` of them.
    """
    replicates = len(pairs.count)
    groups = min(replicates, MOST_GROUPS)
    of_replicate = np.arange(replicates) * groups // replicates
    halves = np.broadcast_to(np.arange(groups) % 2, (HALVES, groups))
    generator = np.random.Generator(np.random.Philox(key=0))
    return of_replicate[pairs.of_draws()], generator.permuted(halves, axis=1)


def _quantiles_of_halves(
    draws: Array, group: Integers, halves: NDArray[np.int64], level: float
) -> Array:
    """Quantiles [half] of the draws [draw] of each half, linear between order statistics."""
    n, groups = draws.size, halves.shape[1]
    order = np.argsort(draws, kind="stable")
    spread = math.sqrt(level * (1 - level) / n)
    begin = max(math.floor((level - REACH * spread) * n) - 1, 0)
    end = min(math.ceil((level + REACH * spread) * n) + 1, n)
    position = level * (halves @ np.bincount(group, minlength=groups) - 1)
    below = halves @ np.bincount(group[order[:begin]], minlength=groups)
    counted = np.cumsum(halves[:, group[order[begin:end]]], axis=1) + below[:, None]
    rank = np.floor(position).astype(np.int64)
    low, high = (
        draws[order[np.minimum(begin + (counted <= k[:, None]).sum(axis=1), n - 1)]]
        for k in (rank, rank + 1)
    )
    return np.asarray(np.where(low == high, low, low + (position - rank) * (high - low)))
