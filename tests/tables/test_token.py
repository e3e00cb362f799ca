"""Tables of a token."""

from __future__ import annotations

import math

import pytest
import xarray as xr

from sim import tables
from sim.tables import Cell


def test_cost_layers_sum_to_the_printed_totals(ds: xr.Dataset, summary: xr.Dataset) -> None:
    rows = dict(tables.headline_tables(ds, summary)[1].rows)
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
