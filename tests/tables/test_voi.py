"""Tables of what knowing more is worth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import sim
from sim.tables.table import Cell, Table
from sim.tables.voi import NOISE_ROW, NOT_ABOVE, TOP, voi_tables

NORMAL = {"family": "normal", "mean": 0, "sd": 1}


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    """A sum of 14 inputs, the later the less; two more are in no payoff."""
    inputs = {
        f"x{i:02d}": {**NORMAL, "source": "judgement" if i % 2 else "paper"} for i in range(16)
    }
    ds = sim.sample(inputs, draws=4_096, seed=1)
    ds["profit"] = sum((16 - i) * ds[f"x{i:02d}"] for i in range(14))
    ds["profit"].attrs["units"] = "USD bn"
    return sim.voi(
        ds, {"wait": "0", "build": "profit"}, groups={"two": ["x00", "x01"]},
        studies=["x00 +- 1", "x15 +- 1"],
    )  # fmt: skip


def named(tables: list[Table], name: str) -> Table:
    return next(table for table in tables if table.name == name)


def test_inputs_are_sorted_and_those_that_are_not_shown_are_counted(found: xr.Dataset) -> None:
    table = named(voi_tables(found), "voi")
    order = found.input.values[np.argsort(-found.evppi.values)]
    assert [label for label, _ in table.rows] == order[:TOP].tolist()
    clear = int(found.above_noise.sum())
    assert TOP < clear <= 14
    less = f"{clear - TOP} worth less, {16 - clear} {NOT_ABOVE}"
    assert table.remarks[0] == f"And 4 other inputs: {less}."
    assert table.columns[1] == "worth\n(USD bn)"
    values = [row[0].value for _, row in table.rows if isinstance(row[0], Cell)]
    assert values == sorted(values, reverse=True)


def test_all_rows_are_there_where_all_are_asked_for(found: xr.Dataset) -> None:
    table = named(voi_tables(found, everything=True), "voi")
    assert len(table.rows) == 16 + 1
    (at,) = [i for i, (label, _) in enumerate(table.rows) if label == NOISE_ROW]
    assert {label for label, _ in table.rows[at + 1 :]} >= {"x14", "x15"}
    assert not table.remarks[0].startswith("And")


def test_every_number_has_its_error_in_data(found: xr.Dataset) -> None:
    tables = voi_tables(found, as_data=True)
    for table in tables:
        for cell in table.data()["cells"]:
            assert "text" in cell or cell["error"] is not None, cell
    cells = named(tables, "voi").data()["cells"]
    assert sum(cell["column"] == "worth (USD bn)" for cell in cells) == 16
    flags = {cell["row"]: cell["text"] for cell in cells if cell["column"] == "above noise"}
    assert (len(flags), flags["x00"], flags["x15"]) == (16, "yes", "no")


def test_choices_are_shown_with_what_they_pay(found: xr.Dataset) -> None:
    table = named(voi_tables(found), "voi_choices")
    assert [label for label, _ in table.rows][:2] == ["wait", "build"]
    assert "build pays profit." in table.remarks
    assert not any("doing nothing" in remark for remark in table.remarks)


def test_sources_groups_and_measurements_have_tables(found: xr.Dataset) -> None:
    tables = voi_tables(found)
    assert [t.name for t in tables] == [
        "voi_choices", "voi", "voi_sources", "voi_groups", "voi_studies",
    ]  # fmt: skip
    sources = [label for label, _ in named(tables, "voi_sources").rows]
    assert sources == ["paper", "judgement: no source yet"]
    flags = {label: cells[-1] for label, cells in named(tables, "voi_studies").rows}
    assert flags == {"x00 +- 1": "yes", "x15 +- 1": "no"}


def test_a_bet_without_anything_worth_knowing_says_so() -> None:
    ds = sim.sample({"x": NORMAL}, draws=2_048, seed=1)
    ds["y"] = ds.x.where(False, 0.0) + (ds["draw"] % 7 == 0)
    tables = voi_tables(sim.voi(ds, when="y > 0.5", odds=0.5))
    table = named(tables, "voi")
    assert table.rows[0][0] == "none of 1 inputs is above noise"
    assert "set against doing nothing" in named(tables, "voi_choices").remarks[-1]
