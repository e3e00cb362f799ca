"""Tables of landlords."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import xarray as xr
from table_cells import cell_at, titled

import sim
from sim.tables.table import Cell, Selection


def test_landlords_have_their_books_and_their_exposure_to_labs(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "Landlords, 2026Q4")
    labels = {"landlord": "oracle", "quarter": "2026Q4"}
    for column, name in {
        "facility GW": "hosted_gw_landlord",
        "capex": "landlord_capex_busd",
        "booked deprec.": "depreciation_booked",
        "rent": "rent_received",
    }.items():
        mean = summary[f"{name}_mean"]
        expected = float(
            mean.sel({dim: label for dim, label in labels.items() if dim in mean.dims})
        )
        assert cell_at(table, "Oracle", column).value == pytest.approx(expected), column
    heads = [head.replace("\n", " ") for head in table.columns[1:]]
    assert dict(table.rows)["Meta"][heads.index("rent over booked")] == "-"
    rent, booked = (
        float(summary[f"{name}_mean"].sel(labels))
        for name in ("rent_received", "depreciation_booked_rented")
    )
    assert cell_at(table, "Oracle", "rent over booked").value == pytest.approx(rent / booked)
    capex = [cells[1].value for label, cells in table.rows[:-1] if isinstance(cells[1], Cell)]
    assert cell_at(table, "total", "capex").value == pytest.approx(math.fsum(capex))


def test_obligations_are_firm_and_due_as_the_inputs_say(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "What landlords are owed")
    assert cell_at(table, "Oracle", "RPO").rounded() == ("553", "")
    assert cell_at(table, "Other", "firm RPO").value == pytest.approx(45 * 0.083)
    assert cell_at(table, "Oracle", "firm, due in 12 months").value == pytest.approx(553 / 6)
    heads = [head.replace("\n", " ") for head in table.columns[1:]]
    assert dict(table.rows)["Microsoft"][heads.index("firm, due in 12 months")] == "-"
    worst = ds.rpo_under_hurdle.sel(landlord="oracle").quantile(0.95)
    assert cell_at(table, "Oracle", "RPO under hurdle, worst 5 %").value == pytest.approx(
        float(worst)
    )


def test_margins_as_reported_are_told_apart_from_that_of_the_accelerator(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "Margin on rented capacity as reported")
    assert "Meta" not in dict(table.rows)  # hosts its own lab alone
    draws = sim.redraw(ds, ["landlord_gross_margin", "landlord_margin_after_interest"])
    at = {"landlord": "oracle", "quarter": "2026Q4"}
    for head, name in {
        "before": "landlord_gross_margin",
        "after": "landlord_margin_after_interest",
    }.items():
        median = float(draws[name].sel(at).median())
        assert cell_at(table, "Oracle", f"{head} interest p50").value == pytest.approx(median)
    assert re.search(r"On the accelerator alone: 58\.\d ± \S+ % ", table.remarks[0])


def test_equity_is_held_against_the_revenue_of_each_quarter(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "ARR over equity put in")
    arr = sim.redraw(ds, ["arr"]).arr.sel(lab="anthropic", quarter="2026Q2")
    cell = cell_at(table, "Anthropic, Amazon, 2026Q2", "p50")
    assert cell.value == pytest.approx(float(arr.median()) / 8)


def test_hosted_gigawatts_sum_over_labs(ds: xr.Dataset, summary: xr.Dataset) -> None:
    *labs, (_, totals) = titled(ds, summary, "Who hosts whom").rows
    for column, total in enumerate(totals):
        hosted = [row[column].value for _, row in labs if isinstance(row[column], Cell)]
        assert isinstance(total, Cell)
        assert math.fsum(hosted) == pytest.approx(total.value)


def test_a_landlord_that_begins_in_2027_has_rent_over_booked(params: Path) -> None:
    """In some draws it hosts nothing yet; rent and depreciation are then nil, not missing."""
    shares = {"softbank.share_2026": 0.0, "oracle.share_2026": 0.29}
    later = sim.load(
        params / "base.toml", set={f"labs.openai.host.{k}": v for k, v in shares.items()}
    )
    ds = sim.simulate(later, draws=2_048)
    assert ds.attrs["draws_not_finite"] == 0
    summary = sim.summarise(ds)
    table = titled(ds, summary, "Landlords, 2027Q4", Selection(quarters=("2027Q4",)))
    rent, booked = (
        float(summary[f"{name}_mean"].sel(landlord="softbank", quarter="2027Q4"))
        for name in ("rent_received", "depreciation_booked_rented")
    )
    assert cell_at(table, "SoftBank", "rent over booked").value == pytest.approx(rent / booked)
    now = titled(ds, summary, "Landlords, 2026Q4")
    heads = [head.replace("\n", " ") for head in now.columns[1:]]
    assert dict(now.rows)["SoftBank"][heads.index("rent over booked")] == "-"
