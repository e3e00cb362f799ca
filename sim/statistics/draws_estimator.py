"""Statistics of draws, from a partly sorted copy of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.statistics import estimators
from sim.statistics.datasets import RELATIONS
from sim.statistics.estimators import flattened, ranges_needed
from sim.statistics.order_statistics import OrderStatistics
from sim.statistics.replicates import Replicates
from sim.statistics.sums import DISTANCE, SQUARE, sum_terms
from sim.statistics.tails import tail_size, worst_draws, worst_share

Array = NDArray[np.float64]
Pair = tuple[Array, Array]  # values and their standard errors
Levels = tuple[Sequence[float], Sequence[float], Sequence[float]]  # quantiles, tails, at_least


class DrawsEstimator:
    """Statistics of draws [..., pooled dims, draw]; same methods as `HistogramEstimator`.

    `levels` are those that are asked for; of others it knows no quantiles and tails.
    """

    def __init__(
        self, draws: Array, replicates: Replicates, pooled: int = 0, levels: Levels = ((), (), ())
    ) -> None:
        self.draws, self.replicates, self.pooled, self.levels = draws, replicates, pooled, levels

    @cached_property
    def ordered(self) -> OrderStatistics:
        """The draws [..., value] in ascending order, as far as they are needed."""
        flat = flattened(self.draws, self.pooled)
        n = flat.shape[-1]
        quantiles, tails, _ = self.levels
        ends = [worst_draws(n), *(tail_size(n, level) for level in tails)]
        return OrderStatistics(
            flat,
            [
                *ranges_needed(n, self.replicates.draws, tuple(quantiles), tuple(tails)),
                (n // 2, n // 2 + 1), (0, max(ends)), (n - max(ends), n),
            ],
        )  # fmt: skip

    def mean_with_error(self) -> Pair:
        """Mean [...] and its standard error."""
        return estimators.mean_with_error(self.draws, self.replicates, self.pooled)

    def sd_with_error(self) -> Pair:
        """Standard deviation [...] and its standard error."""
        return estimators.sd_with_error(self.draws, self.replicates, self.pooled)

    def worst_share(self, power: int = 1, tail: float | None = None) -> Array:
        """Share [...] of the worst draws in a statistic, as `tails.worst_share`."""
        middle = self.ordered[..., self.ordered.shape[-1] // 2]
        total = None
        if tail is None:
            flat = flattened(self.draws, self.pooled)
            total = sum_terms(flat, DISTANCE if power == 1 else SQUARE, middle)
        return worst_share(self.ordered, middle, power, tail, total)

    def quantiles_with_error(self, levels: Sequence[float]) -> Pair:
        """Quantiles [level, ...] and their standard errors."""
        return estimators.quantiles_with_error(
            self.ordered, self.draws, self.replicates, levels, self.pooled
        )

    def tail_means_with_error(self, levels: Sequence[float]) -> Pair:
        """Tail means [level, ...] and their standard errors."""
        return estimators.tail_means_with_error(
            self.ordered, self.draws, self.replicates, levels, self.pooled
        )

    def probability_with_error(self, relation: str, number: float) -> Pair:
        """Probability [...] of values in relation to a number, and its error."""
        return self._share(RELATIONS[relation](self.draws, number))

    def finite_with_error(self) -> Pair:
        """Share [...] of finite draws and its error; NaN are left out."""
        return self._share(np.isfinite(self.draws))

    def _share(self, happens: NDArray[np.bool_]) -> Pair:
        valid = ~np.isnan(self.draws)
        return estimators.probability_with_error(happens, valid, self.replicates, self.pooled)
