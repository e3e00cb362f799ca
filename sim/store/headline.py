"""The headline of a run with what moves it: tables from below, and an analysis."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from sim.common.errors import InputError
from sim.store.locks import ignore
from sim.tables import headline
from sim.tables.table import Headline, Selection


def make_headline(
    ds: xr.Dataset,
    summary: xr.Dataset,
    selection: Selection | None = None,
    note: Callable[[str], None] = ignore,
    threads: int | None = None,
) -> Headline:
    """The page that is printed of a run first, narrowed to a selection.

    Its remarks say why it lacks what moves the first number most: draws that are too few, all the
    same, or cannot be made again by this version. `note` is as of `tables.headline.make_headline`.
    """
    from sim.analysis.drivers import find_drivers

    drivers, unknown = None, ""
    try:
        drivers = find_drivers(ds, headline.first_number(selection), threads)
    except InputError as error:
        unknown = error.faults[0].message
    made = headline.make_headline(ds, summary, drivers, selection, note)
    if unknown:
        number = headline.in_words(selection)
        made.remarks.append(f"What moves {number} most is not known: {unknown}.")
    return made
