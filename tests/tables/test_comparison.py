"""Scenarios side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import sim
from sim.cli import terminal
from sim.parameters.scenario import Scenario
from sim.statistics.replicates import replicated
from sim.tables import comparison, named
from sim.tables.comparison import Measure
from sim.tables.table import Cell


def test_side_by_side_table_matches_the_golden_text(
    base: Scenario, ds: xr.Dataset, printed: Console, golden: Callable[[str, str], None]
) -> None:
    other = sim.simulate(base, draws=4_000, seed=1, uncertainty=0.5)
    other.attrs["scenario"] = "half the spread"
    terminal.show(comparison.side_by_side([comparison.compared(ds), comparison.compared(other)]))
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    golden("comparison.txt", text)


def test_side_by_side_table_agrees_with_the_table_of_margins(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    (_, cells), *_ = comparison.side_by_side([comparison.compared(ds)]).rows
    _, expected = named.make_tables(ds, summary)[0].rows[0]
    p5, p50, p95, _, reached = cells[:5]
    assert [c.rounded() for c in (p5, p50, p95, reached) if isinstance(c, Cell)] == [
        c.rounded()
        for c in (expected[0], expected[2], expected[4], expected[5])
        if isinstance(c, Cell)
    ]


def test_differences_of_scenarios_are_paired(base: Scenario, params: Path, ds: xr.Dataset) -> None:
    """The same random numbers: the error of a difference is far below those of its terms."""
    dear = sim.load(params / "base.toml", set={"hardware.power_price_usd_per_kwh.median": 0.1})
    runs = [comparison.compared(ds), comparison.compared(sim.simulate(dear, draws=4_000, seed=1))]
    rows = dict(comparison.side_by_side(runs).rows)
    first, difference = rows["base"][1], rows["  vs base"][1]
    assert isinstance(first, Cell)
    assert isinstance(difference, Cell)
    assert difference.value < 0
    assert difference.error < first.error / 4
    other_seed = comparison.compared(sim.simulate(dear, draws=4_000, seed=2))
    assert len(comparison.side_by_side([runs[0], other_seed]).rows) == 2


def test_a_long_name_of_a_lab_is_whole_in_the_head_of_its_columns(ds: xr.Dataset) -> None:
    names = ["A Laboratory of Very Many Words", "B" * 40, *ds["lab_name"].values[2:]]
    renamed = ds.assign_coords(lab_name=("lab", names))
    table = comparison.side_by_side([comparison.compared(renamed)])
    heads = [head for head in table.columns if head.endswith("GW") and "largest" not in head]
    assert heads == ["A Laboratory of\nVery Many Words\nGW", f"{'B' * 18}\n{'B' * 18}\nBBBB\nGW"]


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, None])
def test_errors_of_paired_differences_are_their_spread_over_seeds(level: float | None) -> None:
    """Quantiles of distributions that share their noise differ by more than a replicate's."""
    rng = np.random.default_rng(4)
    replicates, every = replicated(4_000, "random"), np.arange(4_000)
    pairs = []
    for _ in range(300):
        one = rng.normal(size=4_000)
        other = one + 0.05 * (1 + rng.normal(size=4_000))
        pair = [
            Measure("", x if level else x > 1, level, "1", 1.0, replicates) for x in (one, other)
        ]
        cell = pair[1].difference(pair[0], every, every, replicates)
        pairs.append((cell.value, cell.error))
    values, errors = np.array(pairs).T
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.2)


def test_a_margin_at_the_hurdle_reaches_it_and_a_gigawatt_at_the_threshold_is_not_above(
    ds: xr.Dataset,
) -> None:
    """As in the probabilities of the summary: draws on both, just below and just above."""
    sign = xr.DataArray(np.arange(ds.sizes["draw"]) % 3 - 1.0, dims="draw")
    tied = ds.assign(
        hurdle_margin=xr.DataArray(0.7),
        inference_gross_margin=ds.inference_gross_margin * 0
        + np.nextafter(0.7, 0.7 + sign).transpose(...),
        gw=ds.gw * 0 + np.nextafter(10.0, 10.0 + sign),
    )
    summary = sim.summarise(tied, ["p_margin_above_hurdle", "p_top_two"])
    (_, cells), *_ = comparison.side_by_side([comparison.compared(tied)]).rows
    heads = list(comparison.compared(tied).measures)
    for head, name, quarter in (
        ("P(margin\n>=\nhurdle)", "p_margin_above_hurdle", "2026Q4"),
        ("P(two\nlargest\n> 10 GW)", "p_top_two", "2027Q4"),
    ):
        cell = cells[heads.index(head)]
        assert isinstance(cell, Cell)
        above = float((sign >= 0).mean() if name == "p_margin_above_hurdle" else (sign > 0).mean())
        assert cell.value == pytest.approx(above, rel=1e-12)
        assert cell.value == pytest.approx(float(summary[name].sel(quarter=quarter)), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "pairs"),
    [
        ({}, True),
        ({"uncertainty": 0.5}, True),
        ({"drop_questionable": True}, True),
        ({"seed": 2}, False),
        ({"sampler": "random"}, False),
        ({"sampler": "sobol"}, False),
        ({"draws": 512}, False),
        ({"draws": 2_048}, False),
    ],
)
def test_runs_are_paired_only_where_seed_sampler_and_draws_are_the_same(
    base: Scenario, options: dict[str, Any], pairs: bool
) -> None:
    common: dict[str, Any] = {"draws": 1_024, "seed": 1, "sampler": "stratified"}
    first, other = (
        comparison.compared(sim.simulate(base, **(common | changes))) for changes in ({}, options)
    )
    labels = [label for label, _ in comparison.side_by_side([first, other]).rows]
    assert labels == ["base", "base", *(["  vs base"] if pairs else [])]
