"""The tables of a run, made by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from sim.tables import build, claims, labs, landlords, published, token
from sim.tables.cells import Reader
from sim.tables.table import HEADLINE, ODD, Selection, Table

PARTS = (token, build, labs, landlords, published, claims)
NAMES = {
    HEADLINE: "the page that sim run prints",
    ODD: "what is odd in a run, in full",
    **{name: shows for part in PARTS for name, shows in part.NAMES.items()},
}


def make_tables(
    ds: xr.Dataset,
    summary: xr.Dataset,
    selection: Selection | None = None,
    note: Callable[[str], None] = lambda line: None,
    names: Sequence[str] = (),
) -> list[Table]:
    """The tables of a run of these names (of `NAMES`), narrowed to a selection.

    Without names all but the claims; where labs are selected, theirs, where landlords are, theirs.
    Statistics that the summary lacks are of draws that are made again; `note` is called with a line
    where that takes long, or cannot be done.
    """
    reader = Reader(ds, summary, selection or Selection())
    tables = _tables(reader, names)
    return _tables(reader, names) if reader.asked.answer(note) else tables


def _tables(reader: Reader, names: Sequence[str]) -> list[Table]:
    """The tables of a reader's selection, or those of the names, in their order."""
    if names:
        parts = [part for part in PARTS if set(names) & set(part.NAMES)]
        made = [table for part in parts for table in part.tables(reader) if table.rows]
        return [table for name in names for table in made if table.name == name]
    selection = reader.selection
    everything = not selection.labs and not selection.landlords
    parts = [token] if everything else []
    if everything or selection.labs:
        parts += [build, labs]
    if everything or selection.landlords:
        parts += [landlords]
    return [table for part in (*parts, published) for table in part.tables(reader) if table.rows]
