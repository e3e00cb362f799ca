"""Tables of one world: its inputs, and the result of every formula."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sim.model.dims import QUARTERS, REGIMES
from sim.parameters.fields import short_name
from sim.tables.table import Cell, Table

MOST_INPUTS = 12  # the most unusual ones, unless all are asked for
MOST_REASONS = 5
LARGE = 1e7  # from here on numbers have an exponent


def inputs_table(inputs: Sequence[Any], all_inputs: bool = False) -> Table:
    """The inputs of a world, the most unusual first (`analysis.trace.Input`)."""
    heads = ["input (unit), source", "value", "median", "percentile"]
    table = Table("Inputs, the most unusual first", heads, name="inputs")
    for of in inputs if all_inputs else inputs[:MOST_INPUTS]:
        numbers = [format_number(of.value), format_number(of.median), f"{of.percentile:.1f}"]
        unit = f" ({of.unit})" if of.unit != "1" else ""
        source = f"\n  {of.source}, {of.grade}" if of.source != of.grade else ""
        table.rows.append((f"{short_name(of.name)}{unit}{source}", [*numbers]))
    table.remarks.append("Inputs without a source are judgement, or shocks.")
    if len(inputs) > len(table.rows):
        table.remarks.append(f"And {len(inputs) - len(table.rows)} more: --all shows them.")
    return table


def steps_tables(steps: Sequence[Any]) -> list[Table]:
    """A table for each section of the model (`analysis.trace.Step`).

    Labels that all steps share, such as the quarter, are in the title.
    """
    tables = []
    shared = _shared_labels(steps)
    title = ", ".join(label.replace("_", " ") for label in shared)
    for section, of in groupby(sorted(steps, key=_section), key=lambda step: step.section):
        chosen = list(of)
        heads = ["output (unit)", "this world", "median world", "equation"]
        table = Table(f"{section} ({title})", heads, name=f"section_{_section(chosen[0])}")
        for _, group in groupby(chosen, key=lambda step: step.output):
            table.rows += _rows(list(group), shared)
        files = dict.fromkeys(step.code for step in chosen)
        table.remarks.append(f"Code: {', '.join(files)}")
        tables.append(table)
    return tables


def _rows(steps: Sequence[Any], shared: Sequence[str]) -> Iterator[tuple[str, list[Cell | str]]]:
    """The rows of an output: one, or a head and one for each of its labels."""
    first = steps[0]
    unit = f" ({first.unit})" if first.unit != "1" else ""
    equation = f"({first.equation})" if first.equation else ""
    if len(steps) > 1:
        yield f"{first.output}{unit}", ["", "", equation]
    for step in steps:
        label = " ".join(label for label in step.labels if label not in shared)
        numbers = [format_number(step.value), format_number(step.median)]
        if len(steps) > 1:
            yield f"- {label}", [*numbers, ""]
        else:
            yield f"{f'{step.output} {label}'.rstrip()}{unit}", [*numbers, equation]


def reasons_table(reasons: Sequence[Any], most: int = MOST_REASONS) -> Table:
    """What put a draw where it stands, the weightiest first (`analysis.reasons.Reason`)."""
    title = "What put it there (parts of its normal score, by a linear fit)"
    table = Table(title, ["cause", "score (sd)", "part (sd)"], name="reasons")
    for of in reasons[:most]:
        table.rows.append((short_name(of.cause), [f"{of.score:+.1f}", f"{of.part:+.2f}"]))
    others = sum(of.part for of in reasons[most:])
    if len(reasons) > most:
        table.rows.append((f"{len(reasons) - most} others", ["", f"{others:+.2f}"]))
    return table


def plain_tables(
    inputs: Sequence[Any], steps: Sequence[Any], reasons: Sequence[Any] = ()
) -> list[Table]:
    """All inputs, steps and reasons with full names and digits, for CSV."""
    first = Table("Inputs", ["input", "value", "median", "percentile", "source", "grade"])
    first.name = "inputs"
    for of in inputs:
        cells = [
            Cell(of.value, 0, of.unit),
            Cell(of.median, 0, of.unit),
            Cell(of.percentile, 0, ""),
        ]
        first.rows.append((of.name, [*cells, of.source, of.grade]))
    second = Table("Steps", ["output", "value", "median", "section", "equation", "code"])
    second.name = "steps"
    for step in steps:
        label = f"{step.output}[{', '.join(step.labels)}]" if step.labels else step.output
        cells = [Cell(step.value, 0, step.unit), Cell(step.median, 0, step.unit)]
        second.rows.append((label, [*cells, step.section, step.equation, step.code]))
    third = Table("Reasons", ["cause", "score", "part"], name="reasons")
    for of in reasons:
        third.rows.append((of.cause, [Cell(of.score, 0, "sd"), Cell(of.part, 0, "sd")]))
    return [first, second, *([third] if reasons else [])]


def format_number(value: float) -> str:
    """A number of one world, which has no error: four significant digits."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:,.0f}" if 1e4 <= abs(value) < LARGE else f"{value:.4g}"


def _shared_labels(steps: Sequence[Any]) -> list[str]:
    """Quarter and regime, where all steps have the same."""
    labels = {label for step in steps for label in step.labels}
    found = []
    for known in (QUARTERS, REGIMES):
        present = [label for label in known if label in labels]
        found += present if len(present) == 1 else []
    return found


def _section(step: Any) -> int:
    return int(step.section.split(".")[0])
