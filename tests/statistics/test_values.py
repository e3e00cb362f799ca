"""Values and events formed in each draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sim
from sim.expressions.parse import parse_any, parse_event, parse_value
from sim.parameters.scenario import Scenario
from sim.statistics.values import draw_value, names_needed, unknown_labels

LAB: dict[str, Any] = {"lab": "openai", "quarter": "2027Q4"}


@pytest.fixture(scope="module")
def drawn(base: Scenario) -> xr.Dataset:
    keep = ["gw", "arr", "unit_cost", "lab_paid_margin", "payback_months", "pue", "arr_per_gw"]
    return sim.simulate(base, draws=1_024, keep=keep)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3 * 4 - 6 / 3", 12.0),
        ("(2 + 3) * -2", -10.0),
        ("2 - 3 - 4", -5.0),
        ("min(3, 1, 2) + max(1, 2)", 3.0),
        ("abs(-2) * exp(log(5))", 10.0),
        ("1.5e2", 150.0),
    ],
)
def test_arithmetic_binds_as_it_is_written(drawn: xr.Dataset, text: str, expected: float) -> None:
    value = draw_value(parse_value(text), drawn)
    assert value.draws == pytest.approx([expected])
    assert value.quantiles([0.5]) == [(pytest.approx(expected), 0.0)]


def test_a_value_is_formed_in_each_draw(drawn: xr.Dataset) -> None:
    text = "arr[openai]@2027Q4 / gw[openai]@2027Q4 * pue + arr_per_gw[openai]@2027Q4"
    expected = drawn.arr.sel(LAB) / drawn.gw.sel(LAB) * drawn.pue + drawn.arr_per_gw.sel(LAB)
    value = draw_value(parse_value(text), drawn)
    np.testing.assert_allclose(value.draws, expected.values, rtol=1e-12)
    whole = xr.Dataset({"formed": expected}, attrs=drawn.attrs)
    summary = sim.summarise(whole, ["formed"], quantiles=[0.05, 0.95])
    found = value.quantiles([0.05, 0.95])
    assert [x for x, _ in found] == pytest.approx(summary.formed_quantile.values)
    assert [x for _, x in found] == pytest.approx(summary.formed_quantile_error.values)
    mean = (float(summary.formed_mean), float(summary.formed_mean_error))
    assert value.mean() == pytest.approx(mean)


def test_labels_stand_in_the_order_of_the_dims(drawn: xr.Dataset) -> None:
    text = "unit_cost[online_inference, hbm_depreciation]@2026Q4"
    at = {"regime": "online_inference", "layer": "hbm_depreciation", "quarter": "2026Q4"}
    value = draw_value(parse_value(text), drawn)
    np.testing.assert_array_equal(value.draws, drawn.unit_cost.sel(at).values)
    share = draw_value(parse_value("host_share_2026[openai, microsoft]"), drawn)
    assert share.mean() == (0.4, 0.0)


@pytest.mark.parametrize(
    ("text", "happens"),
    [
        ("gw[openai]@2027Q4 > 10", lambda gw: gw[0] > 10),
        ("not gw[openai]@2027Q4 > 10", lambda gw: gw[0] <= 10),
        ("gw[openai]@2027Q4 > 10 and gw[anthropic]@2027Q4 > 10", lambda gw: (gw[:2] > 10).all(0)),
        ("gw[openai]@2027Q4 > 12 or gw[anthropic]@2027Q4 <= 9",
         lambda gw: (gw[0] > 12) | (gw[1] <= 9)),
        ("p_top_two@2027Q4", lambda gw: (gw > 10).sum(axis=0) >= 2),
        ("not (gw[openai]@2027Q4 > 10 or gw[anthropic]@2027Q4 > 10)",
         lambda gw: (gw[:2] <= 10).all(0)),
    ],
)  # fmt: skip
def test_an_event_happens_in_a_share_of_draws(drawn: xr.Dataset, text: str, happens: Any) -> None:
    order = ["openai", "anthropic", *[x for x in drawn.lab.values if x not in LABS]]
    gw = drawn.gw.sel(lab=order, quarter="2027Q4").transpose("lab", "draw").values
    value = draw_value(parse_event(text), drawn)
    share, error = value.probability()
    assert share == pytest.approx(happens(gw).mean())
    assert 0 < error < 0.05


LABS = ("openai", "anthropic")


def test_a_probability_of_a_lab_is_its_indicator(drawn: xr.Dataset) -> None:
    text = "p_lab_margin_above_hurdle[anthropic]@2026Q4"
    tree = parse_event(text)
    assert names_needed([tree]) == ["lab_paid_margin", "hurdle_margin"]
    margin = drawn.lab_paid_margin.sel(lab="anthropic", quarter="2026Q4")
    assert draw_value(tree, drawn).probability()[0] == float((margin >= 0.7).mean())


def test_what_is_missing_is_not_known(drawn: xr.Dataset) -> None:
    """Of a lab without revenue; a payback that never comes is known, and infinite."""
    silent = draw_value(parse_any("arr[meta]@2026Q4 > 1"), drawn)
    assert math.isnan(silent.probability()[0])
    assert math.isnan(draw_value(parse_any("arr[meta]@2026Q4"), drawn).mean()[0])
    either = draw_value(parse_any("arr[meta]@2026Q4 > 1 or gw[meta]@2026Q4 > 0"), drawn)
    assert math.isnan(either.probability()[0])
    never = draw_value(parse_any("payback_months[openai]"), drawn)
    assert never.quantiles([0.95])[0][0] == math.inf


def test_labels_that_a_run_lacks_are_named(drawn: xr.Dataset) -> None:
    tree = parse_any("gw[opnai]@2026Q4 / gw[meta]@2026Q4")
    assert unknown_labels(tree, drawn) == ["opnai; did you mean 'openai'?"]
