"""Draws in ascending order, as far as statistics need them.

Quantiles need a few draws around them, and tails the draws beyond. A sample of the draws says
between which values these lie; only draws in between are sorted. What comes out is exact: where the
sample misled, all draws are sorted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.shipped.entries import take_between
from sim.model.blocks import TILE

Array = NDArray[np.float64]
Range = tuple[int, int]  # ranks from the first to before the last
FEWEST = 4_096  # draws, below which all are sorted
MOST_SORTED = 0.5  # of the draws, above which all are sorted
NEAR = 64  # as a share of the draws, between ranges: nearer ones are one
REACH = 4.0  # standard deviations of a share, within which a sample is trusted


class OrderStatistics:
    """Draws [..., rank] in ascending order, of which only some ranks are known.

    It is read like the sorted array: by `[..., rank]`, or `[..., begin:end]` within a range that is
    known. Where a draw is NaN all are.
    """

    def __init__(self, values: Array, ranges: Iterable[Range]) -> None:
        """Order the draws `values` [..., draw] in ranges of ranks."""
        count = values.shape[-1]
        self.ranges = _merge(ranges, count // NEAR)
        if count < FEWEST or sum(end - begin for begin, end in self.ranges) > MOST_SORTED * count:
            self.ranges = [(0, count)]
        self.shape = values.shape
        self._begins = np.array([begin for begin, _ in self.ranges], np.int64)
        self._starts = np.cumsum([0, *(end - begin for begin, end in self.ranges)])
        known = np.empty((math.prod(values.shape[:-1]), self._starts[-1]))
        _sort_ranges(values.reshape(-1, count), self.ranges, known)
        self._known = known.reshape(*values.shape[:-1], known.shape[1])

    def __getitem__(self, key: tuple[Any, Any]) -> Array:
        """Draws by rank, as of a sorted array: a rank, an array of ranks, or a slice.

        Raises:
            IndexError: For ranks that are not known.
        """
        ranks = key[1]
        if isinstance(ranks, slice):
            begin, end, _ = ranks.indices(self.shape[-1])
            if begin >= end:
                return self._known[..., :0]
            first, last = self._positions(np.array([begin, end - 1])).tolist()
            if last - first != end - 1 - begin:
                raise IndexError(f"ranks {begin} to {end - 1} are not all known")
            return self._known[..., first : first + end - begin]
        return np.asarray(self._known[..., self._positions(np.asarray(ranks) % self.shape[-1])])

    def _positions(self, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the draws of these ranks stand in memory."""
        which = np.searchsorted(self._begins, ranks, "right") - 1
        positions = np.asarray(self._starts[which] + ranks - self._begins[which])
        if (which < 0).any() or (positions >= self._starts[which + 1]).any():
            raise IndexError("not all of these ranks are known")
        return positions


def _merge(ranges: Iterable[Range], gap: int) -> list[Range]:
    """Ranges in ascending order, of which those less than a gap apart are one."""
    merged: list[Range] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1] + gap:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged


def _sort_ranges(rows: Array, ranges: Sequence[Range], known: Array) -> None:
    """Write the draws of rows [row, draw] with the ranks of ranges, in order, to `known`."""
    count = rows.shape[1]
    brackets = None if ranges == [(0, count)] else _Brackets(count, ranges)
    for row, own in zip(rows, known, strict=True):
        draws = np.ascontiguousarray(row, dtype=np.float64)
        if brackets is None or not brackets.sort(draws, own):
            ordered = np.sort(draws)
            np.concatenate([ordered[begin:end] for begin, end in ranges], out=own)
            if math.isnan(ordered[-1]):
                own[:] = math.nan


class _Brackets:
    """Bounds around the draws of ranges, by a sample of the draws."""

    def __init__(self, count: int, ranges: Sequence[Range]) -> None:
        """Choose the sample, and which draws of it are bounds.

        A larger sample takes longer to sort, and leaves fewer draws to be sorted. Its step is odd,
        for draws that come in turn.
        """
        self.ranges = ranges
        self.step = int(count / (6 * count) ** (2 / 3)) | 1
        size = -(-count // self.step)
        begins, ends = np.array(ranges, np.float64).T

        def position(rank: Array, side: int) -> NDArray[np.int64]:
            """The position in the sample of a bound beyond draws with these ranks [range]."""
            level = rank / count
            reach = REACH * np.sqrt(level * (1 - level) * size) + 1
            return np.asarray(np.floor(level * size + side * reach), np.int64)

        # A draw of -inf stands before the sample, and one of inf behind it.
        self.low = np.maximum(position(begins, -1) + 1, 0)
        self.high = np.minimum(position(ends, 1) + 1, size + 1)
        self.sample = np.full(size + 2, math.inf)
        self.sample[0] = -math.inf
        self.below = np.empty(len(ranges) + 1, np.int64)
        self.taken, self.inside = np.empty(count), np.empty(TILE, np.int64)

    def sort(self, row: Array, known: Array) -> bool:
        """Write the draws [draw] with the ranks of the ranges; False if the sample misled."""
        self.sample[1:-1] = row[:: self.step]
        self.sample[1:-1].sort()
        low, high = self.sample[self.low], self.sample[self.high]
        size = take_between(row, low, high, self.below, self.taken, self.inside)
        ordered = self.taken[:size]
        *below, unknown = self.below.tolist()
        if unknown:
            known[:] = math.nan
            return True
        ordered.sort()
        first = np.searchsorted(ordered, low).tolist()
        last = np.searchsorted(ordered, high, "right").tolist()
        start = 0
        for k, (begin, end) in enumerate(self.ranges):
            if begin < below[k] or end - below[k] > last[k] - first[k]:
                return False
            shift = first[k] - below[k]
            known[start : start + end - begin] = ordered[begin + shift : end + shift]
            start += end - begin
        return True
