"""Tables of a sweep: its expressions at every point of the grid."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from sim.common.text import in_words
from sim.expressions.tree import Expression
from sim.simulation.sweep import keys, read_expressions, scale, shown_unit, unit
from sim.tables.table import Cell, Table


def cell(ds: xr.Dataset, expression: Expression, point: tuple[int, ...]) -> Cell:
    """An expression at a point, given by an index per key."""
    value, error = (
        float(ds[name].values[point]) for name in (expression.text, f"{expression.text}_error")
    )
    draws = int(ds["draws_counted"].values[point]) if expression.statistic == "P" else 0
    infinite = "never" if expression.variable == "payback_months" else "inf"
    return Cell(value, error, unit(expression), scale(expression), draws, infinite=infinite)


def tables(ds: xr.Dataset) -> list[Table]:
    """A sweep as tables.

    One key: a row for each value. Two: for each expression the values of the longer key down, those
    of the other across. More: a row for each point.
    """
    swept, expressions = keys(ds), read_expressions(ds)
    if not expressions:
        return []
    labels = {key: [in_words(value) for value in ds[key].values.tolist()] for key in swept}
    if len(swept) == 2:
        tables = [_matrix(ds, expression, labels) for expression in expressions]
    else:
        tables = [_rows(ds, expressions, labels)]
    remark = "Points share their random numbers: errors of differences between them are smaller."
    tables[-1].remarks.append(remark)
    return tables


def _rows(ds: xr.Dataset, expressions: list[Expression], labels: dict[str, list[str]]) -> Table:
    """A row for each point, a column for each expression.

    `labels` are the values of each key.
    """
    heads = [
        _with_unit(re.sub(r"(?<=\()|(?=@)", "\n", expression.text), expression, "\n")
        for expression in expressions
    ]
    title = ", ".join(_key_with_unit(ds, key) for key in labels)
    table = Table(f"Sweep over {title}", ["", *heads], narrow=True)
    last_of_key = len([*labels.values()][-1]) - 1
    for point in np.ndindex(*map(len, labels.values())):
        label = ", ".join(texts[i] for texts, i in zip(labels.values(), point, strict=True))
        table.rows.append((label, [cell(ds, expression, point) for expression in expressions]))
        if len(labels) > 1 and point[-1] == last_of_key:
            table.rules.append(len(table.rows))
    return table


def _matrix(ds: xr.Dataset, expression: Expression, labels: dict[str, list[str]]) -> Table:
    """An expression over two keys, one down and one across."""
    across, down = sorted(labels, key=lambda key: len(labels[key]))
    title = (
        f"{_with_unit(expression.text, expression)}\nacross: {_key_with_unit(ds, across)}\n"
        f"down:   {_key_with_unit(ds, down)}"
    )
    table = Table(title, ["", *labels[across]], narrow=True)
    for i, label in enumerate(labels[down]):
        indices = [{down: i, across: j} for j in range(len(labels[across]))]
        points = [tuple(index[key] for key in labels) for index in indices]
        table.rows.append((label, [cell(ds, expression, point) for point in points]))
    return table


def _key_with_unit(ds: xr.Dataset, key: str) -> str:
    units = ds[key].attrs.get("units", "1")
    return key if units == "1" else f"{key} ({units})"


def _with_unit(text: str, expression: Expression, separator: str = " ") -> str:
    unit = shown_unit(expression)
    return f"{text}{separator}({unit})" if unit else text
