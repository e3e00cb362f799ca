"""Published figures of outputs beside those of a run."""

from __future__ import annotations

import math
from operator import itemgetter
from typing import Any

from sim.common.text import plain
from sim.model.catalogue import DIMS, OUTPUTS
from sim.model.dims import QUARTERS
from sim.parameters.consistency import describe_quantity, rounding_interval
from sim.parameters.fields import JUDGEMENT
from sim.parameters.published import GRADES
from sim.parameters.scenario import Statement
from sim.statistics.coverage import ComparedFigure, describe_coverage
from sim.statistics.datasets import json_attribute
from sim.tables.cells import Reader
from sim.tables.table import Cell, Table

NAMES = {"published": "published figures beside those of the run"}


def tables(reader: Reader) -> list[Table]:
    """Published figures of outputs, beside quantiles of the run."""
    heads = ["source, expression", "published", "this run", "p5", "p95"]
    table = Table("Published figures beside this run (%, else in the unit of the output)", heads)
    table.name = "published"
    figures = []
    for statement in _statements(reader):
        name, cells = _row(reader, statement)
        table.rows.append((name, cells))
        figures += _compare(statement, cells)
    if not table.rows:
        return []
    table.remarks = [
        "This run: the median. Published inputs, and figures that contradict one another: sim"
        " check.",
        *describe_coverage(figures),
    ]
    return [table]


def compared_figures(reader: Reader) -> list[ComparedFigure]:
    """The graded figures that the table shows, beside the intervals of the run."""
    return [
        figure
        for statement in _statements(reader)
        for figure in _compare(statement, _row(reader, statement)[1])
        if math.isfinite(figure.p5) and math.isfinite(figure.p95)
    ]


def _statements(reader: Reader) -> list[dict[str, Any]]:
    """The published figures that are shown, by output."""
    statements = json_attribute(reader.ds, "published")
    shown = [statement for statement in statements if _is_shown(reader, statement)]
    return sorted(shown, key=itemgetter("output", "quarter", "labels"))


def _compare(statement: dict[str, Any], cells: list[Cell | str]) -> list[ComparedFigure]:
    """The statement beside the run's interval in `cells`, where it is graded and has one.

    Back comes a list of one figure, or none.
    """
    p5, p95 = cells[-2:]
    grade = statement["grade"]
    if grade not in GRADES or grade == JUDGEMENT or isinstance(p5, str) or isinstance(p95, str):
        return []
    written = Statement(**{key: value for key, value in statement.items() if key != "grade"})
    return [
        ComparedFigure(
            describe_quantity(written),
            f"{cells[0]} ({written.source}, {grade})",
            grade,
            rounding_interval(written),
            p5.value,
            p95.value,
        )
    ]


def _is_shown(reader: Reader, statement: dict[str, Any]) -> bool:
    """Whether a statement is of one output at a shown quarter.

    Its lab or landlord is to be shown too.
    """
    name, labels = statement["output"], statement["labels"]
    changed = any(statement[key] for key in ("less", "times", "per"))
    if name not in OUTPUTS or statement["quarter"] not in QUARTERS or changed:
        return False
    if statement["total_of"] or statement["quarter"] not in reader.quarters(statement["quarter"]):
        return False
    usual = json_attribute(reader.ds, "keep") in (None, "headline")
    # A ratio of which the usual run keeps no draws has no mean either.
    if not (usual and OUTPUTS[name].kept) and not _is_summarised(reader, name):
        return False
    dims = _dims(name)
    chosen = {"lab": reader.selection.labs, "landlord": reader.selection.landlords}
    if any(chosen.values()) and not any(chosen[dim] for dim in dims):
        return False
    known = all(label in dict(reader.labels(dim)) for dim, label in zip(dims, labels, strict=False))
    return known and len(labels) == len(dims)


def _is_summarised(reader: Reader, name: str) -> bool:
    """Whether the run's summary has quantiles of an output, or its mean."""
    return f"{name}_quantile" in reader.summary or f"{name}_mean" in reader.summary


def _dims(name: str) -> list[str]:
    """The dims of an output to which a statement's labels belong."""
    return [dim for dim in DIMS[name] if dim in ("lab", "landlord")]


def _row(reader: Reader, statement: dict[str, Any]) -> tuple[str, list[Cell | str]]:
    """Source and expression of a statement, its figure, and the run's."""
    name = statement["output"]
    at = dict(zip(_dims(name), statement["labels"], strict=True))
    at["quarter"] = statement["quarter"]
    scale = 100.0 if OUTPUTS[name].unit == "1" else 1.0
    low, value, high = (
        None if statement[key] is None else f"{scale * statement[key]:g}"
        for key in ("low", "value", "high")
    )
    if low and high:
        published = f"{low} to {high}"
    else:
        published = value or (f">= {low}" if low else f"<= {high}")
    labels = f"[{', '.join(statement['labels'])}]" if statement["labels"] else ""
    text = f"{name}{labels}@{statement['quarter']}"
    cells: list[Cell | str] = [published]
    if f"{name}_quantile" in reader.summary:
        cells += [
            reader.cell(f"{name}_quantile", scale, quantile=level, **at)
            for level in (0.5, 0.05, 0.95)
        ]
    else:
        cells += reader.values([text], (0.5, 0.05, 0.95), OUTPUTS[name].unit, scale)[0]
    return f"{plain(statement['source'])}\n{text}", cells
