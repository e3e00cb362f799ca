"""Draws in ascending order, as far as statistics need them.

Quantiles need a few draws around them, and tails the draws beyond. A sample of the draws says
between which values these lie; only draws in between are sorted. What comes out is exact: where the
sample misled, all draws are sorted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sim.kernels.order_statistics import take_between
from sim.model.blocks import TILE

Array = NDArray[np.float64]
Range = tuple[int, int]  # ranks from the first to before the last
FEWEST = 4_096  # draws, below which all are sorted
MOST_SORTED = 0.5  # of the draws, above which all are sorted
REACH = 4.0  # standard deviations of a share, within which a sample is trusted


class OrderStatistics:
    """Draws [..., rank] in ascending order, of which only some ranks are known.

    It is read like the sorted array: by `[..., rank]`, or `[..., begin:end]` within a range that is
    known. Where a draw is NaN all are.
    """

    def __init__(self, values: Array, ranges: Iterable[Range]) -> None:
        """Order the draws `values` [..., draw] in ranges of ranks."""
        count = values.shape[-1]
        self.ranges = _merge(ranges, 0)
        if count < FEWEST or sum(end - begin for begin, end in self.ranges) > MOST_SORTED * count:
            self.ranges = [(0, count)]
        self.shape = values.shape
        self._starts: list[int] = np.cumsum(
            [0, *(end - begin for begin, end in self.ranges)]
        ).tolist()
        known = np.empty((math.prod(values.shape[:-1]), self._starts[-1]))
        _sort_ranges(values.reshape(-1, count), self.ranges, known)
        self._known = known.reshape(*values.shape[:-1], -1)

    def __getitem__(self, key: tuple[object, int | slice]) -> Array:
        """Draws by rank, as of a sorted array.

        Raises:
            IndexError: For ranks that are not known.
        """
        chosen, count = key[1], self.shape[-1]
        if not isinstance(chosen, slice):
            first = self._position(chosen % count, 1)
            return np.asarray(self._known[..., first])
        begin, end, _ = chosen.indices(count)
        first = self._position(begin, end - begin)
        return self._known[..., first : first + end - begin]

    def _position(self, rank: int, size: int) -> int:
        """Where the draws of `size` ranks from one on begin in memory."""
        for (begin, end), start in zip(self.ranges, self._starts, strict=False):
            if begin <= rank and rank + size <= end:
                return start + rank - begin
        raise IndexError(f"ranks {rank} to {rank + size - 1} are not known")


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
    taken, inside = np.empty(count), np.empty(TILE, np.int64)
    for row, own in zip(rows, known, strict=True):
        row = np.ascontiguousarray(row, dtype=np.float64)
        if ranges == [(0, count)] or not _sort_by_sample(row, ranges, own, taken, inside):
            ordered = np.sort(row)
            np.concatenate([ordered[begin:end] for begin, end in ranges], out=own)
            if math.isnan(ordered[-1]):
                own[:] = math.nan


def _sort_by_sample(
    row: Array, ranges: Sequence[Range], known: Array, taken: Array, inside: NDArray[np.int64]
) -> bool:
    """Write the draws with the ranks of ranges; False where a sample does not tell them.

    `taken` [draw] and `inside` [1,024] are working space.
    """
    count = row.size
    sample = np.sort(row[:: _sampling_step(count)])
    bounds = _bounds(sample, ranges, count)
    below = np.empty(len(bounds[0]) + 1, np.int64)
    ordered = taken[: take_between(row, *bounds, below, taken, inside)]
    if below[-1]:
        known[:] = math.nan
        return True
    ordered.sort()
    first = np.searchsorted(ordered, bounds[0])
    last = np.searchsorted(ordered, bounds[1], "right")
    start = 0
    for (begin, end), low, high, smaller in zip(
        ranges, first.tolist(), last.tolist(), below.tolist(), strict=False
    ):
        if begin < smaller or end - smaller > high - low:
            return False
        known[start : start + end - begin] = ordered[low + begin - smaller : low + end - smaller]
        start += end - begin
    return True


def _sampling_step(count: int) -> int:
    """Every how many draws one is in the sample; odd, for draws that come in turn.

    A larger sample takes longer to sort, and leaves fewer draws to be sorted.
    """
    return int(count / (6 * count) ** (2 / 3)) | 1


def _bounds(sample: Array, ranges: Sequence[Range], count: int) -> tuple[Array, Array]:
    """The lower and upper bounds [range] of the draws of ranges, by a sorted sample."""
    size = sample.size
    low, high = np.full((2, len(ranges)), math.inf)
    low[:] = -math.inf
    for k, (begin, end) in enumerate(ranges):
        for rank, side, bound in ((begin, -1, low), (end, 1, high)):
            level = rank / count
            reach = REACH * math.sqrt(level * (1 - level) * size) + 1
            position = math.floor(level * size + side * reach)
            if 0 <= position < size:
                bound[k] = sample[position]
    return low, high
