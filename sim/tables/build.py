"""Tables of the build: gigawatts, thresholds, and what limited it."""

from __future__ import annotations

from typing import Any

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.statistics.datasets import named_labs
from sim.tables.cells import LAST_QUARTER, Cell, Reader, Table, plus_minus


def tables(reader: Reader) -> list[Table]:
    """Gigawatts, probabilities of exceeding thresholds, and limits of the build."""
    return [_gigawatts(reader), _crossings(reader), _limits(reader)]


def _gigawatts(reader: Reader) -> Table:
    """Quantiles of the gigawatts of each lab."""
    levels = (0.05, 0.5, 0.95)
    quarters = reader.quarters(REFERENCE_QUARTER, LAST_QUARTER)
    heads = [f"{quarter}\np{100 * level:g}" for quarter in quarters for level in levels]
    table = Table("Facility gigawatts by lab (GW, end of quarter)", ["lab", *heads])
    for lab, name in reader.labels("lab"):
        cells = [
            reader.cell("gw_quantile", lab=lab, quarter=quarter, quantile=level)
            for quarter in quarters
            for level in levels
        ]
        table.rows.append((name, list(cells)))
    return table


def _crossings(reader: Reader) -> Table:
    """Probabilities of crossing the thresholds; the lower ones for labs marked China."""
    first, *lower = (float(x) for x in reader.ds["threshold"].values)
    quarters = reader.quarters(REFERENCE_QUARTER, LAST_QUARTER)
    heads = [f"{quarter}\n> {x:g} GW" for quarter in quarters for x in (first, *lower)]
    table = Table(
        "Probability of exceeding a threshold of gigawatts (%, end of quarter)", ["", *heads]
    )
    flags = zip(reader.ds["lab"].values.tolist(), reader.ds["lab_is_china"].values, strict=True)
    china = dict(flags)
    blank: list[Cell | str] = [""] * len(lower)
    for lab, name in reader.labels("lab"):
        cells: list[Cell | str] = []
        for quarter in quarters:
            for threshold in (first, *lower) if china[lab] else (first,):
                at = {"lab": lab, "quarter": quarter, "threshold": threshold}
                cells.append(reader.probability("p_gw_above", **at))
            cells += [] if china[lab] else blank
        table.rows.append((name, cells))
    if reader.selection.labs:
        return table
    table.rules.append(len(table.rows))
    names = dict(reader.labels("lab"))
    for name, label in (
        (
            "p_both_named",
            "both " + " and ".join(names.get(lab, lab) for lab in named_labs(reader.ds)),
        ),
        ("p_top_two", "the two largest labs"),
    ):
        if name in reader.summary:
            cells = []
            for quarter in quarters:
                cells += [reader.probability(name, quarter=quarter), *blank]
            table.rows.append((label, cells))
    return table


def _limits(reader: Reader) -> Table:
    """The plan for 2027, what was built, and what was withheld."""
    names = dict(reader.labels("lab"))
    labs = list(names)
    owners = f"of {', '.join(names.values())}" if reader.selection.labs else "all labs"
    table = Table(f"What limited the build of 2027 ({owners}, mean GW)", ["", "GW"], narrow=True)
    if not labs:
        return table
    first, final = QUARTERS.index(REFERENCE_QUARTER), QUARTERS.index(LAST_QUARTER)
    withheld: dict[str, Any] = {}
    for label, name in (
        ("- given up in a capital crunch", "withheld_by_crunch_gw"),
        ("- delayed beyond the end of 2027", "withheld_by_delay_gw"),
        ("- not paid for by landlords' capex", "withheld_by_capex_gw"),
        ("- beyond the western power cap", "withheld_by_power_gw"),
    ):
        withheld[label] = reader.replicates(name, lab=labs)[0].sum(axis=1)
    gw = reader.replicates("gw", lab=labs)[0].sum(axis=1)
    built = gw[:, final] - gw[:, first]
    rows = {"planned": built + sum(withheld.values()), **withheld, "= built": built}
    for label, means in rows.items():
        value, error = reader.mean(means)
        table.rows.append((label, [Cell(float(value), float(error), "GW")]))
    table.rules = [1, 5]
    power = reader.probability("power_binds_mean", quarter=LAST_QUARTER)
    table.remarks = [f"The power cap binds in {LAST_QUARTER} in {plus_minus(power)} % of draws."]
    capex = {
        name: reader.probability("capex_binds_mean", quarter=LAST_QUARTER, landlord=landlord)
        for landlord, name in reader.labels("landlord")
    }
    limited = [f"{name} {plus_minus(c)} %" for name, c in capex.items() if c.value >= 0.005]
    if limited:
        table.remarks.append(
            f"Capex binds in {LAST_QUARTER}: {', '.join(limited)} of draws; others below 0.5 %."
        )
    return table
