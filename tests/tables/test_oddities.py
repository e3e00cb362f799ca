"""What is odd in a run, and how much of a number rests on it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sim
from sim.model.dims import REFERENCE_QUARTER
from sim.parameters.scenario import Scenario
from sim.tables.headline import make_headline
from sim.tables.oddities import warnings
from sim.tables.table import Selection

MOVED = r"without them (.+?) is ([\d.]+)(?: ± \S+)?, not ([\d.]+)"


def odd(ds: xr.Dataset, summary: xr.Dataset | None = None, **given: Any) -> list[str]:
    return make_headline(ds, sim.summarise(ds) if summary is None else summary, **given).remarks


@pytest.mark.parametrize("uncertainty", [1.0, 2.0])
def test_questionable_draws_are_counted_by_reason_with_what_they_move_most(
    base: Scenario, uncertainty: float
) -> None:
    options: dict[str, Any] = {"draws": 2_000, "seed": 3, "uncertainty": uncertainty}
    options["bad_draws"] = "keep"
    ds = sim.simulate(base, **options)
    draws = sim.simulate(base, keep="all", **options)
    slow, facility = draws.speed_unreachable, draws.pue_above_capacity_ratio
    short = draws.demand_exceeds_capacity.any(["lab", "quarter"])
    questionable = (slow | facility | short).values
    lines = " ".join(odd(ds))
    assert f"{int(questionable.sum()):,} draws are questionable (" in lines
    for flag, reason in (
        (slow, "promised speed out of reach"),
        (short, "demand above capacity"),
        (facility, "pue above capacity ratio"),
    ):
        count = int(flag.sum())
        assert (f"{reason} {count:,}" in lines) == (count > 0)
    draws = draws.sel(quarter=REFERENCE_QUARTER)
    margins = {"P(inference >= 70 %)": draws.inference_gross_margin}
    for lab, name in (("openai", "OpenAI"), ("anthropic", "Anthropic")):
        margins[f"{name}'s P(paid >= 70 %)"] = draws.lab_paid_margin.sel(lab=lab)
    moves = {}
    for text, margin in margins.items():
        known = ~np.isnan(margin.values)
        reached = margin.values >= 0.7
        moves[text] = tuple(
            100 * float(reached[which].mean()) for which in (known & ~questionable, known)
        )
    largest = max(moves, key=lambda text: abs(moves[text][0] - moves[text][1]))
    moved = re.search(MOVED, lines)
    assert moved is not None
    assert moved[1] == largest
    found = [float(moved[i]) for i in (2, 3)]
    assert found == pytest.approx(moves[largest], abs=0.6)
    hours = int(draws.training_share_below_zero.sum())
    assert (f"In {hours:,} draws inference and fine-tuning" in lines) == (hours > 0)


def test_a_lab_that_is_chosen_is_the_one_whose_probability_moves(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    (line,) = (x for x in odd(ds, summary, selection=Selection(("xai",))) if "questionable" in x)
    assert "OpenAI" not in line
    assert "Anthropic" not in line


def test_draws_that_are_not_finite_are_reported_first(ds: xr.Dataset, summary: xr.Dataset) -> None:
    broken = ds.assign_attrs(draws_not_finite=3)
    assert "WARNING: 3 of 4,000" in warnings(broken)[0]
    assert warnings(ds) == []
    assert odd(broken, summary)[0] == (
        "3 of 4,000 draws are not finite and left out: they could move a probability by 0.075"
        " points at most."
    )
    kept = odd(broken.assign_attrs(bad_draws="keep"), summary)
    assert kept[0] == "3 of 4,000 draws are not finite: statistics that they affect are nan."


def test_draws_that_are_too_few_for_an_error_are_said_to_be(base: Scenario) -> None:
    few = sim.simulate(base, draws=40)
    assert "40 draws are too few for a Monte Carlo error (256 are needed)." in odd(few)


@pytest.mark.parametrize(
    ("share", "error", "is_odd"), [(0.7, 0.01, 1), (0.51, 0.01, 0), (0.3, 0, 0)]
)
def test_judgement_is_odd_where_more_than_half_of_the_spread_clearly_rests_on_it(
    ds: xr.Dataset, summary: xr.Dataset, share: float, error: float, is_odd: int
) -> None:
    drivers = xr.Dataset(
        {
            "share": ("cause", [0.4]),
            "share_error": ("cause", [0.01]),
            "slope": ("cause", [0.6]),
            "judgement": share,
            "judgement_error": error,
        },
        {"cause": ["hardware.pue"]},
    )
    lines = [x for x in odd(ds, summary, drivers=drivers) if "judgement" in x]
    assert len(lines) == is_odd
    assert all("70 % of the spread of the inference margin of 2026Q4" in line for line in lines)


def test_graded_figures_outside_the_interval_are_those_of_the_table(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    from sim.tables.named import make_tables

    (table,) = make_tables(ds, summary, names=["published"])
    count = re.search(r"(\d+) of (\d+) published figures lie inside", " ".join(table.remarks))
    assert count is not None
    outside = int(count[2]) - int(count[1])
    assert outside > 0
    assert f"{outside} of {count[2]} graded published figures lie outside" in " ".join(
        odd(ds, summary)
    )
