"""Scores behind draws, made again by name."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT
from scipy.stats import rankdata

import sim
from sim.engine.scores import ScorePlans, draw_independent

DRAWS = 512
OF_OTHERS = ("lab_delay_quarters", "gw_definition_ratio")  # read other inputs, or have steps


@pytest.fixture(scope="module")
def base() -> sim.Scenario:
    return sim.load(ROOT / "params" / "base.toml")


@pytest.mark.parametrize("sampler", ["stratified", "random", "sobol"])
def test_every_input_is_a_monotone_function_of_its_score(base: sim.Scenario, sampler: str) -> None:
    plans = ScorePlans(base)
    scores = plans.draw_inputs(DRAWS, 1, sampler)
    ds = sim.simulate(base, draws=DRAWS, seed=1, sampler=sampler, keep="all", bad_draws="keep")
    for name, score in zip(plans.inputs, scores, strict=True):
        group, *party, short = name.split(".")
        if group == "shocks" or short in OF_OTHERS:
            continue
        at = {group.removesuffix("s"): party[0]} if group in ("labs", "landlords") else {}
        values = ds[short].sel(at).values
        assert len(np.unique(values)) < DRAWS / 2 or np.array_equal(
            rankdata(values), rankdata(score)
        ), name


@pytest.mark.parametrize("sampler", ["stratified", "random", "sobol"])
def test_scores_of_inputs_are_made_of_independent_scores(base: sim.Scenario, sampler: str) -> None:
    plans = ScorePlans(base)
    scores = plans.draw_inputs(DRAWS, 7, sampler)
    causes = dict(
        zip(
            plans.dimensions,
            draw_independent(plans.dimensions, DRAWS, 7, sampler),
            strict=True,
        )
    )
    loadings, factors = plans.loadings()
    for name, score, loads in zip(plans.inputs, scores, loadings, strict=True):
        own = np.sqrt(1 - np.sum(loads**2)) * causes[name]
        common = sum(load * causes[f] for load, f in zip(loads, factors, strict=True) if load)
        np.testing.assert_allclose(own + common, score, atol=1e-9)


def test_independent_scores_are_independent(base: sim.Scenario) -> None:
    plans = ScorePlans(base)
    scores = draw_independent(plans.dimensions, 4096, 3, "stratified")
    correlations = np.corrcoef(scores) - np.eye(len(scores))
    assert np.abs(correlations).max() < 5 / np.sqrt(4096)


def test_a_factor_is_drawn_again_by_name(base: sim.Scenario) -> None:
    ds = sim.simulate(base, draws=DRAWS, seed=5)
    again = sim.redraw(ds.isel(draw=slice(100, 200)), ["factor.demand"])["factor.demand"]
    plans = ScorePlans(base)
    names = {"factors.demand": plans.dimensions["factors.demand"]}
    expected = draw_independent(names, DRAWS, 5, "stratified")[0, 100:200]
    assert np.array_equal(again.values, expected)


def test_redraw_refuses_an_unknown_factor(base: sim.Scenario) -> None:
    ds = sim.simulate(base, draws=64, seed=5)
    with pytest.raises(ValueError, match=r"factor\.weather.*factor\.demand"):
        sim.redraw(ds, ["factor.weather"])
