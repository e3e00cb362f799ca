"""The headline tables: one content, shown in a terminal or as JSON.

Every number stands above its Monte Carlo standard error and is rounded by it.
"""

from __future__ import annotations

import xarray as xr

from sim.kernels.samplers import BLOCK
from sim.statistics import FEWEST_REPLICATES
from sim.tables import build, labs, landlords, published, token
from sim.tables.cells import LAST_QUARTER, Cell, Reader, Selection, Table

__all__ = ["LAST_QUARTER", "Cell", "Selection", "Table", "headline_tables", "quality", "warnings"]


def headline_tables(
    ds: xr.Dataset, summary: xr.Dataset, selection: Selection | None = None
) -> list[Table]:
    """The tables of a run, narrowed to a selection of labs, landlords and quarters.

    Where labs are chosen, the tables of labs are shown, where landlords are, theirs.
    """
    chosen = selection or Selection()
    read = Reader(ds, summary, chosen)
    everything = not chosen.labs and not chosen.landlords
    tables = token.tables(read) if everything else []
    if everything or chosen.labs:
        tables += [*build.tables(read), *labs.tables(read)]
    if everything or chosen.landlords:
        tables += landlords.tables(read)
    return [table for table in tables + published.tables(read) if table.rows]


def warnings(ds: xr.Dataset) -> list[str]:
    """What makes the result unusable as it is."""
    bad, draws = int(ds.attrs["draws_not_finite"]), int(ds.attrs["draws"])
    if not bad:
        return []
    return [
        f"WARNING: {bad:,} of {draws:,} draws gave a value that is not finite; statistics of the"
        " outputs that they touch are nan. Is a spread too wide, or a law outside its bounds?"
    ]


def quality(ds: xr.Dataset, summary: xr.Dataset) -> list[str]:
    """What a reader should know about the draws: their number, errors, and doubtful ones."""
    read = Reader(ds, summary, Selection())
    lines = []
    fewest = BLOCK * FEWEST_REPLICATES
    if read.draws < fewest:
        lines.append(
            f"{read.draws} draws are too few to tell a Monte Carlo error ({fewest} are needed)."
        )
    else:
        lines.append("Small numbers: Monte Carlo standard error, from independent replicates.")
    unfit = round(read.draws * (1.0 - float(summary["fits_in_memory_mean"])))
    facility = round(read.draws * float(summary["pue_above_capacity_ratio_mean"]))
    hours = round(read.draws * float(summary["training_share_below_zero_mean"]))
    if unfit or facility or hours:
        lines.append(
            f"Questionable draws, kept: {unfit:,} in which the model does not fit in HBM,"
            f" {facility:,} with pue above the capacity ratio, {hours:,} in which inference and"
            " fine-tuning exceed a lab's hours."
        )
    return lines
