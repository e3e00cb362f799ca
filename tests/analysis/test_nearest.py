"""The nearest world at which an event begins or ends to happen."""

from __future__ import annotations

import math

import pytest
import xarray as xr
from scipy.special import logit, ndtr

import sim
from sim.analysis.nearest import find_nearest
from sim.expressions.parse import parse_event


@pytest.fixture(scope="module")
def ds(base: sim.Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=512, keep=["gw"])


@pytest.mark.parametrize(
    ("event", "distance"),
    [
        ("pue > 1.25", (logit(0.25) - logit(0.2)) / 0.3),
        ("pue < 1.1", (logit(0.2) - logit(0.1)) / 0.3),
        ("gw[openai]@2026Q4 > 10", math.log(10 / 7) / 0.2),
    ],
)
def test_of_one_input_the_distance_is_that_of_its_score(
    ds: xr.Dataset, event: str, distance: float
) -> None:
    found = find_nearest(ds, parse_event(event))
    assert found is not None
    assert not found.happens
    assert found.distance == pytest.approx(distance, rel=1e-4)


def test_the_probability_beyond_a_straight_frontier_follows_from_the_distance(
    base: sim.Scenario,
) -> None:
    ds = sim.simulate(base, draws=20_000, keep=["gw"])
    found = find_nearest(ds, parse_event("gw[openai]@2026Q4 > 9"))
    assert found is not None
    share = float((ds["gw"].sel(lab="openai", quarter="2026Q4") > 9).mean())
    assert share == pytest.approx(float(ndtr(-found.distance)), abs=0.01)


def test_the_world_lies_on_the_frontier_and_moves_the_scores_that_matter(ds: xr.Dataset) -> None:
    found = find_nearest(ds, parse_event("inference_gross_margin@2026Q4 >= 0.6"))
    assert found is not None
    assert found.happens
    sizes = [abs(move.score) for move in found.moves]
    assert sizes == sorted(sizes, reverse=True)
    assert found.moves[0].name == "accelerator.throughput_multiplier"
    assert found.moves[0].value < found.moves[0].median
    assert sum(move.share for move in found.moves) == pytest.approx(0.95, abs=0.06)


def test_an_event_of_several_ends_where_the_first_of_them_does(ds: xr.Dataset) -> None:
    both = find_nearest(ds, parse_event("pue < 1.3 and pue > 1.1"))
    assert both is not None
    assert both.happens
    below, above = ((logit(x) - logit(0.2)) / 0.3 for x in (0.1, 0.3))
    assert both.distance == pytest.approx(min(abs(below), above), rel=1e-4)


def test_there_is_none_where_no_world_changes_sides(ds: xr.Dataset) -> None:
    assert find_nearest(ds, parse_event("pue < 3")) is None
    drawn = sim.sample({"x": {"family": "normal", "mean": 0, "sd": 1}}, draws=64)
    assert find_nearest(drawn, parse_event("pue < 3")) is None
