"""Standard errors of differences between runs whose draws have the same random numbers."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
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
    one, other = (PairedQuantile(draws, pairs, level) for draws in (first, second))
    return one.difference_error(other)


class PairedQuantile:
    """A quantile of draws [draw] that is compared with those of other draws in pairs.

    What every comparison needs is kept.
    """

    def __init__(self, draws: Array, pairs: Replicates, level: float) -> None:
        self.draws, self.pairs, self.level = draws, pairs, level

    @cached_property
    def shift(self) -> Array:
        """The first-order shift [draw] of the quantile by each draw, but for a constant."""
        with np.errstate(invalid="ignore"):
            return quantile_influence(self.draws, self.level)

    @cached_property
    def _of_halves(self) -> Array:
        group, halves = _half_samples(self.pairs)
        with np.errstate(invalid="ignore"):
            return _quantiles_of_halves(self.draws, group, halves, self.level)

    def difference_error(self, other: PairedQuantile) -> float:
        """The error of the difference from another, as of `quantile_difference_error`."""
        pairs = self.pairs
        if not pairs.enough or pairs.draws * min(self.level, 1 - self.level) < FEWEST_BEYOND:
            return math.nan
        with np.errstate(invalid="ignore"):
            crossing = np.count_nonzero((self.shift > 0) != (other.shift > 0))
            if crossing >= FEWEST_CROSSING:
                return float(standard_error(pairs.means(other.shift - self.shift), pairs))
            apart = other._of_halves - self._of_halves
            return float(apart.std(ddof=1)) / HALVES_TOO_WIDE


def _half_samples(pairs: Replicates) -> tuple[Integers, NDArray[np.int16]]:
    """The group of each draw [draw], and 1 for the groups of each half [group, half], else 0.

    Groups are replicates, or as many neighbouring ones as make at most `MOST_GROUPS` of them.
    """
    replicates = len(pairs.count)
    groups = min(replicates, MOST_GROUPS)
    of_replicate = np.arange(replicates) * groups // replicates
    return of_replicate[pairs.of_draws()], _halves(groups)


@lru_cache(maxsize=4)
def _halves(groups: int) -> NDArray[np.int16]:
    """1 for the groups of each random half [group, half], else 0; not to be changed."""
    halves = np.broadcast_to(np.arange(groups) % 2, (HALVES, groups))
    generator = np.random.Generator(np.random.Philox(key=0))
    return np.ascontiguousarray(generator.permuted(halves, axis=1).T.astype(np.int16))


def _quantiles_of_halves(
    draws: Array, group: Integers, halves: NDArray[np.int16], level: float
) -> Array:
    """Quantiles [half] of the draws [draw] of each half, linear between order statistics."""
    n, groups = draws.size, len(halves)
    order = np.argsort(draws)  # of equal draws any may come first
    spread = math.sqrt(level * (1 - level) / n)
    begin = max(math.floor((level - REACH * spread) * n) - 1, 0)
    end = min(math.ceil((level + REACH * spread) * n) + 1, n)
    counts = [np.bincount(of, minlength=groups) for of in (group, group[order[:begin]])]
    # Exact as floats, whose products are faster than those of integers; sums are slower.
    size, below = np.array(counts, float) @ halves.astype(float)
    counted = np.cumsum(halves[group[order[begin:end]]], axis=0, dtype=np.int32)
    position = level * (size - 1)
    rank = np.floor(position)

    def ranked(k: Array) -> Array:
        is_smaller = counted <= (k - below).astype(np.int32)
        smaller = np.add.reduce(is_smaller, axis=0, dtype=np.int32)
        return np.asarray(draws[order[np.minimum(begin + smaller, n - 1)]])

    low, high = ranked(rank), ranked(rank + 1)
    return np.asarray(np.where(low == high, low, low + (position - rank) * (high - low)))
