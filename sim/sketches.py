"""Sketches: what is remembered of draws beyond those that are kept.

The kept draws, a prefix of all, make a grid of bins for every column; all draws are then counted
in the bins, and by replicate in coarse ones. Counts are integers, so that they may be made in any
parts and merged in any order. From the bins come quantiles, tail means and probabilities of any
level (`sim.binned`), and those declared in `sim.outputs` are counted as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.loops import REPLICATES, TILE
from sim.kernels.sketches import (
    BINS,
    CELLS,
    COARSE_BINS,
    PER_COARSE,
    Events,
    Grid,
    Runs,
    add_events,
    add_to_bins,
    fill_guide,
)
from sim.layout import Variable
from sim.outputs import PROBABILITIES
from sim.plan import replicate_of

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]
CHUNK = 8192  # draws that are counted at a time
SUFFIXES = (
    "bin_edge", "bin_count", "replicate_bin_count", "replicate_end_sum", "replicate_special",
    "replicate_happens", "replicate_valid",
)  # fmt: skip
ENDS = ("low", "high")
DRAWS_AT_ENDS = 10  # of those kept
SPECIAL = ("nan", "-inf", "inf")
BIN_COUNT = "_bin_count"
_LARGEST = np.finfo(np.float64).max
_SCALES = 2.0 ** np.arange(-3, 5)  # over the range of the middle half, of which the best is taken


@dataclass(frozen=True, slots=True)
class Declared:
    """The probabilities of `sim.outputs` that columns can give, as `events` to be counted.

    `places` [event] are those of the probabilities among all that are declared.
    """

    events: Events
    places: Integers


def declared_events(
    columns: Mapping[str, NDArray[Any]],
    fixed: Mapping[str, NDArray[Any]],
    labs: Sequence[str],
    named_labs: Sequence[str],
    thresholds: Sequence[float],
) -> Declared:
    """The declared probabilities of which all that they need is there.

    Args:
        columns: Name of a variable -> the columns of its values, in its shape.
        fixed: Name of an input that is the same in every draw -> its value.
        labs: The labs of the scenario, and the `named_labs` and `thresholds` (GW) of its settings.
        named_labs: See `labs`.
        thresholds: See `labs`.
    """
    made: list[tuple[int, int, list[tuple[int, int, float, bool]]]] = []
    for place, (name, probability) in enumerate(PROBABILITIES.items()):
        least = probability.least
        if probability.of not in columns:
            continue
        found = columns[probability.of]
        if probability.of != "gw":
            other, constant = np.array(-1), np.array(0.0)
            if not isinstance(least, str):
                constant = np.array(least)
            elif least in columns:
                other = columns[least]
            elif least in fixed:
                constant = fixed[least]
            else:
                continue
            sides = (np.broadcast_to(side, found.shape).ravel() for side in (other, constant))
            for column, *compared in zip(found.ravel(), *sides, strict=True):
                made.append((place, 1, [(column, *compared, False)]))
        elif name == "p_gw_above":
            for threshold in thresholds:
                made += [(place, 1, [(column, -1, threshold, True)]) for column in found.ravel()]
        elif name == "p_both_named" and set(named_labs) <= set(labs):
            for quarter in found.T:
                compared_labs = [  # all must be numbers, as where draws are at hand
                    (column, -1, thresholds[0], True)
                    if lab in named_labs
                    else (column, -1, -np.inf, False)
                    for lab, column in zip(labs, quarter, strict=True)
                ]
                made.append((place, len(labs), compared_labs))
        elif name == "p_top_two" and len(labs) > 1:
            for quarter in found.T:
                made.append((place, 2, [(column, -1, thresholds[0], True) for column in quarter]))
    compared_all = [one for _, _, comparisons in made for one in comparisons]
    kinds = (np.int64, np.int64, np.float64, np.bool_)
    parts: list[Any] = [
        np.array([one[i] for one in compared_all], kind) for i, kind in enumerate(kinds)
    ]
    events = Events(
        np.cumsum([0, *(len(comparisons) for _, _, comparisons in made)], dtype=np.int64),
        np.array([needed for _, needed, _ in made], np.int64),
        *parts,
    )
    return Declared(events, np.array([place for place, _, _ in made], np.int64))


NO_EVENTS = declared_events({}, {}, (), (), ())


def levels() -> Array:
    """The levels at which bins end: each holds as many Monte Carlo standard errors."""
    return np.asarray(np.sin(np.pi * np.arange(1, BINS) / (2 * BINS)) ** 2)


def edges_of(values: Array) -> Array:
    """The edges that draws of a column make: a value for every level, in their order.

    A number at two or more of the levels is an atom, and gets a bin of its own. Without finite
    draws all edges are 0.
    """
    ordered = np.sort(values[np.isfinite(values)])
    n = ordered.size
    if not n:
        return np.zeros(BINS - 1)
    at = levels()
    # Ranks mirror one another: the first edge is the smallest value, the last the largest.
    ranks = np.where(at <= 0.5, np.floor(at * n), n - 1 - np.floor((1 - at) * n)).astype(np.int64)
    edges = ordered[ranks]
    first = np.flatnonzero(np.append(True, edges[1:] > edges[:-1]))
    end = np.append(first[1:], edges.size) - 1
    atoms = first[ranks[end] > ranks[first]]
    edges[atoms] = np.nextafter(edges[atoms], -_LARGEST)
    return edges


def bins_at_ends(kept: int) -> int:
    """How many bins at either end have sums: whole coarse ones, of ten of the kept draws or more.

    Nearer to the middle, the middle of a bin stands for the draws in it.
    """
    bins = np.searchsorted(levels(), min(DRAWS_AT_ENDS / max(kept, 1), 0.25))
    return PER_COARSE * math.ceil(bins / PER_COARSE)


def grid_of(edges: Array, at_ends: int) -> Grid:
    """The grid of edges [column, edge], with what finds a bin fast."""
    columns = len(edges)
    grid = Grid(
        np.full((columns, BINS - 1), np.inf),
        np.full((columns, BINS), BINS - 1, np.int16),
        np.zeros((columns, CELLS + 1), np.int16),
        np.zeros(columns),
        np.ones(columns),
        np.zeros(columns, np.int64),
        at_ends,
    )
    trial = np.zeros(CELLS + 1, np.int16)
    for column, row in enumerate(edges):
        distinct, bins = np.unique(row, return_index=True)
        grid.edges[column, : distinct.size] = distinct
        grid.bins[column, : distinct.size] = bins
        low, grid.middle[column], high = (distinct[distinct.size * k // 4] for k in (1, 2, 3))
        with np.errstate(over="ignore"):
            scales = np.clip((high - low) * _SCALES, 1e-300, 1e300)
        best = BINS
        for scale in scales:
            most = fill_guide(grid.edges[column], grid.middle[column], scale, trial)
            if most < best:
                best, grid.scale[column], grid.guide[column] = most, scale, trial
        grid.steps[column] = int(best).bit_length()
    return grid


@dataclass(slots=True)
class Part:
    """What some draws add to a sketch, to be merged into it; all of it does not depend on order.

    `counts` [column, bin]; by replicate `coarse` [column, replicate, coarse bin], `special`
    [column, replicate, what is not finite] and, of what is declared, `happens` and `valid` [event,
    replicate]; the `lowest` and `highest` [column] of finite values at the ends.
    """

    grid: Grid
    events: Events
    sampler: str
    counts: Integers
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
        places = np.flatnonzero(counted)
        if places.size < counted.size:
            values = values[:, places]
        values = np.ascontiguousarray(values)
        runs = _runs(first + places, self.sampler)
        ends = np.zeros((-(-counted.size // TILE), REPLICATES, len(values), len(ENDS)))
        add_to_bins(
            values, runs, places // TILE, self.grid, self.counts, self.coarse, self.special,
            self.lowest, self.highest, ends, np.empty(places.size, np.uint32),
        )  # fmt: skip
        hits, known = np.empty((2, places.size), np.int16)
        add_events(values, runs, self.events, self.happens, self.valid, hits, known)
        return ends


@dataclass(slots=True)
class Sketch:
    """What is remembered of all draws, those that are kept among them.

    As in a `Part`, with the `edges` [column, edge] of the bins, and the sums at the `ends`
    [replicate, column, end]: of the values in the lowest and in the highest bins.
    """

    edges: Array
    grid: Grid
    declared: Declared
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
        cls, kept: Array, counted: Mask, sampler: str, declared: Declared = NO_EVENTS
    ) -> Sketch:
        """The sketch of the first draws [column, draw], which make its bins.

        `counted` says which of them are not left out.
        """
        whole = bool(counted.all())
        found = [edges_of(row if whole else row[counted]) for row in kept]
        edges = np.array(found).reshape(len(kept), BINS - 1)
        grid = grid_of(edges, bins_at_ends(int(counted.sum())))
        sketch = cls(edges, grid, declared, sampler, **_nothing(len(kept), declared))
        sketch.coarse = sketch.coarse.astype(np.int64)
        for column, row in enumerate(kept):  # later extremes are at the ends, these need not be
            finite = row[counted & np.isfinite(row)]
            sketch.lowest[column] = finite.min(initial=np.inf)
            sketch.highest[column] = finite.max(initial=-np.inf)
        part = sketch.part()
        for first in range(0, kept.shape[1], CHUNK):
            chunk = slice(first, first + CHUNK)
            sketch.fold(part.add(kept[:, chunk], counted[chunk], first))
        sketch.merge(part)
        return sketch

    def part(self) -> Part:
        """Nothing yet, to which draws are added."""
        nothing = _nothing(len(self.counts), self.declared)
        del nothing["ends"]
        return Part(self.grid, self.declared.events, self.sampler, **nothing)

    def merge(self, part: Part) -> None:
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

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that there is of it, as arrays of numbers to be stored."""
        return {
            "edges": self.edges,
            "at_ends": np.array(self.grid.at_ends),
            "by_sequence": np.array(self.sampler == "sobol"),
            "places": self.declared.places,
            **{f"event_{name}": part for name, part in self.declared.events._asdict().items()},
            **{name: getattr(self, name) for name in _ACCUMULATED},
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Sketch:
        """The sketch of which these are the `arrays`, bit for bit."""
        events = Events(*(np.array(arrays[f"event_{name}"]) for name in Events._fields))
        edges = np.array(arrays["edges"])
        return cls(
            edges,
            grid_of(edges, int(arrays["at_ends"])),
            Declared(events, np.array(arrays["places"])),
            "sobol" if arrays["by_sequence"] else "random",
            **{name: np.array(arrays[name]) for name in _ACCUMULATED},
        )


_ACCUMULATED = (
    "counts", "coarse", "special", "happens", "valid", "lowest", "highest", "ends",
)  # fmt: skip


def _nothing(columns: int, declared: Declared) -> dict[str, Any]:
    events = len(declared.places)
    return {
        "counts": np.zeros((columns, BINS), np.int64),
        "coarse": np.zeros((columns, REPLICATES, COARSE_BINS), np.int32),
        "special": np.zeros((columns, REPLICATES, len(SPECIAL)), np.int64),
        "happens": np.zeros((events, REPLICATES), np.int64),
        "valid": np.zeros((events, REPLICATES), np.int64),
        "lowest": np.full(columns, np.inf),
        "highest": np.full(columns, -np.inf),
        "ends": np.zeros((REPLICATES, columns, len(ENDS))),
    }


def _runs(numbers: Integers, sampler: str) -> Runs:
    """Draws of these numbers, by replicate."""
    n = numbers.size
    if sampler == "sobol" and n and n == numbers[-1] - numbers[0] + 1:
        starts = np.arange(min(REPLICATES, n))
        stops = np.full(starts.size, n)
        return Runs(starts, stops, REPLICATES, replicate_of(numbers[starts], sampler))
    replicate = replicate_of(numbers, sampler)
    starts = np.flatnonzero(np.diff(replicate, prepend=-1))
    return Runs(starts, np.append(starts[1:], n), 1, replicate[starts])


def variables(sketch: Sketch, drawn: Sequence[Variable]) -> dict[str, Any]:
    """A sketch as variables of a Dataset: name -> dims, values, attributes.

    `drawn` are the variables to which its columns belong, in their order. For each of them
    `<name>_bin_edge` (bin k lies between edges k and k + 1: the first edge is the smallest value,
    the last one the largest), `<name>_bin_count`, `<name>_replicate_bin_count`,
    `<name>_replicate_end_sum` (of as many bins as its attribute `bins` says) and
    `<name>_replicate_special`; of probabilities
    `<name>_replicate_happens` and `<name>_replicate_valid`.
    """
    edges = np.column_stack([sketch.lowest, sketch.edges, sketch.highest])
    made: dict[str, Any] = {}
    begin = 0
    for variable in drawn:
        part = slice(begin, begin + variable.columns.size)
        begin = part.stop
        unit, meaning = variable.declaration.unit, variable.declaration.meaning
        first = ("replicate",)
        by_column = (
            ("bin_edge", (), edges, "edge", unit, "ends of bins"),
            ("bin_count", (), sketch.counts, "bin", "1", "draws in each bin"),
            ("replicate_bin_count", first, sketch.coarse, "coarse_bin", "1", "draws by replicate"),
            ("replicate_end_sum", first, np.moveaxis(sketch.ends, 0, 1), "end", unit,
             "sum of the values at the ends"),
            ("replicate_special", first, sketch.special, "special", "1",
             "draws that are not finite"),
        )  # fmt: skip
        for suffix, lead, values, dim, units, what in by_column:
            of = values[part]
            if lead:
                of = np.moveaxis(of, 1, 0)
            shape = (*of.shape[: len(lead)], *variable.columns.shape, of.shape[-1])
            about: dict[str, Any] = {"units": units, "long_name": f"{meaning}: {what}"}
            if dim == "end":
                about["bins"] = sketch.grid.at_ends
            dims = (*lead, *variable.dims, dim)
            made[f"{variable.name}_{suffix}"] = dims, of.reshape(shape), about
    shapes = {variable.name: variable.columns.shape for variable in drawn}
    for place, (name, probability) in enumerate(PROBABILITIES.items()):
        chosen = sketch.declared.places == place
        if not chosen.any():
            continue
        shape = shapes[probability.of]
        if name == "p_gw_above":
            shape = (-1, *shape)
        elif probability.of == "gw":
            shape = shape[1:]
        for suffix, counts, what in (
            ("happens", sketch.happens, "draws in which it happens"),
            ("valid", sketch.valid, "draws that can tell"),
        ):
            about = {"units": "1", "long_name": f"{probability.meaning}: {what}"}
            by_replicate = counts[chosen].T
            made[f"{name}_replicate_{suffix}"] = (
                ("replicate", *probability.dims),
                by_replicate.reshape(len(by_replicate), *shape),
                about,
            )
    return made
