"""The page of a file that is drawn again as it is saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.parameters.edits import short_name
from sim.tables.compare import SAME
from sim.tables.table import Cell, Table, wrap_head

MOST_EDITS = 4  # that are listed
NEW = "new"  # of a lab that the version before, or the base, has not
# What stands on the page only if it moved: with the rest it fits a screen of 24 lines.
MINOR = (
    f"p50(loaded_gross_margin@{QUARTERS[-1]}",
    f"p50(fine_tune_gross_margin@{QUARTERS[-1]}",
    "p50(training_moic[",
)
MINOR_QUARTER = f"]@{REFERENCE_QUARTER})"  # of the gigawatts of a lab


def watch_table(version: Any) -> Table:
    """Numbers now, their change since the last good version, and from the base.

    `version` is as of `store.live.Version`; changes are paired. A statistic of less importance has
    a row where it moved since the last version.
    """
    heads = ["margins and shares in %", "now", "change since\nlast version"]
    if version.is_first:
        heads.pop()
    heads.append(f"change from\n{wrap_head(version.base.name)}")
    table = Table(version.scenario.name, heads, name="watch", narrow=True)
    for number in version.numbers:
        text = number.measure.text
        has_moved = number.change is not None and not number.change.same
        is_minor = text.startswith(MINOR) or (
            text.startswith("p50(gw[") and text.endswith(MINOR_QUARTER)
        )
        if is_minor and not has_moved:
            continue
        unit = number.measure.unit
        scale = 100.0 if unit == "1" else 1.0
        shares = version.draws if text.startswith("P(") else 0
        cells: list[Cell | str] = [
            Cell(number.value, number.error, unit, scale, draws=shares, missing="-")
        ]
        changes = (number.of_base,) if version.is_first else (number.change, number.of_base)
        cells += [_change_cell(change, unit, scale) for change in changes]
        table.rows.append((number.measure.label, cells))
    return table


def _change_cell(change: Any, unit: str, scale: float) -> Cell | str:
    if change is None:
        return NEW
    if change.same:
        return SAME
    if math.isnan(change.value):
        return "-"
    return Cell(change.value, change.error, unit, scale)


def edit_lines(edits: Sequence[Any]) -> list[str]:
    """What was changed in the file, before and after (`parameters.edits.Edit`)."""
    lines = [f"{short_name(edit.name)}: {edit.before} -> {edit.after}" for edit in edits]
    more = len(lines) - MOST_EDITS
    return lines if more <= 0 else [*lines[:MOST_EDITS], f"and {more} more edits"]
