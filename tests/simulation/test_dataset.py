from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sim
from sim.model.catalogue import OUTPUTS
from sim.model.declarations import declared, subgroups
from sim.model.dims import LAYERS, QUARTERS, REGIMES
from sim.model.inputs import HOST_MATRICES, Draw, Lab, Landlord
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario
from sim.statistics.datasets import last

LABS = [
    "openai", "anthropic", "google_deepmind", "meta", "xai",
    "alibaba_qwen", "bytedance_seed", "deepseek",
]  # fmt: skip

LANDLORDS = [
    "microsoft", "amazon", "alphabet", "meta", "oracle", "softbank", "alibaba", "neocloud", "other",
]  # fmt: skip


@pytest.fixture(scope="module")
def all_kept(base: Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=100, seed=5, keep="all")


def test_simulate_returns_a_dataset_with_the_coordinates_of_the_model(ds: xr.Dataset) -> None:
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


def test_headline_outputs_take_two_to_two_and_a_half_kilobytes_a_draw(ds: xr.Dataset) -> None:
    per_draw = sum(ds[v].nbytes for v in ds.data_vars if "draw" in ds[v].dims) / ds.sizes["draw"]
    assert 2_000 < per_draw < 2_500


def test_headline_outputs_have_at_most_200_columns_that_vary(ds: xr.Dataset) -> None:
    """Files of runs hold these alone: the others are constant or NaN in every draw."""
    draws = [last(ds, str(v)) for v in ds.data_vars if "draw" in ds[v].dims]
    columns = np.concatenate([values.reshape(-1, values.shape[-1]) for values in draws])
    vary = [row for row in columns if len(np.unique(row)) > 1]
    assert 180 < len(vary) <= 200


def test_every_variable_has_a_unit_and_a_long_name(all_kept: xr.Dataset, ds: xr.Dataset) -> None:
    for dataset in (all_kept, ds):
        for name in dataset.data_vars:
            assert dataset[name].attrs["units"], name
            assert dataset[name].attrs["long_name"], name


def test_keep_all_holds_every_output_and_every_input(all_kept: xr.Dataset) -> None:
    inputs = {n for group in subgroups(Draw).values() for n in declared(group)}
    inputs |= set(declared(Lab)) | set(declared(Landlord))
    inputs |= {name for name, _ in HOST_MATRICES.values()}
    assert inputs | set(OUTPUTS) | set(PROBABILITIES) == set(all_kept.data_vars)


def test_sampled_inputs_have_draws_and_fixed_ones_do_not(all_kept: xr.Dataset) -> None:
    assert all_kept.pue.dims == ("draw",)
    assert all_kept.rented_share.dims == ()
    assert all_kept.gw_2026q4.dims == ("draw", "lab")
    assert all_kept.gw_2025q4.dims == ("lab",)
    assert all_kept.arr_2026q4_busd.dims == ("draw", "lab")
    assert all_kept.capex_2026_busd.dims == ("draw", "landlord")
    assert all_kept.ai_capex_share.dims == ("landlord",)
    assert all_kept.host_share_2026.dims == ("lab", "landlord")
    assert all_kept.rpo_lab_share.dims == ("landlord", "lab")
    assert all_kept.eps_price.dims == ("draw", "quarter")
    assert all_kept.capital_crunch.dims == ("draw",)


def test_lab_that_reports_no_revenue_has_none(all_kept: xr.Dataset) -> None:
    reported = np.isfinite(all_kept.arr_2026q4_busd).all("draw")
    assert list(all_kept.lab.values[reported]) == ["openai", "anthropic", "xai"]


def test_shocks_of_past_quarters_are_zero(all_kept: xr.Dataset) -> None:
    for shock in ("eps_price", "eps_duty", "eps_power"):
        assert (all_kept[shock].sel(quarter=list(QUARTERS[:4])) == 0).all()
        assert (all_kept[shock].sel(quarter=list(QUARTERS[4:])) != 0).all()


def test_outputs_have_the_dims_and_dtypes_of_the_model(all_kept: xr.Dataset) -> None:
    assert all_kept.unit_cost.dims == ("draw", "quarter", "regime", "layer")
    assert all_kept.gw.dims == ("draw", "lab", "quarter")
    assert all_kept.capex_scale.dims == ("draw", "landlord", "quarter")
    assert all_kept.hosted_gw.dims == ("draw", "lab", "landlord", "quarter")
    assert all_kept.p_gw_above.dims == ("threshold", "lab", "quarter")
    assert all_kept.instance_grown.dtype == bool


def test_probabilities_are_shares_of_draws(ds: xr.Dataset) -> None:
    reached = ds.inference_gross_margin >= ds.hurdle_margin
    np.testing.assert_array_equal(ds.p_margin_above_hurdle, reached.mean("draw"))
    above = ds.gw > 10
    np.testing.assert_array_equal(ds.p_gw_above.sel(threshold=10), above.mean("draw"))
    both = above.sel(lab=["openai", "anthropic"]).all("lab")
    np.testing.assert_array_equal(ds.p_both_named, both.mean("draw"))
    np.testing.assert_array_equal(ds.p_top_two, (above.sum("lab") >= 2).mean("draw"))


def test_probability_of_a_missing_named_lab_is_left_out(params: Path) -> None:
    (params / "labs" / "anthropic.toml").unlink()
    ds = sim.simulate(sim.load(params / "base.toml"), draws=64)
    assert "p_both_named" not in ds
    assert "p_top_two" in ds
