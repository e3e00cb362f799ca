"""Worlds side by side, and why they differ, as tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import sim
from sim.analysis.compare import Comparison, compare_runs, measure_run
from sim.analysis.measures import headline_measures
from sim.cli import terminal
from sim.parameters.edits import Edit
from sim.parameters.scenario import Scenario
from sim.statistics.datasets import last
from sim.tables import compare, named
from sim.tables.table import Cell


@pytest.fixture(scope="module")
def comparison(base: Scenario, ds: xr.Dataset) -> Comparison:
    """The base case against one of half the spread."""
    measures = headline_measures(base)
    other = sim.simulate(base, draws=4_000, seed=1, uncertainty=0.5)
    runs = [measure_run(ds, base, measures), measure_run(other, base, measures, "half the spread")]
    return compare_runs(*runs, measures)


def side_by_side(of: Comparison) -> object:
    return compare.side_by_side(of.first, of.second, of.data, of.share_of)


def test_side_by_side_table_matches_the_golden_text(
    comparison: Comparison, printed: Console, golden: Callable[[str, str], None]
) -> None:
    terminal.show(side_by_side(comparison))  # type: ignore[arg-type]
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    golden("compare.txt", text)


def test_side_by_side_table_agrees_with_the_table_of_margins(
    comparison: Comparison, ds: xr.Dataset, summary: xr.Dataset
) -> None:
    rows = dict(side_by_side(comparison).rows)  # type: ignore[attr-defined]
    _, expected = named.make_tables(ds, summary)[0].rows[0]
    for label, cell in (
        ("Inference 2026Q4 p5", expected[0]),
        ("Inference 2026Q4", expected[2]),
        ("Inference 2026Q4 p95", expected[4]),
        ("P(>= hurdle) 2026Q4", expected[5]),
    ):
        assert isinstance(cell, Cell)
        assert rows[label][0].rounded() == cell.rounded()


def test_a_margin_at_the_hurdle_reaches_it(base: Scenario, ds: xr.Dataset) -> None:
    """As in the probabilities of the summary: draws on it, just below and just above."""
    sign = xr.DataArray(np.arange(ds.sizes["draw"]) % 3 - 1.0, dims="draw")
    hurdle = float(last(ds, "hurdle_margin")[0])
    at_hurdle = np.nextafter(hurdle, hurdle + sign)
    tied = ds.assign(inference_gross_margin=ds.inference_gross_margin * 0 + at_hurdle)
    measures = [m for m in headline_measures(base) if m.label == "P(>= hurdle) 2026Q4"]
    found = compare_runs(
        measure_run(tied, base, measures), measure_run(ds, base, measures), measures
    )
    summary = sim.summarise(tied, ["p_margin_above_hurdle"])
    expected = float(summary.p_margin_above_hurdle.sel(quarter="2026Q4"))
    assert float(found.data["first"][0]) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(float((sign >= 0).mean()), rel=1e-12)


def test_names_are_whole_for_machines(comparison: Comparison) -> None:
    data = comparison.data
    table = compare.side_by_side("evidence-2026-11", "b" * 30, data, comparison.share_of, False)
    columns = {cell["column"] for cell in table.data()["cells"]}
    assert columns >= {"evidence-2026-11", "b" * 30}
    narrow = compare.side_by_side("evidence-2026-11", "b" * 30, data, comparison.share_of)
    assert narrow.columns[1] == "evidence-\n2026-11"
    edits = [Edit("hardware.pue", ("hardware.pue",), "0.068 (0.0489 to 0.0945)", "1.3")]
    (cell, _) = compare.edits_table(edits, folded=False).data()["cells"]
    assert cell["text"] == "0.068 (0.0489 to 0.0945)"


def test_runs_that_do_not_pair_have_no_differences(base: Scenario, ds: xr.Dataset) -> None:
    measures = headline_measures(base)[:2]
    other = measure_run(sim.simulate(base, draws=256, seed=2), base, measures, "another seed")
    table = side_by_side(compare_runs(measure_run(ds, base, measures), other, measures))
    for _, cells in table.rows:  # type: ignore[attr-defined]
        assert cells[2:] == ["-", ""]
    assert "draws do not pair" in table.remarks[0]  # type: ignore[attr-defined]


def test_a_row_that_no_edit_reaches_is_marked(base: Scenario, ds: xr.Dataset) -> None:
    measures = headline_measures(base)
    run = measure_run(ds, base, measures)
    table = side_by_side(compare_runs(run, run, measures))
    assert {tuple(cells[2:]) for _, cells in table.rows} == {("same", "")}  # type: ignore[attr-defined]


PARTS = np.array([[0.10, 0.0], [-0.04, 0.0], [0.0, 0.0]])


@pytest.fixture
def shared() -> xr.Dataset:
    """A comparison of two statistics and three edits, of which the second statistic is the same."""
    zeros = np.zeros(2)
    rows = {
        "first": [0.5, 3.0], "second": [0.56, 3.0], "difference": [0.06, 0.0],
        "p_above": [0.9, np.nan],
        **{f"{name}_error": zeros + 0.001 for name in ("first", "second", "difference", "p_above")},
        "same": [False, True], "orders": [12, 0],
    }  # fmt: skip
    edits = {"part": PARTS, "part_error": PARTS * 0 + 0.002, "first_in": PARTS / 2,
             "last_in": 3 * PARTS / 2}  # fmt: skip
    pairs = np.array([[0.05, 0.0], [0.0001, 0.0]])
    return xr.Dataset(
        {
            **{name: ("measure", values) for name, values in rows.items()},
            **{name: (("edit", "measure"), values) for name, values in edits.items()},
            "interaction": (("pair", "measure"), pairs),
        },
        {
            "measure": ["p50(inference_gross_margin@2026Q4)", "p50(gw[xai]@2026Q4)"],
            "unit": ("measure", ["1", "GW"]),
            "label": ("measure", ["Inference 2026Q4", "xAI GW 2026Q4"]),
            "edit": ["model.rental_mode", "hardware.pue", "labs.xai.gw_2026q4"],
            "pair": ["model.rental_mode x hardware.pue", "hardware.pue x labs.xai.gw_2026q4"],
        },
    )


def test_parts_stand_largest_first_and_sum_to_the_difference(shared: xr.Dataset) -> None:
    assert compare.shared_out(shared) == compare.first_median(shared, [0]) == [0]
    table = compare.attribution_table(shared, 0, 40)
    labels = [label for label, _ in table.rows]
    assert labels == ["rental_mode", "pue", "= difference"]
    cells = [cells[0] for _, cells in table.rows]
    assert all(isinstance(cell, Cell) for cell in cells)
    values = [cell.value for cell in cells if isinstance(cell, Cell)]
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=1e-12)
    text = " ".join(table.remarks)
    assert "12 orders drawn at random (40 worlds" in text
    assert "One edit does not reach it" in text
    assert "rental_mode x pue +5" in text
    assert "gw_2026q4" not in text  # an interaction that is next to nothing


def test_edits_have_what_was_before_and_after() -> None:
    edits = [
        Edit("hardware.pue", ("hardware.pue",), "1.2 (1.13 to 1.29)", "1.3"),
        Edit("labs.xai", ("labs.xai",), "present", "left out"),
        Edit("machines", ("hardware.a", "hardware.b")),
        Edit("labs.xai.gw_2026q4", ("labs.xai.gw_2026q4",), "3", "4"),
    ]
    rows = dict(compare.edits_table(edits).rows)
    assert rows["pue"] == ["1.2 (1.13 to 1.29)", "1.3"]
    assert rows["labs.xai"] == ["present", "left out"]
    assert rows["machines"] == ["2 edits", "-"]
    assert rows["xai.gw_2026q4"] == ["3", "4"]
    many = [Edit(f"hardware.input_{i}", (f"hardware.input_{i}",), "1", "2") for i in range(30)]
    short, full = (compare.edits_table(many, everything) for everything in (False, True))
    assert len(short.rows) < len(full.rows) == 30
    assert f"And {30 - len(short.rows)} more" in short.remarks[0]
