"""The headline of a run with what moves it: tables from below, and an analysis."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

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

    It lacks what moves the first number most where draws are too few, all the same, or cannot be
    made again by this version. `note` is as of `tables.headline.make_headline`.
    """
    from sim.analysis.drivers import find_drivers

    drivers = None
    with suppress(InputError):
        drivers = find_drivers(ds, headline.first_number(selection), threads)
    return headline.make_headline(ds, summary, drivers, selection, note)
