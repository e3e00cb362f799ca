"""Tables of the build."""

from __future__ import annotations

import pytest
import xarray as xr
from table_cells import titled

from sim.tables.table import Cell


def test_the_plan_is_the_sum_of_what_was_built_and_withheld(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "What limited the build")
    planned, *rest = [cells[0] for _, cells in table.rows]
    assert isinstance(planned, Cell)
    assert planned.value == pytest.approx(
        sum(c.value for c in rest if isinstance(c, Cell)), rel=1e-12
    )
    # Means of lognormal plans exceed the medians of the base case, which sum to 23.95 GW.
    assert 24 < planned.value < 27
