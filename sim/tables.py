"""The headline tables: one content, shown in a terminal or as JSON.

Every number stands above its Monte Carlo standard error and is rounded by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from sim.fields import LAYERS, QUARTERS, REFERENCE_QUARTER, REGIMES
from sim.kernels.places import COMPUTE_LAYERS
from sim.kernels.samplers import BLOCK
from sim.results import REPLICATE_MEAN, last, named_labs
from sim.statistics import FEWEST_REPLICATES, mean_of_replicates, percentage, rounded_by

LAST_QUARTER = QUARTERS[-1]
MARGINS = {
    "inference_gross_margin": ("Inference", "p_margin_above_hurdle"),
    "loaded_gross_margin": ("Loaded", "p_loaded_margin_above_hurdle"),
    "fine_tune_gross_margin": ("Fine-tune", "p_fine_tune_margin_above_hurdle"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its standard error.

    `scale` is for show; a probability is `of` so many draws, and shown in percent.
    """

    value: float
    error: float
    unit: str
    scale: float = 1.0
    of: int = 0

    def shown(self) -> tuple[str, str]:
        """The value rounded by its error, and the error."""
        if self.of:
            return percentage(self.value, self.error, self.of)
        return rounded_by(self.value * self.scale, self.error * self.scale)


@dataclass
class Table:
    """A title, column heads, rows of a label and cells, and remarks under it.

    Errors stand below their values, or beside them where the table is `narrow`.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | str]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)  # rows after which there is a gap
    narrow: bool = False

    def data(self) -> dict[str, Any]:
        """The table for machines: values unscaled, with errors and units."""
        rows = []
        for label, cells in self.rows:
            columns = [column.replace("\n", " ") for column in self.columns[1:]]
            for column, cell in zip(columns, cells, strict=True):
                if isinstance(cell, Cell):
                    error = None if math.isnan(cell.error) else cell.error
                    rows.append(
                        {
                            "row": label,
                            "column": column,
                            "value": cell.value,
                            "error": error,
                            "unit": cell.unit,
                        }
                    )
        return {"title": self.title, "cells": rows, "remarks": self.remarks}


class Reader:
    """Cells from a summary by name, coordinates and statistic."""

    def __init__(self, ds: xr.Dataset, summary: xr.Dataset) -> None:
        self.ds, self.summary = ds, summary
        self.draws = int(ds.attrs["draws"])
        self.places = {  # label -> index, by dim
            str(dim): {label: i for i, label in enumerate(summary[dim].values.tolist())}
            for dim in summary.dims
        }

    def cell(self, name: str, scale: float = 1.0, of: int = 0, **where: Any) -> Cell:
        """The statistic `name` of the summary at coordinates `where`."""
        found, error = self.summary.variables[name], self.summary.variables[f"{name}_error"]
        place = tuple(self.places[str(dim)][where[str(dim)]] for dim in found.dims)
        unit = str(found.attrs["units"])
        return Cell(float(found.values[place]), float(error.values[place]), unit, scale, of)

    def probability(self, name: str, **where: Any) -> Cell:
        """A probability or the mean of an indicator, shown in percent."""
        return self.cell(name, of=self.draws, **where)

    def labels(self, dim: str) -> list[tuple[str, str]]:
        """Ids and display names of the labs or landlords."""
        names = self.ds[f"{dim}_name"].values
        return [(str(i), str(n)) for i, n in zip(self.ds[dim].values, names, strict=True)]


def _words(name: str) -> str:
    """A name of the model in words."""
    return name.replace("_", " ").replace("hbm", "HBM").replace("electricity it", "electricity IT")


def hurdle_label(ds: xr.Dataset) -> str:
    """`70 %` where the hurdle is one number, else `hurdle`."""
    hurdle = ds["hurdle_margin"]
    return f"{100 * float(hurdle):g} %" if hurdle.ndim == 0 else "hurdle"


def headline_tables(ds: xr.Dataset, summary: xr.Dataset) -> list[Table]:
    """The tables of a run."""
    read = Reader(ds, summary)
    return [
        _margins(read),
        _costs(read),
        _per_token(read),
        _gigawatts(read),
        _crossings(read),
        _limits(read),
    ]


def _margins(read: Reader) -> Table:
    levels = [float(level) for level in read.summary["quantile"].values]
    heads = ["", *(f"p{100 * level:g}" for level in levels)]
    table = Table("Gross margin (%)", [*heads, f"P(>= {hurdle_label(read.ds)})"])
    for name, (label, probability) in MARGINS.items():
        for quarter in (REFERENCE_QUARTER, LAST_QUARTER):
            cells: list[Cell | str] = [
                read.cell(f"{name}_quantile", 100.0, quarter=quarter, quantile=level)
                for level in levels
            ]
            cells.append(read.probability(probability, quarter=quarter))
            table.rows.append((f"{label} {quarter}", cells))
        table.rules.append(len(table.rows))
    table.remarks = [
        "Inference: on paid traffic, compute only. Loaded: with free tier, revenue share, overhead."
    ]
    return table


def _costs(read: Reader) -> Table:
    heads = ["layer", *(_words(regime).replace(" ", "\n") for regime in REGIMES)]
    table = Table(
        f"Mean cost of a million tokens, {REFERENCE_QUARTER} (USD/Mtok)", heads, narrow=True
    )
    at = REFERENCE_QUARTER
    for layer in LAYERS:
        cells: list[Cell | str] = [
            read.cell("unit_cost_mean", quarter=at, regime=regime, layer=layer)
            for regime in REGIMES
        ]
        zero = [isinstance(cell, Cell) and cell.value == cell.error == 0 for cell in cells]
        shown = ["-" if none else cell for none, cell in zip(zero, cells, strict=True)]
        table.rows.append((_words(layer), shown))
    table.rules = [COMPUTE_LAYERS, COMPUTE_LAYERS + 1, len(LAYERS) + 1]
    by_layer = read.ds["unit_cost" + REPLICATE_MEAN].sel(quarter=at)
    by_layer = by_layer.transpose("replicate", "regime", "layer")
    count = read.ds["replicate_count"].values

    def total(layers: int) -> list[Cell | str]:
        cells: list[Cell | str] = []
        for r in range(len(REGIMES)):
            value, error = mean_of_replicates(by_layer.values[:, r, :layers].sum(axis=-1), count)
            cells.append(Cell(float(value), float(error), "USD/Mtok"))
        return cells

    table.rows.insert(COMPUTE_LAYERS, ("= compute", total(COMPUTE_LAYERS)))
    table.rows.append(("= total", total(len(LAYERS))))
    for label, name in (
        ("revenue, paid tokens", "revenue_per_mtok_paid_mean"),
        ("revenue, all served tokens", "revenue_per_mtok_served_mean"),
    ):
        table.rows.append((label, ["-", "-", read.cell(name, quarter=at)]))
    table.remarks = [
        "Per million trained, tuned, or blended tokens (input, cached or not, and output).",
        "Inference margin: compute against revenue of paid tokens. Loaded: total against served.",
    ]
    return table


def _per_token(read: Reader) -> Table:
    levels = (0.05, 0.5, 0.95)
    table = Table(
        f"A token and an accelerator, {REFERENCE_QUARTER}", ["", "p5", "p50", "p95"], narrow=True
    )
    rows: tuple[tuple[str, str, float, dict[str, Any]], ...] = (
        ("Energy per blended token (µWh)", "wh_per_token", 1e6, {"quarter": REFERENCE_QUARTER}),
        ("HBM time per output token (ms)", "hbm_bandwidth_s_per_output_token", 1e3, {}),
        ("Training (tokens/s)", "tps_train", 1.0, {}),
        ("Fine-tuning (tokens/s)", "tps_fine_tune", 1.0, {}),
        ("Inference, prefill (tokens/s)", "tps_prefill", 1.0, {}),
        ("Inference, decode (tokens/s)", "tps_decode", 1.0, {}),
    )
    for label, name, scale, where in rows:
        cells = [read.cell(f"{name}_quantile", scale, quantile=level, **where) for level in levels]
        table.rows.append((label, list(cells)))
    duty = []
    for regime in REGIMES:
        share = read.cell("duty_cycle_mean", 100.0, quarter=REFERENCE_QUARTER, regime=regime)
        duty.append(f"{_words(regime)} {_plus_minus(share)} %")
    missed = read.probability("slo_missed_mean")
    table.remarks = [
        "Tokens/s of one accelerator while active. Active share of its paid hours, mean: "
        f"{', '.join(duty)}.",
        "HBM time: the whole HBM bandwidth of one accelerator for so long.",
        f"The promised speed is out of reach in {_plus_minus(missed)} % of draws (served slower).",
    ]
    return table


def _gigawatts(read: Reader) -> Table:
    levels = (0.05, 0.5, 0.95)
    quarters = (REFERENCE_QUARTER, LAST_QUARTER)
    heads = [f"{quarter}\np{100 * level:g}" for quarter in quarters for level in levels]
    table = Table("Facility gigawatts by lab (GW, end of quarter)", ["lab", *heads])
    for lab, name in read.labels("lab"):
        cells = [
            read.cell("gw_quantile", lab=lab, quarter=quarter, quantile=level)
            for quarter in quarters
            for level in levels
        ]
        table.rows.append((name, list(cells)))
    return table


def _crossings(read: Reader) -> Table:
    """Probabilities of crossing the thresholds; the lower ones for labs marked China."""
    first, *lower = (float(x) for x in read.ds["threshold"].values)
    quarters = (REFERENCE_QUARTER, LAST_QUARTER)
    heads = [f"{quarter}\n> {x:g} GW" for quarter in quarters for x in (first, *lower)]
    table = Table("Probability of more gigawatts (%, end of quarter)", ["", *heads])
    china = read.ds["lab_is_china"].values
    blank: list[Cell | str] = [""] * len(lower)
    for (lab, name), is_china in zip(read.labels("lab"), china, strict=True):
        cells: list[Cell | str] = []
        for quarter in quarters:
            for threshold in (first, *lower) if is_china else (first,):
                where = {"lab": lab, "quarter": quarter, "threshold": threshold}
                cells.append(read.probability("p_gw_above", **where))
            cells += [] if is_china else blank
        table.rows.append((name, cells))
    table.rules.append(len(table.rows))
    names = dict(read.labels("lab"))
    for name, label in (
        (
            "p_both_named",
            "both " + " and ".join(names.get(lab, lab) for lab in named_labs(read.ds)),
        ),
        ("p_top_two", "both of the two largest"),
    ):
        if name in read.summary:
            cells = []
            for quarter in quarters:
                cells += [read.probability(name, quarter=quarter), *blank]
            table.rows.append((label, cells))
    return table


def _limits(read: Reader) -> Table:
    """The plan for 2027 and what became of it: sums of means over labs, with their errors."""
    table = Table("What limited the build of 2027 (all labs, mean GW)", ["", "GW"], narrow=True)
    count = read.ds["replicate_count"].values
    gw = last(read.ds, "gw").sum(axis=0)
    first, final = QUARTERS.index(REFERENCE_QUARTER), QUARTERS.index(LAST_QUARTER)
    parts: dict[str, Any] = {}
    for label, name in (
        ("- given up in a capital crunch", "withheld_by_crunch_gw"),
        ("- delayed beyond the end of 2027", "withheld_by_delay_gw"),
        ("- not paid for by landlords' capex", "withheld_by_capex_gw"),
        ("- beyond the western power cap", "withheld_by_power_gw"),
    ):
        parts[label] = read.ds[name + REPLICATE_MEAN].sum("lab").values
    added = gw[final] - gw[first]
    replicate = np.arange(added.size) // BLOCK % count.size
    built = np.bincount(replicate, added, count.size) / np.maximum(count, 1)
    rows = {"planned": built + sum(parts.values()), **parts, "= built": built}
    for label, means in rows.items():
        value, error = mean_of_replicates(means, count)
        table.rows.append((label, [Cell(float(value), float(error), "GW")]))
    table.rules = [1, 5]
    power = read.probability("power_binds_mean", quarter=LAST_QUARTER)
    table.remarks = [f"The power cap binds in {LAST_QUARTER} in {_plus_minus(power)} % of draws."]
    capex = {
        name: read.probability("capex_binds_mean", quarter=LAST_QUARTER, landlord=landlord)
        for landlord, name in read.labels("landlord")
    }
    limited = [f"{name} {_plus_minus(c)} %" for name, c in capex.items() if c.value >= 0.005]
    if limited:
        table.remarks.append(
            f"Capex binds in {LAST_QUARTER}: {', '.join(limited)} of draws; others below 0.5 %."
        )
    return table


def _plus_minus(cell: Cell) -> str:
    value, error = cell.shown()
    return f"{value} ± {error}" if error else value


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
    read = Reader(ds, summary)
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
    if unfit or facility:
        lines.append(
            f"Questionable draws, kept: {unfit:,} in which the model does not fit in HBM,"
            f" {facility:,} with pue above the capacity ratio."
        )
    return lines
