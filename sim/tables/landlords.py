"""Tables of landlords: whom they host, what they book, and what hangs on the labs' margins."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sim.fields import REFERENCE_QUARTER
from sim.statistics import mean_with_error
from sim.tables.cells import Cell, Reader, Table


def tables(read: Reader) -> list[Table]:
    """Who hosts whom, and the landlords' books of each quarter."""
    return [_hosting(read), *(_books(read, q) for q in read.quarters(REFERENCE_QUARTER))]


def _hosting(read: Reader) -> Table:
    """Labs by landlords at the reference quarter, to which the shares of 2026 hold."""
    landlords = read.labels("landlord")
    title = f"Who hosts whom, {REFERENCE_QUARTER} (mean GW)"
    table = Table(title, ["lab", *(name for _, name in landlords)])
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


def _books(read: Reader, quarter: str) -> Table:
    """Gigawatts, capex, depreciation, rent and book value; and what hangs on labs' margins."""
    heads = [
        "landlord",
        "hosted\nGW",
        "capex",
        "booked\ndeprec.",
        "economic\ndeprec.",
        "economic\n- booked",
        "rent",
        "rent over\nbooked",
        "book\nvalue",
        "RPO",
        "labs, %\nof RPO",
        "RPO under\nhurdle",
        "RPO not\ncovered",
        "value under\nhurdle",
    ]
    table = Table(
        f"Landlords, {quarter} (means; flows in USD bn a quarter, stocks in USD bn)", heads
    )
    amounts = (
        "hosted_gw_landlord",
        "landlord_capex_busd",
        "depreciation_booked",
        "depreciation_economic",
        "depreciation_gap",
        "rent_received",
        "depreciation_coverage",
        "net_book_value",
    )
    exposed = ("rpo_under_hurdle", "rpo_shortfall", "nbv_under_hurdle")
    for landlord, name in read.labels("landlord"):
        at: dict[str, Any] = {"landlord": landlord, "quarter": quarter}
        cells: list[Cell | str] = [read.cell(f"{n}_mean", missing="-", **at) for n in amounts]
        labs = read.cell("lab_dependence_mean", 100.0, **at)
        cells += [_rpo(read, landlord), replace(labs, error=math.nan)]
        cells += [read.cell(f"{n}_mean", **at) for n in exposed]
        table.rows.append((name, cells))
    chosen = [landlord for landlord, _ in read.labels("landlord")]
    if len(chosen) > 1:
        table.rules.append(len(table.rows))
        over = {"quarter": quarter, "landlord": chosen}
        sums: list[Cell | str] = [
            "" if name == "depreciation_coverage" else read.total(name, **over) for name in amounts
        ]
        table.rows.append(
            ("together", [*sums, "", "", *(read.total(name, **over) for name in exposed)])
        )
    table.remarks = [
        "Depreciation of the labs' capacity. Rent over booked: over that of what is rented out; -"
        " where no outside lab rents. RPO: remaining performance obligations, all customers.",
        f"At {REFERENCE_QUARTER}: RPO, and book value rented out, of labs whose paid margin is"
        " under the hurdle; RPO not covered: labs' RPO times the share of their bill that revenue"
        " does not cover. Exposure, not expected loss.",
    ]
    return table


def _rpo(read: Reader, landlord: str) -> Cell:
    """The landlord's obligations: an input, without error unless it is sampled."""
    place = read.ds["landlord"].values.tolist().index(landlord)
    variable = read.ds["rpo_busd"]
    if "draw" not in variable.dims:
        return Cell(float(variable.values[place]), math.nan, "USD bn")
    value, error = mean_with_error(read.ds, "rpo_busd")
    return Cell(float(value[place]), float(error[place]), "USD bn")
