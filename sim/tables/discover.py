"""Tables of what must be true for an event."""

from __future__ import annotations

import math
from typing import Any

from sim.parameters.fields import short_name
from sim.tables.table import Cell, Table

STEPS = 10  # boxes of the way that are shown


def discover_tables(found: Any) -> list[Table]:
    """The conditions of a box, and the trade-off of coverage and density on the way to it.

    `found` is what `analysis.discover.discover` gives.
    """
    nearest = [_nearest(found)] if found.nearest is not None else []
    return [_conditions(found), _way(found), *nearest]


def _conditions(found: Any) -> Table:
    """A row for each condition, and what the box holds."""
    what = {"inputs": "inputs", "factors": "common factors"}[found.on]
    table = Table(
        f"What must be true, by {what}",
        ["", "at least", "at most", "percentiles", "returns\n(%)"],
        narrow=True, name=f"discover_{found.on}",
    )  # fmt: skip
    for of in found.conditions:
        ends: list[Cell | str] = [
            Cell(end, math.nan, of.unit) if math.isfinite(end) else ""
            for end in (of.low_value, of.high_value)
        ]
        unit = "" if of.unit == "1" else f" ({of.unit})"
        percentiles = f"{100 * of.low:.0f} to {100 * of.high:.0f}"
        cells = [*ends, percentiles, Cell(of.returns, math.nan, "1", 100.0)]
        table.rows.append((f"{short_name(of.name)}{unit}", cells))
    if not found.conditions:
        table.remarks.append("No bound returns often enough: the event hangs on no few of them.")
    density, base = (_percent(of) for of in (found.density, found.probability))
    table.remarks.append(
        f"{found.event}: in {density} of the draws of the box, in {base} of all. The box has"
        f" {_percent(found.mass)} of all draws and {_percent(found.coverage)} of those with the"
        " event. All of draws that did not give the box; in those that did, the density is"
        f" {_percent(found.density_fitted)}. Returns: in how many of 32 subsets of the draws it has"
        " a bound again."
    )
    if found.dropped:
        names = ", ".join(map(short_name, found.dropped))
        table.remarks.append(f"Left out, since a bound returns in less than 80 %: {names}.")
    return table


def _way(found: Any) -> Table:
    """The boxes on the way inwards, and the chosen one."""
    table = Table(
        "Boxes on the way to it (%)", ["box", "of all draws", "density", "coverage"], narrow=True,
        name=f"discover_{found.on}_way",
    )  # fmt: skip
    step = max(1, math.ceil(len(found.path) / STEPS))
    for i in range(0, len(found.path), step):
        pairs = zip(found.path[i], found.path_errors[i], strict=True)
        cells: list[Cell | str] = [Cell(float(v), float(e), "1", 100.0) for v, e in pairs]
        table.rows.append((str(i), cells))
    table.rules.append(len(table.rows))
    shares = (found.mass, found.density, found.coverage)
    table.rows.append(("chosen", [Cell(value, error, "1", 100.0) for value, error in shares]))
    table.remarks.append(
        "Density: how many draws of the box have the event. Coverage: how many with the event are"
        " in the box."
    )
    return table


def _nearest(found: Any) -> Table:
    """The scores that the nearest world moves, the largest first."""
    table = Table(
        "The nearest world at the frontier", ["", "by sd", "share (%)", "value", "median"],
        narrow=True, name="discover_nearest",
    )  # fmt: skip
    for of in found.nearest.moves:
        numbers: list[Cell | str] = [
            Cell(number, math.nan, of.unit) if math.isfinite(number) else ""
            for number in (of.value, of.median)
        ]
        unit = "" if of.unit == "1" else f" ({of.unit})"
        moved = [Cell(of.score, math.nan, "1"), Cell(of.share, math.nan, "1", 100.0)]
        table.rows.append((f"{short_name(of.name)}{unit}", [*moved, *numbers]))
    turns = "ends" if found.nearest.happens else "begins"
    table.remarks.append(
        f"The event {turns} to happen {found.nearest.distance:.3g} standard deviations from the"
        " world of all medians, where these scores are moved, by the least in all: shares are of"
        " the squared distance. An input's own part is moved here, and its value with the common"
        " factors behind it."
    )
    return table


def _percent(of: tuple[float, float]) -> str:
    return f"{100 * of[0]:.1f} ±{100 * of[1]:.1g} %"
