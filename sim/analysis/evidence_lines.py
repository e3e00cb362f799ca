"""Lines of evidence on a Dataset, and the statistics that are set side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from sim.analysis.measures import Measure, headline_measures
from sim.common.errors import Fault, InputError, Location
from sim.expressions.parse import check, check_expression, kind_of, parse_statistic, unit
from sim.expressions.parse import parse_value as parse_value_text
from sim.expressions.tree import Evidence, ExpressionError, Statistic, Tree, statistics_of
from sim.parameters.evidence import EvidenceError, Line, read_table, read_text
from sim.simulation.origin import run_of
from sim.statistics.datasets import named_labs
from sim.statistics.names import names_of

On = str | Mapping[str, Any] | Line
LEVELS = (5.0, 50.0, 95.0)  # percent, of values
MOST_OWN = 12  # variables of a user's own Dataset that are shown unless some are asked for
WEIGHT = "weight"


def read_lines(ds: xr.Dataset, on: Sequence[On]) -> tuple[Line, ...]:
    """The lines of evidence on a Dataset.

    Raises:
        InputError: With the faults of all, or if there are none.
    """
    faults: list[Fault] = []
    lines = []
    labs = named_labs(ds) if "named_labs" in ds.attrs else []
    for i, entry in enumerate([on] if isinstance(on, str | Mapping | Line) else on):
        key = entry if isinstance(entry, str) else f"evidence {i + 1}"
        try:
            if isinstance(entry, Line):
                line = entry
            elif isinstance(entry, str):
                line = read_text(entry, None, labs)
            else:
                line = read_table(entry, None, labs)
            lines.append(_checked(line, ds))
        except EvidenceError as error:
            faults += [Fault(Location("on"), f"{key}.{k}", text) for k, text in error.faults]
        except ExpressionError as error:
            faults.append(Fault(Location("on"), key, str(error)))
    if not lines and not faults:
        faults.append(Fault(Location("on"), "", "expected at least one line of evidence"))
    if faults:
        raise InputError(faults)
    return tuple(lines)


def _checked(line: Line, ds: xr.Dataset) -> Line:
    """A line whose names are those of a Dataset."""
    of = line.evidence
    tree = check(of.value, names_of(ds, [of.value]))
    found = Evidence(of.text, tree, of.relation, of.number, of.error, of.high)
    return Line(found, line.family, line.nu, line.source, line.name)


def read_measures_of(
    ds: xr.Dataset,
    outputs: Sequence[str],
    labs: Sequence[str],
    quarters: Sequence[str],
    landlords: Sequence[str],
    lines: Sequence[Line],
) -> tuple[Measure, ...]:
    """The statistics that are set side by side: the headline's, and those that are asked for.

    Of a user's own Dataset those of its variables, unless some are asked for.
    """
    if isinstance(outputs, str):
        outputs = [outputs]
    found: list[Measure] = []
    if "parameters" in ds.attrs:
        found += headline_measures(run_of(ds)[0], labs, quarters, landlords)
    elif not outputs:
        own = [str(name) for name in ds.data_vars if ds[name].dims == ("draw",) and name != WEIGHT]
        outputs = [*dict.fromkeys([*map(str, (line.value for line in lines)), *own])][:MOST_OWN]
    faults: list[Fault] = []
    for text in outputs:
        try:
            found += _read_measure(ds, text)
        except ExpressionError as error:
            faults.append(Fault(Location("output"), text, str(error)))
    if faults:
        raise InputError(faults)
    return tuple({measure.text: measure for measure in reversed(found)}.values())[::-1]


def _read_measure(ds: xr.Dataset, text: str) -> list[Measure]:
    """A statistic, or the quantiles of a value."""
    if kind_of(text) == "value":
        tree = parse_value_text(text, None)
        names = names_of(ds, [tree])
        tree = check(tree, names)
        statistics = [Statistic("quantile", tree, level) for level in LEVELS]
        return [Measure(str(of), of, unit(of, names)) for of in statistics]
    expression = parse_statistic(text, None)
    names = names_of(ds, [of.of for of in statistics_of(expression.tree)])
    tree = check_expression(expression, names).tree
    return [Measure(text, tree, unit(tree, names))]


def trees_of(lines: Sequence[Line], measures: Sequence[Measure]) -> list[Tree]:
    """Values and events of which draws are needed, each once."""
    trees = [line.value for line in lines]
    return list(dict.fromkeys([*trees, *(tree for m in measures for tree in m.trees)]))
