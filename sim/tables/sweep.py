"""Tables of a sweep: the expressions asked for, at every point of the grid."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from sim.common.text import in_words
from sim.simulation.sweep import keys, read_expressions, scale, shown_unit, unit
from sim.statistics.expressions import Expression
from sim.tables.cells import Cell, Table


def cell(ds: xr.Dataset, expression: Expression, point: tuple[int, ...]) -> Cell:
    """An expression at a point of the grid."""
    value, error = (
        float(ds[name].values[point]) for name in (expression.text, f"{expression.text}_error")
    )
    of = int(ds["draws_counted"].values[point]) if expression.statistic == "P" else 0
    infinite = "never" if expression.variable == "payback_months" else "inf"
    return Cell(value, error, unit(expression), scale(expression), of, infinite=infinite)


def tables(ds: xr.Dataset) -> list[Table]:
    """A sweep as tables.

    One key: a row for each value. Two: for each expression the values of the longer key down, those
    of the other across. More: a row for each point.
    """
    every, found = keys(ds), read_expressions(ds)
    if not found:
        return []
    labels = {key: [in_words(value) for value in ds[key].values.tolist()] for key in every}
    if len(every) == 2:
        made = [_matrix(ds, expression, every, labels) for expression in found]
    else:
        made = [_rows(ds, found, every, labels)]
    remark = "Points share their random numbers: errors of differences between them are smaller."
    made[-1].remarks.append(remark)
    return made


def _rows(
    ds: xr.Dataset, found: list[Expression], every: list[str], labels: dict[str, list[str]]
) -> Table:
    heads = [_with_unit(re.sub(r"(?<=\()|(?=@)", "\n", one.text), one, "\n") for one in found]
    title = ", ".join(named(ds, key) for key in every)
    table = Table(f"Sweep over {title}", ["", *heads], narrow=True)
    for point in np.ndindex(*(len(labels[key]) for key in every)):
        label = ", ".join(labels[key][i] for key, i in zip(every, point, strict=True))
        table.rows.append((label, [cell(ds, one, point) for one in found]))
        if len(every) > 1 and point[-1] == len(labels[every[-1]]) - 1:
            table.rules.append(len(table.rows))
    return table


def _matrix(
    ds: xr.Dataset, expression: Expression, every: list[str], labels: dict[str, list[str]]
) -> Table:
    across, down = sorted(every, key=lambda key: len(labels[key]))
    title = f"{_with_unit(expression.text, expression)}\nacross: {named(ds, across)}"
    table = Table(f"{title}\ndown:   {named(ds, down)}", ["", *labels[across]], narrow=True)
    for i, label in enumerate(labels[down]):
        at = [{down: i, across: j} for j in range(len(labels[across]))]
        points = [tuple(place[key] for key in every) for place in at]
        table.rows.append((label, [cell(ds, expression, point) for point in points]))
    return table


def named(ds: xr.Dataset, key: str) -> str:
    """A key with the unit of its values."""
    said = ds[key].attrs.get("units", "1")
    return key if said == "1" else f"{key} ({said})"


def _with_unit(text: str, expression: Expression, between: str = " ") -> str:
    said = shown_unit(expression)
    return f"{text}{between}({said})" if said else text
