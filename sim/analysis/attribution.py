"""How much of a difference is due to each edit: Shapley values over edits.

`value(edits)` is a vector of statistics of the world with these edits, on common random numbers.
The Shapley value of an edit is its mean effect over all orders in which the edits can be made
(Shapley 1953; symmetric standardisation, Das Gupta 1993); the values of all edits sum to the whole
difference. Where at most eight edits can reach a statistic, all their subsets are evaluated;
beyond, orders are drawn (`analysis.orders`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Subset = frozenset[int]
Pair = tuple[int, int]
EXACT = 8  # edits, up to which every subset is evaluated
MOST_SUBSETS = 640  # worlds of all subsets, beyond which statistics of several sets share orders
AGREES = 1e-9  # of a statistic, to which edits that cannot reach it leave it


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
    of all pairs where all subsets are evaluated, else of those that deviate most, and NaN of
    others. `orders` [statistic] is the number of orders that were drawn (0: all subsets),
    `evaluations` that of worlds.
    """

    total: Array
    parts: Array
    order_errors: Array
    deviations: Array
    first: Array
    last: Array
    pairs: list[Pair]
    interactions: Array
    evaluations: int
    orders: NDArray[np.int64]


@dataclass(frozen=True)
class Shares:
    """As `Attribution`, of some statistics and the edits that can reach them."""

    parts: Array
    deviations: Array
    order_errors: Array
    orders: NDArray[np.int64]
    interactions: dict[Pair, Array]  # by positions among the edits


def attribute(
    value: Callable[[Subset], Point],
    edits: int,
    *,
    reach: Sequence[Collection[int]] | None = None,
    exact: int = EXACT,
    progress: Callable[[int], None] = lambda worlds: None,
    threads: int = 1,
    **limits: Any,
) -> Attribution:
    """Share the difference between no edit and all of them among the edits.

    Args:
        value: The statistics of a world with the edits of a subset; called once for each subset,
            from several threads.
        edits: The number of edits, one or more.
        reach: The edits that can move each statistic, whatever the others are; all unless given.
        exact: The largest number of edits of which all subsets are evaluated.
        progress: Called with the number of worlds evaluated since the last call.
        threads: Worlds that are evaluated at a time.
        limits: `tolerance` and `most_pairs` of `orders.by_orders`.
    """
    from sim.analysis.orders import by_orders

    everything = frozenset(range(edits))
    worlds = Worlds(value, threads, progress)
    worlds.evaluate([frozenset(), everything])
    none, whole = worlds.points[frozenset()], worlds.points[everything]
    shape, replicates = (edits, len(none.values)), none.deviations.shape[1:]
    found = Attribution(
        whole.values - none.values, *np.zeros((2, *shape)), np.zeros((*shape, *replicates)),
        *np.zeros((2, *shape)), [], np.zeros((0, shape[1])), 0, np.zeros(shape[1], np.int64),
    )  # fmt: skip
    interactions: dict[Pair, Array] = {}
    sets = [everything if reach is None else frozenset(reach[s]) for s in range(shape[1])]
    for among, statistics, by_subsets in _groups(worlds, everything, sets, exact):
        sets = [among if s in statistics else of for s, of in enumerate(sets)]
        view = View(worlds, everything, among, statistics)
        shares = _by_subsets(view) if by_subsets else by_orders(view, **limits)
        at = np.ix_(view.edits, statistics)
        found.parts[at], found.order_errors[at] = shares.parts, shares.order_errors
        found.deviations[at] = shares.deviations
        found.first[at], found.last[at] = view.first_and_last()
        found.orders[statistics] = shares.orders
        for (a, b), index in shares.interactions.items():
            pair = view.edits[a], view.edits[b]
            of = interactions.setdefault(pair, np.full(shape[1], math.nan))
            of[statistics] = index
    pairs = sorted(interactions)
    for s, among in enumerate(sets):
        for pair in pairs:
            if not among.issuperset(pair):
                interactions[pair][s] = 0.0
    return Attribution(
        **{
            **vars(found),
            "pairs": pairs,
            "interactions": np.array([interactions[p] for p in pairs]).reshape(len(pairs), -1),
            "evaluations": len(worlds.points),
        }
    )


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


def _groups(
    worlds: Worlds, everything: Subset, sets: Sequence[Subset], exact: int
) -> list[tuple[Subset, list[int], bool]]:
    """Sets of edits, the statistics that just they can reach, and whether subsets are evaluated.

    What more than `exact` edits can reach shares its orders, and so do statistics for which the
    subsets would be too many. A set is not believed to be all that reach a statistic: the world
    with just them is compared with that of all edits.
    """
    statistics: dict[Subset, list[int]] = {}
    for s, among in enumerate(sets):
        statistics.setdefault(among, []).append(s)
    worlds.evaluate(statistics)
    whole = worlds.points[everything].values
    by_subsets: list[tuple[Subset, list[int], bool]] = []
    rest: dict[int, Subset] = {}
    subsets: set[Subset] = set()
    for among in sorted(statistics, key=lambda of: (len(of), sorted(of))):
        of, reached = statistics[among], worlds.points[among].values
        agree = np.isclose(reached[of], whole[of], rtol=AGREES, atol=0, equal_nan=True)
        right = [s for s, agrees in zip(of, agree, strict=True) if agrees and among]
        rest |= {s: everything for s in of if s not in right}
        more = {*subsets, *_subsets(among)} if len(among) <= exact else set()
        if len(among) <= exact and (len(more) <= MOST_SUBSETS or not subsets):
            subsets = more
            by_subsets += [(among, right, True)] if right else []
        else:
            rest |= {s: among for s in right}
    if not rest:
        return by_subsets
    among = frozenset[int]().union(*rest.values())
    return [*by_subsets, (among, sorted(rest), len(among) <= exact)]


def _subsets(among: Collection[int]) -> list[Subset]:
    """All subsets."""
    sizes = range(len(among) + 1)
    return [frozenset(of) for size in sizes for of in itertools.combinations(sorted(among), size)]


def _by_subsets(view: View) -> Shares:
    """The Shapley value of each edit and the interaction of each pair, from all subsets."""
    edits = len(view.edits)
    view.evaluate(_subsets(view.all))
    found = []
    for i in range(edits):
        weights: dict[Subset, float] = {}
        for of in _subsets(view.all - {i}):
            weight = 1 / (edits * math.comb(edits - 1, len(of)))
            weights[of | {i}], weights[of] = weight, -weight
        found.append(view.weighted(weights))
    parts, deviations = np.array([of[0] for of in found]), np.array([of[1] for of in found])
    pairs = itertools.combinations(range(edits), 2)
    interactions = {pair: _interaction(view, pair) for pair in pairs}
    orders = np.zeros(len(view.statistics), np.int64)
    return Shares(parts, deviations, np.zeros_like(parts), orders, interactions)


def _interaction(view: View, pair: Pair) -> Array:
    """The Shapley interaction index of two edits, from all subsets (Grabisch and Roubens 1999)."""
    a, b = pair
    edits = len(view.edits)
    index: Any = 0.0
    for of in _subsets(view.all - {a, b}):
        both, one, other, none = (
            view.point(of | extra).values for extra in ({a, b}, {a}, {b}, frozenset[int]())
        )
        weight = 1 / ((edits - 1) * math.comb(edits - 2, len(of)))
        index = index + weight * (both - one - other + none)
    return np.asarray(index)
