"""One world again: bits, percentiles, the median world, places, and what put it there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from drawing import stored
from scipy.special import ndtri
from scipy.stats import rankdata

import sim
from sim.analysis.reasons import find_reasons
from sim.analysis.trace import Trace, trace
from sim.engine.scores import ScorePlans
from sim.engine.worlds import draw_world
from sim.model.catalogue import DIMS, OUTPUTS
from sim.parameters.equations import equations
from sim.parameters.options import RunOptions

BASE = ROOT / "params" / "base.toml"
MARGIN = "inference_gross_margin@2026Q4"
EVERY = 2048  # draws of which all outputs are kept


@pytest.fixture(scope="module")
def full(base: sim.Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=EVERY, seed=1, keep="all")


@pytest.fixture(scope="module")
def worst(run: xr.Dataset) -> Trace:
    return trace(run, at=f"p1({MARGIN})")


@pytest.mark.parametrize("number", [0, 31, 32, 1023, EVERY - 1])
def test_a_world_has_the_bits_of_its_draw(
    base: sim.Scenario, full: xr.Dataset, number: int
) -> None:
    """Every output and input, wherever the draw stands in its block, tile and chunk."""
    world = draw_world(base, RunOptions.of(base, draws=EVERY, seed=1), number)
    for name, value in world.items():
        kept = full[name].isel(draw=number) if "draw" in full[name].dims else full[name]
        expected = kept.transpose(*DIMS[name]) if name in DIMS else kept
        assert value.tobytes() == np.asarray(expected.values, float).tobytes() or np.array_equal(
            value, expected.values, equal_nan=True
        ), name


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_other_samplers_are_replayed_too(sampler: str) -> None:
    ds = sim.simulate(
        sim.load(BASE), draws=96, seed=3, sampler=sampler, keep=["gw", "compute_bill"]
    )
    found = trace(ds, 70, labs=["xai"], quarters=["2027Q3"])
    for name in ("gw", "compute_bill"):
        (step,) = (s for s in found.steps if s.output == name)
        assert step.value == float(ds[name].sel(draw=70, lab="xai", quarter="2027Q3"))


@pytest.mark.parametrize("number", [0, 33, 16_384, 16_385])
def test_scores_of_one_draw_are_those_of_all(base: sim.Scenario, number: int) -> None:
    plans = ScorePlans(base)
    every = plans.draw_inputs(16_400, 1, "stratified")
    np.testing.assert_array_equal(
        plans.draw_inputs(number + 1, 1, "stratified", first=number)[:, 0], every[:, number]
    )


def test_a_draw_that_is_not_kept_is_replayed(base: sim.Scenario) -> None:
    """Any draw of a run follows from its number."""
    few = sim.simulate(base, draws=64, seed=1)
    found = trace(few.isel(draw=slice(0, 5)), 40)
    assert found.draw == 40
    (step,) = (s for s in found.steps if s.output == "gw" and s.labels[0] == "openai")
    assert step.value == float(few["gw"].sel(draw=40, lab="openai", quarter="2026Q4"))


@pytest.mark.parametrize(("place", "rank"), [("min", 0), ("p100", 4095), ("median", 2048)])
def test_a_place_is_that_of_the_ordered_draws(run: xr.Dataset, place: str, rank: int) -> None:
    found = trace(run, at=f"{place}({MARGIN})")
    margin = run["inference_gross_margin"].sel(quarter="2026Q4")
    assert found.value == np.sort(margin)[rank]
    assert found.value == float(margin.sel(draw=found.draw))


def test_a_place_may_be_of_an_expression_with_display_names(run: xr.Dataset) -> None:
    found = trace(run, at="max(gw[OpenAI]@2027Q4 - gw[xAI]@2027Q4)")
    gw = run["gw"].sel(quarter="2027Q4")
    difference = gw.sel(lab="openai") - gw.sel(lab="xai")
    assert found.draw == int(difference.argmax("draw"))
    labels = {label for step in found.steps for label in step.labels}
    assert {"openai", "xai", "2027Q4"} <= labels
    assert "2026Q4" not in labels


def test_inputs_come_from_the_most_unusual_on(worst: Trace, base: sim.Scenario) -> None:
    distances = [abs(of.percentile - 50) for of in worst.inputs]
    assert distances == sorted(distances, reverse=True)
    assert len(worst.inputs) == len(ScorePlans(base).inputs)


def test_percentiles_are_those_of_the_draws(base: sim.Scenario, full: xr.Dataset) -> None:
    found = trace(full, 77)
    for name in ("throughput_multiplier", "power_price_usd_per_kwh", "mbu_decode"):
        (one,) = (of for of in found.inputs if of.name.endswith(f".{name}"))
        assert one.value == float(full[name].sel(draw=77))
        below = float((full[name] <= one.value).mean())
        assert one.percentile / 100 == pytest.approx(below, abs=0.04)  # 3.6 standard errors
        quantity = base.quantities[one.name]
        assert (one.unit, one.source) == (quantity.field.unit, quantity.source)


def test_the_median_world_has_every_input_at_its_median(base: sim.Scenario, worst: Trace) -> None:
    for of in worst.inputs:
        if of.name in base.quantities:
            assert of.median == pytest.approx(base.quantities[of.name].distribution.point), of.name
    middle = sim.simulate(base, draws=32, seed=5, uncertainty=0.0)
    (step,) = (s for s in worst.steps if s.output == "inference_gross_margin")
    assert step.median == float(middle["inference_gross_margin"].sel(draw=0, quarter="2026Q4"))
    assert step.value == worst.value


def test_steps_are_in_the_order_of_the_model_with_equation_and_code(worst: Trace) -> None:
    names = list(dict.fromkeys(step.output for step in worst.steps))
    assert names == [name for name in OUTPUTS if name in names]
    assert set(names) == set(OUTPUTS)
    for step in worst.steps:
        equation = equations()[step.output]
        assert (step.section, step.equation) == (equation.section, equation.number)
        assert (step.unit, step.code) == (OUTPUTS[step.output].unit, equation.code[0])
        assert (ROOT / step.code).is_file()


def test_labels_narrow_what_is_shown(run: xr.Dataset) -> None:
    found = trace(run, 5, labs=["xai"], landlords=["oracle"], quarters=["2027Q1"],
                  regimes=["fine_tune"])  # fmt: skip
    for dim, label in (("lab", "xai"), ("landlord", "oracle"), ("quarter", "2027Q1"),
                       ("regime", "fine_tune")):  # fmt: skip
        shown = {
            step.labels[DIMS[step.output].index(dim)]
            for step in found.steps
            if dim in DIMS[step.output]
        }
        assert shown == {label}


def test_the_parts_of_reasons_are_those_of_a_linear_fit(run: xr.Dataset, worst: Trace) -> None:
    """They sum to what the fit predicts of the draw, near its normal score."""
    values = run["inference_gross_margin"].sel(quarter="2026Q4").values
    score = ndtri((rankdata(values)[worst.draw] - 0.5) / values.size)
    assert sum(of.part for of in worst.reasons) == pytest.approx(score, abs=1.0)
    assert "accelerator.throughput_multiplier" in [of.cause for of in worst.reasons[:3]]
    sizes = [abs(of.part) for of in worst.reasons]
    assert sizes == sorted(sizes, reverse=True)


def test_a_linear_value_has_its_coefficients_as_parts(run: xr.Dataset) -> None:
    """The score of a common factor is its own reason, and the only one."""
    scores = sim.redraw(run, ["factor.demand"])["factor.demand"].values
    first, *others = find_reasons(run, scores, 17)
    assert first.cause == "factor.demand"
    assert first.part == pytest.approx(first.score, rel=0.02)
    assert first.score == pytest.approx(scores[17], rel=1e-12)
    assert max(abs(of.part) for of in others) < 0.05


def test_a_stored_run_is_replayed_at_its_stored_precision(
    base: sim.Scenario, tmp_path: Path
) -> None:
    ds = sim.open_run(stored(base, tmp_path, draws=64, seed=2, figures=False).folder)
    found = trace(ds, 63)
    assert ds["gw"].dtype == np.float32
    (step,) = (s for s in found.steps if s.output == "gw" and s.labels[0] == "openai")
    kept = ds["gw"].sel(draw=63, lab="openai", quarter="2026Q4")
    assert np.float32(step.value) == kept.values
    assert step.value != float(kept)


def test_few_draws_give_no_reasons(base: sim.Scenario) -> None:
    assert trace(sim.simulate(base, draws=64, seed=1), at=f"min({MARGIN})").reasons == ()


def test_a_run_that_other_code_made_is_refused(run: xr.Dataset) -> None:
    altered = run.isel(draw=slice(0, 64)).copy(deep=True)
    altered["gw"].values[:] = np.nextafter(altered["gw"].values, np.inf)
    with pytest.raises(sim.InputError, match="gw is not what the run holds"):
        trace(altered, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either a draw or a place"),
        ({"draw": 3, "at": f"min({MARGIN})"}, "either a draw or a place"),
        ({"draw": 4096}, "expected 0 to 4,095, got 4,096"),
        ({"draw": -1}, "expected 0 to 4,095, got -1"),
        ({"at": "mode(gw[xai]@2027Q4)"}, "expected p1\\(VALUE\\)"),
        ({"at": "p101(gw[xai]@2027Q4)"}, "from 0 to 100"),
        ({"at": "p5(gww[xai]@2027Q4)"}, "gww"),
        ({"at": "p5(gw[xia]@2027Q4)"}, "did you mean 'xai'"),
        ({"at": "p5(gw[xai]@2027Q4 > 3)"}, "takes a value"),
        ({"at": "p5(run_days@2026Q4)"}, "run_days"),
        ({"at": "p5(run_days)"}, "not known in 4,096 of 4,096 draws"),
        ({"draw": 1, "labs": ["opanai"]}, "no such lab: 'opanai'.*openai"),
        ({"draw": 1, "quarters": ["2031Q1"]}, "no such quarter: '2031Q1'"),
    ],
)
def test_what_cannot_be_traced_is_refused(
    run: xr.Dataset, options: dict[str, object], message: str
) -> None:
    with pytest.raises(sim.InputError, match=message):
        trace(run, **options)  # type: ignore[arg-type]


def test_plain_data_are_json_and_the_page_is_html(worst: Trace) -> None:
    data = json.loads(json.dumps(worst.data(), allow_nan=False))
    assert data["draw"] == worst.draw
    never = [s for s in data["steps"] if s["value"] is None]
    assert {s["text"] for s in never} <= {"inf", "-inf", "nan"}
    assert never
    page = worst._repr_html_()
    assert page.count("<tr>") == len(worst.inputs) + len(worst.steps) + 2
