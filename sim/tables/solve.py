"""Tables of what it takes."""

from __future__ import annotations

import math
from typing import Any

from sim.expressions.tree import Statistic
from sim.tables.table import Cell, Table


def solve_tables(found: Any) -> list[Table]:
    """The numbers that meet the targets, and the curve of what it takes to be so sure.

    `found` is as `analysis.solve.solve` gives it.
    """
    tables = [_roots(found)]
    if found.curve is not None:
        tables.append(_curve(found))
    return tables


def _roots(found: Any) -> Table:
    """A row for each key of each root, and one for each statistic there."""
    many = len(found.roots) > 1
    table = Table("What it takes", ["", "number", "now"], name="solve", narrow=True)
    for number, root in enumerate(found.roots, 1):
        of = f" ({number})" if many else ""
        for key, value, error in zip(found.keys, root.numbers, root.errors, strict=True):
            unit = "" if key.unit == "1" else f" ({key.unit})"
            now: Cell | str = "" if math.isnan(key.now) else Cell(key.now, math.nan, key.unit)
            table.rows.append((f"{key.label}{unit}{of}", [Cell(value, error, key.unit), now]))
        for i, target in enumerate(found.targets):
            scale = 100.0 if _is_percent(target) else 1.0
            label = f"{target.statistic.text}{of}" + (" (%)" if scale == 100.0 else "")
            for name, there in ((label, root.reached), ("with another seed", root.again)):
                if there:
                    value, error = there[i]
                    table.rows.append((name, [Cell(value, error, "1", scale), ""]))
        table.rules.append(len(table.rows))
    table.rules.pop()
    targets = " and ".join(target.text for target in found.targets)
    table.remarks = [
        f"At these numbers {targets}. All worlds have the same random numbers,"
        f" {found.draws:,} draws each. The error of a number is that of the statistic over its"
        " slope."
    ]
    if many:
        table.remarks.append(f"{len(found.roots)} numbers do: the statistic turns between them.")
    elif len(found.keys) == 1 and not found.monotone:
        table.remarks.append("The statistic turns within the range of the key.")
    return table


def _is_percent(target: Any) -> bool:
    return isinstance(target.statistic.tree, Statistic) and target.statistic.tree.kind == "P"


def _curve(found: Any) -> Table:
    """A row for each probability: the number it takes, and the probability there."""
    (key,), curve = found.keys, found.curve
    unit = "" if key.unit == "1" else f" ({key.unit})"
    heads = ["to be so sure (%)", f"{key.label}{unit}", "reached (%)"]
    table = Table("What it takes to be so sure", heads, name="requirement", narrow=True)
    for i, probability in enumerate(curve["probability"].values):
        number, error = (float(curve[n].values[i]) for n in ("number", "number_error"))
        reached = [float(curve[n].values[i]) for n in ("reached", "reached_error")]
        cells: list[Cell | str] = ["out of reach", ""]
        if math.isfinite(number):
            cells = [Cell(number, error, key.unit), Cell(reached[0], reached[1], "1", 100.0)]
        table.rows.append((f"{100 * probability:g}", cells))
    helps = "at least" if curve.attrs["rises"] else "at most"
    table.remarks = [
        f"{key.label} has to be {helps} so much. Each draw has a number at which its event begins"
        " to happen; these are their quantiles, and beside them the probability drawn anew."
    ]
    if curve.attrs["turning"] > 0:
        share = 100 * curve.attrs["turning"]
        table.remarks.append(
            f"In {share:.2g} % of the draws the event comes and goes; they count from where it"
            " stays."
        )
    return table
