"""Tables of what must be true for an event."""

from __future__ import annotations

import math
from typing import Any

from sim.parameters.fields import short_name
from sim.tables.table import Cell, Table

HEADS = ["input", "at least", "at most", "unit", "percentiles", "returns", "p"]


def discover_tables(found: Any) -> list[Table]:
    """The conditions of a box, and the trade-off of coverage and density on the way to it.

    `found` is what `analysis.discover.discover` gives.
    """
    table = Table(
        f"What must be true: {found.event}\n(by {found.on})", HEADS, narrow=True,
        name=f"discover_{found.on}",
    )  # fmt: skip
    for of in found.conditions:
        ends = [f"{v:.3g}" if math.isfinite(v) else "" for v in (of.low_value, of.high_value)]
        percentiles = f"{100 * of.low:.0f} to {100 * of.high:.0f}"
        returns = f"{100 * of.returns:.0f} %"
        cells: list[Cell | str] = [*ends, of.unit, percentiles, returns, f"{of.p:.1g}"]
        table.rows.append((short_name(of.name), cells))
    density, coverage, mass = (f"{100 * x[0]:.1f} +- {100 * x[1]:.1f} %" for x in (
        found.density, found.coverage, found.mass))  # fmt: skip
    base = f"{100 * found.probability[0]:.1f} +- {100 * found.probability[1]:.1f} %"
    table.remarks.append(
        f"In the box the event holds in {density} of its draws, of all in {base}. The"
        f" box has {mass} of the draws and {coverage} of the event; all of draws that did not give"
        " it. Returns: in how many of 32 subsets of the draws the input has a bound again."
    )
    if found.dropped:
        names = ", ".join(map(short_name, found.dropped))
        table.remarks.append(f"Left out, since it does not return in 80 % of them: {names}.")
    way = Table(
        "Coverage and density of the boxes on the way, %", ["box", "mass", "density", "coverage"],
        narrow=True, name=f"discover_{found.on}_path",
    )  # fmt: skip
    step = max(1, math.ceil(len(found.path) / 10))
    for i in range(0, len(found.path), step):
        pairs = zip(found.path[i], found.path_errors[i], strict=True)
        way.rows.append((str(i), [Cell(float(v), float(e), "1", 100.0) for v, e in pairs]))
    way.rules.append(len(way.rows))
    shares = (found.mass, found.density, found.coverage)
    way.rows.append(("chosen", [Cell(value, error, "1", 100.0) for value, error in shares]))
    return [table, way]
