"""Tables of the build: gigawatts, thresholds, and what limited it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.statistics.datasets import named_labs
from sim.tables.cells import LAST_QUARTER, Reader
from sim.tables.table import Cell, Table, plus_minus

NAMES = {
    "gigawatt": "dollars and tokens of a gigawatt, facility and IT",
    "gigawatts": "gigawatts by lab, stated and facility",
    "thresholds": "probabilities of exceeding a threshold of gigawatts",
    "limits": "what limited the build of 2027",
}

LEVELS = (0.05, 0.5, 0.95)
BASES = {  # basis -> gigawatts; probabilities of a threshold by lab, of both named labs, of two
    "stated": ("gw", "p_gw_above", "p_both_named", "p_top_two"),
    "facility": (
        "facility_gw", "p_facility_gw_above", "p_both_named_facility", "p_top_two_facility",
    ),
}  # fmt: skip
TWO_BASES = (
    "Stated: as the sources of the scenario speak of a gigawatt. Facility: at the utility meter;"
    " {} facility GW per stated GW (p5 to p95). An IT gigawatt takes {} facility GW (p50)."
)
PER_GW = {  # row -> output per facility gigawatt, scale
    "Purchase (USD bn)": ("capex_per_gw", 1.0),
    "Owner's cost (USD bn/yr)": ("owner_cost_per_gw_year", 1.0),
    "Rent (USD bn/yr)": ("rent_per_gw_year", 1.0),
    "Revenue if paid for (USD bn/yr)": ("revenue_per_gw_year", 1.0),
    "Blended tokens (million/s)": ("tokens_per_s_per_mw", 1e-3),
}


def tables(reader: Reader) -> list[Table]:
    """A gigawatt, gigawatts, probabilities of exceeding thresholds, and limits of the build."""
    per_gw = [_per_gw(reader, quarter) for quarter in reader.quarters(REFERENCE_QUARTER)]
    own = per_gw if not reader.selection.labs else []
    return [*own, _gigawatts(reader), _crossings(reader), _limits(reader)]


def _per_gw(reader: Reader, quarter: str) -> Table:
    """Quantiles of what a gigawatt costs, earns and serves, by facility and by IT power."""
    heads = [f"{basis}\np{100 * level:g}" for basis in ("facility", "IT") for level in LEVELS]
    table = Table(f"A gigawatt of the reference lab, {quarter}", ["", *heads], name="gigawatt")
    texts = [f"{name}@{quarter} * facility_capacity_ratio" for name, _ in PER_GW.values()]
    for (label, (name, scale)), cells in zip(
        PER_GW.items(), reader.values(texts, LEVELS, ""), strict=True
    ):
        facility = [
            reader.cell(f"{name}_quantile", scale, quarter=quarter, quantile=level)
            for level in LEVELS
        ]
        unit = facility[0].unit
        table.rows.append(
            (label, [*facility, *(replace(cell, unit=unit, scale=scale) for cell in cells)])
        )
    table.remarks = [
        "Facility: per gigawatt at the utility meter. IT: per gigawatt of IT power, the facility's"
        " times facility_capacity_ratio. Rent: what the reference lab pays. Revenue and tokens: of"
        " one that serves paid tokens only, at its duty cycle."
    ]
    return table


def _gigawatts(reader: Reader) -> Table:
    """Quantiles of the gigawatts of each lab, in both bases."""
    quarters = reader.quarters(REFERENCE_QUARTER, LAST_QUARTER)
    heads = [
        f"{quarter}\n{basis}\np{100 * level:g}"
        for basis in BASES
        for quarter in quarters
        for level in LEVELS
    ]
    table = Table("Gigawatts by lab (GW, end of quarter)", ["lab", *heads], name="gigawatts")
    for lab, name in reader.labels("lab"):
        cells = [
            reader.cell(f"{output}_quantile", lab=lab, quarter=quarter, quantile=level)
            for output, *_ in BASES.values()
            for quarter in quarters
            for level in LEVELS
        ]
        table.rows.append((name, list(cells)))
    ratio, of_it = reader.values(["gw_definition_ratio", "facility_capacity_ratio"], LEVELS, "1")
    low, _, high = (f"{cell.value:.3g}" for cell in ratio)
    stated = low if low == high else f"{low} to {high}"
    table.remarks = [TWO_BASES.format(stated, f"{of_it[1].value:.3g}")]
    return table


def _crossings(reader: Reader) -> Table:
    """Probabilities of crossing the thresholds; the lower ones for labs marked China."""
    first, *lower = (float(x) for x in reader.ds["threshold"].values)
    quarters = reader.quarters(REFERENCE_QUARTER, LAST_QUARTER)
    heads = [
        f"{quarter}\n{basis}\n> {x:g} GW"
        for basis in BASES
        for quarter in quarters
        for x in (first, *lower)
    ]
    title = "Probability of exceeding a threshold of gigawatts (%, end of quarter)"
    table = Table(title, ["", *heads], name="thresholds")
    flags = zip(reader.ds["lab"].values.tolist(), reader.ds["lab_is_china"].values, strict=True)
    china = dict(flags)
    blank: list[Cell | str] = [""] * len(lower)
    for lab, name in reader.labels("lab"):
        cells: list[Cell | str] = []
        for _, above, *_ in BASES.values():
            for quarter in quarters:
                for threshold in (first, *lower) if china[lab] else (first,):
                    at = {"lab": lab, "quarter": quarter, "threshold": threshold}
                    cells.append(reader.probability(above, **at))
                cells += [] if china[lab] else blank
        table.rows.append((name, cells))
    if reader.selection.labs:
        return table
    table.rules.append(len(table.rows))
    names = dict(reader.labels("lab"))
    both = " and ".join(names.get(lab, lab) for lab in named_labs(reader.ds))
    for i, label in ((2, f"both {both}"), (3, "the two largest labs")):
        if BASES["stated"][i] in reader.summary:
            cells = []
            for outputs in BASES.values():
                for quarter in quarters:
                    cells += [reader.probability(outputs[i], quarter=quarter), *blank]
            table.rows.append((label, cells))
    return table


def _limits(reader: Reader) -> Table:
    """The plan for 2027, what was built, and what was withheld."""
    names = dict(reader.labels("lab"))
    labs = list(names)
    owners = f"of {', '.join(names.values())}" if reader.selection.labs else "all labs"
    title = f"What limited the build of 2027 ({owners}, mean)"
    table = Table(title, ["", "stated GW"], narrow=True, name="limits")
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
