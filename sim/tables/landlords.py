"""Tables of landlords: hosting, books and exposure to labs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.statistics.summary import mean_with_error
from sim.tables.cells import Reader
from sim.tables.table import Cell, Table, plus_minus, wrap_head

NAMES = {
    "hosting": "gigawatts of labs by landlord",
    "landlords": "capex, depreciation, rent and book value",
    "landlord_margins": "margins as reported, before and after interest",
    "obligations": "RPO, the firm part, what falls due, and exposure to labs' margins",
    "equity": "ARR over the equity that landlords have put in",
}

LEVELS = (0.05, 0.5, 0.95)


def tables(reader: Reader) -> list[Table]:
    """Who hosts whom, and the landlords' books, margins and obligations."""
    quarters = reader.quarters(REFERENCE_QUARTER)
    at_reference = REFERENCE_QUARTER in quarters  # of exposure (7.7)
    return [
        _hosting(reader),
        *(_books(reader, quarter) for quarter in quarters),
        *(_margins(reader, quarter) for quarter in quarters),
        *([_obligations(reader)] if at_reference else []),
        _equity(reader),
    ]


def _hosting(reader: Reader) -> Table:
    """Facility gigawatts of labs by landlord at the reference quarter.

    They follow from the shares of 2026.
    """
    landlords = reader.labels("landlord")
    title = f"Who hosts whom, {REFERENCE_QUARTER} (mean, facility GW)"
    heads = [wrap_head(name) for _, name in landlords]
    table = Table(title, ["lab", *heads], name="hosting")
    parents = []
    for lab, lab_name in reader.labels("lab"):
        gw = reader.cell("facility_gw_mean", lab=lab, quarter=REFERENCE_QUARTER)
        cells: list[Cell | str] = []
        for landlord, name in landlords:
            share = reader.fixed("host_share_2026", lab=lab, landlord=landlord)
            cells.append(gw.times(share) if share else "")
            if reader.fixed("captive", lab=lab, landlord=landlord):
                parents.append(f"{lab_name} at {name}")
        table.rows.append((lab_name, cells))
    if not reader.selection.labs:
        table.rules.append(len(table.rows))
        at: dict[str, Any] = {"quarter": REFERENCE_QUARTER}
        hosted_by = [
            reader.cell("hosted_gw_landlord_mean", landlord=landlord, **at)
            for landlord, _ in landlords
        ]
        table.rows.append(("all labs", [cell if cell.value else "" for cell in hosted_by]))
    if parents:
        table.remarks = [f"The landlord is the lab's parent: {', '.join(parents)}."]
    return table


AMOUNTS = {
    "hosted_gw_landlord": "facility\nGW",
    "landlord_capex_busd": "capex",
    "depreciation_booked": "booked\ndeprec.",
    "depreciation_economic": "economic\ndeprec.",
    "depreciation_gap": "economic\n- booked",
    "rent_received": "rent",
    "net_book_value": "book\nvalue",
}
COVERAGE, COVERAGE_HEAD = 6, "rent over\nbooked"  # after the rent


def _books(reader: Reader, quarter: str) -> Table:
    """Gigawatts, capex, depreciation, rent and book value."""
    heads = list(AMOUNTS.values())
    heads.insert(COVERAGE, COVERAGE_HEAD)
    heads = ["landlord", *heads]
    title = f"Landlords, {quarter} (means; flows in USD bn a quarter, stocks in USD bn)"
    table = Table(title, heads, name="landlords")
    for landlord, name in reader.labels("landlord"):
        at: dict[str, Any] = {"landlord": landlord, "quarter": quarter}
        cells: list[Cell | str] = [reader.cell(f"{name}_mean", **at) for name in AMOUNTS]
        cells.insert(COVERAGE, _coverage(reader, **at))
        table.rows.append((name, cells))
    shown = [landlord for landlord, _ in reader.labels("landlord")]
    if len(shown) > 1:
        table.rules.append(len(table.rows))
        over = {"quarter": quarter, "landlord": shown}
        sums: list[Cell | str] = [reader.total(name, **over) for name in AMOUNTS]
        sums.insert(COVERAGE, _coverage(reader, **over))
        table.rows.append(("total", sums))
    table.remarks = [
        "Capex: total. Depreciation and book value: of the labs' capacity. Rent: from labs that"
        " the landlord does not own; over booked: its mean over the mean booked depreciation of"
        " what they rent (- where none rents).",
    ]
    return table


def _margins(reader: Reader, quarter: str) -> Table:
    """Margins on rented capacity as a company reports them, before and after interest."""
    outputs = {
        "before\ninterest": "landlord_gross_margin",
        "after\ninterest": "landlord_margin_after_interest",
    }
    heads = [f"{head}\np{100 * level:g}" for head in outputs for level in LEVELS]
    title = f"Margin on rented capacity as reported, {quarter} (%)"
    table = Table(title, ["landlord", *heads], name="landlord_margins")
    for landlord, name in reader.labels("landlord"):
        at: dict[str, Any] = {"landlord": landlord, "quarter": quarter}
        if reader.cell("rent_received_mean", **at).value == 0:
            continue
        cells: list[Cell | str] = [
            reader.cell(f"{output}_quantile", 100.0, quantile=level, **at)
            for output in outputs.values()
            for level in LEVELS
        ]
        table.rows.append((name, cells))
    text = f"landlord_margin_book[online_inference]@{quarter}"
    (alone,) = reader.values([text], [0.5], "1", 100.0)[0]
    table.remarks = [
        "Rent less depreciation, power, site, shells, network and corporate cost on the books;"
        f" landlords to outside labs alone. On the accelerator alone: {plus_minus(alone)} % (p50,"
        " of the reference stack), before shells, network, corporate cost and interest.",
    ]
    return table


def _obligations(reader: Reader) -> Table:
    """Obligations and book values that depend on labs, and on their margins."""
    heads = [
        "landlord",
        "RPO",
        "firm\nRPO",
        "firm, due\nin 12\nmonths",
        "labs, %\nof RPO",
        "RPO under\nhurdle",
        "RPO under\nhurdle,\nworst 5 %",
        "RPO not\ncovered",
        "value\nunder\nhurdle",
    ]
    title = f"What landlords are owed, {REFERENCE_QUARTER} (means, USD bn)"
    table = Table(title, heads, name="obligations")
    for landlord, name in reader.labels("landlord"):
        due = _of_inputs(reader.cell("rpo_due_12m_busd_mean", landlord=landlord))
        cells: list[Cell | str] = [
            _rpo(reader, landlord),
            _of_inputs(reader.cell("rpo_firm_busd_mean", landlord=landlord)),
            "-" if math.isnan(due.value) and due.missing == "nan" else due,
            _of_inputs(reader.cell("lab_dependence_mean", 100.0, landlord=landlord)),
            reader.cell("rpo_under_hurdle_mean", landlord=landlord),
            reader.cell("rpo_under_hurdle_quantile", landlord=landlord, quantile=0.95),
            reader.cell("rpo_shortfall_mean", landlord=landlord),
            reader.cell("nbv_under_hurdle_mean", landlord=landlord),
        ]
        table.rows.append((name, cells))
    table.remarks = [
        "RPO: remaining performance obligations, all customers. Firm: that cannot be cancelled."
        " Due: - where their duration is not known. Under hurdle: of labs whose paid margin is"
        " below the hurdle: the mean, and what 5 % of draws exceed (p95). Value: book value that"
        " these labs rent. Not covered: labs' RPO times the share of their bill that revenue does"
        " not cover."
        " Exposure, not expected loss; a lab without ARR counts as above the hurdle.",
    ]
    if dates := reader.as_of("landlord", "rpo_busd"):
        table.remarks.append(f"RPO as of: {dates}.")
    return table


def _equity(reader: Reader) -> Table:
    """Annualised revenue over the equity that landlords put into labs, by quarter of 2026."""
    heads = ["lab, landlord, quarter", *(f"p{100 * level:g}" for level in LEVELS)]
    table = Table("ARR over equity put in (x)", heads, narrow=True, name="equity")
    labels: dict[str, str] = {}
    for lab, lab_name in reader.labels("lab"):
        for landlord, name in reader.labels("landlord"):
            amount = reader.fixed("host_equity_busd", lab=lab, landlord=landlord)
            if amount and lab not in reader.silent:
                for quarter in reader.quarters(*QUARTERS[:4]):
                    label = f"{lab_name}, {name}, {quarter}"
                    labels[label] = f"arr[{lab}]@{quarter} / host_equity_busd[{lab}, {landlord}]"
    for label, cells in zip(labels, reader.values([*labels.values()], LEVELS, "x"), strict=True):
        table.rows.append((label, [*cells]))
    return table


def _coverage(reader: Reader, **at: Any) -> Cell | str:
    """Mean rent over mean booked depreciation of rented capacity.

    "-" where nothing is rented.
    """
    if reader.total("depreciation_booked_rented", **at).value == 0:
        return "-"
    return reader.ratio("rent_received", "depreciation_booked_rented", **at)


def _of_inputs(cell: Cell) -> Cell:
    """A cell of inputs alone, without error unless they are sampled."""
    return cell if cell.error > 1e-12 * abs(cell.value) else replace(cell, error=math.nan)


def _rpo(reader: Reader, landlord: str) -> Cell:
    """The landlord's obligations: an input, without error unless it is sampled."""
    index = reader.ds["landlord"].values.tolist().index(landlord)
    variable = reader.ds["rpo_busd"]
    if "draw" not in variable.dims:
        return Cell(float(variable.values[index]), math.nan, "USD bn")
    value, error = mean_with_error(reader.ds, "rpo_busd")
    return _of_inputs(Cell(float(value[index]), float(error[index]), "USD bn"))
