"""Two worlds side by side, paired draw by draw, and to which edit each difference is due.

Differences are between draws with the same random numbers, so that they are the effect of the edits
alone. Attribution: `analysis.attribution`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.attribution import Attribution, Point, Subset, attribute
from sim.common.errors import Fault, InputError, Location
from sim.common.threads import available_threads
from sim.expressions.names import Names, dims_of
from sim.expressions.parse import kind_of, parse_statistic, parse_value, unit
from sim.expressions.tree import ExpressionError, Statistic, Tree, statistics_of
from sim.expressions.tree import references as references_of
from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.parameters.edits import Edit, apply_edits, find_edits, group_edits
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.cells import draw_values
from sim.statistics.estimators import (
    probability_with_error,
    quantile_influence,
)
from sim.statistics.formed import combine, difference_drawn, evaluate_drawn
from sim.statistics.replicates import Replicates, replicated, standard_error
from sim.statistics.values import DrawnValue

Array = NDArray[np.float64]
LAST = QUARTERS[-1]


@dataclass(frozen=True)
class Measure:
    """A statistic, or what is formed of several: its text, tree and unit.

    `label` names it in tables. Draws are those [draw] of the value or event of each of its
    statistics (`trees`), NaN where they are not known; events are 0 or 1.
    """

    text: str
    tree: Tree
    unit: str
    label: str = ""

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics of which it is formed, each once."""
        return tuple(dict.fromkeys(statistics_of(self.tree)))

    @property
    def trees(self) -> list[Tree]:
        """Values and events of the statistics."""
        return [statistic.of for statistic in self.statistics]

    def of(self, draws: Sequence[Array], replicates: Replicates) -> tuple[float, float]:
        """The statistic of draws, and its error."""
        return evaluate_drawn(self.tree, self._drawn(draws, replicates))

    def difference_error(
        self, first: Sequence[Array], second: Sequence[Array], pairs: Replicates
    ) -> float:
        """The error of the difference of the statistic between draws in pairs."""
        drawn = (self._drawn(first, pairs), self._drawn(second, pairs))
        return difference_drawn((self.tree, self.tree), drawn)[1]

    def point(self, draws: Sequence[Array], replicates: Replicates) -> tuple[float, Array]:
        """The statistic, and its deviations by replicate, whose mean moves with it."""
        if self.tree == self.statistics[0]:
            (statistic,), (of,) = self.statistics, draws
            if statistic.kind == "quantile":
                value = float(np.quantile(of, statistic.level))
                return value, replicates.means(quantile_influence(of, statistic.level))
            if statistic.kind == "mean" or (statistic.kind == "P" and not np.isnan(of).any()):
                value = float(of.mean())
                return value, replicates.means(of) - value
        value, shift, _ = combine(self.tree, self._drawn(draws, replicates))
        return value, shift

    def _drawn(self, draws: Sequence[Array], replicates: Replicates) -> dict[Statistic, DrawnValue]:
        return {
            statistic: DrawnValue(
                (of != 0) if statistic.kind == "P" else of, ~np.isnan(of), replicates
            )
            for statistic, of in zip(self.statistics, draws, strict=True)
        }


@dataclass(frozen=True)
class Comparison:
    """Two worlds: statistics of both with errors, and what the difference is due to.

    `data` has the dim `measure`: `first`, `second`, `difference`, each with its `..._error`, and
    `p_above`, the share of draws in which the second world's value is above the first's (NaN of
    probabilities); `same` says that no draw differs. With `attribution` it has the dim `edit` as
    well: `part` and `part_error` (of order and sampling), `first_in`, `last_in`, and
    `interaction` along `pair`.
    """

    first: str
    second: str
    edits: list[Edit]
    data: xr.Dataset
    attribution: Attribution | None
    draws: int

    def _repr_html_(self) -> str:
        frame = self.data[["first", "second", "difference", "difference_error"]].to_dataframe()
        return str(frame.to_html())


def parse_measure(
    text: str, option: str = "--output", names: Mapping[str, str] | None = None
) -> Measure:
    """Read a statistic, `p50(VALUE)`, `P(EVENT)`, or what is formed of several.

    A value alone is its median. `names` holds the ids of labs and landlords by their display names.

    Raises:
        InputError: For another text.
    """
    known = Names(display=names or {})
    try:
        if kind_of(text) != "value":
            expression = parse_statistic(text, known)
            return Measure(text, expression.tree, unit(expression.tree))
        statistic = Statistic("quantile", parse_value(text, known), 50.0)
    except ExpressionError as error:
        raise InputError([Fault(Location(option), text, str(error))]) from None
    return Measure(str(statistic), statistic, unit(statistic))


def party_names(scenario: Scenario) -> dict[str, str]:
    """The id of each display name of a lab or landlord."""
    return {party.name: party.id for party in (*scenario.labs, *scenario.landlords)}


def headline_measures(
    scenario: Scenario, labs: Sequence[str] = (), quarters: Sequence[str] = ()
) -> list[Measure]:
    """The statistics of the headline: margins, and of named or given labs gigawatts and margins."""
    names = {lab.id: lab.name for lab in scenario.labs}
    chosen = [lab for lab in labs or scenario.settings.named_labs if lab in names]
    at = list(quarters or (REFERENCE_QUARTER, LAST))
    texts: dict[str, str] = {}  # statistic -> label
    for quarter in at:
        margin = f"inference_gross_margin@{quarter}"
        if quarter == at[0]:
            texts[f"p5({margin})"] = f"Inference {quarter} p5"
        texts[f"p50({margin})"] = f"Inference {quarter}"
        if quarter == at[0]:
            texts[f"p95({margin})"] = f"Inference {quarter} p95"
        texts[f"P({margin} >= hurdle_margin)"] = f"P(>= hurdle) {quarter}"
        texts[f"p50(loaded_gross_margin@{quarter})"] = f"Loaded {quarter}"
        texts[f"p50(fine_tune_gross_margin@{quarter})"] = f"Fine-tune {quarter}"
    for lab in chosen:
        name = names[lab]
        texts |= {f"p50(gw[{lab}]@{quarter})": f"{name} GW {quarter}" for quarter in at}
        if f"labs.{lab}.arr_2026q4_busd" in scenario.quantities:
            paid = f"lab_paid_margin[{lab}]@{at[0]}"
            texts[f"p50({paid})"] = f"{name} paid margin"
            texts[f"P({paid} >= hurdle_margin)"] = f"{name} P(>= hurdle)"
            texts[f"p50(training_moic[{lab}])"] = f"{name} training multiple"
    if len(chosen) == 2:
        limit = scenario.settings.thresholds_gw[0]
        both = " and ".join(f"gw[{lab}]@{at[-1]} > {limit:g}" for lab in chosen)
        texts[f"P({both})"] = f"P(both > {limit:g} GW) {at[-1]}"
    return [replace(parse_measure(text), label=label) for text, label in texts.items()]


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
        options: Of the draws of both.
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
    common = {party.id for party in first.labs} & {party.id for party in second.labs}
    edits = group_edits(find_edits(first, second), groups or {})
    # Two worlds side by side use two processors better than one world on both.
    processors = options.threads or available_threads()
    together = 2 if processors > 1 and attributed and len(edits) > 1 else 1
    single = replace(options, threads=max(1, processors // together))
    _check_labels(chosen, common, first, second)
    draws = [draw_measures(of, single, chosen) for of in (first, second)]
    replicates = replicated(min(options.draws, options.kept_draws), options.sampler)
    data, moved = _differences(chosen, draws, replicates)
    found = None
    if attributed and edits and moved.any():
        numbers = [measure for measure, moves in zip(chosen, moved, strict=True) if moves]
        known = {frozenset[int](): draws[0], frozenset(range(len(edits))): draws[1]}

        def value(subset: Subset) -> Point:
            scenario = apply_edits(first, second, [edits[i] for i in sorted(subset)])
            drawn = known.get(subset)
            if drawn is not None:
                of = [part for part, moves in zip(drawn, moved, strict=True) if moves]
            else:
                of = draw_measures(scenario, single, numbers)
            points = [m.point(d, replicates) for m, d in zip(numbers, of, strict=True)]
            return Point(np.array([p[0] for p in points]), np.array([p[1] for p in points]))

        found = attribute(value, len(edits), threads=together, progress=progress)
        data = _with_parts(data, found, edits, moved, replicates)
    names = labels or (first.name, second.name)
    return Comparison(*names, edits, data, found, replicates.draws)


def draw_measures(
    scenario: Scenario, options: RunOptions, measures: Sequence[Measure]
) -> list[list[Array]]:
    """The draws of each measure, by statistic."""
    trees = [tree for measure in measures for tree in measure.trees]
    drawn = iter([read_numbers(value, options) for value in draw_values(scenario, options, trees)])
    return [[next(drawn) for _ in measure.trees] for measure in measures]


def read_numbers(value: Any, options: RunOptions) -> Array:
    """The draws of a value as numbers [draw], NaN where it is not known; events are 0 or 1."""
    numbers = np.where(value.known, value.draws, np.nan)
    count = min(options.draws, options.kept_draws)
    return np.ascontiguousarray(np.broadcast_to(numbers.astype(float), (count,)))


def _check_labels(
    measures: Sequence[Measure], labs: Collection[str], first: Scenario, second: Scenario
) -> None:
    """Refuse measures of labs or landlords that one of the scenarios lacks."""
    known = set(labs) | {p.id for p in first.landlords} & {p.id for p in second.landlords}
    faults = []
    for measure in measures:
        for reference in references_of(measure.tree):
            for label in reference.labels:
                is_party = label in {p.id for s in (first, second) for p in (*s.labs, *s.landlords)}
                dims = _party_dims(reference.name)
                if dims and label not in known:
                    where = "both worlds" if is_party else "either world"
                    message = f"'{label}' is not in {where}"
                    faults.append(Fault(Location("--output"), measure.text, message))
    if faults:
        raise InputError(faults)


def _party_dims(name: str) -> list[str]:
    return [dim for dim in dims_of(name) if dim in ("lab", "landlord")]


def _differences(
    measures: Sequence[Measure], draws: list[list[list[Array]]], replicates: Replicates
) -> tuple[xr.Dataset, NDArray[np.bool_]]:
    """Statistics of both worlds, their differences, and which of these can be shared out."""
    rows: dict[str, list[Any]] = {
        name: []
        for name in (
            "first", "first_error", "second", "second_error", "difference", "difference_error",
            "p_above", "p_above_error", "same",
        )
    }  # fmt: skip
    for measure, first, second in zip(measures, *draws, strict=True):
        same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True))
        values = [measure.of(of, replicates) for of in (first, second)]
        above = (np.nan, np.nan)
        if isinstance(measure.tree, Statistic) and measure.tree.kind != "P" and not same:
            (a,), (b,) = first, second
            found = probability_with_error(b > a, np.ones(a.size, bool), replicates)
            above = float(found[0]), float(found[1])
        with np.errstate(invalid="ignore"):
            difference = values[1][0] - values[0][0]
            error = 0.0 if same else measure.difference_error(first, second, replicates)
        cells = (*values[0], *values[1], difference, error, *above, same)
        for name, cell in zip(rows, cells, strict=True):
            rows[name].append(cell)
    data = xr.Dataset(
        {name: ("measure", np.array(cells)) for name, cells in rows.items()},
        {
            "measure": [measure.text for measure in measures],
            "unit": ("measure", [measure.unit for measure in measures]),
            "label": ("measure", [measure.label or measure.text for measure in measures]),
        },
    )
    moved = ~data["same"].values & np.isfinite(data["difference"].values)
    return data, moved


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
    pairs = [f"{edits[a].name} x {edits[b].name}" for a, b in found.pairs]
    coords = {"edit": [edit.name for edit in edits], "pair": pairs}
    return data.assign(variables).assign_coords(coords)
