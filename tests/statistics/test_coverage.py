"""How many published figures lie inside the intervals of draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario, Statement
from sim.statistics.coverage import (
    ComparedFigure,
    compare_figures,
    describe_coverage,
    draws_of,
    variables_of,
)

NAMES = [
    *("gw", "gw_2025q4", "compute_bill", "rent_per_hour", "rent_per_gw_year"),
    *("facility_capacity_ratio", "arr_over_equity", "gw_2026q4", "arr", "hurdle_margin"),
]


@pytest.fixture(scope="module")
def drawn_figures(base: Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=2048, keep=NAMES)


def statement(
    output: str,
    *labels: str,
    quarter: str | None = "2026Q4",
    value: float | None = 1.0,
    source: str = "source-document",
    **more: str | float | tuple[str, ...],
) -> Statement:
    made = Statement(output, labels, quarter, value, "", source, "")
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_quantity_is_combined_as_its_statement_says(drawn_figures: xr.Dataset) -> None:
    ds = drawn_figures
    west = ("openai", "anthropic")
    added = statement("gw", total_of=west, less="gw@2026Q1")
    gw = ds["gw"].sel(lab=list(west))
    difference = (gw.sel(quarter="2026Q4") - gw.sel(quarter="2026Q1")).sum("lab")
    np.testing.assert_allclose(draws_of(ds, added), difference)
    per_it = statement("rent_per_gw_year", times="facility_capacity_ratio")
    rent = ds["rent_per_gw_year"].sel(quarter="2026Q4") * ds["facility_capacity_ratio"]
    np.testing.assert_allclose(draws_of(ds, per_it), rent)
    per_gw = statement("arr", "openai", per="gw_2026q4[openai]")
    ratio = ds["arr"].sel(lab="openai", quarter="2026Q4") / ds["gw_2026q4"].sel(lab="openai")
    np.testing.assert_allclose(draws_of(ds, per_gw), ratio)


def test_a_year_is_the_mean_of_its_quarters(drawn_figures: xr.Dataset) -> None:
    bills = drawn_figures["compute_bill"].sel(lab="openai").values
    year = draws_of(drawn_figures, statement("compute_bill", "openai", quarter="2026"))
    np.testing.assert_allclose(year, bills[:, :4].mean(axis=1))
    assert not np.allclose(year, bills.mean(axis=1))


def test_a_regime_and_a_pair_of_lab_and_landlord_are_labels(drawn_figures: xr.Dataset) -> None:
    ds = drawn_figures
    rent = draws_of(ds, statement("rent_per_hour", "fine_tune"))
    np.testing.assert_array_equal(rent, ds["rent_per_hour"].sel(quarter="2026Q4")[:, 1])
    pair = draws_of(ds, statement("arr_over_equity", "anthropic", "amazon"))
    np.testing.assert_allclose(pair, ds["arr"].sel(lab="anthropic", quarter="2026Q4") / 8)


def test_a_fixed_input_is_an_interval_of_one_number(
    base: Scenario, drawn_figures: xr.Dataset
) -> None:
    figures = [
        statement("gw_2025q4", "openai", quarter=None, value=1.9),
        statement("gw_2025q4", "openai", quarter=None, value=2.6),
    ]
    compared = compare_figures(replace(base, published=tuple(figures)), drawn_figures)
    assert [(figure.p5, figure.p95, figure.is_inside) for figure in compared] == [
        (1.9, 1.9, True),
        (1.9, 1.9, False),
    ]


def test_figures_that_cannot_be_compared_are_left_out(
    base: Scenario, drawn_figures: xr.Dataset
) -> None:
    """Those of strangers, of what the model lacks, and of our own judgement."""
    figures = (
        statement("gw", "nobody"),
        statement("arr", "meta"),
        statement("gw", "openai", source="judgement"),
        statement("gw", "openai", value=7.0),
    )
    (left,) = compare_figures(replace(base, published=figures), drawn_figures)
    assert (left.quantity, left.grade, left.is_inside) == ("gw_2026q4[openai]", "C", True)
    gw = drawn_figures["gw"].sel(lab="openai", quarter="2026Q4").values
    assert (left.p5, left.p95) == pytest.approx(np.quantile(gw, [0.05, 0.95]))


def test_a_figure_is_inside_where_it_could_round_into_the_interval() -> None:
    def is_inside(interval: tuple[float, float]) -> bool:
        return ComparedFigure("gw", "7", "A", interval, 5.0, 6.6).is_inside

    assert is_inside((6.5, 7.5))  # 7, as exact as it is written
    assert not is_inside((6.95, 7.05))
    assert is_inside((6.6, float("inf")))  # at least
    assert not is_inside((float("-inf"), 4.99))


def test_figures_are_counted_by_grade_and_those_outside_are_named() -> None:
    def figure(grade: str, at: float) -> ComparedFigure:
        return ComparedFigure("gw[x]", f"{at:g} (s, {grade})", grade, (at, at), 5.0, 6.5)

    figures = [figure("B", 6), figure("A", 6), figure("A", 9), figure("A", 5)]
    assert list(describe_coverage(figures)) == [
        "3 of 4 published figures lie inside the 90 % interval (A 2 of 3, B 1 of 1);"
        " a calibrated one holds nine in ten",
        "  outside: gw[x] 9 (s, A): 5 to 6.5 here",
    ]
    assert list(describe_coverage([])) == []


def test_all_shipped_figures_can_be_held_against_draws(base: Scenario) -> None:
    """Four in five at least are inside: nine in ten would be calibrated."""
    ds = sim.simulate(base, draws=4096, keep=variables_of(base))
    figures = compare_figures(base, ds)
    assert len(figures) == len(base.published) == 61
    inside = sum(figure.is_inside for figure in figures)
    assert 0.8 * len(figures) <= inside < len(figures)
