from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

import sim
from sim.common.errors import InputError
from sim.expressions.names import Names
from sim.statistics.expressions import check, evaluate, parse


class Party(NamedTuple):
    id: str
    name: str


LABS = (Party("openai", "OpenAI"), Party("google", "Google DeepMind"))
LANDLORDS = (Party("oracle", "Oracle"), Party("google", "Google"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gw", "takes a statistic: p5(inference_gross_margin@2026Q4); 'gw' is a value"),
        ("p5(gw@2026Q4[openai])", "unexpected '[openai])'"),
        ("mean(tps_decod)", "unknown output or input 'tps_decod'; did you mean 'tps_decode'?"),
        ("mean(p_top_two@2027Q4)", "'p_top_two' is itself a probability; say P(p_top_two@2027Q4)"),
        ("p5(inference_gross_margin)", "p5(inference_gross_margin): say a quarter, e.g. @2026Q4"),
        ("p5(gw@2027Q4)", "say a lab, e.g. [openai]; known: openai, google"),
        ("p5(gw)", "say a lab, e.g. [openai]; known: openai, google; say a quarter"),
        ("p5(gw[opnai]@2027Q4)", "unknown lab 'opnai'; did you mean 'openai'?"),
        ("p5(gw[openai]@2028Q4)", "unknown quarter '2028Q4'; did you mean"),
        ("p5(gw[openai,google]@2027Q4)", "labels"),
        ("p5(tps_decode@2027Q4)", "'tps_decode' has no quarter"),
        ("p5(tps_decode[openai])", "'tps_decode' has no labels, got 'openai'"),
        ("mean(training_moic[openai])", "'training_moic' is an unbounded ratio"),
    ],
)
def test_parse_and_check_explain_what_is_invalid(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        check(parse(text, "--until"), Names.of_parties(LABS, LANDLORDS), "--until")
    (fault,) = error.value.faults
    assert str(fault).startswith(f"--until: {text}: ")
    assert message in str(fault)


def test_evaluate_agrees_with_the_summary(ds: xr.Dataset, summary: xr.Dataset) -> None:
    in_2026q4 = {"quarter": "2026Q4"}
    margin, openai_2027q4 = "inference_gross_margin", {"lab": "openai", "quarter": "2027Q4"}
    for text, name, selection in (
        (f"mean({margin}@2026Q4)", f"{margin}_mean", in_2026q4),
        (f"sd({margin}@2026Q4)", f"{margin}_sd", in_2026q4),
        (f"p5({margin}@2026Q4)", f"{margin}_quantile", {**in_2026q4, "quantile": 0.05}),
        (f"cvar95({margin}@2026Q4)", f"{margin}_cvar", {**in_2026q4, "tail": 0.95}),
        ("P(gw[openai]@2027Q4 > 10)", "p_gw_above", {"threshold": 10, **openai_2027q4}),
        ("mean(arr[xai]@2026Q4)", "arr_mean", {"lab": "xai", **in_2026q4}),
        ("sd(unit_cost[hbm_depreciation,online_inference]@2026Q4)", "unit_cost_sd",
         {"layer": "hbm_depreciation", "regime": "online_inference", **in_2026q4}),
        ("mean(pue_above_capacity_ratio)", "pue_above_capacity_ratio_mean", {}),
        ("p50(payback_months[anthropic])", "payback_months_quantile",
         {"lab": "anthropic", "quantile": 0.5}),
    ):  # fmt: skip
        expected = [float(summary[n].sel(selection)) for n in (name, f"{name}_error")]
        np.testing.assert_allclose(evaluate(text, ds), expected, rtol=1e-9, err_msg=text)


def test_labels_may_be_in_any_order(base: sim.Scenario) -> None:
    ds = sim.simulate(base, draws=512, keep=["hosted_gw", "pue"])
    lab, landlord = "openai", "microsoft"
    expected = float(ds.hosted_gw.sel(lab=lab, landlord=landlord, quarter="2026Q4").mean())
    for text in (
        "openai,microsoft]@2026Q4",
        "microsoft,openai]@2026Q4",
        "2026Q4,microsoft,openai]",
    ):
        assert evaluate(f"mean(hosted_gw[{text})", ds)[0] == pytest.approx(expected)
    with pytest.raises(InputError, match=r"say a landlord, e\.g\. "):
        evaluate("mean(hosted_gw[openai]@2026Q4)", ds)
    assert evaluate("P(pue >= 1)", ds)[0] == 1  # inputs too, where their draws are kept
    with pytest.raises(InputError, match="'gw' is not kept here: sim"):
        evaluate("mean(gw[openai]@2026Q4)", ds)


def test_evaluate_refuses_statistics_of_draws_that_are_not_kept(ds: xr.Dataset) -> None:
    with pytest.raises(InputError, match=r"only mean and sd are kept here: sim\.redraw\(ds, \['un"):
        evaluate("p5(unit_cost[online_inference,hbm_depreciation]@2026Q4)", ds)
    with pytest.raises(InputError, match="output or input 'inference_gros_margin'; did you mean"):
        evaluate("p5(inference_gros_margin@2026Q4)", ds)
    value, error = evaluate("p5(lab_paid_margin[deepseek]@2026Q4)", ds)
    assert np.isnan(value)
    assert np.isnan(error)


def test_evaluate_takes_any_dataset_with_draws() -> None:
    loss = xr.DataArray(np.arange(2_048.0)[:, None] * [1, 2], dims=("draw", "site"))
    losses = xr.Dataset({"loss": loss}, {"site": ["a", "b"]})
    assert evaluate("mean(loss[b])", losses)[0] == 2_047
    assert evaluate("P(loss[a] < 1024)", losses)[0] == 0.5
    with pytest.raises(InputError, match=r"say a site, e\.g\. \[a\]; known: a, b"):
        evaluate("mean(loss)", losses)


def test_an_example_of_a_quarter_is_one_that_there_is() -> None:
    loss = xr.DataArray(np.zeros((64, 1)), dims=("draw", "quarter"))
    losses = xr.Dataset({"loss": loss}, {"quarter": ["2031Q1"]})
    with pytest.raises(InputError, match=r"say a quarter, e\.g\. @2031Q1"):
        evaluate("mean(loss)", losses)
