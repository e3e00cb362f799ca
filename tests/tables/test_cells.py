"""Cells and tables as text and as JSON."""

from __future__ import annotations

import json
import math

import pytest
import xarray as xr

from sim.common.numbers import percentage, rounded_by
from sim.tables import named
from sim.tables.table import Cell


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.71277, 0.00247, ("0.713", "0.002")),
        (0.71277, 0.00097, ("0.713", "0.001")),
        (4158.004, 3.2, ("4158", "3")),
        (12_345.6, 120.0, ("12300", "100")),
        (1.2604e9, 2.3e6, ("1.260e+09", "2e+06")),
        (-1.2604e9, 3e9, ("-1e+09", "3e+09")),
        (-5.83, 0.31, ("-5.8", "0.3")),
        (7.748e-5, 2e-7, ("0.0000775", "0.0000002")),
        (3.14159, 0.0, ("3.142", "0")),
        (3.14159, math.nan, ("3.14", "")),
        (45.678, math.nan, ("45.7", "")),
        (2_335.0, math.nan, ("2340", "")),
        (-23_350.0, 0.0, ("-23350", "0")),
        (-123_456.0, 0.0, ("-123500", "0")),
        (math.inf, 0.1, ("inf", "")),
    ],
)
def test_values_are_rounded_by_their_error(
    value: float, error: float, shown: tuple[str, str]
) -> None:
    assert rounded_by(value, error) == shown


def test_a_share_of_no_draw_is_below_three_in_n() -> None:
    assert percentage(0.0, 1e-6, 100_000) == ("< 0.003", "")
    assert percentage(1.0, 1e-6, 100_000) == ("> 99.997", "")
    assert percentage(0.0, 1e-2, 64) == ("< 5", "")
    assert percentage(0.0, 1e-2, 2_000) == ("< 0.2", "")
    assert percentage(0.0, 1e-2, 1) == ("< 100", "")
    assert percentage(0.43, 1.51e-3, 100_000) == ("43.0", "0.2")


def test_a_quantile_that_is_infinite_in_some_replicates_says_or_never() -> None:
    cell = Cell(11.94, math.inf, "month", infinite="never")
    assert cell.rounded() == ("11.9 or never", "")
    assert Cell(-22.294, math.inf, "1", 100.0).rounded() == ("-2230 or -inf", "")
    assert Cell(-22.294, math.inf, "1").data()["text"] == "-22.3 or -inf"
    assert Cell(math.nan, math.nan, "1").rounded() == ("nan", "")
    assert Cell(-math.inf, 0.0, "1").rounded() == ("-inf", "")
    assert Cell(math.inf, 0.0, "1").data() == {
        "value": None, "error": 0.0, "text": "inf", "unit": "1",
    }  # fmt: skip


def test_tables_become_json_with_units_and_unscaled_values(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    margins, *_ = [table.data() for table in named.make_tables(ds, summary)]
    cell = json.loads(json.dumps(margins))["cells"][2]
    assert (cell["row"], cell["column"], cell["unit"]) == ("Inference 2026Q4", "p50", "1")
    assert cell["value"] == float(
        summary.inference_gross_margin_quantile.sel(quantile=0.5, quarter="2026Q4")
    )
