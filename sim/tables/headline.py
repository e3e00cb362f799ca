"""The headline tables, for a terminal or as JSON.

Every number stands above its Monte Carlo standard error and is rounded by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.catalogue import OUTPUTS
from sim.model.dims import REFERENCE_QUARTER
from sim.simulation import until
from sim.statistics.datasets import (
    describe_settings,
    display_names,
    draws_of,
    last,
    named_labs,
)
from sim.statistics.estimators import probability_with_error
from sim.statistics.replicates import fewest_draws, replicates_of, sampler_of
from sim.statistics.tails import OWNED, WORST, WORST_SHARE
from sim.tables import build, claims, labs, landlords, published, token
from sim.tables.cells import LARGEST_ERROR_OF_SPREAD, Reader, share_of_draws
from sim.tables.table import Cell, Headline, Selection, Table, plus_minus

PARTS = (token, build, labs, landlords, published, claims)
NAMES = {name: shows for part in PARTS for name, shows in part.NAMES.items()}
QUESTIONABLE = {  # output -> the reason for which a draw is questionable
    "speed_unreachable": "a promised speed is out of reach",
    "demand_exceeds_capacity": "demand exceeds a lab's capacity in some quarter",
    "pue_above_capacity_ratio": "pue is above the capacity ratio",
}
ATTRIBUTES = (  # of a Dataset, which name its run and options
    "scenario", "digest", "draws", "seed", "sampler", "view", "rental_mode", "uncertainty",
    "draws_not_finite", "draws_questionable", "until",
)  # fmt: skip
FEWEST_FOR_SPREAD = 1024  # draws from which on an sd should have settled


def headline_tables(
    ds: xr.Dataset,
    summary: xr.Dataset,
    selection: Selection | None = None,
    note: Callable[[str], None] = lambda line: None,
    names: Sequence[str] = (),
) -> list[Table]:
    """The tables of a run, narrowed to a selection.

    Where labs are selected, their tables are shown, where landlords are, theirs, else all tables;
    or those of `names` (of `NAMES`). Statistics that the summary lacks are of draws that are made
    again; `note` is called with a line where that takes long, or cannot be done.
    """
    reader = Reader(ds, summary, selection or Selection())
    tables = _tables(reader, names)
    return _tables(reader, names) if reader.asked.answer(note) else tables


def make_headline(
    ds: xr.Dataset,
    summary: xr.Dataset,
    selection: Selection | None = None,
    note: Callable[[str], None] = lambda line: None,
    names: Sequence[str] = (),
) -> Headline:
    """What is printed of a run: `headline_tables`, and remarks as of `quality`.

    Draws are made again once.
    """
    reader = Reader(ds, summary, selection or Selection())
    shown = _tables(reader, names), _quality(reader)
    if reader.asked.answer(note):
        shown = _tables(reader, names), _quality(reader)
    attributes = {name: ds.attrs[name] for name in ATTRIBUTES if name in ds.attrs}
    settings, targets = describe_settings(ds), until.remarks(ds)
    return Headline(attributes, settings, warnings(ds), targets, *shown)


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


def warnings(ds: xr.Dataset) -> list[str]:
    """Warnings of draws that are not finite."""
    bad, draws = int(ds.attrs["draws_not_finite"]), int(ds.attrs["draws"])
    if not bad:
        return []
    fate = "they are left out of the draws and of every statistic."
    if ds.attrs["bad_draws"] == "keep":
        fate = "statistics of the outputs that they affect are nan."
    line = f"WARNING: {bad:,} of {draws:,} draws gave a value that is not finite; {fate}"
    return [f"{line} {ds.attrs['draws_not_finite_why']}".rstrip()]


def quality(ds: xr.Dataset, summary: xr.Dataset, selection: Selection | None = None) -> list[str]:
    """Remarks on errors, heavy tails and questionable draws; of labs, of the selected ones."""
    reader = Reader(ds, summary, selection or Selection())
    remarks = _quality(reader)
    return _quality(reader) if reader.asked.answer(lambda line: None) else remarks


def _quality(reader: Reader) -> list[str]:
    """The remarks of `quality`."""
    ds = reader.ds
    errors = describe_errors(ds.sizes["draw"], sampler_of(ds))
    return [errors, *_heavy_tails(ds, reader.summary), *_questionable(reader)]


def describe_errors(draws: int, sampler: str) -> str:
    """A remark on errors, or on why there are none.

    They depend on the number of draws and the sampler.
    """
    fewest = fewest_draws(sampler)
    if draws < fewest:
        return f"{draws} draws are too few for a Monte Carlo error ({fewest} are needed)."
    return "±: Monte Carlo standard error, from independent replicates."


def _questionable(reader: Reader) -> list[str]:
    """Remarks on the number and reasons of questionable draws.

    Also on what they move, or on whether they are left out.
    """
    ds = reader.ds
    count, draws = int(ds.attrs["draws_questionable"]), draws_of(ds)
    hours = round(draws * float(reader.summary["training_share_below_zero_mean"]))
    lines = []
    if count and ds.attrs["drop_questionable"]:
        lines.append(
            f"Questionable draws, left out: {count:,} in which a promised speed is out of reach,"
            " demand exceeds a lab's capacity, or pue is above the capacity ratio."
        )
    elif count:
        lines.append(
            f"Questionable draws, kept: {count:,} of {draws:,}{_reasons_and_moves(reader)}"
            " (--drop-questionable leaves them out)."
        )
    if hours:
        lines.append(
            f"In {hours:,} draws inference and fine-tuning need more hours than a lab's"
            " accelerators have."
        )
    return lines


def _reasons_and_moves(reader: Reader) -> str:
    """Counts of questionable draws by reason, and shares of draws with and without them.

    "" where draws are neither kept nor can be made again.
    """
    ds, selection = reader.ds, reader.selection
    at = f"@{REFERENCE_QUARTER} >= hurdle_margin"
    moved = {"P(inference margin >= hurdle)": f"inference_gross_margin{at}"}
    for lab, name in display_names(ds, "lab").items():
        if lab in named_labs(ds) and lab in (selection.labs or (lab,)):
            moved[f"{name}'s P(paid >= hurdle)"] = f"lab_paid_margin[{lab}]{at}"
    events = {text: reader.asked.value(event) for text, event in moved.items()}
    drawn = reader.asked.draws([*QUESTIONABLE])
    if drawn is None:
        return ""
    flags = {name: last(drawn, name) for name in QUESTIONABLE}
    reasons = {name: flag.reshape(-1, flag.shape[-1]).any(axis=0) for name, flag in flags.items()}
    some = np.logical_or.reduce([*reasons.values()])
    kept = "" if some.size == draws_of(ds) else f", of the first {some.size:,} draws"
    counts = ", in ".join(
        f"{np.count_nonzero(reasons[name]):,} {what}"
        for name, what in QUESTIONABLE.items()
        if reasons[name].any()
    )
    moves = []
    for text, event in events.items():
        if event is None:
            continue
        happens, valid = (np.broadcast_to(x, some.shape) for x in (event.draws, event.known))
        cells = []
        for known in (valid & ~some, valid):
            value, error = probability_with_error(happens, known, replicates_of(ds))
            of = share_of_draws(ds, some.size)
            cells.append(Cell(float(value), float(error), "1", draws=of))
        if not any(math.isnan(cell.value) for cell in cells):
            without, with_them = map(plus_minus, cells)
            moves.append(f"{text} {without} instead of {with_them} %")
    return f"; in {counts}{kept}; without them {', '.join(moves)}, {REFERENCE_QUARTER}"


def _heavy_tails(ds: xr.Dataset, summary: xr.Dataset) -> list[str]:
    """Remarks on numbers that a few draws own, with the labels where that is worst.

    Of outputs without draws it shows in an sd whose own error stays large, whatever the number of
    draws: of the replicates, the one with the largest draw outweighs the rest.
    """
    if draws_of(ds) < FEWEST_FOR_SPREAD:
        return []
    owned, unsettled = [], []
    for name, output in OUTPUTS.items():
        if output.kind == "bool":  # events may well be rare
            continue
        shares = {}
        for statistic in ("mean", "cvar"):
            variable = summary.variables.get(f"{name}_{statistic}{WORST_SHARE}")
            if variable is not None and variable.size:
                share, labels = _largest(summary, variable.dims, variable.values)
                shares[statistic, labels] = share
        large = [
            f"{share:.0%} of the {'mean' if statistic == 'mean' else 'tail mean'}{labels}"
            for (statistic, labels), share in shares.items()
            if share > OWNED
        ]
        if large:
            owned.append(f"{name}, {' and '.join(large)}")
        elif not shares and f"{name}_sd" in summary:
            sd = summary.variables[f"{name}_sd"]
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = summary.variables[f"{name}_sd_error"].values / sd.values
            share, labels = _largest(summary, sd.dims, ratio)
            if share > LARGEST_ERROR_OF_SPREAD:
                unsettled.append(f"{name}{labels}")
    lines = []
    if owned:
        lines.append(
            f"* The worst {WORST:.2%} of draws hold more than {OWNED:.0%} of a mean; read quantiles"
            f" instead. They hold at most: {'; '.join(owned)}."
        )
    if unsettled:
        lines.append(
            "* A few draws own the sd, which does not settle, and no draws are kept:"
            f" {'; '.join(unsettled)}."
        )
    return lines


def _largest(
    summary: xr.Dataset, dims: tuple[Hashable, ...], values: NDArray[np.float64]
) -> tuple[float, str]:
    """The largest value, and its labels as text; 0 where all are NaN."""
    known = np.nan_to_num(values)
    worst = np.unravel_index(int(known.argmax()), known.shape)
    labels = [str(summary[dim].values[i]) for dim, i in zip(dims, worst, strict=True)]
    return float(known[worst]), f" ({', '.join(labels)})" if labels else ""
