"""Tables of a token."""

from __future__ import annotations

import math

import pytest
import xarray as xr
from table_cells import cell_at, titled

import sim
from sim.tables.table import Cell


def test_cost_layers_sum_to_the_printed_totals(ds: xr.Dataset, summary: xr.Dataset) -> None:
    rows = dict(titled(ds, summary, "Mean cost of a million tokens").rows)
    sums = {label: rows.pop(label) for label in ("= compute", "= total")}
    rows = {label: cells for label, cells in rows.items() if "revenue," not in label}
    assert len(rows) == 13
    for column in range(3):
        layers = [c.value for c in (r[column] for r in rows.values()) if isinstance(c, Cell)]
        compute, total = sums["= compute"][column], sums["= total"][column]
        assert isinstance(compute, Cell)
        assert isinstance(total, Cell)
        assert math.fsum(layers[:11]) == pytest.approx(compute.value, rel=1e-12)
        assert math.fsum(layers) == pytest.approx(total.value, rel=1e-12)


def test_three_regimes_differ_by_duty_cycle_and_margin_alone(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    """One stack: an hour of training costs more only by its electricity and the margin on it."""
    table = titled(ds, summary, "One accelerator in three regimes, 2026Q4")
    for label, cells in table.rows:
        if "depreciation" in label or label in ("maintenance", "site operations"):
            assert len({cell.value for cell in cells if isinstance(cell, Cell)}) == 1, label
    duty = [cell.value for cell in dict(table.rows)["duty cycle (%)"] if isinstance(cell, Cell)]
    assert duty == sorted(duty, reverse=True)
    hours = [label for label, _ in table.rows[:11]]
    for column in ("frontier training", "fine tune", "online inference"):
        layers = [cell_at(table, label, column).value for label in hours]
        whole = cell_at(table, "= a paid hour", column).value
        assert math.fsum(layers) == pytest.approx(whole, rel=1e-9)
    inference = sim.redraw(ds, ["accelerator_hour_cost"]).accelerator_hour_cost.sel(
        quarter="2026Q4", regime="online_inference"
    )
    assert whole == pytest.approx(float(inference.isel(layer=slice(0, 11)).sum("layer").mean()))


def test_an_answer_is_what_its_tokens_cost(ds: xr.Dataset, summary: xr.Dataset) -> None:
    table = titled(ds, summary, "One answer of 300 tokens, 2026Q4")
    draws = sim.redraw(ds, ["wh_per_query", "input_output_ratio"])
    at = {"quarter": "2026Q4", "regime": "online_inference"}
    cents = draws.compute_cost.sel(at) * 300 * (1 + draws.input_output_ratio) / 1e4
    assert cell_at(table, "Compute (cents)", "p50").value == pytest.approx(float(cents.median()))
    energy = draws.wh_per_query.sel(quarter="2026Q4").quantile(0.95)
    assert cell_at(table, "Energy at the meter (Wh)", "p95").value == pytest.approx(float(energy))
    whole, part = (
        cell_at(table, f"{row} (cents)", "p50").value for row in ("Compute", "- of it depreciation")
    )
    assert 0.3 < part / whole < 0.6
