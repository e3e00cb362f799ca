from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario

ASKED: dict[str, Any] = {"draws": 1_000, "seed": 5}


@pytest.fixture(scope="module")
def alike(base: Scenario) -> dict[str, Scenario]:
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


def test_a_lab_that_one_scenario_lacks_is_nan_there_and_nowhere_else(
    base: Scenario, without_xai: Scenario
) -> None:
    scenarios = {"with": base, "without": without_xai}
    many = sim.simulate_many(scenarios, **ASKED)
    assert many["lab"].values.tolist() == [lab.id for lab in base.labs]
    gw = many["gw"].sel(scenario="without")
    assert bool(gw.sel(lab="xai").isnull().all())
    assert not bool(gw.drop_sel(lab="xai").isnull().any())
    assert str(many["lab_name"].sel(scenario="without", lab="xai").values) == ""
    summary = sim.summarise(many)
    for name, scenario in scenarios.items():
        one = sim.simulate(scenario, **ASKED)
        xr.testing.assert_identical(sim.of_scenario(many, name), one)
        # Probabilities of all labs too: of those that there are.
        xr.testing.assert_equal(
            summary.sel(scenario=name)["p_top_two"].drop_vars("scenario"),
            sim.summarise(one)["p_top_two"],
        )


def test_what_a_scenario_cannot_tell_is_nan(base: Scenario, params: Path) -> None:
    (params / "labs" / "anthropic.toml").unlink()  # one of the named labs
    scenarios = {"both": base, "one": sim.load(params / "base.toml")}
    many = sim.simulate_many(scenarios, **ASKED)
    assert bool(many["p_both_named"].sel(scenario="one").isnull().all())
    assert not bool(many["p_both_named"].sel(scenario="both").isnull().any())
    assert "p_both_named" not in sim.of_scenario(many, "one")
    assert bool(sim.summarise(many)["p_both_named_error"].sel(scenario="one").isnull().all())


def test_a_draw_that_counts_in_one_scenario_only_keeps_its_number(base: Scenario) -> None:
    hot = sim.load(base.files[0], set={"hardware.pue.median": 1.25})
    scenarios = {"base": base, "hot": hot}
    many = sim.simulate_many(scenarios, drop_questionable=True, **ASKED)
    counted = many["counted"]
    assert bool(counted.any("scenario").all())
    assert not bool(counted.all("scenario").all())
    margin = many["inference_gross_margin"]
    assert (margin.isnull().any("quarter") == ~counted).all()
    summary = sim.summarise(many)
    for name, scenario in scenarios.items():
        one = sim.simulate(scenario, drop_questionable=True, **ASKED)
        xr.testing.assert_identical(sim.of_scenario(many, name), one)
        own = sim.summarise(one)
        xr.testing.assert_equal(summary.sel(scenario=name, drop=True), own)
        assert not np.isnan(own["inference_gross_margin_quantile_error"]).any()


def test_an_input_fixed_in_one_scenario_is_repeated_beside_one_that_is_drawn(
    base: Scenario,
) -> None:
    distribution = {"family": "uniform", "min": 0.6, "max": 0.8}
    drawn = sim.load(base.files[0], set={"finance.hurdle_margin": distribution})
    many = sim.simulate_many({"fixed": base, "drawn": drawn}, keep=["loaded_gross_margin"], **ASKED)
    hurdle = many["hurdle_margin"]
    assert hurdle.dims == ("scenario", "draw")
    assert (hurdle.sel(scenario="fixed") == 0.7).all()
    assert float(hurdle.sel(scenario="drawn").std()) > 0.01
    one = sim.summarise(sim.simulate(drawn, keep=["loaded_gross_margin"], **ASKED))
    name = "p_loaded_margin_above_hurdle"
    found = sim.summarise(many)[name].sel(scenario="drawn", drop=True)
    xr.testing.assert_equal(found, one[name])


def test_attributes_are_shared_or_told_by_scenario(alike: dict[str, Scenario]) -> None:
    many = sim.simulate_many({name: alike[name] for name in ("base", "on the books")}, **ASKED)
    assert many.attrs["seed"] == "5"
    assert "view" not in many.attrs
    told = json.loads(many.attrs["by_scenario"])
    assert told["base"]["view"] == "economic"
    assert told["on the books"]["view"] == "accounting"


def test_a_batch_can_be_stored(alike: dict[str, Scenario], tmp_path: Path) -> None:
    many = sim.simulate_many(alike, keep=["gw"], draws=64)
    many.to_netcdf(tmp_path / "many.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "many.nc", engine="h5netcdf") as stored:
        xr.testing.assert_equal(stored.load(), many)
        again = sim.of_scenario(stored, "base")
    xr.testing.assert_equal(again, sim.simulate(alike["base"], keep=["gw"], draws=64))
