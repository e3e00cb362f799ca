"""Draws that are moved towards evidence."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import sim
from sim.analysis.condition import condition
from sim.analysis.shifted import shift_scores

GIGAWATTS = "gw[openai]@2026Q4 = 10 +- 0.1"


def test_moved_draws_give_the_posterior_of_plain_weights_and_keep_a_third(run: xr.Dataset) -> None:
    plain = condition(run, [GIGAWATTS], fewest=5).statistics
    moved = condition(run, [GIGAWATTS], shift=shift_scores).statistics
    assert moved.attrs["method"] == "shifted"
    assert moved.attrs["effective"] > 0.3 * moved.attrs["draws"]
    apart = np.abs(plain["posterior"] - moved["posterior"])
    error = np.hypot(plain["posterior_error"], moved["posterior_error"])
    is_median = np.array([str(text).startswith("p50") for text in plain["measure"].values])
    assert (apart <= 4 * error).values[is_median].all()


@pytest.mark.long
def test_moved_draws_give_the_posterior_of_plain_weights_at_a_million_draws(
    base: sim.Scenario,
) -> None:
    keep = ["gw", "inference_gross_margin", "lab_paid_margin", "gw_definition_ratio"]
    many = sim.simulate(base, draws=1_000_000, seed=9, keep=keep)
    few = sim.simulate(base, draws=20_000, seed=1)
    outputs = ["p50(gw[openai]@2027Q4)", "p95(gw[openai]@2027Q4)"]
    outputs += ["p50(gw[anthropic]@2026Q4)", "mean(gw[openai]@2026Q4)"]
    plain = condition(many, [GIGAWATTS], outputs).statistics
    moved = condition(few, [GIGAWATTS], outputs, shift=shift_scores).statistics
    assert (plain.attrs["method"], moved.attrs["method"]) == ("weights", "shifted")
    chosen = [str(text) in outputs for text in plain["measure"].values]
    apart = np.abs(plain["posterior"] - moved["posterior"]).values[chosen]
    error = np.hypot(plain["posterior_error"], moved["posterior_error"]).values[chosen]
    assert (apart <= 4 * error).all(), (apart, error)


def test_evidence_that_many_draws_are_near_moves_none(run: xr.Dataset) -> None:
    found = sim.condition(run, "gw[openai]@2026Q4 = 7 +- 3").statistics
    assert found.attrs["method"] == "weights"
