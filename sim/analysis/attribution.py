"""How much of a difference is due to each edit: Shapley values over edits.

`value(edits)` is a vector of statistics of the world with these edits, on common random numbers.
The Shapley value of an edit is its mean effect over all orders in which the edits can be made
(Shapley 1953; symmetric standardisation, Das Gupta 1993); the values of all edits sum to the whole
difference. Up to eight edits all subsets are evaluated; beyond, orders are drawn at random, each
with its reverse (antithetic), until the error of the order is small.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Subset = frozenset[int]
EXACT = 8  # edits, up to which every subset is evaluated
MOST_PAIRS = 64  # of orders
FEWEST_PAIRS = 4
TOLERANCE = 0.01  # of the sum of the sizes of the parts
_KEY = 0x5EED  # of the orders, which are the same in every session


@dataclass(frozen=True)
class Point:
    """Statistics of one world [statistic], and their deviations by replicate [statistic, ...].

    The deviations give the Monte Carlo error of sums of statistics: they are summed alike.
    """

    values: Array
    deviations: Array


@dataclass(frozen=True)
class Attribution:
    """Parts of a difference, each [edit, statistic].

    `parts` sum over edits to `total` [statistic]. `order_errors` are those of the order, 0 where
    all subsets are evaluated, and `deviations` [edit, statistic, replicate] give the errors of
    sampling. `first` is the effect of an edit alone, `last` that of making it after all others.
    `interactions` [pair, statistic] are the Shapley interaction indices of the pairs in `pairs`;
    of all pairs up to eight edits, else of those that deviate most. `evaluations` counts worlds,
    `orders` the orders that were drawn (0: all subsets).
    """

    total: Array
    parts: Array
    order_errors: Array
    deviations: Array
    first: Array
    last: Array
    pairs: list[tuple[int, int]]
    interactions: Array
    evaluations: int
    orders: int


def attribute(
    value: Callable[[Subset], Point],
    edits: int,
    *,
    tolerance: float = TOLERANCE,
    most_pairs: int = MOST_PAIRS,
    exact: int = EXACT,
    progress: Callable[[int], None] = lambda worlds: None,
    threads: int = 1,
) -> Attribution:
    """Share the difference between no edit and all of them among the edits.

    Args:
        value: The statistics of a world with the edits of a subset; called once for each subset,
            from several threads.
        edits: The number of edits, one or more.
        tolerance: Largest error of the order, as a share of the sum of the sizes of the parts.
        most_pairs: The largest number of orders that are drawn, each with its reverse.
        exact: The largest number of edits of which all subsets are evaluated.
        progress: Called with the number of worlds evaluated since the last call.
        threads: Worlds that are evaluated at a time.
    """
    worlds = _Worlds(value, threads, progress)
    everything = frozenset(range(edits))
    singles = [frozenset([i]) for i in range(edits)]
    others = [everything - single for single in singles]
    worlds.evaluate([frozenset(), everything, *singles, *others])
    if edits <= exact:
        parts, errors, orders = _exact(worlds, edits), None, 0
        pairs = list(itertools.combinations(range(edits), 2))
        interactions = [_interaction(worlds, edits, pair) for pair in pairs]
    else:
        parts, errors, orders = _by_orders(worlds, edits, tolerance, most_pairs)
        pairs = _suspected(worlds, parts, edits)
        for a, b in pairs:
            worlds.evaluate([frozenset([a, b]), everything - {a, b}])
        interactions = [_end_interaction(worlds, everything, pair) for pair in pairs]
    points = worlds.points
    none, whole = points[frozenset()].values, points[everything].values
    values, deviations = parts
    return Attribution(
        total=whole - none,
        parts=values,
        order_errors=np.zeros_like(values) if errors is None else errors,
        deviations=deviations,
        first=np.array([points[s].values - none for s in singles]),
        last=np.array([whole - points[s].values for s in others]),
        pairs=pairs,
        interactions=np.array(interactions).reshape(len(pairs), len(none)),
        evaluations=len(points),
        orders=orders,
    )


class _Worlds:
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

    def weighted(self, weights: dict[Subset, float]) -> tuple[Array, Array]:
        """Weighted sums of statistics and of their deviations."""
        self.evaluate(weights)
        chosen = [self.points[subset] for subset in weights]
        by = list(weights.values())
        values: Any = sum(w * point.values for w, point in zip(by, chosen, strict=True))
        deviations: Any = sum(w * point.deviations for w, point in zip(by, chosen, strict=True))
        return values, deviations


Parts = tuple[Array, Array]  # [edit, statistic], [edit, statistic, replicate]


def _exact(worlds: _Worlds, edits: int) -> Parts:
    """The Shapley value of each edit, from all subsets."""
    everything = range(edits)
    worlds.evaluate(
        frozenset(of)
        for size in range(edits + 1)
        for of in itertools.combinations(everything, size)
    )
    found = []
    for i in everything:
        others = [j for j in everything if j != i]
        weights: dict[Subset, float] = {}
        for size in range(edits):
            weight = 1 / (edits * math.comb(edits - 1, size))
            for of in itertools.combinations(others, size):
                weights[frozenset(of) | {i}] = weight
                weights[frozenset(of)] = -weight
        found.append(worlds.weighted(weights))
    return np.array([part[0] for part in found]), np.array([part[1] for part in found])


def _by_orders(
    worlds: _Worlds, edits: int, tolerance: float, most_pairs: int
) -> tuple[Parts, Array, int]:
    """Estimated Shapley values, the error of the order, and the number of orders.

    Of each order and its reverse the mean effects are one replicate of the order.
    """
    generator = np.random.Generator(np.random.Philox(key=_KEY))
    by_pair: list[Array] = []
    deviations: Any = 0.0
    while True:
        order = [int(i) for i in generator.permutation(edits)]
        effects = [_effects(worlds, of) for of in (order, order[::-1])]
        by_pair.append((effects[0][0] + effects[1][0]) / 2)
        deviations = deviations + (effects[0][1] + effects[1][1]) / 2
        count = len(by_pair)
        if count >= FEWEST_PAIRS:
            parts = np.mean(by_pair, axis=0)
            errors = np.std(by_pair, axis=0, ddof=1) / math.sqrt(count)
            size = np.abs(parts).sum(axis=0)
            if count >= most_pairs or (errors <= tolerance * size).all():
                return (parts, deviations / count), errors, 2 * count


def _effects(worlds: _Worlds, order: Sequence[int]) -> Parts:
    """The effect of each edit where it is made in this order, and its deviations."""
    prefixes = [frozenset(order[:n]) for n in range(len(order) + 1)]
    worlds.evaluate(prefixes)
    points = [worlds.points[prefix] for prefix in prefixes]
    values, deviations = [None] * len(order), [None] * len(order)
    for before, after, edit in zip(points, points[1:], order, strict=False):
        values[edit] = after.values - before.values  # type: ignore[call-overload]
        deviations[edit] = after.deviations - before.deviations  # type: ignore[call-overload]
    return np.array(values, float), np.array(deviations, float)


def _interaction(worlds: _Worlds, edits: int, pair: tuple[int, int]) -> Array:
    """The Shapley interaction index of two edits, from all subsets (Grabisch and Roubens 1999)."""
    others = [i for i in range(edits) if i not in pair]
    weights: dict[Subset, float] = {}
    for size in range(len(others) + 1):
        weight = 1 / ((edits - 1) * math.comb(edits - 2, size))
        for of in map(frozenset, itertools.combinations(others, size)):
            for extra, sign in (({*pair}, 1), ({pair[0]}, -1), ({pair[1]}, -1), (set(), 1)):
                weights[frozenset(of | extra)] = sign * weight
    return worlds.weighted(weights)[0]


def _suspected(worlds: _Worlds, parts: Parts, edits: int) -> list[tuple[int, int]]:
    """The pairs among the edits whose effect depends most on when they are made.

    An edit without interactions has the same effect first and last.
    """
    points, everything = worlds.points, frozenset(range(edits))
    none, whole = points[frozenset()].values, points[everything].values
    sizes = np.abs(parts[0]).sum(axis=0)
    sizes[sizes == 0] = 1.0
    gaps = []
    for i in range(edits):
        first = points[frozenset([i])].values - none
        last = whole - points[everything - {i}].values
        gaps.append(np.max(np.abs(last - first) / sizes))
    most = [int(i) for i in np.argsort(-np.array(gaps))[:6]]
    return list(itertools.combinations(sorted(most), 2))


def _end_interaction(worlds: _Worlds, everything: Subset, pair: tuple[int, int]) -> Array:
    """The mean of a pair's interactions before all other edits and after them.

    It is the index where no three edits act together.
    """
    a, b = pair
    points = worlds.points
    ends = []
    for base in (frozenset[int](), everything - {a, b}):
        both, one, two, none = (
            points[base | extra].values for extra in ({a, b}, {a}, {b}, frozenset[int]())
        )
        ends.append(both - one - two + none)
    return np.asarray(sum(ends) / 2)
