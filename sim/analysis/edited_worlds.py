"""Worlds with some of the edits between two scenarios, each evaluated once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Subset = frozenset[int]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Point:
    """Statistics of one world [statistic], and their deviations by replicate [statistic, ...].

    The deviations give the Monte Carlo error of sums of statistics: they are summed alike.
    """

    values: Array
    deviations: Array


@dataclass(frozen=True)
class Shares:
    """As `Attribution`, of some statistics and the edits that can reach them."""

    parts: Array
    deviations: Array
    order_errors: Array
    orders: NDArray[np.int64]
    interactions: dict[Pair, Array]  # by positions among the edits


class Worlds:
    """Worlds by their edits, each evaluated once."""

    def __init__(
        self, value: Callable[[Subset], Point], threads: int, progress: Callable[[int], None]
    ) -> None:
        self.value, self.threads, self.progress = value, threads, progress
        self.points: dict[Subset, Point] = {}

    def evaluate(self, subsets: Iterable[Subset]) -> None:
        """Evaluate the worlds that are not known yet."""
        new = [s for s in dict.fromkeys(subsets) if s not in self.points]
        if self.threads == 1 or len(new) < 2:
            for subset in new:
                self._keep(subset, self.value(subset))
            return
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                for subset, point in zip(new, pool.map(self.value, new), strict=True):
                    self._keep(subset, point)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _keep(self, subset: Subset, point: Point) -> None:
        self.points[subset] = point
        self.progress(1)


class View:
    """Some statistics, and the edits that can reach them: `edits`, in order.

    Subsets are of positions among these edits. All of them stand for all edits whatever, so that
    parts sum to the whole difference to the last bit.
    """

    def __init__(
        self, worlds: Worlds, everything: Subset, among: Subset, statistics: list[int]
    ) -> None:
        self.worlds, self.everything, self.statistics = worlds, everything, statistics
        self.edits = sorted(among)

    @property
    def all(self) -> Subset:
        """The positions of all edits."""
        return frozenset(range(len(self.edits)))

    def _key(self, subset: Subset) -> Subset:
        if len(subset) == len(self.edits):
            return self.everything
        return frozenset(self.edits[i] for i in subset)

    def evaluate(self, subsets: Iterable[Subset]) -> None:
        """Evaluate the worlds that are not known yet."""
        self.worlds.evaluate(map(self._key, subsets))

    def point(self, subset: Subset) -> Point:
        """The statistics of a world that is evaluated."""
        point = self.worlds.points[self._key(subset)]
        return Point(point.values[self.statistics], point.deviations[self.statistics])

    def weighted(self, weights: dict[Subset, float]) -> tuple[Array, Array]:
        """Weighted sums of statistics and of their deviations."""
        chosen = [self.point(subset) for subset in weights]
        by = list(weights.values())
        values: Any = sum(w * point.values for w, point in zip(by, chosen, strict=True))
        deviations: Any = sum(w * point.deviations for w, point in zip(by, chosen, strict=True))
        return values, deviations

    def ends(self) -> tuple[list[Subset], list[Subset]]:
        """The subsets of one edit alone, and of all others, for each edit."""
        singles = [frozenset([i]) for i in range(len(self.edits))]
        return singles, [self.all - single for single in singles]

    def first_and_last(self) -> tuple[Array, Array]:
        """The effects [edit, statistic] of edits alone, and after all others."""
        singles, others = self.ends()
        none, whole = self.point(frozenset()).values, self.point(self.all).values
        first = np.array([self.point(s).values - none for s in singles])
        return first, np.array([whole - self.point(s).values for s in others])
