"""Histograms of the kept variables over all draws of a run.

A run with more draws than it keeps has a histogram for every column. The kept draws, the first of
all, determine its bins. All draws are counted in the bins, and by replicate in coarse bins; the
sums of values in the outermost bins, and the numbers of NaN and infinities, are stored beside
them. Counts are integers, so that parts may be counted separately and merged in any order.
`statistics.histogram_estimators` reads quantiles, means of tails and probabilities from the bins.
Declared probabilities (`model.outputs`) are counted exactly, draw by draw.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import in_chunks
from sim.engine.events import NO_EVENTS, IndicatorSet, counting_order
from sim.kernels.shipped.entries import (
    add_events,
    add_to_bins,
    choose_edges,
    find_nan,
    lay_out,
    take_finite,
)
from sim.model.blocks import REPLICATES, TILE, replicate_of
from sim.model.event_records import Events
from sim.model.histogram_bins import BINS, COARSE_BINS, PER_COARSE
from sim.model.histogram_records import CELLS, Grid, Tiles

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]
CHUNK = 8192  # draws whose events a thread counts at a time
COLUMNS = 8  # whose bins a thread makes at a time
ENDS = ("low", "high")
DRAWS_AT_ENDS = 10  # kept draws, at least, in the bins of an end
SPECIAL = ("nan", "-inf", "inf")  # as in `model.histogram_bins`


def edge_levels() -> Array:
    """The cumulative probabilities of bin edges [edge].

    A bin at level p holds a probability in proportion to sqrt(p (1 - p)): all bins are equally wide
    in Monte Carlo standard errors.
    """
    return np.asarray(np.sin(np.pi * np.arange(1, BINS) / (2 * BINS)) ** 2)


@lru_cache(maxsize=8)
def _edge_ranks(n: int) -> Integers:
    """The ranks, from 0, of the edges among n sorted draws [edge]."""
    level = edge_levels()
    # Ranks are symmetric: the first edge is the smallest value, the last the largest.
    low, high = np.floor(level * n), n - 1 - np.floor((1 - level) * n)
    return np.where(level <= 0.5, low, high).astype(np.int64)


def write_edges(ordered: Array, edges: Array) -> None:
    """Write the bin edges [edge] of sorted finite draws, in ascending order.

    There is an edge at every level. A number at two or more levels is an atom, and gets a bin of
    its own. Without draws all edges are 0.
    """
    if ordered.size:
        choose_edges(ordered, _edge_ranks(ordered.size), edges)
    else:
        edges[:] = 0.0


def bins_at_ends(kept: int) -> int:
    """The number of bins at either end that have sums of values.

    They fill coarse bins, and hold ten of the kept draws or more. Estimators take draws of other
    bins to lie in the middle of their bin.
    """
    bins = np.searchsorted(edge_levels(), min(DRAWS_AT_ENDS / max(kept, 1), 0.25))
    return PER_COARSE * math.ceil(bins / PER_COARSE)


def make_grid(edges: Array, at_ends: int) -> Grid:
    """The grid of edges [column, edge], with a guide to find bins."""
    grid = _empty_grid(len(edges), at_ends)
    lay_out(edges, grid)
    return grid


def _empty_grid(columns: int, at_ends: int) -> Grid:
    """A grid for this number of columns, to be written by `lay_out`."""
    return Grid(
        np.full((columns, BINS - 1), np.inf),
        np.full((columns, BINS), BINS - 1, np.int16),
        np.zeros((columns, CELLS + 1), np.int16),
        np.zeros(columns),
        np.ones(columns),
        np.zeros(columns, np.int64),
        at_ends,
    )


def _grid_slice(grid: Grid, columns: slice) -> Grid:
    """Some columns of a grid, in the same memory."""
    arrays = {n: values[columns] for n, values in grid._asdict().items() if n != "at_ends"}
    return grid._replace(**arrays)


def _make_tiles(counted: Mask, first: int, sampler: str) -> Tiles:
    """The tiles of draws from number `first` on, which begins a tile.

    `counted` [draw] is False for draws that are left out.
    """
    numbers = first + np.arange(counted.size)
    index = np.arange(counted.size) // TILE * REPLICATES + replicate_of(numbers, sampler)
    held = np.bincount(index[counted], minlength=_replicates_in_tiles(counted.size))
    return Tiles(counted, bool(counted.all()), held, sampler == "sobol")


def _replicates_in_tiles(draws: int) -> int:
    """The number of tiles of these draws, times the replicates of each."""
    return -(-draws // TILE) * REPLICATES


@dataclass(slots=True)
class HistogramPart:
    """Counts of some draws, to be merged into histograms in any order.

    `counts` [column, bin] are numbers of draws, `coarse` [column, replicate, coarse bin] those by
    replicate, and `special` [column, replicate, kind of SPECIAL] those of values that are not
    finite. `happens` and `valid` [event, replicate] are the numbers of draws in which an event
    happens, and in which its values are not NaN. `lowest` and `highest` [column] are the extremes
    of finite values in the bins at the ends.
    """

    grid: Grid
    events: Events
    sampler: str
    counts: NDArray[np.int32]
    coarse: NDArray[np.int32]
    special: Integers
    happens: Integers
    valid: Integers
    lowest: Array
    highest: Array

    def add(self, values: Array, counted: Mask, first: int) -> Array:
        """Count values [row, draw] of draws from number `first` on.

        The last rows are the columns of the histograms; events may need others before them. `first`
        begins a tile of 1,024 draws. `counted` [draw] is False for draws that are left out.

        Returns:
            Sums of the values in the bins at the ends [tile, replicate, column, end], to be folded
            into the histograms in the order of the draws.
        """
        values = np.ascontiguousarray(values)
        tiles = _make_tiles(counted, first, self.sampler)
        ends = np.zeros((len(self.counts), tiles.held.size, len(ENDS)))
        unknown = np.zeros(len(values), np.bool_)
        others = len(values) - len(self.counts)
        find_nan(values[:others], unknown[:others])
        add_to_bins(
            values[others:], tiles, self.grid, self.counts, self.coarse, self.special, self.lowest,
            self.highest, ends, unknown[others:], np.empty(TILE, np.uint32), np.empty(TILE),
        )  # fmt: skip
        order = counting_order(self.events)
        add_events(
            values, 0, tiles, unknown, self.events, order, self.happens, self.valid,
            *np.empty((2, TILE), np.int64),
        )  # fmt: skip
        return _by_tile(ends)

    @classmethod
    def empty(cls, grid: Grid, events: Events, sampler: str) -> HistogramPart:
        """A part without draws, to which draws are added."""
        counts = _empty_counts(len(grid.edges), events.needed.size)
        return cls(grid, events, sampler, **{name: counts[name] for name in COUNTS})


@dataclass(slots=True)
class Histograms:
    """Histograms of all draws that count, kept draws included.

    Counts are as in `HistogramPart`. `edges` [column, edge] are those of the bins, and `ends`
    [replicate, column, end] the sums of the values in the lowest and in the highest bins;
    `span_ends` are those of the draws since the last complete span (`model.blocks`).
    """

    edges: Array
    grid: Grid
    indicators: IndicatorSet
    sampler: str
    counts: Integers
    coarse: Integers
    special: Integers
    happens: Integers
    valid: Integers
    lowest: Array
    highest: Array
    ends: Array
    span_ends: Array

    @classmethod
    def begin(
        cls,
        kept: Array,
        counted: Mask,
        sampler: str,
        indicators: IndicatorSet = NO_EVENTS,
        threads: int | None = None,
        others: int = 0,
    ) -> Histograms:
        """The histograms of the kept draws [row, draw], which determine the bins.

        `others` are the first rows, which events need and which have no histograms. `counted`
        [draw] is False for draws that are left out. `threads` change no bit.
        """
        in_memory = np.ascontiguousarray(kept)
        kept = in_memory[others:]
        edges = np.empty((len(kept), BINS - 1))
        grid = _empty_grid(len(kept), bins_at_ends(int(counted.sum())))
        counts = _empty_counts(len(kept), indicators.events.needed.size)
        histograms = cls(edges, grid, indicators, sampler, **counts)
        histograms.counts, histograms.coarse = (
            histograms.counts.astype(int),
            histograms.coarse.astype(int),
        )
        part = histograms.empty_part()
        tiles = _make_tiles(counted, 0, sampler)
        unknown = np.zeros(len(in_memory), np.bool_)
        find_nan(in_memory[:others], unknown[:others])
        ends = np.zeros((len(kept), tiles.held.size, len(ENDS)))

        def worker() -> Callable[[int], None]:
            """Working space of a thread, and the function that begins columns."""
            finite = np.empty(counted.size)
            bins, space = np.empty(TILE, np.uint32), np.empty(TILE)

            def begin_columns(chunk: int) -> None:
                """Write edges, grid, counts and sums of the columns of a chunk."""
                columns = slice(chunk * COLUMNS, (chunk + 1) * COLUMNS)
                for column in range(len(kept))[columns]:
                    ordered = finite[: take_finite(kept[column], tiles, finite)]
                    ordered.sort()
                    write_edges(ordered, edges[column])
                    # Extremes of later draws lie in bins at the ends; these need not.
                    if ordered.size:
                        histograms.lowest[column], histograms.highest[column] = ordered[[0, -1]]
                columns_grid = _grid_slice(grid, columns)
                lay_out(edges[columns], columns_grid)
                add_to_bins(
                    kept[columns], tiles, columns_grid, part.counts[columns], part.coarse[columns],
                    part.special[columns], histograms.lowest[columns], histograms.highest[columns],
                    ends[columns], unknown[others:][columns], bins, space,
                )  # fmt: skip

            return begin_columns

        in_chunks(-(-len(kept) // COLUMNS), threads, worker)
        histograms.fold(_by_tile(ends))
        histograms.close_span()  # the kept draws are one
        part.happens, part.valid = count_indicators(
            in_memory, counted, sampler, indicators.events, unknown, threads
        )
        histograms.merge(part)
        return histograms

    def empty_part(self) -> HistogramPart:
        """A part without draws, to which draws are added."""
        return HistogramPart.empty(self.grid, self.indicators.events, self.sampler)

    def merge(self, part: HistogramPart) -> None:
        """Add the counts of a part, in any order of parts."""
        self.counts += part.counts
        self.coarse += part.coarse
        self.special += part.special
        self.happens += part.happens
        self.valid += part.valid
        np.minimum(self.lowest, part.lowest, out=self.lowest)
        np.maximum(self.highest, part.highest, out=self.highest)

    def fold(self, ends: Array) -> None:
        """Add sums of tiles at the ends, in the order of draws.

        `ends` is [..., replicate, column, end], with tiles first.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            for tile in ends.reshape(-1, *self.ends.shape):
                self.span_ends += tile

    def close_span(self) -> None:
        """Add the sums of the draws since the last span to those of all."""
        with np.errstate(over="ignore", invalid="ignore"):
            self.ends += self.span_ends
        self.span_ends = np.zeros_like(self.ends)

    def __deepcopy__(self, memo: dict[int, Any]) -> Histograms:
        """A copy that shares edges, grid and events, which never change."""
        return replace(self, **{name: getattr(self, name).copy() for name in _ACCUMULATED})

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All fields as arrays of numbers, to be stored."""
        return {
            "edges": self.edges,
            "at_ends": np.array(self.grid.at_ends),
            "by_sequence": np.array(self.sampler == "sobol"),
            "order": self.indicators.order,
            **{f"event_{name}": part for name, part in self.indicators.events._asdict().items()},
            **{name: getattr(self, name) for name in _ACCUMULATED},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Histograms:
        """The histograms of `to_arrays`, bit for bit."""
        events = Events(*(np.array(arrays[f"event_{name}"]) for name in Events._fields))
        edges = np.array(arrays["edges"])
        return cls(
            edges,
            make_grid(edges, int(arrays["at_ends"])),
            IndicatorSet(events, np.array(arrays["order"])),
            "sobol" if arrays["by_sequence"] else "random",
            **{name: np.array(arrays[name]) for name in _ACCUMULATED},
        )


def count_indicators(
    kept: Array,
    counted: Mask,
    sampler: str,
    events: Events,
    unknown: Mask,
    threads: int | None = None,
) -> tuple[Integers, Integers]:
    """Count the draws in which events happen or are not NaN.

    `kept` [column, draw] are draws from number 0 on, `counted` [draw] is False for those that are
    left out, and `unknown` [column] is True where there may be a NaN.

    Returns:
        Numbers of draws [event, replicate] in which an event happens, and in which its values are
        not NaN.
    """
    kept = np.ascontiguousarray(kept)
    order, lock = counting_order(events), threading.Lock()
    all_happens, all_valid = np.zeros((2, events.needed.size, REPLICATES), np.int64)

    def worker() -> Callable[[int], None]:
        space = np.empty((2, TILE), np.int64)

        def count(chunk: int) -> None:
            draws = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            happens, valid = np.zeros((2, *all_happens.shape), np.int64)
            tiles = _make_tiles(counted[draws], chunk * CHUNK, sampler)
            add_events(kept, chunk * CHUNK, tiles, unknown, events, order, happens, valid, *space)
            with lock:
                all_happens[:] += happens
                all_valid[:] += valid

        return count

    in_chunks(-(-counted.size // CHUNK), threads, worker)
    return all_happens, all_valid


COUNTS = ("counts", "coarse", "special", "happens", "valid", "lowest", "highest")
_ACCUMULATED = (*COUNTS, "ends", "span_ends")


def _empty_counts(columns: int, events: int) -> dict[str, Any]:
    """The fields of `_ACCUMULATED` without draws; shapes as in `Histograms`."""
    return {
        "counts": np.zeros((columns, BINS), np.int32),
        "coarse": np.zeros((columns, REPLICATES, COARSE_BINS), np.int32),
        "special": np.zeros((columns, REPLICATES, len(SPECIAL)), np.int64),
        "happens": np.zeros((events, REPLICATES), np.int64),
        "valid": np.zeros((events, REPLICATES), np.int64),
        "lowest": np.full(columns, np.inf),
        "highest": np.full(columns, -np.inf),
        "ends": np.zeros((REPLICATES, columns, len(ENDS))),
        "span_ends": np.zeros((REPLICATES, columns, len(ENDS))),
    }


def _by_tile(ends: Array) -> Array:
    """Transpose sums [column, tile and replicate, end] of values at the ends.

    The view that comes back is [tile, replicate, column, end].
    """
    return ends.reshape(len(ends), -1, REPLICATES, len(ENDS)).transpose(1, 2, 0, 3)
