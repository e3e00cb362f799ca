"""Tables of labs."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console
from table_cells import cell_at, titled

import sim
from sim.cli import terminal
from sim.tables.table import Cell, Selection


def test_a_lab_has_a_line_from_its_tokens_to_its_funding_gap(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table, at = titled(ds, summary, "Labs, 2026Q4"), {"lab": "anthropic", "quarter": "2026Q4"}
    names = ["facility_gw", "fleet_tokens_per_s", "implied_duty", "operating_margin"]
    draws = sim.redraw(ds, [*names, "lab_unit_margin", "funding_gap_busd"]).sel(at)
    for column, expected in {
        "tokens/s million p50": draws.fleet_tokens_per_s.median(),
        "own unit margin p50": draws.lab_unit_margin.median(),
        "paid margin p50": draws.lab_paid_margin.median(),
        "P(paid >= 70 %) %": (draws.lab_paid_margin >= 0.7).mean(),
        "stated GW p50": draws.gw.median(),
        "facility GW p50": draws.facility_gw.median(),
        "implied duty p50": draws.implied_duty.median(),
        "operating margin p50": draws.operating_margin.median(),
        "funding gap USD bn/yr p5": draws.funding_gap_busd.quantile(0.05),
        "funding gap USD bn/yr p95": draws.funding_gap_busd.quantile(0.95),
    }.items():
        assert cell_at(table, "Anthropic", column).value == pytest.approx(float(expected)), column


def test_a_funding_gap_is_laid_on_the_landlords_of_the_lab(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "Who carries the funding gaps")
    assert [label for label, _ in table.rows] == ["OpenAI", "Anthropic", "xAI"]
    for _, (gap, *laid) in table.rows:
        assert isinstance(gap, Cell)
        parts = [cell.value for cell in laid if isinstance(cell, Cell)]
        assert math.fsum(parts) == pytest.approx(gap.value)
    assert cell_at(table, "OpenAI", "Microsoft").value == pytest.approx(
        0.4 * cell_at(table, "OpenAI", "funding gap").value
    )


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(8e13, r"(mean; not of DeepSeek, which spends less)"), (8e10, "(mean)"), (8e15, "")],
)
def test_the_final_run_is_given_where_it_is_less_than_the_whole(
    params: Path, tokens: float, said: str
) -> None:
    """Of a reference run that costs more than a lab's research it is no part."""
    key = "training.train_tokens.median"
    ds = sim.simulate(sim.load(params / "base.toml", set={key: tokens}), draws=1_024)
    (remark, *_) = titled(ds, sim.summarise(ds), "Was the training run").remarks
    assert ("of it the final run" in remark) == bool(said)
    if said:
        pattern = said.replace("(", r"\(").replace(")", r"\)")
        assert re.search(rf"; of it the final run [\d.]+ ± [\d.]+ bn {pattern}", remark)


def test_a_run_that_never_pays_back_says_so(ds: xr.Dataset, summary: xr.Dataset) -> None:
    table = titled(ds, summary, "Was the training run")
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
