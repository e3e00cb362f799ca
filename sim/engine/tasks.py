"""Tasks of a run in other processes: what they are given, and what travels home.

Of draws that are not kept, spans travel that are folded, and histograms.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import ever_smaller
from sim.engine.histograms import COUNTS, HistogramPart
from sim.engine.loop import COUNTED, EvaluatedDraws, evaluate_tiles
from sim.engine.state import Array, FoldedDraws, Moments, Prepared, Totals
from sim.model.blocks import SPAN
from sim.model.evaluation_records import Workspace
from sim.model.event_records import Events
from sim.model.histogram_records import Grid

SPANS = 4  # that a task folds at most: they share its histograms, which are as large as two of them


class Shared(NamedTuple):
    """The input that all tasks share.

    Plans, and what histograms count in. `span` and `ends` are the span so far at draw `begin`, with
    which the first task goes on.
    """

    prepared: Prepared
    grid: Grid
    events: Events
    begin: int
    span: Moments
    ends: Array


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

    `counts` are the packed counts of a `HistogramPart`, `extremes` its other arrays.
    """

    folded: Sequence[FoldedDraws]
    counts: Mapping[str, PackedCounts]
    extremes: Mapping[str, Array]

    def unpack(self, empty: HistogramPart) -> EvaluatedDraws:
        """The draws; histograms have the grid and events of `empty` ones."""
        arrays: dict[str, Any] = {name: each.unpack() for name, each in self.counts.items()}
        return EvaluatedDraws(self.folded, replace(empty, **arrays | dict(self.extremes)))


def cut(begin: int, end: int, kept: int, threads: int) -> Iterator[tuple[int, int]]:
    """Cut draws `begin` ... `end - 1` into the ranges [first, last) of tasks, of whole spans.

    Of at most `SPANS`, and ever smaller, so that all `threads` end together.
    """
    start = begin - (begin - kept) % SPAN
    for first, last in ever_smaller(math.ceil((end - start) / SPAN), SPANS, threads):
        yield max(start + first * SPAN, begin), min(start + last * SPAN, end)


def share_out(totals: Totals, prepared: Prepared) -> bytes:
    """The input of tasks that go on from totals; these are of kept draws at least."""
    histograms = totals.histograms
    assert histograms is not None
    shared = Shared(
        prepared, histograms.grid, histograms.indicators.events, totals.draws, totals.span,
        histograms.span_ends,
    )  # fmt: skip
    return pickle.dumps(shared, protocol=5)


@lru_cache(maxsize=2)
def _unpack(packed: bytes) -> Shared:
    """The input that was shared out, cached; never change it."""
    shared: Shared = pickle.loads(packed)
    return shared


def evaluate(packed: bytes, first: int, last: int) -> Result:
    """Evaluate draws `first` ... `last - 1`, a range of `cut`, with the input of `share_out`."""
    shared = _unpack(packed)
    prepared, kept = shared.prepared, shared.prepared.options.kept_draws
    space, folded = prepared.workspace(), []
    values = np.empty((prepared.rows, min(last - first, COUNTED)))
    part = HistogramPart.empty(shared.grid, shared.events, prepared.options.sampler)
    while first < last:
        end = min(first - (first - kept) % SPAN + SPAN, last)
        if first == shared.begin:
            span, ends = deepcopy(shared.span), shared.ends.copy()
        else:
            span = Moments.empty(prepared.evaluation.moments)
            ends = np.zeros_like(shared.ends)
        status = _fold(prepared, space, first, end, values, part, span, ends)
        folded.append(FoldedDraws(span, ends, status))
        first = end
    arrays = {name: getattr(part, name) for name in COUNTS}
    extremes = {name: arrays.pop(name) for name in ("lowest", "highest")}
    counts = {name: PackedCounts.pack(each) for name, each in arrays.items()}
    return Result(folded, counts, extremes)


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
