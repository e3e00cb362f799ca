"""Tables of landlords: hosting, books and exposure to labs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sim.model.dims import REFERENCE_QUARTER
from sim.statistics.summary import mean_with_error
from sim.tables.cells import Cell, Reader, Table, wrap_head


def tables(reader: Reader) -> list[Table]:
    """Who hosts whom, and the landlords' books of each quarter."""
    return [_hosting(reader), *(_books(reader, q) for q in reader.quarters(REFERENCE_QUARTER))]


def _hosting(reader: Reader) -> Table:
    """Gigawatts of labs by landlord at the reference quarter.

    They follow from the shares of 2026.
    """
    landlords = reader.labels("landlord")
    title = f"Who hosts whom, {REFERENCE_QUARTER} (mean GW)"
    heads = [wrap_head(name) for _, name in landlords]
    table = Table(title, ["lab", *heads])
    captive, shares = reader.ds["captive"], reader.ds["host_share_2026"]
    parents = []
    for lab, lab_name in reader.labels("lab"):
        gw = reader.cell("gw_mean", lab=lab, quarter=REFERENCE_QUARTER)
        cells: list[Cell | str] = []
        for landlord, name in landlords:
            share = float(shares.sel(lab=lab, landlord=landlord))
            hosted = replace(gw, value=share * gw.value, error=share * gw.error)
            cells.append(hosted if share else "")
            if captive.sel(lab=lab, landlord=landlord):
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
    "hosted_gw_landlord": "hosted\nGW",
    "landlord_capex_busd": "capex",
    "depreciation_booked": "booked\ndeprec.",
    "depreciation_economic": "economic\ndeprec.",
    "depreciation_gap": "economic\n- booked",
    "rent_received": "rent",
    "net_book_value": "book\nvalue",
}
COVERAGE, COVERAGE_HEAD = 6, "rent over\nbooked"  # after the rent
EXPOSURE = (
    "RPO",
    "labs, %\nof RPO",
    "RPO under\nhurdle",
    "RPO under\nhurdle,\nworst 5 %",
    "RPO not\ncovered",
    "value under\nhurdle",
)


def _books(reader: Reader, quarter: str) -> Table:
    """Gigawatts, capex, depreciation, rent and book value; and exposure to labs' margins."""
    at_reference = quarter == REFERENCE_QUARTER  # of exposure (7.7)
    heads = list(AMOUNTS.values())
    heads.insert(COVERAGE, COVERAGE_HEAD)
    heads = ["landlord", *heads, *(EXPOSURE if at_reference else ())]
    title = f"Landlords, {quarter} (means; flows in USD bn a quarter, stocks in USD bn)"
    table = Table(title, heads)
    for landlord, name in reader.labels("landlord"):
        at: dict[str, Any] = {"landlord": landlord, "quarter": quarter}
        cells: list[Cell | str] = [reader.cell(f"{name}_mean", **at) for name in AMOUNTS]
        cells.insert(COVERAGE, _coverage(reader, **at))
        cells += _exposure(reader, landlord) if at_reference else []
        table.rows.append((name, cells))
    shown = [landlord for landlord, _ in reader.labels("landlord")]
    if len(shown) > 1:
        table.rules.append(len(table.rows))
        over = {"quarter": quarter, "landlord": shown}
        sums: list[Cell | str] = [reader.total(name, **over) for name in AMOUNTS]
        sums.insert(COVERAGE, _coverage(reader, **over))
        table.rows.append(("total", [*sums, *([""] * len(EXPOSURE) if at_reference else [])]))
    table.remarks = [
        "Capex: total. Depreciation and book value: of the labs' capacity. Rent: from labs that"
        " the landlord does not own; over booked: its mean over the mean booked depreciation of"
        " what they rent (- where none rents).",
    ]
    if at_reference:
        table.remarks.append(
            "RPO: remaining performance obligations, all customers. Under hurdle: of labs whose"
            " paid margin is below the hurdle: the mean, and what 5 % of draws exceed (p95). Value:"
            " book value that these labs rent. Not covered: labs' RPO times the share of their bill"
            " that revenue does not cover. Exposure, not expected loss; a lab without ARR counts as"
            " above the hurdle."
        )
        if dates := reader.as_of("landlord", "rpo_busd"):
            table.remarks.append(f"RPO as of: {dates}.")
    return table


def _coverage(reader: Reader, **at: Any) -> Cell | str:
    """Mean rent over mean booked depreciation of rented capacity.

    "-" where nothing is rented.
    """
    if reader.total("depreciation_booked_rented", **at).value == 0:
        return "-"
    return reader.ratio("rent_received", "depreciation_booked_rented", **at)


def _exposure(reader: Reader, landlord: str) -> list[Cell | str]:
    """Obligations and book values that depend on labs, and on their margins."""
    labs = reader.cell("lab_dependence_mean", 100.0, landlord=landlord)
    return [
        _rpo(reader, landlord),
        replace(labs, error=math.nan),
        reader.cell("rpo_under_hurdle_mean", landlord=landlord),
        reader.cell("rpo_under_hurdle_quantile", landlord=landlord, quantile=0.95),
        reader.cell("rpo_shortfall_mean", landlord=landlord),
        reader.cell("nbv_under_hurdle_mean", landlord=landlord),
    ]


def _rpo(reader: Reader, landlord: str) -> Cell:
    """The landlord's obligations: an input, without error unless it is sampled."""
    index = reader.ds["landlord"].values.tolist().index(landlord)
    variable = reader.ds["rpo_busd"]
    if "draw" not in variable.dims:
        return Cell(float(variable.values[index]), math.nan, "USD bn")
    value, error = mean_with_error(reader.ds, "rpo_busd")
    return Cell(float(value[index]), float(error[index]), "USD bn")
