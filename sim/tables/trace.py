"""Tables of one world: its inputs, and the result of every formula."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sim.model.dims import QUARTERS, REGIMES
from sim.tables.table import Table

MOST_INPUTS = 12  # the most unusual ones, unless all are asked for


def inputs_table(inputs: Sequence[Any], all_inputs: bool = False) -> Table:
    """The inputs of a world, the most unusual first (`analysis.trace.Input`)."""
    heads = ["input", "value", "median", "unit", "percentile"]
    table = Table("Inputs, the most unusual first", heads, name="inputs")
    for of in inputs if all_inputs else inputs[:MOST_INPUTS]:
        cells = [_number(of.value), _number(of.median), of.unit, f"{100 * of.percentile:.1f}"]
        table.rows.append((short_name(of.name), [*cells]))
    if len(inputs) > len(table.rows):
        table.remarks.append(f"And {len(inputs) - len(table.rows)} more: --all shows them.")
    return table


def steps_tables(steps: Sequence[Any]) -> list[Table]:
    """A table for each section of the model (`analysis.trace.Step`).

    Labels that all steps share, such as the quarter, are in the title.
    """
    tables = []
    quarters = {label for step in steps for label in step.labels if label in QUARTERS}
    usual = {*REGIMES, *(quarters if len(quarters) == 1 else ())}
    at = ", ".join([*(sorted(quarters) if len(quarters) == 1 else ()), "online inference"])
    ordered = sorted(steps, key=lambda step: step.section)
    for section, of in groupby(ordered, key=lambda step: step.section):
        heads = ["output", "this world", "median world", "unit", "equation"]
        table = Table(f"{section} ({at})", heads, name=f"section_{section.split('.')[0]}")
        for step in of:
            others = [label for label in step.labels if label not in usual]
            named = f"{step.output} {', '.join(others)}" if others else step.output
            number = f"({step.equation})" if step.equation else ""
            cells = [_number(step.value), _number(step.median), step.unit, number]
            table.rows.append((named, [*cells]))
        tables.append(table)
    return tables


def short_name(name: str) -> str:
    """The name of an input without its group, where that is not needed to tell it."""
    parts = name.split(".")
    return parts[-1] if len(parts) == 2 else name


def _number(value: float) -> str:
    """A number of one world, which has no error."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
