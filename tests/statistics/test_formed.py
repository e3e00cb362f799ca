"""Statistics of formed values, and what is formed of statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import sim
from sim.common.errors import InputError
from sim.parameters.scenario import Scenario
from sim.statistics.expressions import draws_needed, evaluate, evaluate_paired, parse

GW, OTHER = "gw[openai]@2027Q4", "gw[xai]@2027Q4"


@pytest.fixture(scope="module")
def drawn(base: Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=1_024, keep=["gw", "arr", "pue"])


def correlated(seed: int, draws: int = 512) -> xr.Dataset:
    """Two variables of which the draws move together."""
    normal = np.random.default_rng(seed).standard_normal((3, draws))
    first = 10 + normal[0]
    second = first + 0.2 * normal[1]
    return xr.Dataset({"first": ("draw", first), "second": ("draw", second)})


@pytest.mark.parametrize("statistic", ["mean", "sd", "p5", "p50", "cvar95"])
def test_a_formed_value_has_the_statistics_of_an_output(drawn: xr.Dataset, statistic: str) -> None:
    plain = evaluate(f"{statistic}({GW})", drawn)
    assert evaluate(f"{statistic}({GW} + 0 * {GW})", drawn) == pytest.approx(plain)
    twice = evaluate(f"2 * {statistic}({GW})", drawn)
    assert twice == pytest.approx((2 * plain[0], 2 * plain[1]))
    less = evaluate(f"{statistic}({GW}) - {statistic}({GW})", drawn)
    assert less == (0.0, 0.0)


def test_a_probability_of_joined_events_is_their_share(drawn: xr.Dataset) -> None:
    gw = drawn.gw.sel(quarter="2027Q4")
    both = ((gw.sel(lab="openai") > 10) & (gw.sel(lab="xai") > 5)).values
    value, error = evaluate(f"P({GW} > 10 and {OTHER} > 5)", drawn)
    assert value == both.mean()
    assert 0 < error < 0.03
    given, _ = evaluate(f"P({GW} > 10 and {OTHER} > 5) / P({OTHER} > 5)", drawn)
    assert given == pytest.approx(both.sum() / (gw.sel(lab="xai") > 5).sum().item())
    never = evaluate(f"P({GW} > 1000 or {OTHER} > 1000) - P({GW} > 2000)", drawn)
    assert never[0] == 0
    assert never[1] > 0  # no draw shows how rare both are


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("p50(first) - p50(second)", 2.0),
        ("mean(first) - mean(second)", 4.0),
        ("p10(first) / p10(second)", 1.5),
        ("sd(first) - sd(second)", 2.0),
        ("cvar5(first) - cvar5(second)", 2.0),
        ("P(first > 10) - P(second > 10)", 1.5),
        ("mean(first) * mean(second)", 0.6),
    ],
)
def test_errors_are_those_of_the_draws_together(text: str, least: float) -> None:
    """Over repetitions, and unlike the root of the squares of both errors."""
    found = np.array([evaluate(text, correlated(seed)) for seed in range(100)])
    spread = found[:, 0].std(ddof=1)
    assert np.sqrt((found[:, 1] ** 2).mean()) == pytest.approx(spread, rel=0.3)
    parts = [part.strip() for part in text.replace("*", "-").replace("/", "-").split(" - ")]
    alone = [evaluate(part, correlated(0)) for part in parts]
    slopes = [1.0, 1.0]
    if "*" in text:
        slopes = [alone[1][0], alone[0][0]]
    if "/" in text:
        slopes = [1 / alone[1][0], alone[0][0] / alone[1][0] ** 2]
    independent = math.hypot(*(s * error for s, (_, error) in zip(slopes, alone, strict=True)))
    assert independent > least * spread


def test_a_score_of_a_factor_and_an_input_are_values(base: Scenario, drawn: xr.Dataset) -> None:
    scores = sim.redraw(drawn, ["factor.demand"])
    value, error = evaluate("P(factor.demand > 0 and hardware.pue > 1)", scores)
    assert value == pytest.approx(0.5, abs=5 * error)
    with pytest.raises(InputError, match=r"'factor.demand' is not here: sim\.redraw"):
        evaluate("mean(factor.demand)", drawn)
    with pytest.raises(InputError, match=r"'arr_per_gw' is not kept here: sim\.redraw"):
        evaluate("p50(arr_per_gw[openai]@2027Q4 * 1)", drawn)


def test_display_names_stand_for_ids(drawn: xr.Dataset) -> None:
    assert evaluate("mean(gw[Google DeepMind]@2027Q4)", drawn) == evaluate(
        "mean(gw[google_deepmind]@2027Q4)", drawn
    )


def test_differences_between_runs_have_paired_errors(base: Scenario, drawn: xr.Dataset) -> None:
    warm = sim.simulate(
        sim.load(base.files[0], set={"labs.openai.gw_2026q4.median": 3}), draws=1_024, keep=["gw"]
    )
    for text in (f"p50({GW})", f"mean({GW})", f"P({GW} > 10)", f"p50({GW}) - p50({OTHER})"):
        ((difference, error),) = evaluate_paired(text, [drawn, warm])
        first, second = (evaluate(text, ds) for ds in (drawn, warm))
        assert difference == pytest.approx(second[0] - first[0])
        assert 0 < error < (1.5 if text.startswith("P") else 1) * math.hypot(first[1], second[1])
    assert evaluate_paired(f"p50({OTHER}) - p5({OTHER})", [drawn, warm]) == [(0.0, 0.0)]
    with pytest.raises(ValueError, match="Datasets of the same draws"):
        evaluate_paired(f"mean({GW})", [drawn, warm.isel(draw=slice(512))])


def test_what_is_formed_needs_draws_of_all_its_parts(drawn: xr.Dataset) -> None:
    text = f"P({GW} > 10 and p_top_two@2027Q4) - p50(run_cost_usd / arr[xai]@2026Q4)"
    assert draws_needed([parse(text)], drawn) == ["gw", "run_cost_usd", "arr"]
