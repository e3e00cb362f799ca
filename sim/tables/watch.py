"""The page of a file that is drawn again as it is saved."""

from __future__ import annotations

from typing import Any

from sim.tables.table import Cell, Table

SAME = "same"


def watch_table(version: Any, base: str) -> Table:
    """Numbers now, their change since the last good version, and from the base.

    `version` is as of `store.live.Version`; changes are paired.
    """
    heads = ["margins and shares in %", "now", "since the\nlast version", f"against\n{base}"]
    table = Table(f"{version.scenario.name}", heads, name="watch", narrow=True)
    for number in version.numbers:
        measure = number.measure
        is_share = measure.unit == "1"
        scale = 100.0 if is_share else 1.0
        cells: list[Cell | str] = [Cell(number.value, number.error, measure.unit, scale)]
        for change, error in (
            (number.change, number.change_error),
            (number.of_base, number.of_base_error),
        ):
            same = change == 0.0 and error == 0.0
            cells.append(SAME if same else Cell(change, error, measure.unit, scale))
        table.rows.append((measure.label, cells))
    return table
