"""The tables of a run by name, and their selection."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import xarray as xr
from conftest import ROOT
from rich.console import Console

import sim
from sim.analysis.compare import compare_runs, measure_run
from sim.analysis.measures import headline_measures
from sim.cli import terminal
from sim.parameters.scenario import Scenario
from sim.tables import named
from sim.tables.compare import side_by_side
from sim.tables.table import Cell, Selection

BASE = ROOT / "params" / "base.toml"
INPUTS = (
    "RPO",
    "labs, % of RPO",
    "firm RPO",
    "firm, due in 12 months",
)  # columns that no draw moves


def test_tables_match_the_golden_text(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console, golden: Callable[[str, str], None]
) -> None:
    for table in named.make_tables(ds, summary):
        terminal.show(table)
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    golden("tables.txt", text)


def test_every_number_has_an_error(ds: xr.Dataset, summary: xr.Dataset) -> None:
    for table in named.make_tables(ds, summary):
        for cell in table.data()["cells"]:
            if cell["column"] == "published":
                continue
            number = cell["value"] is not None and cell["column"] not in INPUTS
            assert (cell["error"] is not None) or not number, (table.title, cell)
            known = ("not reported", "never", "none is", "-", "-inf")
            assert cell["value"] is not None or cell["text"] in known


def test_only_labs_without_revenue_are_not_reported(base: Scenario) -> None:
    """A number that is missing for another reason is a nan."""
    wide = sim.load(BASE, set={"model.uncertainty": 3})
    broken = sim.simulate(wide, draws=4_096, bad_draws="keep")
    assert broken.attrs["draws_not_finite"] > 0
    summary = sim.summarise(broken)
    rows: dict[str, set[str]] = {}
    for table in named.make_tables(broken, summary):
        for cell in table.data()["cells"]:
            if cell.get("value") is None and cell["column"] != "published":
                rows.setdefault(cell["text"], set()).add(cell["row"])
    silent = {"Google DeepMind", "Meta", "Alibaba Qwen", "ByteDance Seed", "DeepSeek"}
    assert rows["not reported"] <= silent
    assert "Inference 2026Q4" in rows["nan"]


def test_an_unknown_lab_leaves_no_empty_tables(ds: xr.Dataset, summary: xr.Dataset) -> None:
    assert named.make_tables(ds, summary, Selection(labs=("elsewhere",))) == []


def test_a_selection_narrows_labs_landlords_and_quarters(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    selection = Selection(("anthropic", "xai"), ("oracle",), ("2027Q1", "2027Q3"))
    shown = named.make_tables(ds, summary, selection)
    titles = [table.title for table in shown]
    for title in ("Labs", "Landlords", "What the fleets cost and earn"):
        several = [t for t in titles if t.startswith(title)]
        assert [re.findall(r"20\d\dQ\d", t) for t in several] == [["2027Q1"], ["2027Q3"]]
    for table in shown:
        names = {"OpenAI", "Anthropic", "xAI", "Meta", "Microsoft", "Oracle"}
        rows = {label for label, _ in table.rows} & names
        assert rows in (set(), {"Anthropic", "xAI"}, {"Oracle"}), table.title
        assert "2026Q4 p5" not in [column.replace("\n", " ") for column in table.columns]


def test_tables_that_are_not_selected_are_left_out(ds: xr.Dataset, summary: xr.Dataset) -> None:
    def titles(**chosen: tuple[str, ...]) -> str:
        return " ".join(
            table.title for table in named.make_tables(ds, summary, Selection(**chosen))
        )

    labs, landlords = titles(labs=("xai",)), titles(landlords=("oracle",))
    assert "Labs" in labs
    assert "Landlords" not in labs
    assert "Landlords" in landlords
    assert "Labs" not in landlords
    later = titles(quarters=("2027Q3",))
    assert "Mean cost of a million tokens, 2027Q3" in later
    heads = [
        column
        for table in named.make_tables(ds, summary, Selection(quarters=("2027Q3",)))
        for column in table.columns
        if table.title.startswith(("Labs", "Landlords"))
    ]
    assert "funding gap\nUSD bn/yr\np50" in heads
    assert "What landlords are owed" not in later  # exposure and gaps are of 2026Q4
    assert "Who carries the funding gaps" not in later


def test_few_draws_have_no_errors(base: Scenario, printed: Console) -> None:
    few = sim.simulate(base, draws=40)
    summary = sim.summarise(few)
    for table in named.make_tables(few, summary):
        terminal.show(table)
    assert "±" not in printed.export_text()


def test_probabilities_without_uncertainty_are_0_or_100(base: Scenario) -> None:
    """All draws are the same, so that no bound has to be given."""
    point = sim.simulate(base, draws=512, uncertainty=0.0)
    shown = [*named.make_tables(point, sim.summarise(point))]
    measures = headline_measures(base)
    measured = measure_run(point, base, measures)
    compared = compare_runs(measured, measured, measures)
    shown.append(side_by_side("a", "b", compared.data, compared.share_of))
    cells = [cell for table in shown for _, row in table.rows for cell in row]
    probabilities = [cell for cell in cells if isinstance(cell, Cell) and cell.draws]
    known = [cell for cell in probabilities if not math.isnan(cell.value)]
    assert len(known) > 30
    assert {cell.rounded() for cell in known} == {("0", ""), ("100", "")}
    remarks = " ".join(remark for table in shown for remark in table.remarks)
    assert "The power cap binds in 2027Q4 in 0 % of draws." in remarks
