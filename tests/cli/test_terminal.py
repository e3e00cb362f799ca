"""Tables as they are printed."""

from __future__ import annotations

import math

import pytest
import xarray as xr
from rich.console import Console
from table_cells import titled

from sim.cli import terminal
from sim.tables import named
from sim.tables.table import Cell, Selection, Table


def test_dashes_replace_repeated_not_reported_cells_and_no_nan(printed: Console) -> None:
    nan = Cell(math.nan, math.nan, "1")
    silent = Cell(math.nan, math.nan, "1", missing="not reported")
    terminal.show(Table("", ["", "a", "b"], [("broken", [nan, nan]), ("silent", [silent, silent])]))
    words = printed.export_text().split()
    assert words.count("nan") == 2
    assert words.count("-") == 1


def test_a_wide_table_continues_below_itself(
    ds: xr.Dataset, summary: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = titled(ds, summary, "Landlords, 2026Q4")
    for width, parts in ((42, 3), (80, 2), (200, 1)):
        console = Console(width=width, record=True, legacy_windows=False)
        monkeypatch.setattr(terminal, "out", console)
        terminal.show(table)
        lines = console.export_text().splitlines()
        assert sum(line.split()[:1] == ["landlord"] for line in lines) == parts, width
        assert max(len(line) for line in lines) <= width


@pytest.mark.parametrize("labs", [("openai", "anthropic"), ("xai",)])
def test_no_number_and_no_name_is_clipped(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console, labs: tuple[str, ...]
) -> None:
    for quarters in ((), ("2026Q4",)):
        for table in named.make_tables(ds, summary, Selection(labs, quarters=quarters)):
            terminal.show(table)
    long = "a-name-without-a-space-that-is-longer-than-its-column"
    terminal.show(Table("", ["", "P(paid >=\n70 %) %"], [(long, [Cell(1.0, 0.1, "1")])]))
    text = printed.export_text(styles=False)
    assert "…" not in text
    assert long[:36] in text
    assert long[36:] in text
    assert max(len(line) for line in text.splitlines()) <= 80
