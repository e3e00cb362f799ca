"""Sketches: what is remembered of draws beyond those that are kept.

The kept draws, a prefix of all, make a grid of bins for every column; all draws are then counted
in the bins, and by replicate in coarse ones. Counts are integers, so that they may be made in any
parts and merged in any order. From the bins come quantiles, tail means and probabilities of any
level (`sim.binned`), and those declared in `sim.outputs` are counted as they are.
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
from sim.engine.events import NO_EVENTS, IndicatorSet, in_order
from sim.kernels.events import Events, add_events
from sim.kernels.histograms import (
    CELLS,
    Grid,
    Tiles,
    add_to_bins,
    choose_edges,
    lay_out,
    take_finite,
)
from sim.model.blocks import REPLICATES, TILE, replicate_of
from sim.model.histogram_bins import BINS, COARSE_BINS, PER_COARSE

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]
CHUNK = 8192  # draws that are counted at a time
COLUMNS = 8  # that a thread begins at a time
ENDS = ("low", "high")
DRAWS_AT_ENDS = 10  # of those kept
SPECIAL = ("nan", "-inf", "inf")


def levels() -> Array:
    """The levels at which bins end: each holds as many Monte Carlo standard errors."""
    return np.asarray(np.sin(np.pi * np.arange(1, BINS) / (2 * BINS)) ** 2)


@lru_cache(maxsize=8)
def _ranks(n: int) -> Integers:
    """The ranks of the edges among n sorted draws."""
    at = levels()
    # Ranks mirror one another: the first edge is the smallest value, the last the largest.
    return np.where(at <= 0.5, np.floor(at * n), n - 1 - np.floor((1 - at) * n)).astype(np.int64)


def edges_of(ordered: Array, edges: Array) -> None:
    """Write the edges that sorted finite draws make: a value for every level, in their order.

    A number at two or more of the levels is an atom, and gets a bin of its own. Without draws all
    edges are 0.
    """
    if ordered.size:
        choose_edges(ordered, _ranks(ordered.size), edges)
    else:
        edges[:] = 0.0


def bins_at_ends(kept: int) -> int:
    """How many bins at either end have sums: whole coarse ones, of ten of the kept draws or more.

    Nearer to the middle, the middle of a bin stands for the draws in it.
    """
    bins = np.searchsorted(levels(), min(DRAWS_AT_ENDS / max(kept, 1), 0.25))
    return PER_COARSE * math.ceil(bins / PER_COARSE)


def grid_of(edges: Array, at_ends: int) -> Grid:
    """The grid of edges [column, edge], with what finds a bin fast."""
    grid = _no_grid(len(edges), at_ends)
    lay_out(edges, grid)
    return grid


def _no_grid(columns: int, at_ends: int) -> Grid:
    return Grid(
        np.full((columns, BINS - 1), np.inf),
        np.full((columns, BINS), BINS - 1, np.int16),
        np.zeros((columns, CELLS + 1), np.int16),
        np.zeros(columns),
        np.ones(columns),
        np.zeros(columns, np.int64),
        at_ends,
    )


def _columns_of(grid: Grid, columns: slice) -> Grid:
    """Some columns of a grid, in the same memory."""
    there = {n: values[columns] for n, values in grid._asdict().items() if n != "at_ends"}
    return grid._replace(**there)


def _tiles(counted: Mask, first: int, sampler: str) -> Tiles:
    """Draws from the first of a tile on, of which some are counted."""
    numbers = first + np.arange(counted.size)
    places = np.arange(counted.size) // TILE * REPLICATES + replicate_of(numbers, sampler)
    held = np.bincount(places[counted], minlength=_places(counted.size))
    return Tiles(counted, bool(counted.all()), held, sampler == "sobol")


def _places(draws: int) -> int:
    """How many replicates there are in all tiles of so many draws together."""
    return -(-draws // TILE) * REPLICATES


@dataclass(slots=True)
class HistogramPart:
    """What some draws add to a sketch, to be merged into it; all of it does not depend on order.

    `counts` [column, bin]; by replicate `coarse` [column, replicate, coarse bin], `special`
    [column, replicate, what is not finite] and, of what is declared, `happens` and `valid` [event,
    replicate]; the `lowest` and `highest` [column] of finite values at the ends.
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
        """Count values [column, n] of draws `first` ... `first + n - 1`, but those left out.

        `first` begins a tile of 1,024 draws.

        Returns:
            The sums of values at the ends [tile, replicate, column, end], to be folded into the
            sketch in the order of the draws.
        """
        values = np.ascontiguousarray(values)
        tiles = _tiles(counted, first, self.sampler)
        ends = np.zeros((len(values), tiles.held.size, len(ENDS)))
        unknown = np.zeros(len(values), np.bool_)
        add_to_bins(
            values, tiles, self.grid, self.counts, self.coarse, self.special, self.lowest,
            self.highest, ends, unknown, np.empty(TILE, np.uint32), np.empty(TILE),
        )  # fmt: skip
        order = in_order(self.events)
        add_events(values, 0, tiles, unknown, self.events, order, self.happens, self.valid)
        return _by_tile(ends)


@dataclass(slots=True)
class Histograms:
    """What is remembered of all draws, those that are kept among them.

    As in a `HistogramPart`, with the `edges` [column, edge] of the bins, and the sums at the `ends`
    [replicate, column, end]: of the values in the lowest and in the highest bins.
    """

    edges: Array
    grid: Grid
    declared: IndicatorSet
    sampler: str
    counts: Integers
    coarse: Integers
    special: Integers
    happens: Integers
    valid: Integers
    lowest: Array
    highest: Array
    ends: Array

    @classmethod
    def begin(
        cls,
        kept: Array,
        counted: Mask,
        sampler: str,
        declared: IndicatorSet = NO_EVENTS,
        threads: int | None = None,
    ) -> Histograms:
        """The sketch of the first draws [column, draw], which make its bins.

        `counted` says which of them are not left out. `threads` change no bit.
        """
        edges = np.empty((len(kept), BINS - 1))
        grid = _no_grid(len(kept), bins_at_ends(int(counted.sum())))
        histograms = cls(edges, grid, declared, sampler, **_nothing(len(kept), declared))
        histograms.counts, histograms.coarse = (
            histograms.counts.astype(int),
            histograms.coarse.astype(int),
        )
        part = histograms.part()
        tiles = _tiles(counted, 0, sampler)
        unknown = np.zeros(len(kept), np.bool_)
        ends = np.zeros((len(kept), tiles.held.size, len(ENDS)))

        def bins() -> Callable[[int], None]:
            finite = np.empty(counted.size)
            found, space = np.empty(TILE, np.uint32), np.empty(TILE)

            def begin(chunk: int) -> None:
                some = slice(chunk * COLUMNS, (chunk + 1) * COLUMNS)
                for column in range(len(kept))[some]:
                    ordered = finite[: take_finite(kept[column], tiles, finite)]
                    ordered.sort()
                    edges_of(ordered, edges[column])
                    if ordered.size:  # later extremes are at the ends, these need not be
                        histograms.lowest[column], histograms.highest[column] = ordered[[0, -1]]
                here = _columns_of(grid, some)
                lay_out(edges[some], here)
                add_to_bins(
                    kept[some], tiles, here, part.counts[some], part.coarse[some],
                    part.special[some], histograms.lowest[some], histograms.highest[some],
                    ends[some], unknown[some], found, space,
                )  # fmt: skip

            return begin

        in_chunks(-(-len(kept) // COLUMNS), threads, bins)
        histograms.fold(_by_tile(ends))
        part.happens, part.valid = count_indicators(
            kept, counted, sampler, declared.events, unknown, threads
        )
        histograms.merge(part)
        return histograms

    def part(self) -> HistogramPart:
        """Nothing yet, to which draws are added."""
        nothing = _nothing(len(self.counts), self.declared)
        del nothing["ends"]
        return HistogramPart(self.grid, self.declared.events, self.sampler, **nothing)

    def merge(self, part: HistogramPart) -> None:
        """Add what a part has counted; the order of parts changes no bit."""
        self.counts += part.counts
        self.coarse += part.coarse
        self.special += part.special
        self.happens += part.happens
        self.valid += part.valid
        np.minimum(self.lowest, part.lowest, out=self.lowest)
        np.maximum(self.highest, part.highest, out=self.highest)

    def fold(self, ends: Array) -> None:
        """Add sums at the ends of tiles [..., replicate, column, end], in the order of draws."""
        with np.errstate(over="ignore", invalid="ignore"):
            for tile in ends.reshape(-1, *self.ends.shape):
                self.ends += tile

    def __deepcopy__(self, memo: dict[int, Any]) -> Histograms:
        """A sketch that does not change with this one; what never changes is the same."""
        return replace(self, **{name: getattr(self, name).copy() for name in _ACCUMULATED})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that there is of it, as arrays of numbers to be stored."""
        return {
            "edges": self.edges,
            "at_ends": np.array(self.grid.at_ends),
            "by_sequence": np.array(self.sampler == "sobol"),
            "order": self.declared.order,
            **{f"event_{name}": part for name, part in self.declared.events._asdict().items()},
            **{name: getattr(self, name) for name in _ACCUMULATED},
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Histograms:
        """The sketch of which these are the `arrays`, bit for bit."""
        events = Events(*(np.array(arrays[f"event_{name}"]) for name in Events._fields))
        edges = np.array(arrays["edges"])
        return cls(
            edges,
            grid_of(edges, int(arrays["at_ends"])),
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
    """In how many of the first draws [column, draw] events happen, and are not NaN.

    `counted` [draw] says which of them are not left out, `unknown` [column] where there may be a
    NaN. Both come by replicate [event, replicate].
    """
    order, lock = in_order(events), threading.Lock()
    all_happens, all_valid = np.zeros((2, events.needed.size, REPLICATES), np.int64)

    def worker() -> Callable[[int], None]:
        def count(chunk: int) -> None:
            some = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            happens, valid = np.zeros((2, *all_happens.shape), np.int64)
            here = _tiles(counted[some], chunk * CHUNK, sampler)
            add_events(kept, chunk * CHUNK, here, unknown, events, order, happens, valid)
            with lock:
                all_happens[:] += happens
                all_valid[:] += valid

        return count

    in_chunks(-(-counted.size // CHUNK), threads, worker)
    return all_happens, all_valid


_ACCUMULATED = (
    "counts", "coarse", "special", "happens", "valid", "lowest", "highest", "ends",
)  # fmt: skip


def _nothing(columns: int, declared: IndicatorSet) -> dict[str, Any]:
    events = len(declared.order)
    return {
        "counts": np.zeros((columns, BINS), np.int32),
        "coarse": np.zeros((columns, REPLICATES, COARSE_BINS), np.int32),
        "special": np.zeros((columns, REPLICATES, len(SPECIAL)), np.int64),
        "happens": np.zeros((events, REPLICATES), np.int64),
        "valid": np.zeros((events, REPLICATES), np.int64),
        "lowest": np.full(columns, np.inf),
        "highest": np.full(columns, -np.inf),
        "ends": np.zeros((REPLICATES, columns, len(ENDS))),
    }


def _by_tile(ends: Array) -> Array:
    """Sums at the ends [column, tile and replicate, end] as [tile, replicate, column, end]."""
    return ends.reshape(len(ends), -1, REPLICATES, len(ENDS)).transpose(1, 2, 0, 3)
