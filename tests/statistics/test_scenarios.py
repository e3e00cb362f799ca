from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario
from sim.statistics.scenarios import concat_scenarios, is_batch, of_scenario

OPTIONS: dict[str, Any] = {"draws": 1_000, "seed": 5}


@pytest.fixture(scope="module")
def scenarios(base: Scenario) -> dict[str, Scenario]:
    """Scenarios of the same labs and landlords."""
    path = base.files[0]
    return {
        "base": base,
        "dear power": sim.load(path, set={"hardware.power_price_usd_per_kwh.median": 0.1}),
        "on the books": sim.load(path, set={"model.view": "accounting"}),
    }


@pytest.fixture
def without_xai(params: Path) -> Scenario:
    """The base case without one of its labs."""
    (params / "labs" / "xai.toml").unlink()
    return sim.load(params / "base.toml")


def test_lab_that_a_scenario_lacks_is_nan_in_it(base: Scenario, without_xai: Scenario) -> None:
    scenarios = {"with": base, "without": without_xai}
    many = sim.simulate_many(scenarios, **OPTIONS)
    assert many["lab"].values.tolist() == [lab.id for lab in base.labs]
    gw = many["gw"].sel(scenario="without")
    assert bool(gw.sel(lab="xai").isnull().all())
    assert not bool(gw.drop_sel(lab="xai").isnull().any())
    assert str(many["lab_name"].sel(scenario="without", lab="xai").values) == ""
    summary = sim.summarise(many)
    for name, scenario in scenarios.items():
        single = sim.simulate(scenario, **OPTIONS)
        xr.testing.assert_identical(sim.of_scenario(many, name), single)
        # Probabilities over all labs are over those of the scenario.
        xr.testing.assert_equal(
            summary.sel(scenario=name)["p_top_two"].drop_vars("scenario"),
            sim.summarise(single)["p_top_two"],
        )


def test_probability_that_a_scenario_lacks_is_nan_in_it(base: Scenario, params: Path) -> None:
    (params / "labs" / "anthropic.toml").unlink()  # one of the named labs
    scenarios = {"both": base, "one": sim.load(params / "base.toml")}
    many = sim.simulate_many(scenarios, **OPTIONS)
    assert bool(many["p_both_named"].sel(scenario="one").isnull().all())
    assert not bool(many["p_both_named"].sel(scenario="both").isnull().any())
    assert "p_both_named" not in sim.of_scenario(many, "one")
    assert bool(sim.summarise(many)["p_both_named_error"].sel(scenario="one").isnull().all())


def test_draws_that_count_in_one_scenario_keep_their_number(base: Scenario) -> None:
    hot = sim.load(base.files[0], set={"hardware.pue.median": 1.25})
    scenarios = {"base": base, "hot": hot}
    many = sim.simulate_many(scenarios, drop_questionable=True, **OPTIONS)
    counted = many["counted"]
    assert bool(counted.any("scenario").all())
    assert not bool(counted.all("scenario").all())
    margin = many["inference_gross_margin"]
    assert (margin.isnull().any("quarter") == ~counted).all()
    summary = sim.summarise(many)
    for name, scenario in scenarios.items():
        single = sim.simulate(scenario, drop_questionable=True, **OPTIONS)
        xr.testing.assert_identical(sim.of_scenario(many, name), single)
        expected = sim.summarise(single)
        xr.testing.assert_equal(summary.sel(scenario=name, drop=True), expected)
        assert not np.isnan(expected["inference_gross_margin_quantile_error"]).any()


def test_fixed_input_is_repeated_where_another_scenario_samples_it(
    base: Scenario,
) -> None:
    distribution = {"family": "uniform", "min": 0.6, "max": 0.8}
    drawn = sim.load(base.files[0], set={"finance.hurdle_margin": distribution})
    many = sim.simulate_many(
        {"fixed": base, "drawn": drawn}, keep=["loaded_gross_margin"], **OPTIONS
    )
    hurdle = many["hurdle_margin"]
    assert hurdle.dims == ("scenario", "draw")
    assert (hurdle.sel(scenario="fixed") == 0.7).all()
    assert float(hurdle.sel(scenario="drawn").std()) > 0.01
    single = sim.summarise(sim.simulate(drawn, keep=["loaded_gross_margin"], **OPTIONS))
    name = "p_loaded_margin_above_hurdle"
    actual = sim.summarise(many)[name].sel(scenario="drawn", drop=True)
    xr.testing.assert_equal(actual, single[name])


def test_attributes_are_shared_or_by_scenario(scenarios: dict[str, Scenario]) -> None:
    many = sim.simulate_many(
        {name: scenarios[name] for name in ("base", "on the books")}, **OPTIONS
    )
    assert many.attrs["seed"] == "5"
    assert "view" not in many.attrs
    by_scenario = json.loads(many.attrs["by_scenario"])
    assert by_scenario["base"]["view"] == "economic"
    assert by_scenario["on the books"]["view"] == "accounting"


def test_batch_is_written_and_read_back(scenarios: dict[str, Scenario], tmp_path: Path) -> None:
    many = sim.simulate_many(scenarios, keep=["gw"], draws=64)
    many.to_netcdf(tmp_path / "many.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "many.nc", engine="h5netcdf") as stored:
        xr.testing.assert_equal(stored.load(), many)
        again = sim.of_scenario(stored, "base")
    xr.testing.assert_equal(again, sim.simulate(scenarios["base"], keep=["gw"], draws=64))


def world(labs: list[str], *names: str) -> xr.Dataset:
    """Five draws of a few labs: gigawatts, and flags and numbers of these names."""
    shape = (len(labs), 5)
    values = np.arange(5.0 * len(labs)).reshape(shape)
    data = {"gw": values, **{name: values.astype(int) % 2 == 0 for name in names}}
    return xr.Dataset(
        {name: (("lab", "draw"), variable) for name, variable in data.items()},
        {"draw": np.arange(5), "lab": labs, "lab_name": ("lab", [lab.upper() for lab in labs])},
        {"sampler": "random"},
    )


def test_scenarios_come_back_as_they_were() -> None:
    """Also where none has all labs, and where the first lacks an output."""
    parts = {
        "x and y": world(["x", "y"]),
        "y and z": world(["y", "z"], "capex_binds"),
        "z": world(["z"], "capex_binds"),
    }
    many = concat_scenarios(parts)
    assert many["lab"].values.tolist() == ["x", "y", "z"]
    assert np.isnan(many["gw"].sel(scenario="x and y", lab="z")).all()
    assert np.isnan(many["capex_binds"].sel(scenario="x and y")).all()
    for name, part in parts.items():
        back = of_scenario(many, name)
        xr.testing.assert_identical(back, part)
        assert {n: v.dtype for n, v in back.data_vars.items()} == {
            n: v.dtype for n, v in part.data_vars.items()
        }


def test_flags_that_all_scenarios_have_stay_flags() -> None:
    many = concat_scenarios({name: world(["x", "y"], "capex_binds") for name in "ab"})
    assert many["capex_binds"].dtype == bool


def test_a_dim_scenario_of_other_origin_is_a_dim_as_others() -> None:
    losses = xr.Dataset({"loss": (("scenario", "draw"), np.ones((2, 64)))})
    assert not is_batch(losses)
    assert sim.summarise(losses).loss_mean.dims == ("scenario",)
    assert sim.summarise(losses, dims=("draw", "scenario")).loss_mean.dims == ()
