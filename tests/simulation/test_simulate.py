from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT

import sim
from sim.model.dims import QUARTERS
from sim.parameters.scenario import Scenario

LABS = [
    "openai", "anthropic", "google_deepmind", "meta", "xai",
    "alibaba_qwen", "bytedance_seed", "deepseek",
]  # fmt: skip


def test_keep_takes_outputs_inputs_and_probabilities(base: Scenario) -> None:
    ds = sim.simulate(base, draws=64, keep=["gw", "pue", "captive", "p_margin_above_hurdle"])
    drawn = {name for name in ds.data_vars if "draw" in ds[name].dims}
    assert drawn == {"gw", "pue", "inference_gross_margin", "gw_definition_ratio"}
    assert {"captive", "p_both_named", "p_margin_above_hurdle"} <= set(ds.data_vars)
    with pytest.raises(ValueError, match="unknown variable 'gww'; did you mean 'gw'"):
        sim.simulate(base, draws=64, keep=["gww"])


def test_kept_draws_do_not_depend_on_other_kept_outputs(base: Scenario, ds: xr.Dataset) -> None:
    single = sim.simulate(base, draws=4_000, seed=1, keep=["loaded_gross_margin"])
    xr.testing.assert_identical(single.loaded_gross_margin, ds.loaded_gross_margin)


def test_new_lab_file_adds_a_lab_and_leaves_others_in_2026(params: Path, ds: xr.Dataset) -> None:
    text = (params / "labs" / "xai.toml").read_text()
    (params / "labs" / "newlab.toml").write_text(
        text.replace('name = "xAI"', 'name = "New Lab"').replace("order = 5", "order = 2.5")
    )
    more = sim.simulate(sim.load(params / "base.toml"), draws=64, seed=1)
    assert list(more.lab.values) == [*LABS[:2], "newlab", *LABS[2:]]
    assert more.lab_name.sel(lab="newlab") == "New Lab"
    assert np.isfinite(more.gw.sel(lab="newlab")).all()
    # Other labs are the same in 2026; in 2027 all compete for power and capex.
    year = list(QUARTERS[:4])
    old = ds.gw.isel(draw=slice(64)).sel(quarter=year)
    np.testing.assert_array_equal(more.gw.sel(lab=LABS, quarter=year), old.sel(lab=LABS))


def test_draws_without_uncertainty_are_the_point_estimate(base: Scenario) -> None:
    ds = sim.simulate(base, draws=40, seed=9, uncertainty=0.0)
    assert (ds.inference_gross_margin == ds.inference_gross_margin.isel(draw=0)).all()
    assert ds.inference_gross_margin.isel(draw=0).sel(quarter="2026Q4") == pytest.approx(
        0.7041, abs=5e-5
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"draws": 0}, "draws: expected a whole number of draws"),
        ({"draws": 1e30}, "draws: expected a whole number of draws"),
        ({"draws": 10.5}, "draws: expected a whole number of draws"),
        ({"draws": "many"}, "draws: expected a whole number of draws"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"seed": 2**64}, "seed: expected a whole number"),
        ({"sampler": "sobel"}, "sampler: unknown sampler 'sobel'"),
        ({"uncertainty": float("nan")}, "uncertainty: expected a number"),
        ({"threads": 0}, "threads: expected a whole number"),
    ],
)
def test_simulate_refuses_invalid_options(
    base: Scenario, option: dict[str, object], message: str
) -> None:
    with pytest.raises(sim.InputError, match=message):
        sim.simulate(base, **option)  # type: ignore[arg-type]


def test_simulate_refuses_draws_that_do_not_fit_in_memory(base: Scenario) -> None:
    with pytest.raises(sim.InputError, match="GiB"):
        sim.simulate(base, draws=10**11, kept_draws=2**40)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_simulate_takes_any_seed_of_64_bits(base: Scenario, seed: int) -> None:
    ds = sim.simulate(base, draws=64, seed=seed)
    assert ds.attrs["seed"] == str(seed)
    assert np.isfinite(ds.inference_gross_margin).all()


def test_stress_fixes_a_factor_at_its_score(base: Scenario, params: Path) -> None:
    stressed = sim.load(params / "base.toml", set={"factors.demand": -2})
    calm = sim.simulate(base, draws=2_000, keep=["duty_cycle_online_inference", "pue"])
    hard = sim.simulate(stressed, draws=2_000, keep=["duty_cycle_online_inference", "pue"])
    assert (hard.pue == calm.pue).all()
    assert float(hard.duty_cycle_online_inference.median()) == pytest.approx(
        1 / (1 + 0.62 / 0.38 * np.exp(0.3 * 0.6 * 2)), abs=0.01
    )


def test_simulate_takes_numpy_integers_as_options(base: Scenario) -> None:
    ds = sim.simulate(base, draws=np.int64(64), seed=np.uint32(3), threads=np.int8(1))  # type: ignore[arg-type]
    assert ds.sizes["draw"] == 64


def test_simulate_refuses_a_number_as_keep(base: Scenario) -> None:
    with pytest.raises(ValueError, match="keep: expected"):
        sim.simulate(base, draws=64, keep=5)  # type: ignore[arg-type]


def test_infinite_required_margin_is_no_bad_draw() -> None:
    """Without reinvestment no margin funds growth: it is infinite, and declared to be so."""
    path = ROOT / "params" / "base.toml"
    ds = sim.simulate(sim.load(path, set={"training.reinvestment_share.value": 0}), draws=64)
    assert ds.attrs["draws_not_finite"] == 0
    assert np.isinf(ds.required_margin.sel(lab="openai")).all()
    assert float(sim.summarise(ds).required_margin_finite.sel(lab="openai")) == 0


def test_nan_margin_of_a_reporting_lab_is_a_bad_draw() -> None:
    """A reporting lab has a margin in every draw unless its revenue goes below zero."""
    path = ROOT / "params" / "base.toml"
    distribution = {"family": "normal", "mean": 46, "sd": 30}
    scenario = sim.load(path, set={"labs.openai.arr_2026q4_busd": distribution})
    ds = sim.simulate(scenario, draws=2_048, bad_draws="keep")
    negative = int(np.isnan(ds.lab_paid_margin.sel(lab="openai", quarter="2026Q4")).sum())
    assert ds.attrs["draws_not_finite"] == negative > 0
