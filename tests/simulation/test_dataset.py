from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT

import sim
from sim.model.catalogue import OUTPUTS
from sim.model.declarations import declared, subgroups
from sim.model.dims import LAYERS, QUARTERS, REGIMES
from sim.model.inputs import HOST_MATRICES, Draw, Lab, Landlord
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario
from sim.store.run_files import write_netcdf

LABS = [
    "openai", "anthropic", "google_deepmind", "meta", "xai",
    "alibaba_qwen", "bytedance_seed", "deepseek",
]  # fmt: skip
LANDLORDS = [
    "microsoft", "amazon", "alphabet", "meta", "oracle", "softbank", "alibaba", "neocloud", "other",
]  # fmt: skip


@pytest.fixture(scope="module")
def everything(base: Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=100, seed=5, keep="all")


def test_a_result_is_a_plain_dataset_with_the_dims_of_the_model(ds: xr.Dataset) -> None:
    assert type(ds) is xr.Dataset
    assert list(ds.draw.values) == list(range(4_000))
    assert tuple(ds.quarter.values) == QUARTERS
    assert tuple(ds.regime.values) == REGIMES
    assert tuple(ds.layer.values) == LAYERS
    assert list(ds.lab.values) == LABS
    assert list(ds.landlord.values) == LANDLORDS
    assert list(ds.threshold.values) == [10, 5, 2]
    assert str(ds.time.sel(quarter="2026Q4").values)[:10] == "2026-12-31"
    assert str(ds.time.sel(quarter="2027Q1").values)[:10] == "2027-03-31"


def test_headline_draws_take_less_than_three_kilobytes(ds: xr.Dataset) -> None:
    per_draw = sum(ds[v].nbytes for v in ds.data_vars if "draw" in ds[v].dims) / ds.sizes["draw"]
    assert 2_500 < per_draw < 3_000


def test_every_variable_has_a_unit_and_a_long_name(everything: xr.Dataset, ds: xr.Dataset) -> None:
    for one in (everything, ds):
        for name in one.data_vars:
            assert one[name].attrs["units"], name
            assert one[name].attrs["long_name"], name


def test_keep_all_holds_every_output_and_every_input(everything: xr.Dataset) -> None:
    inputs = {n for group in subgroups(Draw).values() for n in declared(group)}
    inputs |= set(declared(Lab)) | set(declared(Landlord))
    inputs |= {name for name, _ in HOST_MATRICES.values()}
    assert inputs | set(OUTPUTS) | set(PROBABILITIES) == set(everything.data_vars)


def test_sampled_inputs_have_draws_and_fixed_ones_do_not(everything: xr.Dataset) -> None:
    assert everything.pue.dims == ("draw",)
    assert everything.rented_share.dims == ()
    assert everything.gw_2026q4.dims == ("draw", "lab")
    assert everything.gw_2025q4.dims == ("lab",)
    assert everything.arr_2026q4_busd.dims == ("draw", "lab")
    assert everything.capex_2026_busd.dims == ("draw", "landlord")
    assert everything.ai_capex_share.dims == ("landlord",)
    assert everything.host_share_2026.dims == ("lab", "landlord")
    assert everything.rpo_lab_share.dims == ("landlord", "lab")
    assert everything.eps_price.dims == ("draw", "quarter")
    assert everything.capital_crunch.dims == ("draw",)


def test_a_lab_that_reports_no_revenue_has_none(everything: xr.Dataset) -> None:
    reported = np.isfinite(everything.arr_2026q4_busd).all("draw")
    assert list(everything.lab.values[reported]) == ["openai", "anthropic", "xai"]


def test_history_has_no_shocks(everything: xr.Dataset) -> None:
    for shock in ("eps_price", "eps_duty", "eps_power"):
        assert (everything[shock].sel(quarter=list(QUARTERS[:4])) == 0).all()
        assert (everything[shock].sel(quarter=list(QUARTERS[4:])) != 0).all()


def test_dims_are_those_of_the_model(everything: xr.Dataset) -> None:
    assert everything.unit_cost.dims == ("draw", "quarter", "regime", "layer")
    assert everything.gw.dims == ("draw", "lab", "quarter")
    assert everything.capex_scale.dims == ("draw", "landlord", "quarter")
    assert everything.hosted_gw.dims == ("draw", "lab", "landlord", "quarter")
    assert everything.p_gw_above.dims == ("threshold", "lab", "quarter")
    assert everything.fits_in_memory.dtype == bool
    assert everything.binding_constraint.dtype == np.int8


def test_a_choice_of_outputs_and_inputs_can_be_kept(base: Scenario) -> None:
    ds = sim.simulate(base, draws=64, keep=["gw", "pue", "captive", "p_margin_above_hurdle"])
    drawn = {name for name in ds.data_vars if "draw" in ds[name].dims}
    assert drawn == {"gw", "pue", "inference_gross_margin"}
    assert {"captive", "p_both_named", "p_margin_above_hurdle"} <= set(ds.data_vars)
    with pytest.raises(ValueError, match="unknown variable 'gww'; did you mean 'gw'"):
        sim.simulate(base, draws=64, keep=["gww"])


def test_kept_draws_do_not_depend_on_what_else_is_kept(base: Scenario, ds: xr.Dataset) -> None:
    one = sim.simulate(base, draws=4_000, seed=1, keep=["loaded_gross_margin"])
    xr.testing.assert_identical(one.loaded_gross_margin, ds.loaded_gross_margin)


def test_probabilities_are_shares_of_draws(ds: xr.Dataset) -> None:
    reached = ds.inference_gross_margin >= ds.hurdle_margin
    np.testing.assert_array_equal(ds.p_margin_above_hurdle, reached.mean("draw"))
    above = ds.gw > 10
    np.testing.assert_array_equal(ds.p_gw_above.sel(threshold=10), above.mean("draw"))
    both = above.sel(lab=["openai", "anthropic"]).all("lab")
    np.testing.assert_array_equal(ds.p_both_named, both.mean("draw"))
    np.testing.assert_array_equal(ds.p_top_two, (above.sum("lab") >= 2).mean("draw"))


def test_a_named_lab_that_is_not_in_the_run_leaves_its_probability_out(params: Path) -> None:
    (params / "labs" / "anthropic.toml").unlink()
    ds = sim.simulate(sim.load(params / "base.toml"), draws=64)
    assert "p_both_named" not in ds
    assert "p_top_two" in ds


def test_a_lab_is_a_file(params: Path, ds: xr.Dataset) -> None:
    text = (params / "labs" / "xai.toml").read_text()
    (params / "labs" / "newlab.toml").write_text(
        text.replace('name = "xAI"', 'name = "New Lab"').replace("order = 5", "order = 2.5")
    )
    more = sim.simulate(sim.load(params / "base.toml"), draws=64, seed=1)
    assert list(more.lab.values) == [*LABS[:2], "newlab", *LABS[2:]]
    assert more.lab_name.sel(lab="newlab") == "New Lab"
    assert np.isfinite(more.gw.sel(lab="newlab")).all()
    # No other lab's 2026 moves (2027 is a competition for power and capex).
    year = list(QUARTERS[:4])
    old = ds.gw.isel(draw=slice(64)).sel(quarter=year)
    np.testing.assert_array_equal(more.gw.sel(lab=LABS, quarter=year), old.sel(lab=LABS))


def test_without_uncertainty_every_draw_is_the_point_estimate(base: Scenario) -> None:
    ds = sim.simulate(base, draws=40, seed=9, uncertainty=0.0)
    assert (ds.inference_gross_margin == ds.inference_gross_margin.isel(draw=0)).all()
    assert ds.inference_gross_margin.isel(draw=0).sel(quarter="2026Q4") == pytest.approx(
        0.7128, abs=5e-5
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
def test_impossible_options_are_refused(
    base: Scenario, option: dict[str, object], message: str
) -> None:
    with pytest.raises(sim.InputError, match=message):
        sim.simulate(base, **option)  # type: ignore[arg-type]


def test_what_does_not_fit_in_memory_is_refused_before_it_is_computed(base: Scenario) -> None:
    with pytest.raises(sim.InputError, match="GiB"):
        sim.simulate(base, draws=10**11, kept_draws=2**40)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_any_seed_of_64_bits_works(base: Scenario, seed: int) -> None:
    ds = sim.simulate(base, draws=64, seed=seed)
    assert ds.attrs["seed"] == str(seed)
    assert np.isfinite(ds.inference_gross_margin).all()


def test_a_stress_holds_a_factor_at_its_score(base: Scenario, params: Path) -> None:
    stressed = sim.load(params / "base.toml", set={"factors.demand": -2})
    calm = sim.simulate(base, draws=2_000, keep=["duty_cycle_online_inference", "pue"])
    hard = sim.simulate(stressed, draws=2_000, keep=["duty_cycle_online_inference", "pue"])
    assert (hard.pue == calm.pue).all()
    assert float(hard.duty_cycle_online_inference.median()) == pytest.approx(
        1 / (1 + np.exp(0.3 * 0.6 * 2)), abs=0.01
    )


def test_a_run_on_disk_opens_in_plain_xarray(
    ds: xr.Dataset, summary: xr.Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "run.nc"
    write_netcdf(ds, path, summary=summary)
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        xr.testing.assert_equal(opened.load(), ds)
        assert opened.gw.attrs["units"] == "GW"
        assert opened.attrs["draws"] == 4_000
    with xr.open_dataset(path, engine="h5netcdf", group="summary") as opened:
        xr.testing.assert_equal(opened.load(), summary)


def test_numbers_of_numpy_are_numbers(base: Scenario) -> None:
    ds = sim.simulate(base, draws=np.int64(64), seed=np.uint32(3), threads=np.int8(1))  # type: ignore[arg-type]
    assert ds.sizes["draw"] == 64


def test_keep_is_a_name_or_a_list_of_names(base: Scenario) -> None:
    with pytest.raises(ValueError, match="keep: expected"):
        sim.simulate(base, draws=64, keep=5)  # type: ignore[arg-type]


def test_nothing_reinvested_is_no_bad_draw() -> None:
    """No margin funds growth then: infinite, and declared so."""
    path = ROOT / "params" / "base.toml"
    ds = sim.simulate(sim.load(path, set={"training.reinvestment_share.value": 0}), draws=64)
    assert ds.attrs["draws_not_finite"] == 0
    assert np.isinf(ds.required_margin.sel(lab="openai")).all()
    assert float(sim.summarise(ds).required_margin_finite.sel(lab="openai")) == 0


def test_a_missing_number_is_a_bad_draw_unless_it_is_declared() -> None:
    """A lab that reports has revenue in every draw, unless its law goes below zero."""
    path = ROOT / "params" / "base.toml"
    distribution = {"family": "normal", "mean": 46, "sd": 30}
    scenario = sim.load(path, set={"labs.openai.arr_2026q4_busd": distribution})
    ds = sim.simulate(scenario, draws=2_048, bad_draws="keep")
    negative = int(np.isnan(ds.lab_paid_margin.sel(lab="openai", quarter="2026Q1")).sum())
    assert ds.attrs["draws_not_finite"] == negative > 0
