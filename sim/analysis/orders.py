"""Shapley values of many edits, from orders in which the edits are made.

Orders come in pairs, each with its reverse (antithetic): the mean of a pair is exact where no three
edits act together. An edit that has moved nothing so far, neither alone nor last nor in any order,
is not left out. Those edits are made one after the other at a random place of each order: only
where that moves a statistic are the worlds between them evaluated, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim.analysis.edited_worlds import Array, Pair, Point, Shares, Subset, View

MOST_PAIRS = 64  # of orders
FEWEST_PAIRS = 3
TOLERANCE = 0.01  # of the sum of the sizes of the parts
SUSPECTED = 5  # edits of which the pairs are looked at
_KEY = 0x5EED  # of the orders, which are the same in every session

Mask = NDArray[np.bool_]


def by_orders(view: View, tolerance: float = TOLERANCE, most_pairs: int = MOST_PAIRS) -> Shares:
    """Estimated Shapley values, with the error of the order.

    The mean effect in an order and its reverse is one replicate of the order.

    Args:
        view: The worlds.
        tolerance: Largest error of the order, as a share of the sum of the sizes of the parts; a
            statistic of which all parts are as good takes no part in further orders.
        most_pairs: The largest number of orders that are drawn, each with its reverse.
    """
    singles, others = view.ends()
    view.evaluate([*singles, *others])
    none, whole = view.point(frozenset()), view.point(view.all)
    moves = np.array(
        [_moved(none, view.point(s)) | _moved(view.point(o), whole)
         for s, o in zip(singles, others, strict=True)]
    )  # fmt: skip
    generator = np.random.Generator(np.random.Philox(key=_KEY))
    counts = np.zeros(len(view.statistics), np.int64)
    unfinished = np.ones(len(view.statistics), bool)
    by_pair: list[Array] = []
    deviations = np.zeros((len(view.edits), *whole.deviations.shape))
    while unfinished.any():
        order, block = _draw_order(generator, np.asarray(moves[:, unfinished].any(axis=1)))
        orders = [(order, block), _reversed(order, block)]
        view.evaluate([p for of in orders for p in _prefixes(*of)])
        effects = [_effects(view, *of, moves, unfinished) for of in orders]
        by_pair.append((effects[0][0] + effects[1][0]) / 2)
        deviations[:, unfinished] += ((effects[0][1] + effects[1][1]) / 2)[:, unfinished]
        counts[unfinished] += 1
        if len(by_pair) >= FEWEST_PAIRS and len(by_pair) < most_pairs:
            parts, errors = _mean(by_pair, counts)
            unfinished &= (errors > tolerance * np.abs(parts).sum(axis=0)).any(axis=0)
        elif len(by_pair) >= most_pairs:
            unfinished[:] = False
    parts, errors = _mean(by_pair, counts)
    deviations /= counts[:, None]
    return Shares(parts, deviations, errors, 2 * counts, _interactions(view, parts))


def _draw_order(generator: np.random.Generator, acting: Mask) -> tuple[list[int], slice]:
    """A random order, in which edits that do not act so far follow each other, and their places."""
    order = [int(i) for i in generator.permutation(np.flatnonzero(acting))]
    silent = [int(i) for i in generator.permutation(np.flatnonzero(~acting))]
    place = int(generator.integers(len(order) + 1))
    return [*order[:place], *silent, *order[place:]], slice(place, place + len(silent))


def _reversed(order: Sequence[int], block: slice) -> tuple[list[int], slice]:
    count = len(order)
    return [*order[::-1]], slice(count - block.stop, count - block.start)


def _prefixes(order: Sequence[int], block: slice) -> list[Subset]:
    """The worlds on the way from no edit to all, but those within the block."""
    inside = range(block.start + 1, block.stop)
    return [frozenset(order[:n]) for n in range(len(order) + 1) if n not in inside]


def _effects(
    view: View, order: Sequence[int], block: slice, moves: Mask, needed: Mask
) -> tuple[Array, Array]:
    """The effect of each edit in this order [edit, statistic], and its deviations.

    Edits that move a needed statistic are noted in `moves`; other statistics are not right.
    """
    prefixes = [frozenset(order[:n]) for n in range(len(order) + 1)]
    start, stop = view.point(prefixes[block.start]), view.point(prefixes[block.stop])
    is_silent = not _moved(start, stop)[needed].any()
    if not is_silent:
        view.evaluate(prefixes[block])
    inside = range(block.start + 1, block.stop) if is_silent else ()
    points = [start if n in inside else view.point(of) for n, of in enumerate(prefixes)]
    steps = [*itertools.pairwise(points)]
    where = np.argsort(order)
    moves[order] |= np.array([_moved(*step) for step in steps]) & needed
    values = np.diff([point.values for point in points], axis=0)
    return values[where], np.diff([point.deviations for point in points], axis=0)[where]


def _moved(first: Point, second: Point) -> Mask:
    """Whether statistics differ, or the draws near them, to the last bit."""
    same = (first.deviations == second.deviations).reshape(len(first.values), -1).all(axis=1)
    return np.asarray((first.values != second.values) | ~same)


def _mean(by_pair: Sequence[Array], counts: NDArray[np.int64]) -> tuple[Array, Array]:
    """Means [edit, statistic] over the pairs in which a statistic took part, and their errors."""
    effects = np.array(by_pair)
    of = [effects[:count, :, s] for s, count in enumerate(counts)]
    means = np.stack([part.mean(axis=0) for part in of], axis=1)
    spreads = [part.std(axis=0, ddof=1) / math.sqrt(len(part)) for part in of if len(part) > 1]
    return means, np.stack(spreads, axis=1) if spreads else np.full_like(means, math.inf)


def _interactions(view: View, parts: Array) -> dict[Pair, Array]:
    """Interactions of the pairs among the edits whose effect depends most on when they are made.

    An edit without interactions has the same effect first and last. That of a pair is the mean of
    those before all other edits and after them, which is the Shapley interaction index where no
    three edits act together.
    """
    first, last = view.first_and_last()
    sizes = np.abs(parts).sum(axis=0)
    gaps = np.nan_to_num(np.abs(last - first) / np.where(sizes > 0, sizes, 1.0)).max(axis=1)
    most = sorted(int(i) for i in np.argsort(-gaps, kind="stable")[:SUSPECTED] if gaps[i] > 0)
    pairs = [*itertools.combinations(most, 2)]
    view.evaluate(s for a, b in pairs for s in (frozenset([a, b]), view.all - {a, b}))
    found = {}
    for a, b in pairs:
        ends = []
        for base in (frozenset[int](), view.all - {a, b}):
            both, one, other, none = (
                view.point(base | extra).values for extra in ({a, b}, {a}, {b}, frozenset[int]())
            )
            ends.append(both - one - other + none)
        found[a, b] = np.asarray(sum(ends) / 2)
    return found
