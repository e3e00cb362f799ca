"""Tasks of a run in other processes: what they are given, and what travels home.

Of draws that are kept, values and tiles travel; of others whole spans, folded, and histograms.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.engine.histograms import COUNTS, ENDS, HistogramPart
from sim.engine.loop import COUNTED, EvaluatedDraws, evaluate_tiles
from sim.engine.state import Array, FoldedDraws, Moments, Prepared, Tile, Totals
from sim.kernels.loop import Workspace
from sim.model.blocks import CHUNK, REPLICATES, SPAN, TILE

SPANS = 4  # that a task folds at most: they share its histograms, which are as large as two of them


class Shared(NamedTuple):
    """The input that all tasks share.

    Plans, and empty histograms for draws that are not kept. `span` and `ends` are the span so far
    at draw `begin`, with which the first task goes on.
    """

    prepared: Prepared
    part: HistogramPart | None
    begin: int
    span: Moments
    ends: Array | None


class PackedCounts(NamedTuple):
    """Numbers of draws, nearly all of them below 256.

    `low` [as the counts] is their last byte; `large` [entry] are those from 256 on, at `indices`.
    """

    low: NDArray[np.uint8]
    indices: NDArray[np.int32]
    large: NDArray[np.int32]

    @classmethod
    def pack(cls, counts: NDArray[Any]) -> PackedCounts:
        """Pack counts of any shape, below 2^31."""
        indices = np.flatnonzero(counts > 255)
        large = counts.ravel()[indices]
        return cls(counts.astype(np.uint8), indices.astype(np.int32), large.astype(np.int32))

    def unpack(self) -> NDArray[np.int32]:
        """The counts that were packed."""
        counts = self.low.astype(np.int32)
        counts.ravel()[self.indices] = self.large
        return counts


class Result(NamedTuple):
    """Evaluated draws as they travel; see `EvaluatedDraws`.

    `counts` are the packed counts of a `HistogramPart`, `extremes` its other fields.
    """

    tiles: list[Tile]
    values: Array | None = None
    folded: Sequence[FoldedDraws] = ()
    counts: Mapping[str, PackedCounts] = {}
    extremes: Mapping[str, Array] = {}

    def unpack(self, empty: HistogramPart | None) -> EvaluatedDraws:
        """The draws; histograms have the grid and events of `empty` ones."""
        part: HistogramPart | None = None
        if empty is not None:
            fields: dict[str, Any] = {name: each.unpack() for name, each in self.counts.items()}
            part = replace(empty, **fields | dict(self.extremes))
        return EvaluatedDraws(self.tiles, self.values, self.folded, part)


def cut(begin: int, end: int, kept: int, threads: int) -> Iterator[tuple[int, int]]:
    """Cut draws `begin` ... `end - 1` into the ranges [first, last) of tasks.

    Those that are kept are cut into chunks at most, others into whole spans. Tasks become smaller,
    so that all `threads` end together.
    """
    step, most = (TILE, CHUNK) if begin < kept else (SPAN, SPANS * SPAN)
    while begin < end:
        share = (end - begin) // (4 * max(1, threads)) // step * step
        begun = max(begin - kept, 0) % step  # of a span
        last = min(begin - begun + min(max(share, step), most), end)
        yield begin, last
        begin = last


def share_out(totals: Totals, prepared: Prepared, part: HistogramPart | None) -> bytes:
    """Compress the input of tasks that go on from totals; `part` as in `Shared`."""
    ends = None if totals.histograms is None else totals.histograms.span_ends
    shared = Shared(prepared, part, totals.draws, totals.span, ends)
    return zlib.compress(pickle.dumps(shared, protocol=5), level=1)


@lru_cache(maxsize=2)
def _unpack(packed: bytes) -> Shared:
    """The input that was shared out, cached; never change it."""
    shared: Shared = pickle.loads(zlib.decompress(packed))
    return shared


def evaluate(packed: bytes, first: int, last: int) -> Result:
    """Evaluate draws `first` ... `last - 1`, a range of `cut`, with the input of `share_out`.

    Returns:
        Tiles and values [column, draw] of draws that are kept, spans and histograms of others.
    """
    shared = _unpack(packed)
    prepared, kept = shared.prepared, shared.prepared.options.kept_draws
    space = prepared.workspace()
    if shared.part is None:
        values = np.empty((prepared.rows, last - first))
        status = np.empty(last - first, np.int8)
        tiles = evaluate_tiles(prepared.evaluation, space, first, values, 0, status, None)
        return Result(tiles, values)
    part, folded = deepcopy(shared.part), []
    values = np.empty((prepared.rows, min(last - first, COUNTED)))
    while first < last:
        end = min(first - (first - kept) % SPAN + SPAN, last)
        if first == shared.begin and shared.ends is not None:
            span, ends = deepcopy(shared.span), shared.ends.copy()
        else:
            span = Moments.empty(prepared.evaluation.moments)
            ends = np.zeros((REPLICATES, prepared.rows, len(ENDS)))
        status = _fold(prepared, space, first, end, values, part, span, ends)
        folded.append(FoldedDraws(span, ends, status))
        first = end
    fields = {name: getattr(part, name) for name in COUNTS}
    extremes = {name: fields.pop(name) for name in ("lowest", "highest")}
    counts = {name: PackedCounts.pack(each) for name, each in fields.items()}
    return Result([], folded=folded, counts=counts, extremes=extremes)


def _fold(
    prepared: Prepared,
    space: Workspace,
    first: int,
    last: int,
    values: Array,
    part: HistogramPart,
    span: Moments,
    ends: Array,
) -> NDArray[np.int8]:
    """Evaluate draws `first` ... `last - 1`, and add them to a span and to histograms.

    `ends` [replicate, column, end] are the sums of the span at the ends of histograms, `values`
    [column, draw] is working space for some of the draws.

    Returns:
        The status of each of the draws.
    """
    status = np.empty(last - first, np.int8)
    size = values.shape[1]
    for begin in range(0, status.size, size):
        some = status[begin : begin + size]
        tiles = evaluate_tiles(prepared.evaluation, space, first + begin, values, 0, some, part)
        for tile in tiles:
            span.add_tile(tile)
            assert tile.ends is not None
            with np.errstate(over="ignore", invalid="ignore"):
                ends += tile.ends
    return status
