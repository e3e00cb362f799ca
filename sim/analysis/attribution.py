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
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.analysis.edited_worlds import Array, Pair, Point, Shares, Subset, View, Worlds
from sim.analysis.orders import by_orders

EXACT = 8  # edits, up to which every subset is evaluated
MOST_SUBSETS = 640  # worlds of all subsets, beyond which statistics of several sets share orders
AGREES = 1e-9  # of a statistic, to which edits that cannot reach it leave it


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
    everything = frozenset(range(edits))
    worlds = Worlds(value, threads, progress)
    worlds.evaluate([frozenset(), everything])
    none, whole = worlds.points[frozenset()], worlds.points[everything]
    shape, replicates = (edits, len(none.values)), none.deviations.shape[1:]
    found = Attribution(
        total=whole.values - none.values,
        parts=np.zeros(shape),
        order_errors=np.zeros(shape),
        deviations=np.zeros((*shape, *replicates)),
        first=np.zeros(shape),
        last=np.zeros(shape),
        pairs=[],
        interactions=np.zeros((0, shape[1])),
        evaluations=0,
        orders=np.zeros(shape[1], np.int64),
    )
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
            "interactions": np.array([interactions[p] for p in pairs]).reshape(-1, shape[1]),
            "evaluations": len(worlds.points),
        }
    )


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
            rest |= dict.fromkeys(right, among)
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
