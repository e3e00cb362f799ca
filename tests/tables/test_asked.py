"""Tables may ask for statistics that a run does not keep: they are drawn again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from drawing import stored
from run_folders import as_stored

import sim
from sim.analysis.compare import compare_runs, measure_run
from sim.analysis.measures import headline_measures
from sim.engine.loop import run
from sim.engine.state import SimulationState
from sim.parameters.scenario import Scenario
from sim.simulation import redraw
from sim.tables import asked, build, labs, named, published
from sim.tables import headline as tables
from sim.tables.cells import Reader
from sim.tables.compare import side_by_side
from sim.tables.table import Cell, Selection, Table

# Plans that are below zero in many draws: values that are not finite, and draws left out.
OFTEN = {
    "labs.openai.arr_2026q4_busd": {
        "family": "normal", "mean": 46, "sd": 30, "unit": "USD bn", "source": "judgement",
        "note": "to test with",
    }
}  # fmt: skip
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
    found = cells_of(named.make_tables(run, summary, Selection(labs=("openai",))))
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
    named.make_tables(ds, summary, Selection(labs=("openai",)), notes.append)
    assert notes == []
    monkeypatch.setattr(asked, "LONG", 3_999)
    named.make_tables(ds, summary, Selection(labs=("openai",)), notes.append)
    (line,) = notes
    assert line == (
        "arr, accelerators, arr_capacity_ratio: a run keeps no draws of it; 4,000 are made"
        " again for the tables"
    )


@pytest.mark.usefixtures("one_table")
def test_what_another_model_did_not_keep_is_said_to_be_missing(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    notes: list[str] = []
    other = ds.assign_attrs(digest="0" * 12)
    found = cells_of(named.make_tables(other, summary, Selection(labs=("openai",)), notes.append))
    # Draws of headline outputs are there all the same.
    assert [cell.rounded()[0] for cell in found][2:] == ["not kept"] * 3
    assert np.isfinite([cell.value for cell in found[:2]]).all()
    (line,) = notes
    assert "another version of the model made this run" in line


def test_a_headline_and_tables_draw_again_once_and_only_what_they_show(
    ds: xr.Dataset, summary: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[SimulationState] = []
    pages: list[dict[str, Any]] = []

    def run_and_note(state: SimulationState) -> SimulationState:
        states.append(run(state))
        return state

    monkeypatch.setattr(redraw, "run", run_and_note)
    for run_ds in (ds, as_stored(ds)):
        pages.append(tables.make_headline(run_ds, summary).data())
        (state,) = states
        # 100,000 draws of them stay below a quarter of a gigabyte; no moments are added up.
        assert state.prepared.rows < 312
        assert state.running.mean.shape[1] == 0
        states.clear()
        named.make_tables(run_ds, summary)
        (state,) = states
        assert state.prepared.rows < 312
        assert state.running.mean.shape[1] == 0
        states.clear()
    assert len(pages) == 2
    assert repr(pages[0]) == repr(pages[1])  # a run that is read says what it said when it was made


@pytest.mark.parametrize("bad_draws", ["drop", "keep"])
def test_cells_are_those_of_kept_draws_where_some_are_bad(bad_draws: str) -> None:
    """Which draws are bad depends on all that the run checks, not on what is drawn again."""
    scenario = sim.load(ROOT / "params" / "base.toml", set=OFTEN)
    options: dict[str, Any] = {"draws": 1_024, "bad_draws": bad_draws}
    ds = sim.simulate(scenario, **options)
    assert ds.attrs["draws_not_finite"] > 0
    kept = sim.simulate(scenario, keep=["arr", "gw", "operating_margin"], **options)
    cells = {"arr": [("openai", "2026Q4"), ("xai", "2027Q1")], "gw": [("meta", "2027Q4")]}
    drawn = redraw.redraw_cells(as_stored(ds), ["arr", "gw"], cells, only_kept=False)
    for name, labels in cells.items():
        for lab, quarter in labels:
            cell = drawn[name].sel({f"{name}_cell": f"{lab}, {quarter}"})
            expected = kept[name].sel(lab=lab, quarter=quarter)
            np.testing.assert_array_equal(cell["draw"], ds["draw"])
            np.testing.assert_array_equal(cell, expected.sel(draw=ds["draw"]))


def test_statistics_beyond_the_kept_draws_are_of_all_draws(base: Scenario) -> None:
    """They are read from histograms, as those of kept outputs are."""
    options: dict[str, Any] = {"draws": 9_728, "kept_draws": 8_192}
    ds = sim.simulate(base, **options)
    reader = Reader(ds, sim.summarise(ds), Selection())
    labels = {"quantile": 0.5, **AT}
    reader.cell("arr_quantile", **labels)
    assert reader.asked.answer(lambda line: None)
    kept = sim.summarise(sim.simulate(base, keep=["arr"], **options), ["arr"])
    found = reader.cell("arr_quantile", **labels)
    assert found.value == float(kept.arr_quantile.sel(labels))
    assert found.error == float(kept.arr_quantile_error.sel(labels))


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
        [table.data() for table in named.make_tables(each.ds, each.summary)]
        for each in (run, again)
    )
    assert shown == shown_again
    measures = headline_measures(base)
    shown_beside = []
    for each in (run, again):
        measured = measure_run(each.ds, base, measures)
        data = compare_runs(measured, measured, measures).data
        shown_beside.append(side_by_side("a", "b", data, 640).data())
    assert shown_beside[0] == shown_beside[1]
