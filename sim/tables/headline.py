"""The headline of a run: the page that comes first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import xarray as xr

from sim.common.text import words
from sim.model.dims import REFERENCE_QUARTER
from sim.simulation import until
from sim.statistics.datasets import describe_settings
from sim.tables.cells import Reader, hurdle_label, share_of_draws
from sim.tables.oddities import find_oddities, warnings
from sim.tables.table import (
    DRIVERS,
    LABS,
    LANDLORDS,
    MARGINS,
    Cell,
    Headline,
    Selection,
    Table,
)

ATTRIBUTES = (  # of a Dataset, which name its run and options
    "scenario", "digest", "draws", "seed", "sampler", "view", "rental_mode", "uncertainty",
    "draws_not_finite", "draws_questionable", "until",
)  # fmt: skip
INTERVAL = (0.5, 0.05, 0.95)
REGIMES = {  # output -> row, probability of reaching the hurdle
    "inference_gross_margin": ("Inference: paid traffic, compute only", "p_margin_above_hurdle"),
    "loaded_gross_margin": ("Loaded: with free tier and overhead", "p_loaded_margin_above_hurdle"),
    "fine_tune_gross_margin": ("Fine-tuning", "p_fine_tune_margin_above_hurdle"),
}
TRAINING = "Training, over a generation's life"
MOVERS = 3  # what moves the first number most
CLEAR = 2.0  # standard errors from zero, from which on a share is told apart from it


def first_number(selection: Selection | None = None) -> str:
    """The first number of the headline as a VALUE: the inference margin at the first quarter."""
    quarters = selection.quarters if selection is not None else ()
    return f"inference_gross_margin@{(*quarters, REFERENCE_QUARTER)[0]}"


def make_headline(
    ds: xr.Dataset,
    summary: xr.Dataset,
    drivers: xr.Dataset | None = None,
    selection: Selection | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Headline:
    """What is printed of a run first, narrowed to a selection.

    Margins by regime, a line for each lab, and for each landlord that is selected, what moves the
    first number most, and what is odd. `drivers` are those of `first_number`
    (`analysis.drivers.find_drivers`); None where they are not known. Statistics that the summary
    lacks are of draws that are made again, once; `note` is called with a line where that takes
    long, or cannot be done.
    """
    reader = Reader(ds, summary, selection or Selection())
    page = _tables(reader, drivers), find_oddities(reader, drivers, in_words(reader.selection))
    if reader.asked.answer(note):
        page = _tables(reader, drivers), find_oddities(reader, drivers, in_words(reader.selection))
    tables, remarks = page
    return describe_run(ds)._replace(tables=tables, remarks=remarks)


def describe_run(ds: xr.Dataset) -> Headline:
    """A headline without tables and remarks: the run in words, above tables that are named."""
    attributes = {name: ds.attrs[name] for name in ATTRIBUTES if name in ds.attrs}
    return Headline(attributes, describe_settings(ds), warnings(ds), until.remarks(ds), [], [])


def in_words(selection: Selection | None = None) -> str:
    """The first number of the headline in words."""
    return f"the inference margin of {first_number(selection).partition('@')[2]}"


def _tables(reader: Reader, drivers: xr.Dataset | None) -> list[Table]:
    """The tables of the page."""
    quarters = reader.quarters(REFERENCE_QUARTER)
    tables = [*(_margins(reader, q) for q in quarters), *(_labs(reader, q) for q in quarters)]
    if reader.selection.landlords:
        tables += [_landlords(reader, quarter) for quarter in quarters]
    if drivers is not None:
        tables.append(_drivers(reader, drivers))
    return [table for table in tables if table.rows]


def _margins(reader: Reader, quarter: str) -> Table:
    """Median, 5 and 95 % quantiles of each margin, and the probability of reaching the hurdle."""
    hurdle = hurdle_label(reader.ds)
    heads = ["", "median", "p5", "p95", f"P(>= {hurdle})"]
    table = Table(f"Gross margin, {quarter} (%)", heads, name=MARGINS)
    for name, (label, probability) in REGIMES.items():
        cells: list[Cell | str] = [
            reader.cell(f"{name}_quantile", 100.0, quarter=quarter, quantile=level)
            for level in INTERVAL
        ]
        table.rows.append((label, [*cells, reader.probability(probability, quarter=quarter)]))
    if quarter == REFERENCE_QUARTER:  # research is set against profits of one generation alone
        at: dict[str, Any] = {"quarter": quarter, "regime": "frontier_training"}
        training: list[Cell | str] = [
            reader.cell("gross_margin_quantile", 100.0, quantile=level, **at) for level in INTERVAL
        ]
        event = f"gross_margin[frontier_training]@{quarter} >= hurdle_margin"
        table.rows.append((TRAINING, [*training, _probability(reader, event)]))
    return table


def _probability(reader: Reader, event: str) -> Cell | str:
    """The probability of an event of kept draws; "-" until it is known."""
    found = reader.asked.value(event)
    if found is None:
        return "-"
    return Cell(*found.probability(), "1", draws=share_of_draws(reader.ds, found.draws.size))


def _labs(reader: Reader, quarter: str) -> Table:
    """What each lab runs, serves and earns, and when a generation is paid back."""
    heads = [
        "lab",
        "stated\nGW",
        "tokens/s\nmillion",
        "own\nmargin",
        "paid\nmargin",
        "paid\np5",
        "paid\np95",
        f"P(paid\n>= {hurdle_label(reader.ds)})".replace(" %)", ")"),
        "payback\nmonths",
    ]
    table = Table(f"Labs, {quarter}\nmargins in %", heads, name=LABS)
    for lab, name in reader.labels("lab"):
        at: dict[str, Any] = {"lab": lab, "quarter": quarter}
        median = {**at, "quantile": 0.5}
        cells: list[Cell | str] = [
            reader.cell("gw_quantile", **median),
            reader.cell("fleet_tokens_per_s_quantile", 1e-6, **median),
            reader.cell("lab_unit_margin_quantile", 100.0, **median),
            *(
                reader.cell("lab_paid_margin_quantile", 100.0, quantile=level, **at)
                for level in INTERVAL
            ),
            reader.probability("p_lab_margin_above_hurdle", **at),
            reader.cell("payback_months_quantile", infinite="never", lab=lab, quantile=0.5),
        ]
        table.rows.append((name, cells))
    return table


def _landlords(reader: Reader, quarter: str) -> Table:
    """What each landlord hosts, books and earns."""
    heads = [
        "landlord",
        "labs'\nGW",
        "rent USD\nbn/quarter",
        "booked\ndeprec.",
        "margin\nmedian",
        "margin\np5",
        "margin\np95",
    ]
    table = Table(f"Landlords, {quarter}\nmeans; margin in %", heads, name=LANDLORDS)
    for landlord, name in reader.labels("landlord"):
        at: dict[str, Any] = {"landlord": landlord, "quarter": quarter}
        means = ("hosted_gw_landlord", "rent_received", "depreciation_booked")
        cells: list[Cell | str] = [reader.cell(f"{name}_mean", **at) for name in means]
        if reader.cell("rent_received_mean", **at).value == 0:  # none rents from it
            cells += ["-", "-", "-"]
        else:
            cells += [
                reader.cell("landlord_gross_margin_quantile", 100.0, quantile=level, **at)
                for level in INTERVAL
            ]
        table.rows.append((name, cells))
    return table


def _drivers(reader: Reader, drivers: xr.Dataset) -> Table:
    """The causes with the largest shares of the spread of the first number, and their direction."""
    title = f"What moves {in_words(reader.selection)} most (shares of its spread in %)"
    table = Table(title, ["", "share", "a rise"], narrow=True, name=DRIVERS)
    of = zip(
        drivers["cause"].values.tolist(),
        drivers["share"].values.tolist(),
        drivers["share_error"].values.tolist(),
        drivers["slope"].values.tolist(),
        strict=True,
    )
    for name, share, error, slope in list(of)[:MOVERS]:
        if share <= 0 or share < CLEAR * error:
            continue
        cell = Cell(share, error, "1", 100.0, spread=1.0)
        table.rows.append((cause_in_words(name), [cell, "raises it" if slope > 0 else "lowers it"]))
    return table


def cause_in_words(name: str) -> str:
    """A cause without its group and unit where it is told apart without: "power price"."""
    group, _, rest = name.partition(".")
    if group == "factor":
        return f"the common {words(rest)} factor"
    short = re.sub(r"_b?usd\b.*|_b?usd_.*", "", name if "." in rest else rest or name)
    return words(short).replace(".", " ")
