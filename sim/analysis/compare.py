"""Two worlds side by side, paired draw by draw, and to which edit each difference is due.

Differences are between draws with the same random numbers, so that they are the effect of the edits
alone. Attribution: `analysis.attribution`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.attribution import Attribution, attribute
from sim.analysis.edited_worlds import Point, Subset
from sim.analysis.measures import (
    Array,
    Measure,
    draw_measures,
    headline_measures,
    read_measures,
    sides_of,
)
from sim.common.errors import Fault, InputError, Location
from sim.common.threads import available_threads
from sim.expressions.names import dims_of
from sim.expressions.tree import Statistic
from sim.expressions.tree import references as references_of
from sim.parameters.edits import Edit, apply_edits, find_edits, group_edits
from sim.parameters.options import RunOptions
from sim.parameters.reach import reaching_edits
from sim.parameters.scenario import Scenario
from sim.statistics.estimators import probability_with_error
from sim.statistics.replicates import Replicates, replicated, replicates_by, standard_error
from sim.statistics.replicates import sampler_of as sampler_of_dataset

Integers = NDArray[np.int64]
Sides = dict[int, list[Array]]  # draws of what the events of a measure compare, by its place
MOST_TOGETHER = 8  # worlds that are drawn at a time
MOST_REPLICATES = 256  # into which replicates of attributed statistics are merged


@dataclass(frozen=True)
class Comparison:
    """Two worlds: statistics of both with errors, and what the difference is due to.

    `data` has the dim `measure`: `first`, `second`, `difference`, each with its `..._error`, and
    `p_above`, the share of draws in which the second world's value is above the first's (NaN of
    probabilities); `same` says that no draw differs. With `attribution` it has the dim `edit` as
    well: `part` and `part_error` (of order and sampling), `first_in`, `last_in`, and along `pair`
    `interaction`; `orders` is the number of orders of which a part is the mean (0: all).
    `draws` is the number of pairs; where draws do not pair, there are no differences. `share_of`
    is the number of draws of which probabilities are shares, infinite without uncertainty.
    """

    first: str
    second: str
    edits: list[Edit]
    data: xr.Dataset
    attribution: Attribution | None
    draws: int
    share_of: float

    def _repr_html_(self) -> str:
        columns = ["first", "second", "difference", "difference_error", "p_above"]
        frame = self.data[columns].to_dataframe()[columns]
        named = frame.rename(columns={"first": self.first, "second": self.second})
        title = f"<p>{len(self.edits)} edits, {self.draws:,} draws</p>"
        if self.attribution is None:
            return title + str(named.to_html())
        parts = self.data["part"].transpose("edit", "measure").to_pandas()
        return f"{title}{named.to_html()}<p>Parts of the differences:</p>{parts.to_html()}"


@dataclass(frozen=True)
class MeasuredRun:
    """The draws of the measures of a run [measure][statistic][draw], and what pairs them.

    `numbers` are those of the draws, `evaluated` is their number with those that are left out or
    not kept, `kept` that of the first ones of them, which are here. `sides` are of what the events
    of measures compare.
    """

    label: str
    scenario: Scenario
    seed: int
    sampler: str
    uncertainty: float
    evaluated: int
    kept: int
    numbers: Integers
    draws: list[list[Array]]
    sides: Sides

    def pairs_with(self, other: MeasuredRun) -> bool:
        """Whether draws of the same number have the same random numbers."""
        options = [(run.seed, run.sampler, run.evaluated) for run in (self, other)]
        return options[0] == options[1]


def compare(
    first: Scenario,
    second: Scenario,
    options: RunOptions,
    measures: Sequence[Measure] | None = None,
    *,
    groups: Mapping[str, Collection[str]] | None = None,
    attributed: bool = True,
    labels: tuple[str, str] | None = None,
    progress: Callable[[int], None] = lambda worlds: None,
) -> Comparison:
    """Compare two scenarios under common random numbers, and attribute the differences.

    Args:
        first: The reference.
        second: What is compared with it.
        options: Of the draws of both; `uncertainty` is that of their settings.
        measures: Statistics to compare; those of the headline unless given.
        groups: Names of groups, each with patterns of the edits that it joins.
        attributed: Whether differences are shared among the edits.
        labels: Names of both.
        progress: Called with the number of worlds drawn since the last call.

    Returns:
        The comparison, from the draws that a run keeps. Parts sum to the difference.

    Raises:
        InputError: For a measure that one of them lacks, or a group without edits.
    """
    chosen = list(measures) if measures is not None else headline_measures(first)
    edits = group_edits(find_edits(first, second), groups or {})
    # Worlds side by side use several processors better than one world on all of them.
    processors = options.threads or available_threads()
    together = min(processors, MOST_TOGETHER) if attributed and len(edits) > 1 else 1
    single = replace(options, threads=max(1, processors // together))
    _check_labels(chosen, first, second)

    def draw(scenario: Scenario, of: Sequence[Measure]) -> list[list[Array]]:
        at = replace(single, uncertainty=scenario.settings.uncertainty)
        return draw_measures(scenario, at, of)

    sides = sides_of(chosen)
    drawn = [draw(of, [*chosen, *sides.values()]) for of in (first, second)]
    draws = [of[: len(chosen)] for of in drawn]
    compared = [dict(zip(sides, of[len(chosen) :], strict=True)) for of in drawn]
    replicates = replicated(min(options.draws, options.kept_draws), options.sampler)
    data, moved = _differences(chosen, draws, compared, replicates)
    found = None
    if attributed and edits and moved.any():
        numbers = [measure for measure, moves in zip(chosen, moved, strict=True) if moves]
        known = {
            subset: [part for part, moves in zip(of, moved, strict=True) if moves]
            for subset, of in zip((frozenset[int](), frozenset(range(len(edits)))), draws,
                                  strict=True)
        }  # fmt: skip
        merge, merged = _merged(replicates)

        def value(subset: Subset) -> Point:
            of = known.get(subset)
            if of is None:
                scenario = apply_edits(first, second, [edits[i] for i in sorted(subset)])
                of = draw(scenario, numbers)
            points = [m.point(d, replicates) for m, d in zip(numbers, of, strict=True)]
            return Point(np.array([p[0] for p in points]), merge(np.array([p[1] for p in points])))

        reach = [reaching_edits(edits, references_of(m.tree), first, second) for m in numbers]
        found = attribute(value, len(edits), reach=reach, threads=together, progress=progress)
        data = _with_parts(data, found, edits, moved, merged)
    names = labels or (first.name, second.name)
    certain = {of.settings.uncertainty for of in (first, second)} == {0}
    share_of = math.inf if certain else replicates.draws
    return Comparison(*names, edits, data, found, replicates.draws, share_of)


def measure_run(
    ds: xr.Dataset, scenario: Scenario, measures: Sequence[Measure], label: str = ""
) -> MeasuredRun:
    """Take the draws of measures from the Dataset of a run, which is then no longer needed.

    Raises:
        InputError: If draws that it lacks cannot be made again.
    """
    evaluated = int(ds.attrs["draws"])
    sides = sides_of(measures)
    drawn = read_measures(ds, [*measures, *sides.values()])
    return MeasuredRun(
        label or scenario.name, scenario, int(ds.attrs["seed"]), sampler_of_dataset(ds),
        float(ds.attrs["uncertainty"]), evaluated, int(ds.attrs.get("draws_kept", evaluated)),
        np.array(ds["draw"].values), drawn[: len(measures)],
        dict(zip(sides, drawn[len(measures) :], strict=True)),
    )  # fmt: skip


def compare_runs(
    first: MeasuredRun, second: MeasuredRun, measures: Sequence[Measure]
) -> Comparison:
    """Compare the draws of two runs that both have.

    Statistics are of all draws of a run. There are no differences between runs of another seed,
    sampler or number of draws.
    """
    numbers, *indices = np.intersect1d(first.numbers, second.numbers, return_indices=True)
    pairs = numbers.size > 0 and first.pairs_with(second)
    rows = []
    for i, measure in enumerate(measures):
        values = [
            measure.of(run.draws[i], replicates_by(run.numbers, run.sampler))
            for run in (first, second)
        ]
        common = [
            [of[at] for of in run.draws[i]]
            for run, at in zip((first, second), indices, strict=True)
        ]
        sides = [
            [of[at] for of in run.sides.get(i, [])]
            for run, at in zip((first, second), indices, strict=True)
        ]
        of_pairs = replicates_by(numbers, first.sampler) if pairs else None
        rows.append(_row(measure, values, common, sides, of_pairs))
    edits = find_edits(first.scenario, second.scenario)
    certain = first.uncertainty == second.uncertainty == 0
    share_of = math.inf if certain else min(len(first.numbers), len(second.numbers))
    data = _as_dataset(measures, rows)
    return Comparison(
        first.label, second.label, edits, data, None, numbers.size if pairs else 0, share_of
    )


def _check_labels(measures: Sequence[Measure], first: Scenario, second: Scenario) -> None:
    """Refuse measures of labs or landlords that one of the scenarios lacks."""
    have = [{party.id for party in (*of.labs, *of.landlords)} for of in (first, second)]
    faults = []
    for measure in measures:
        for reference in references_of(measure.tree):
            dims = dims_of(reference.name)
            if "lab" not in dims and "landlord" not in dims:
                continue
            kinds = [dim for dim in dims if dim != "quarter"]
            for dim, label in zip(kinds, reference.labels, strict=True):
                if dim in ("lab", "landlord") and not all(label in of for of in have):
                    where = "both worlds" if any(label in of for of in have) else "either world"
                    message = f"'{label}' is not in {where}"
                    faults.append(Fault(Location("--output"), measure.text, message))
    if faults:
        raise InputError(faults)


def _merged(replicates: Replicates) -> tuple[Callable[[Array], Array], Replicates]:
    """A function that merges neighbouring replicates [..., replicate], and what they become.

    An error needs few hundred of them, and there are hundreds of worlds to keep.
    """
    count = len(replicates.count)
    starts = np.unique(np.arange(min(count, MOST_REPLICATES)) * count // MOST_REPLICATES)
    if count <= MOST_REPLICATES:
        return (lambda values: values), replicates
    sizes = np.add.reduceat(replicates.count, starts)

    def merge(values: Array) -> Array:
        return np.asarray(np.add.reduceat(values * replicates.count, starts, axis=-1) / sizes)

    return merge, Replicates(sizes, replicates.sampler)


def _differences(
    measures: Sequence[Measure],
    draws: list[list[list[Array]]],
    sides: list[Sides],
    replicates: Replicates,
) -> tuple[xr.Dataset, NDArray[np.bool_]]:
    """Statistics of both worlds, their differences, and which of these can be shared out."""
    rows = []
    for i, (measure, first, second) in enumerate(zip(measures, *draws, strict=True)):
        values = [measure.of(of, replicates) for of in (first, second)]
        compared = [of.get(i, []) for of in sides]
        rows.append(_row(measure, values, [first, second], compared, replicates))
    data = _as_dataset(measures, rows)
    return data, ~data["same"].values & np.isfinite(data["difference"].values)


def _row(
    measure: Measure,
    values: list[tuple[float, float]],
    draws: list[list[Array]],
    sides: list[list[Array]],
    pairs: Replicates | None,
) -> dict[str, Any]:
    """A statistic of both worlds, and their difference from draws in pairs, if they pair.

    `sides` are of what its events compare: where these differ, and no event does by chance, the
    error is half a draw, as that of a probability of 0.
    """
    row = dict.fromkeys(("difference", "difference_error", "p_above", "p_above_error"), math.nan)
    for name, (value, error) in zip(("first", "second"), values, strict=True):
        row |= {name: value, f"{name}_error": error}
    if pairs is None:
        return row | {"same": False}
    first, second = draws
    level = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True))
    same = level and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*sides, strict=True))
    with np.errstate(invalid="ignore"):
        row["difference"] = 0.0 if level else values[1][0] - values[0][0]
    if level:
        row["difference_error"] = 0.0 if same else 0.5 / pairs.draws
    else:
        row["difference_error"] = measure.difference_error(first, second, pairs)
    if isinstance(measure.tree, Statistic) and measure.tree.kind != "P" and not same:
        above = probability_with_error(second[0] > first[0], np.ones(pairs.draws, bool), pairs)
        row |= {"p_above": float(above[0]), "p_above_error": float(above[1])}
    return row | {"same": same}


def _as_dataset(measures: Sequence[Measure], rows: Sequence[dict[str, Any]]) -> xr.Dataset:
    """Rows along the dim `measure`."""
    names = list(rows[0]) if rows else []
    return xr.Dataset(
        {name: ("measure", np.array([row[name] for row in rows])) for name in names},
        {
            "measure": [measure.text for measure in measures],
            "unit": ("measure", [measure.unit for measure in measures]),
            "label": ("measure", [measure.label or measure.text for measure in measures]),
        },
    )


def _with_parts(
    data: xr.Dataset,
    found: Attribution,
    edits: Sequence[Edit],
    moved: NDArray[np.bool_],
    replicates: Replicates,
) -> xr.Dataset:
    """The comparison with parts of each difference by edit; NaN where it is not shared out."""
    sampling = standard_error(found.deviations, replicates)
    parts = {
        "part": found.parts,
        "part_error": np.hypot(found.order_errors, sampling),
        "order_error": found.order_errors,
        "first_in": found.first,
        "last_in": found.last,
    }
    variables: dict[str, Any] = {}
    for name, values in parts.items():
        entire = np.full((len(edits), moved.size), np.nan)
        entire[:, moved] = values
        entire[:, data["same"].values] = 0.0
        variables[name] = (("edit", "measure"), entire)
    interactions = np.full((len(found.pairs), moved.size), np.nan)
    interactions[:, moved] = found.interactions
    variables["interaction"] = (("pair", "measure"), interactions)
    orders = np.zeros(moved.size, np.int64)
    orders[moved] = found.orders
    variables["orders"] = ("measure", orders)
    pairs = [f"{edits[a].name} x {edits[b].name}" for a, b in found.pairs]
    coords = {"edit": [edit.name for edit in edits], "pair": pairs}
    return data.assign(variables).assign_coords(coords)
