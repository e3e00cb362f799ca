"""Boxes of percentiles in which an event is frequent: the patient rule induction method.

Friedman and Fisher (1999), "Bump hunting in high-dimensional data", Statistics and Computing 9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
ALPHA = 0.05  # of the draws in the box are peeled at a time
SMALLEST = 0.02  # of all draws, at which the peel ends
FEWEST = 20  # draws in a box


@dataclass(frozen=True)
class Box:
    """Bounds `low` and `high` [input] on percentiles, of 0 and 1 where there is none."""

    low: Array
    high: Array

    @property
    def restricted(self) -> tuple[int, ...]:
        """The numbers of the inputs with a bound."""
        return tuple(np.flatnonzero((self.low > 0) | (self.high < 1)).tolist())

    def contains(self, ranks: Array) -> Flags:
        """Whether each draw [draw] of percentiles [input, draw] lies in the box."""
        inside = np.ones(ranks.shape[1], bool)
        for i in self.restricted:
            inside &= (ranks[i] >= self.low[i]) & (ranks[i] <= self.high[i])
        return inside


def quality(hits: float, inside: float, events: float) -> float:
    """The harmonic mean of the density and the coverage of a box, from counts of draws."""
    return 2 * hits / (inside + events)


def peel(ranks: Array, event: Flags, conditions: int) -> list[Box]:
    """Peel a box from all draws inwards: each box of the way, the whole first.

    Each step cuts a twentieth off one side, where the density rises most for the draws that it
    costs. Once so many inputs have a bound as there may be conditions, no other is cut.

    Args:
        ranks: Percentiles [input, draw], in 0 to 1.
        event: Whether it holds [draw].
        conditions: The largest number of inputs with a bound.
    """
    box = Box(np.zeros(len(ranks)), np.ones(len(ranks)))
    path, at = [box], np.arange(event.size)
    while at.size > max(FEWEST, SMALLEST * event.size) and not event[at].all():
        used = box.restricted
        among = np.array(used if len(used) >= conditions else range(len(ranks)))
        cut = _best_cut(ranks[among][:, at], event[at])
        if cut is None:
            break
        k, side, bound = cut
        low, high = box.low.copy(), box.high.copy()
        (low if side == 0 else high)[among[k]] = bound
        box = Box(low, high)
        own = ranks[among[k], at]
        at = at[own >= bound if side == 0 else own <= bound]
        path.append(box)
    return path


def _best_cut(ranks: Array, event: Flags) -> tuple[int, int, float] | None:
    """The input, side (0 low, 1 high) and bound with the largest gain of density per mass cut.

    None if no cut raises the density. Of equal values, such as those of a discrete input, all are
    kept or all are cut.
    """
    count, hits, best, found = event.size, int(event.sum()), 0.0, None
    bounds = np.quantile(ranks, [ALPHA, 1 - ALPHA], axis=1, method="inverted_cdf")
    for side in (0, 1):
        keep = ranks >= bounds[0][:, None] if side == 0 else ranks <= bounds[1][:, None]
        edge = bounds[side]
        for common in np.flatnonzero(keep.all(axis=1)):  # the lowest value is common: it goes whole
            values = np.unique(ranks[common])
            if values.size > 1:
                edge[common] = values[1] if side == 0 else values[-2]
                keep[common] = (
                    ranks[common] >= edge[common] if side == 0 else ranks[common] <= edge[common]
                )
        left = keep.sum(axis=1)
        density = (keep & event).sum(axis=1) / np.maximum(left, 1)
        cut = count - left
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where((cut > 0) & (left > 0), (density - hits / count) / cut, 0.0)
        k = int(gain.argmax())
        if gain[k] > best:
            best, found = float(gain[k]), (k, side, float(edge[k]))
    return found


def choose(path: list[Box], ranks: Array, event: Flags) -> Box:
    """The box of a peel with the best `quality`, each of its bounds then pasted back or set finer.

    A bound that gains nothing is dropped.
    """
    total = int(event.sum())
    scores = []
    for box in path:
        inside = box.contains(ranks)
        scores.append(quality(int((inside & event).sum()), int(inside.sum()), total))
    box = path[int(np.argmax(scores))]
    for _ in range(3):
        for i in box.restricted:
            for side in (0, 1):
                box = _set_finer(box, i, side, ranks, event)
    return box


def _set_finer(box: Box, i: int, side: int, ranks: Array, event: Flags) -> Box:
    """The box with the bound of an input that has the best `quality`, all others as they are."""
    low, high = box.low.copy(), box.high.copy()
    if (side == 0 and low[i] == 0) or (side == 1 and high[i] == 1):
        return box
    (low if side == 0 else high)[i] = 0.0 if side == 0 else 1.0
    at = np.flatnonzero(Box(low, high).contains(ranks))
    order = at[np.argsort(ranks[i, at], kind="stable")]
    if side == 0:
        order = order[::-1]
    hits, inside = np.cumsum(event[order]), np.arange(1, order.size + 1)
    value = ranks[i, order]
    ends = np.append(value[1:] != value[:-1], True)  # equal values stand together
    scores = np.where(ends, 2 * hits / (inside + int(event.sum())), -1.0)
    best = int(scores.argmax())
    if best < order.size - 1:
        (low if side == 0 else high)[i] = value[best]
    return Box(low, high)
