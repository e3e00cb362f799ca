"""Tables of the build: gigawatts by lab, thresholds crossed, and what limited it."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.model.blocks import replicate_of
from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.statistics.datasets import last, named_labs
from sim.statistics.histogram_estimators import has_histogram
from sim.statistics.replicates import numbers_of, sampler_of
from sim.tables.cells import LAST_QUARTER, Cell, Reader, Table, plus_minus


def tables(read: Reader) -> list[Table]:
    """Gigawatts, the probabilities of more than so many, and what became of the plan."""
    return [_gigawatts(read), _crossings(read), _limits(read)]


def _gigawatts(read: Reader) -> Table:
    levels = (0.05, 0.5, 0.95)
    quarters = read.quarters(REFERENCE_QUARTER, LAST_QUARTER)
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
    quarters = read.quarters(REFERENCE_QUARTER, LAST_QUARTER)
    heads = [f"{quarter}\n> {x:g} GW" for quarter in quarters for x in (first, *lower)]
    table = Table(
        "Probability of exceeding a threshold of gigawatts (%, end of quarter)", ["", *heads]
    )
    flags = zip(read.ds["lab"].values.tolist(), read.ds["lab_is_china"].values, strict=True)
    china = dict(flags)
    blank: list[Cell | str] = [""] * len(lower)
    for lab, name in read.labels("lab"):
        cells: list[Cell | str] = []
        for quarter in quarters:
            for threshold in (first, *lower) if china[lab] else (first,):
                where = {"lab": lab, "quarter": quarter, "threshold": threshold}
                cells.append(read.probability("p_gw_above", **where))
            cells += [] if china[lab] else blank
        table.rows.append((name, cells))
    if read.selection.labs:
        return table
    table.rules.append(len(table.rows))
    names = dict(read.labels("lab"))
    for name, label in (
        (
            "p_both_named",
            "both " + " and ".join(names.get(lab, lab) for lab in named_labs(read.ds)),
        ),
        ("p_top_two", "the two largest labs"),
    ):
        if name in read.summary:
            cells = []
            for quarter in quarters:
                cells += [read.probability(name, quarter=quarter), *blank]
            table.rows.append((label, cells))
    return table


def _limits(read: Reader) -> Table:
    """The plan for 2027 and what became of it: sums of means over labs, with their errors."""
    labs = [lab for lab, _ in read.labels("lab")]
    whose = (
        "all labs"
        if not read.selection.labs
        else "of " + ", ".join(dict(read.labels("lab")).values())
    )
    table = Table(f"What limited the build of 2027 ({whose}, mean GW)", ["", "GW"], narrow=True)
    if not labs:
        return table
    first, final = QUARTERS.index(REFERENCE_QUARTER), QUARTERS.index(LAST_QUARTER)
    parts: dict[str, Any] = {}
    for label, name in (
        ("- given up in a capital crunch", "withheld_by_crunch_gw"),
        ("- delayed beyond the end of 2027", "withheld_by_delay_gw"),
        ("- not paid for by landlords' capex", "withheld_by_capex_gw"),
        ("- beyond the western power cap", "withheld_by_power_gw"),
    ):
        parts[label] = read.replicates(name, lab=labs)[0].sum(axis=1)
    if has_histogram(read.ds, "gw"):
        gw = read.replicates("gw", lab=labs)[0].sum(axis=1)
        built = gw[:, final] - gw[:, first]
    else:
        count = read.ds["replicate_count"].values
        places = [read.ds["lab"].values.tolist().index(lab) for lab in labs]
        drawn = last(read.ds, "gw")[places].sum(axis=0)
        replicate = replicate_of(numbers_of(read.ds), sampler_of(read.ds))
        added = np.bincount(replicate, drawn[final] - drawn[first], count.size)
        built = added / np.maximum(count, 1)
    rows = {"planned": built + sum(parts.values()), **parts, "= built": built}
    for label, means in rows.items():
        value, error = read.mean(means)
        table.rows.append((label, [Cell(float(value), float(error), "GW")]))
    table.rules = [1, 5]
    power = read.probability("power_binds_mean", quarter=LAST_QUARTER)
    table.remarks = [f"The power cap binds in {LAST_QUARTER} in {plus_minus(power)} % of draws."]
    capex = {
        name: read.probability("capex_binds_mean", quarter=LAST_QUARTER, landlord=landlord)
        for landlord, name in read.labels("landlord")
    }
    limited = [f"{name} {plus_minus(c)} %" for name, c in capex.items() if c.value >= 0.005]
    if limited:
        table.remarks.append(
            f"Capex binds in {LAST_QUARTER}: {', '.join(limited)} of draws; others below 0.5 %."
        )
    return table
