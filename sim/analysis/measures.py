"""Statistics that are compared between worlds, and their draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.expressions.names import Names
from sim.expressions.parse import kind_of, parse_statistic, parse_value, unit
from sim.expressions.tree import (
    RELATIONS,
    ExpressionError,
    Operation,
    Statistic,
    Tree,
    statistics_of,
)
from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.cells import draw_values
from sim.simulation.redraw import redraw
from sim.statistics.estimators import quantile_influence
from sim.statistics.formed import combine, difference_drawn, evaluate_drawn
from sim.statistics.replicates import Replicates
from sim.statistics.values import DrawnValue, draw_value, names_needed

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
    scenario: Scenario,
    labs: Sequence[str] = (),
    quarters: Sequence[str] = (),
    landlords: Sequence[str] = (),
) -> list[Measure]:
    """The statistics of the headline: margins, and gigawatts and margins of labs and landlords.

    Labs are the named ones, quarters the reference quarter and the last, unless given; landlords
    are those that are given. Ids that the scenario lacks are left out.
    """
    names = {party.id: party.name for party in (*scenario.labs, *scenario.landlords)}
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
    for landlord in [of for of in landlords if of in names]:
        name = names[landlord]
        for quarter in at:
            cell = f"[{landlord}]@{quarter}"
            texts[f"p50(hosted_gw_landlord{cell})"] = f"{name} labs' GW {quarter}"
            if _lets(scenario, landlord):
                texts[f"p50(rent_received{cell})"] = f"{name} rent {quarter}"
                texts[f"p50(landlord_gross_margin{cell})"] = f"{name} margin {quarter}"
    return [replace(parse_measure(text), label=label) for text, label in texts.items()]


def _lets(scenario: Scenario, landlord: str) -> bool:
    """Whether an outside lab rents from a landlord in every year."""
    shares = [
        (host.share_2025, host.share_2026, host.share_2027)
        for (_, of), host in scenario.hosts.items()
        if of == landlord and not host.captive
    ]
    return any(all(share > 0 for share in of) for of in shares)


def common_measures(
    scenarios: Sequence[Scenario],
    labs: Sequence[str] = (),
    quarters: Sequence[str] = (),
    landlords: Sequence[str] = (),
) -> list[Measure]:
    """The headline statistics of the first scenario that all of them have."""
    first, *others = (headline_measures(of, labs, quarters, landlords) for of in scenarios)
    texts = [{measure.text for measure in of} for of in others]
    return [measure for measure in first if all(measure.text in of for of in texts)]


def sides_of(measures: Sequence[Measure]) -> dict[int, Measure]:
    """By the place of each measure with events, one of what these compare: left less right.

    An event may be the same in every draw of two worlds of which the values differ.
    """
    found = {}
    for place, measure in enumerate(measures):
        events = [of.of for of in measure.statistics if of.kind == "P"]
        sides = [
            Statistic("quantile", Operation("-", of.operands), 50.0)
            for event in events
            for of in _comparisons(event)
        ]
        if sides:
            tree: Tree = sides[0]
            for side in sides[1:]:
                tree = Operation("+", (tree, side))
            found[place] = Measure(measure.text, tree, "")
    return found


def _comparisons(tree: Tree) -> Iterator[Operation]:
    if isinstance(tree, Operation):
        if tree.operator in RELATIONS:
            yield tree
        else:
            for operand in tree.operands:
                yield from _comparisons(operand)


def draw_measures(
    scenario: Scenario, options: RunOptions, measures: Sequence[Measure]
) -> list[list[Array]]:
    """The draws of each measure, by statistic, NaN where they are not known; events are 0 or 1."""
    trees = [tree for measure in measures for tree in measure.trees]
    count = min(options.draws, options.kept_draws)
    drawn = iter([_numbers(value, count) for value in draw_values(scenario, options, trees)])
    return [[next(drawn) for _ in measure.trees] for measure in measures]


def read_measures(ds: xr.Dataset, measures: Sequence[Measure]) -> list[list[Array]]:
    """As `draw_measures`, of the draws that a Dataset of one scenario holds.

    Raises:
        InputError: As `redraw`, which makes what it lacks or holds rounded.
    """
    ds = redraw(ds, names_needed([tree for measure in measures for tree in measure.trees]))
    count = ds.sizes["draw"]
    return [[_numbers(draw_value(of, ds), count) for of in m.trees] for m in measures]


def _numbers(value: DrawnValue, count: int) -> Array:
    """The draws of a value as numbers [draw], NaN where it is not known; events are 0 or 1."""
    numbers = np.where(value.known, value.draws, np.nan)
    return np.array(np.broadcast_to(numbers.astype(float), (count,)))
