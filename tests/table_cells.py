"""The table of a run with a title, and a cell of it."""

from __future__ import annotations

import xarray as xr

from sim.tables import named
from sim.tables.table import Cell, Selection, Table


def titled(
    ds: xr.Dataset, summary: xr.Dataset, title: str, selection: Selection | None = None
) -> Table:
    """The table whose title begins so."""
    shown = named.make_tables(ds, summary, selection)
    (table,) = [table for table in shown if table.title.startswith(title)]
    return table


def cell_at(table: Table, row: str, column: str) -> Cell:
    """The cell of a row and a column, the head of which is written in one line."""
    heads = [head.replace("\n", " ") for head in table.columns[1:]]
    cell = dict(table.rows)[row][heads.index(column)]
    assert isinstance(cell, Cell)
    return cell
