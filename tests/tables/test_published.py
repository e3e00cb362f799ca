"""Published figures beside a run."""

from __future__ import annotations

import pytest
import xarray as xr
from table_cells import titled

import sim
from sim.tables.table import Cell, Selection


def test_published_figures_are_beside_quantiles_of_the_run(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "Published figures")
    row = dict(table.rows)["openai-investor-memo-2026-04\ngw[anthropic]@2027Q4"]
    draws = ds.gw.sel(lab="anthropic", quarter="2027Q4")
    shown = [cell.value for cell in row if isinstance(cell, Cell)]
    assert row[0] == "7 to 8"
    assert shown == pytest.approx([float(draws.quantile(p)) for p in (0.5, 0.05, 0.95)])
    arr = dict(table.rows)["anthropic-run-rate-2026\narr[anthropic]@2026Q1"]
    assert arr[0] == "30"
    drawn = sim.redraw(ds, ["arr"]).arr.sel(lab="anthropic", quarter="2026Q1")
    for cell, level in zip(arr[1:], (0.5, 0.05, 0.95), strict=True):
        assert isinstance(cell, Cell)
        assert cell.value == pytest.approx(float(drawn.quantile(level)))
    loaded = "lab_loaded_margin[anthropic]@2026Q3"  # of which neither draws nor moments are kept
    _, *quantiles = dict(table.rows)[f"pitchbook-anthropic-2026-08\n{loaded}"]
    drawn = sim.redraw(ds, ["lab_loaded_margin"]).sel(lab="anthropic", quarter="2026Q3")
    for cell, level in zip(quantiles, (0.5, 0.05, 0.95), strict=True):
        assert isinstance(cell, Cell)
        assert cell.value == pytest.approx(float(drawn.lab_loaded_margin.quantile(level)))
    margin = dict(table.rows)["source-document\ninference_gross_margin@2026Q4"]
    assert margin[0] == "70"
    selection = Selection(labs=("xai",), quarters=("2027Q4",))
    (only,) = titled(ds, summary, "Published figures", selection).rows
    assert only[0] == "spacex-call-2026-08\ngw[xai]@2027Q4"
    selection = Selection(landlords=("neocloud",))  # of a ratio, not in the summary either
    (only,) = titled(ds, summary, "Published figures", selection).rows
    assert only[0] == "coreweave-2025-2026\nlandlord_gross_margin[neocloud]@2026Q1"


def test_figures_inside_the_intervals_of_the_run_are_counted(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    """Years are no part of the count."""
    table = titled(ds, summary, "Published figures")
    with_quantiles = [cells for _, cells in table.rows if isinstance(cells[-1], Cell)]
    count = next(line for line in table.remarks if "lie inside the 90 % interval" in line)
    assert f" of {len(with_quantiles)} published figures" in count
    outside = [line for line in table.remarks if line.startswith("  outside: ")]
    assert int(count.split()[0]) == len(with_quantiles) - len(outside)
    draws = ds.gw.sel(lab="meta", quarter="2027Q4").quantile([0.05, 0.95]).values
    span = f"{draws[0]:.3g} to {draws[1]:.3g} here"
    assert f"  outside: gw[meta]@2027Q4 14 (meta-compute-memo-2026, B): {span}" in outside
    assert not any("@2026\n" in f"{name}\n" for name, _ in table.rows)
