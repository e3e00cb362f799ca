"""What sources state about outputs, beside what this run gives."""

from __future__ import annotations

import json
from typing import Any

from sim.model.catalogue import OUTPUTS
from sim.tables.cells import Cell, Reader, Table


def tables(read: Reader) -> list[Table]:
    """Published figures of outputs at a quarter, against the draws."""
    heads = ["source, expression", "published", "this run", "p5", "p95"]
    table = Table("Published figures beside this run (GW, %, USD bn a year)", heads)
    shown = [said for said in json.loads(read.ds.attrs["published"]) if _is_shown(read, said)]
    for said in sorted(shown, key=lambda said: (said["output"], said["quarter"], said["labels"])):
        table.rows.append(_row(read, said))
    if not table.rows:
        return []
    table.remarks = [
        "This run: the median, or the mean of outputs without stored draws (ARR). Published inputs,"
        " and figures that contradict one another: sim check.",
    ]
    return [table]


def _is_shown(read: Reader, said: dict[str, Any]) -> bool:
    name, labels = said["output"], said["labels"]
    if name not in OUTPUTS or said["quarter"] is None or said["less"] or said["per"]:
        return False
    if said["total_of"] or said["quarter"] not in read.quarters(said["quarter"]):
        return False
    if f"{name}_quantile" not in read.summary and f"{name}_mean" not in read.summary:
        return False
    dims = _dims(read, name)
    chosen = read.selection.labs or read.selection.landlords
    known = all(label in dict(read.labels(dim)) for dim, label in zip(dims, labels, strict=False))
    return known and len(labels) == len(dims) and bool(labels or not chosen)


def _dims(read: Reader, name: str) -> list[str]:
    """The dims of an output over which a statement's labels go."""
    statistic = f"{name}_quantile" if f"{name}_quantile" in read.summary else f"{name}_mean"
    return [str(d) for d in read.summary[statistic].dims if d in ("lab", "landlord")]


def _row(read: Reader, said: dict[str, Any]) -> tuple[str, list[Cell | str]]:
    name = said["output"]
    where = dict(zip(_dims(read, name), said["labels"], strict=True))
    where["quarter"] = said["quarter"]
    scale = 100.0 if OUTPUTS[name].unit == "1" else 1.0
    low, value, high = (
        None if said[key] is None else f"{scale * said[key]:g}" for key in ("low", "value", "high")
    )
    if low and high:
        published = f"{low} to {high}"
    else:
        published = value or (f">= {low}" if low else f"<= {high}")
    cells: list[Cell | str] = [published]
    if f"{name}_quantile" in read.summary:
        cells += [
            read.cell(f"{name}_quantile", scale, quantile=level, **where)
            for level in (0.5, 0.05, 0.95)
        ]
    else:
        cells += [read.cell(f"{name}_mean", scale, **where), "-", "-"]
    labels = f"[{', '.join(said['labels'])}]" if said["labels"] else ""
    return f"{said['source']}\n{name}{labels}@{said['quarter']}", cells
