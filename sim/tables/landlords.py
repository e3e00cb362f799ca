"""Tables of landlords: whom they host, what they book, and what hangs on the labs' margins."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sim.model.dims import REFERENCE_QUARTER
from sim.statistics.summary import mean_with_error
from sim.tables.cells import Cell, Reader, Table


def tables(read: Reader) -> list[Table]:
    """Who hosts whom, and the landlords' books of each quarter."""
    return [_hosting(read), *(_books(read, q) for q in read.quarters(REFERENCE_QUARTER))]


LONGEST = 18  # letters of a landlord's name as a head


def _hosting(read: Reader) -> Table:
    """Labs by landlords at the reference quarter, to which the shares of 2026 hold."""
    landlords = read.labels("landlord")
    title = f"Who hosts whom, {REFERENCE_QUARTER} (mean GW)"
    heads = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for _, name in landlords]
    table = Table(title, ["lab", *heads])
    captive, shares = read.ds["captive"], read.ds["host_share_2026"]
    parents = []
    for lab, lab_name in read.labels("lab"):
        gw = read.cell("gw_mean", lab=lab, quarter=REFERENCE_QUARTER)
        cells: list[Cell | str] = []
        for landlord, name in landlords:
            share = float(shares.sel(lab=lab, landlord=landlord))
            hosted = replace(gw, value=share * gw.value, error=share * gw.error)
            cells.append(hosted if share else "")
            if captive.sel(lab=lab, landlord=landlord):
                parents.append(f"{lab_name} at {name}")
        table.rows.append((lab_name, cells))
    if not read.selection.labs:
        table.rules.append(len(table.rows))
        at: dict[str, Any] = {"quarter": REFERENCE_QUARTER}
        hosted_by = [
            read.cell("hosted_gw_landlord_mean", landlord=landlord, **at)
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


def _books(read: Reader, quarter: str) -> Table:
    """Gigawatts, capex, depreciation, rent and book value; and what hangs on labs' margins."""
    at_reference = quarter == REFERENCE_QUARTER  # the quarter of which exposure speaks (7.7)
    heads = list(AMOUNTS.values())
    heads.insert(COVERAGE, COVERAGE_HEAD)
    heads = ["landlord", *heads, *(EXPOSURE if at_reference else ())]
    title = f"Landlords, {quarter} (means; flows in USD bn a quarter, stocks in USD bn)"
    table = Table(title, heads)
    for landlord, name in read.labels("landlord"):
        at: dict[str, Any] = {"landlord": landlord, "quarter": quarter}
        cells: list[Cell | str] = [read.cell(f"{name}_mean", **at) for name in AMOUNTS]
        cells.insert(COVERAGE, _coverage(read, **at))
        cells += _exposure(read, landlord) if at_reference else []
        table.rows.append((name, cells))
    chosen = [landlord for landlord, _ in read.labels("landlord")]
    if len(chosen) > 1:
        table.rules.append(len(table.rows))
        over = {"quarter": quarter, "landlord": chosen}
        sums: list[Cell | str] = [read.total(name, **over) for name in AMOUNTS]
        sums.insert(COVERAGE, _coverage(read, **over))
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
        if dates := read.as_of("landlord", "rpo_busd"):
            table.remarks.append(f"RPO as of: {dates}.")
    return table


def _coverage(read: Reader, **where: Any) -> Cell | str:
    """Rent over the booked depreciation of what is rented, a ratio of the means."""
    if read.total("depreciation_booked_rented", **where).value == 0:
        return "-"
    return read.ratio("rent_received", "depreciation_booked_rented", **where)


def _exposure(read: Reader, landlord: str) -> list[Cell | str]:
    """What hangs on the labs' margins at the reference quarter."""
    labs = read.cell("lab_dependence_mean", 100.0, landlord=landlord)
    return [
        _rpo(read, landlord),
        replace(labs, error=math.nan),
        read.cell("rpo_under_hurdle_mean", landlord=landlord),
        read.cell("rpo_under_hurdle_quantile", landlord=landlord, quantile=0.95),
        read.cell("rpo_shortfall_mean", landlord=landlord),
        read.cell("nbv_under_hurdle_mean", landlord=landlord),
    ]


def _rpo(read: Reader, landlord: str) -> Cell:
    """The landlord's obligations: an input, without error unless it is sampled."""
    place = read.ds["landlord"].values.tolist().index(landlord)
    variable = read.ds["rpo_busd"]
    if "draw" not in variable.dims:
        return Cell(float(variable.values[place]), math.nan, "USD bn")
    value, error = mean_with_error(read.ds, "rpo_busd")
    return Cell(float(value[place]), float(error[place]), "USD bn")
