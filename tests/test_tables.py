from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

import sim
from sim import comparison, tables, terminal
from sim.scenario import Scenario
from sim.statistics import percentage, rounded_by
from sim.tables import Cell


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.71277, 0.00247, ("0.713", "0.002")),
        (0.71277, 0.00097, ("0.713", "0.001")),
        (4158.004, 3.2, ("4158", "3")),
        (12_345.6, 120.0, ("12300", "100")),
        (-5.83, 0.31, ("-5.8", "0.3")),
        (7.748e-5, 2e-7, ("0.0000775", "0.0000002")),
        (3.14159, 0.0, ("3.142", "0")),
        (3.14159, math.nan, ("3.14", "")),
        (math.inf, 0.1, ("inf", "")),
    ],
)
def test_values_are_rounded_by_their_error(
    value: float, error: float, shown: tuple[str, str]
) -> None:
    assert rounded_by(value, error) == shown


def test_what_no_draw_shows_is_below_three_in_n() -> None:
    assert percentage(0.0, 1e-6, 100_000) == ("< 0.003", "")
    assert percentage(1.0, 1e-6, 100_000) == ("> 99.997", "")
    assert percentage(0.0, 1e-2, 64) == ("< 5", "")
    assert percentage(0.0, 1e-2, 2_000) == ("< 0.2", "")
    assert percentage(0.0, 1e-2, 1) == ("< 100", "")
    assert percentage(0.43, 2e-3, 100_000) == ("43.0", "0.2")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(
        width=80, record=True, highlight=False, force_terminal=False, legacy_windows=False
    )
    monkeypatch.setattr(terminal, "out", console)
    return console


def test_the_tables_of_a_run(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console, golden: Callable[[str, str], None]
) -> None:
    for table in tables.headline_tables(ds, summary):
        terminal.show(table)
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    golden("tables.txt", text)


def test_the_side_by_side_table(
    base: Scenario, ds: xr.Dataset, printed: Console, golden: Callable[[str, str], None]
) -> None:
    other = sim.simulate(base, draws=4_000, seed=1, uncertainty=0.5)
    other.attrs["scenario"] = "half the spread"
    terminal.show(comparison.side_by_side([comparison.compared(ds), comparison.compared(other)]))
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    golden("comparison.txt", text)


def test_the_side_by_side_table_says_what_the_other_tables_say(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    (_, cells), *_ = comparison.side_by_side([comparison.compared(ds)]).rows
    _, expected = tables.headline_tables(ds, summary)[0].rows[0]
    p5, p50, p95, reached = cells[:4]
    assert [c.shown() for c in (p5, p50, p95, reached) if isinstance(c, Cell)] == [
        c.shown()
        for c in (expected[0], expected[2], expected[4], expected[5])
        if isinstance(c, Cell)
    ]


def test_differences_of_scenarios_are_paired(base: Scenario, params: Path, ds: xr.Dataset) -> None:
    """The same random numbers: the error of a difference is far below those of its terms."""
    dear = sim.load(params / "base.toml", set={"hardware.power_price_usd_per_kwh.median": 0.1})
    runs = [comparison.compared(ds), comparison.compared(sim.simulate(dear, draws=4_000, seed=1))]
    rows = dict(comparison.side_by_side(runs).rows)
    first, less = rows["base"][1], rows["  less base"][1]
    assert isinstance(first, Cell)
    assert isinstance(less, Cell)
    assert less.value < 0
    assert less.error < first.error / 10
    other_seed = comparison.compared(sim.simulate(dear, draws=4_000, seed=2))
    assert len(comparison.side_by_side([runs[0], other_seed]).rows) == 2


def test_every_printed_number_has_an_error(ds: xr.Dataset, summary: xr.Dataset) -> None:
    for table in tables.headline_tables(ds, summary):
        for cell in table.data()["cells"]:
            assert cell["error"] is not None, (table.title, cell)


def test_tables_for_machines_are_json(ds: xr.Dataset, summary: xr.Dataset) -> None:
    margins, *_ = [table.data() for table in tables.headline_tables(ds, summary)]
    cell = json.loads(json.dumps(margins))["cells"][2]
    assert (cell["row"], cell["column"], cell["unit"]) == ("Inference 2026Q4", "p50", "1")
    assert cell["value"] == float(
        summary.inference_gross_margin_quantile.sel(quantile=0.5, quarter="2026Q4")
    )


def test_cost_layers_sum_to_the_total_that_is_printed(ds: xr.Dataset, summary: xr.Dataset) -> None:
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


def test_the_plan_is_what_was_built_and_what_held_the_rest_back(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = tables.headline_tables(ds, summary)[-1]
    planned, *rest = [cells[0] for _, cells in table.rows]
    assert isinstance(planned, Cell)
    assert planned.value == pytest.approx(
        sum(c.value for c in rest if isinstance(c, Cell)), rel=1e-12
    )
    # Means of lognormal plans exceed the medians of model.md 9.2, which sum to 23.95 GW.
    assert 24 < planned.value < 27


def test_doubtful_draws_are_counted(ds: xr.Dataset, summary: xr.Dataset) -> None:
    line = tables.quality(ds, summary)[-1]
    assert "Questionable draws, kept" in line


def test_draws_that_are_not_finite_are_reported(ds: xr.Dataset) -> None:
    broken = ds.assign_attrs(draws_not_finite=3)
    assert "WARNING: 3 of 4,000" in tables.warnings(broken)[0]
    assert tables.warnings(ds) == []


def test_few_draws_say_that_they_have_no_error(base: Scenario, printed: Console) -> None:
    few = sim.simulate(base, draws=40)
    summary = sim.summarise(few)
    assert "too few" in tables.quality(few, summary)[0]
    for table in tables.headline_tables(few, summary):
        terminal.show(table)
    assert "±" not in printed.export_text()
