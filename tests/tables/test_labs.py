"""Tables of labs."""

from __future__ import annotations

import re

import pytest
import xarray as xr
from rich.console import Console
from table_cells import cell_at, titled

from sim.cli import terminal
from sim.tables import Selection


def test_labs_have_their_books_and_the_return_on_training(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table, at = titled(ds, summary, "Labs, 2026Q4"), {"lab": "anthropic", "quarter": "2026Q4"}
    draws = ds.sel(at)
    for column, expected in {
        "GW p50": draws.gw.median(),
        "paid % p50": draws.lab_paid_margin.median(),
        "loaded % p50": draws.lab_loaded_margin.median(),
        "P(paid >= 70 %) %": (draws.lab_paid_margin >= 0.7).mean(),
        "multiple p50": draws.training_moic.median(),
        "payback months p50": draws.payback_months.median(),
        "bill mean": summary.compute_bill_mean.sel(at),
        "ARR mean": summary.arr_mean.sel(at),
        "gap mean": summary.funding_gap_busd_mean.sel(at),
    }.items():
        assert cell_at(table, "Anthropic", column).value == pytest.approx(float(expected)), column
    assert cell_at(table, "OpenAI", "payback months p50").rounded() == ("never", "")


def test_a_lab_without_revenue_is_not_reported(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console
) -> None:
    for title in ("Labs, 2026Q4", "What the fleets", "Was the training run"):
        terminal.show(titled(ds, summary, title, Selection(labs=("google_deepmind",))))
    text = printed.export_text()
    assert "nan" not in text
    assert len(re.findall(r"not\s+reported|not +- |not$", text, re.MULTILINE)) >= 3
    assert text.count("reported") >= 3
