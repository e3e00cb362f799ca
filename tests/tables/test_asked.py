"""Tables may ask for statistics that a run does not keep: they are drawn again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from drawing import stored
from run_folders import as_stored

import sim
from sim import tables
from sim.parameters.scenario import Scenario
from sim.tables import asked, build, labs, published
from sim.tables.cells import Cell, Reader, Selection, Table

AT = {"lab": "openai", "quarter": "2026Q4"}


def asking(reader: Reader) -> list[Table]:
    """A table of what a summary holds, and of what it lacks."""
    cells = [
        reader.cell("gw_quantile", quantile=0.5, **AT),
        reader.cell("gw_quantile", quantile=0.9, **AT),
        reader.cell("arr_quantile", quantile=0.05, **AT),
        reader.cell("accelerators_mean", **AT),
        reader.cell("arr_capacity_ratio_quantile", quantile=0.5, **AT),
    ]
    return [Table("Asked", ["", *"abcde"], [("openai", list(cells))])]


@pytest.fixture
def one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "tables", asking)
    for other in (labs, published):
        monkeypatch.setattr(other, "tables", lambda reader: [])


def cells_of(found: list[Table]) -> list[Cell]:
    (table,) = (table for table in found if table.title == "Asked")
    return [cell for cell in table.rows[0][1] if isinstance(cell, Cell)]


@pytest.mark.usefixtures("one_table")
@pytest.mark.parametrize("rounded", [False, True])
def test_cells_of_what_is_not_kept_are_those_of_kept_draws(
    ds: xr.Dataset, summary: xr.Dataset, base: Scenario, rounded: bool
) -> None:
    """Nothing differs between a run that was just made and one that was read."""
    run = as_stored(ds) if rounded else ds
    found = cells_of(tables.headline_tables(run, summary, Selection(labs=("openai",))))
    names = ["gw", "arr", "accelerators", "arr_capacity_ratio"]
    everything = sim.simulate(base, draws=4_000, seed=1, keep=names)
    kept = sim.summarise(everything, names, quantiles=[0.05, 0.5, 0.9])
    asked_for = {
        "gw_quantile": (0.5, 0.9), "arr_quantile": (0.05,), "accelerators_mean": (None,),
        "arr_capacity_ratio_quantile": (0.5,),
    }  # fmt: skip
    expected, errors = (
        [
            kept[f"{name}{suffix}"].sel(AT if level is None else {**AT, "quantile": level})
            for name, levels in asked_for.items()
            for level in levels
        ]
        for suffix in ("", "_error")
    )
    assert [cell.value for cell in found] == [float(value) for value in expected]
    assert [cell.error for cell in found] == [float(error) for error in errors]
    assert [cell.unit for cell in found] == ["GW", "GW", "USD bn/yr", "1", "1"]


@pytest.mark.usefixtures("one_table")
def test_what_takes_long_is_said_before_it_is_drawn(
    ds: xr.Dataset, summary: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    tables.headline_tables(ds, summary, Selection(labs=("openai",)), notes.append)
    assert notes == []
    monkeypatch.setattr(asked, "LONG", 3_999)
    tables.headline_tables(ds, summary, Selection(labs=("openai",)), notes.append)
    (line,) = notes
    assert line == (
        "gw, arr, accelerators, arr_capacity_ratio: a run keeps no draws of it; 4,000 are made"
        " again for the tables"
    )


@pytest.mark.usefixtures("one_table")
def test_what_another_model_did_not_keep_is_said_to_be_missing(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    notes: list[str] = []
    other = ds.assign_attrs(digest="0" * 12)
    found = cells_of(
        tables.headline_tables(other, summary, Selection(labs=("openai",)), notes.append)
    )
    # Draws of headline outputs are there all the same.
    assert [cell.rounded()[0] for cell in found][2:] == ["not kept"] * 3
    assert np.isfinite([cell.value for cell in found[:2]]).all()
    (line,) = notes
    assert "another version of the model made this run" in line


def test_outputs_are_drawn_again_a_few_at_a_time(ds: xr.Dataset) -> None:
    statistics = asked.AskedStatistics(ds)
    names = ["arr", "compute_bill", "unit_cost", "gw", "funding_gap_busd", "coverage"]
    groups = statistics._groups(names)
    assert [name for group in groups for name in group] == names
    assert groups == [
        ["arr", "compute_bill"],
        ["unit_cost"],
        ["gw", "funding_gap_busd"],
        ["coverage"],
    ]


def test_a_name_that_is_no_statistic_is_refused(ds: xr.Dataset, summary: xr.Dataset) -> None:
    reader = Reader(ds, summary, Selection())
    with pytest.raises(KeyError, match="gw_median"):
        reader.cell("gw_median", **AT)


def test_tables_and_comparison_of_a_stored_run_are_those_of_the_run(
    base: Scenario, tmp_path: Path
) -> None:
    run = stored(base, tmp_path, draws=640, figures=False)
    again = stored(base, tmp_path, draws=640, figures=False)
    assert again.drawn == 0
    shown, shown_again = (
        [table.data() for table in tables.headline_tables(each.ds, each.summary)]
        for each in (run, again)
    )
    assert shown == shown_again
    from sim.tables import comparison

    rows = [comparison.side_by_side([comparison.compared(each.ds)] * 2) for each in (run, again)]
    assert rows[0].data() == rows[1].data()
