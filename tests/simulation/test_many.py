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


def test_a_batch_holds_each_scenario_as_it_is_by_itself(alike: dict[str, Scenario]) -> None:
    many = sim.simulate_many(alike, **ASKED)
    assert many["inference_gross_margin"].dims == ("scenario", "draw", "quarter")
    assert many["scenario"].values.tolist() == list(alike)
    for name, scenario in alike.items():
        one = sim.simulate(scenario, **ASKED)
        xr.testing.assert_identical(sim.of_scenario(many, name), one)
        assert (many["gw"].sel(scenario=name).values == one["gw"].values).all()


def test_scenarios_share_their_random_numbers(alike: dict[str, Scenario]) -> None:
    many = sim.simulate_many(alike, **ASKED)
    apart = many["gw"].sel(scenario="dear power") - many["gw"].sel(scenario="base")
    assert float(abs(apart).max()) == 0.0  # power moves no gigawatt
    margin = many["inference_gross_margin"].sel(quarter="2026Q4")
    assert (margin.sel(scenario="dear power") < margin.sel(scenario="base")).mean() > 0.9


@pytest.mark.parametrize("keep", [None, "all", ["gw", "slo_missed", "hurdle_margin"]])
def test_a_summary_of_a_batch_is_that_of_each_run(alike: dict[str, Scenario], keep: Any) -> None:
    some = {name: alike[name] for name in ("base", "dear power")}
    found = sim.summarise(sim.simulate_many(some, keep=keep, **ASKED))
    for name, scenario in some.items():
        own = sim.summarise(sim.simulate(scenario, keep=keep, **ASKED))
        assert set(found.data_vars) == set(own.data_vars)
        xr.testing.assert_equal(found.sel(scenario=name, drop=True), own)


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


def test_progress_counts_the_draws_of_all_scenarios(alike: dict[str, Scenario]) -> None:
    heard: list[int] = []
    sim.simulate_many(alike, keep=["gw"], draws=100, progress=heard.append)
    assert sum(heard) == 300


def test_what_is_no_batch_is_refused(base: Scenario, params: Path) -> None:
    other = sim.load(params / "base.toml", set={"run.seed": 2, "model.thresholds_gw": [3]})
    faulty: list[tuple[Any, dict[str, Any], str]] = [
        ([], {}, "expected a list of what sim.load gives"),
        ("base.toml", {}, "expected a list of what sim.load gives"),
        (["base.toml"], {}, "expected what sim.load gives, got 'base.toml'"),
        ([base, base], {}, "'base' occurs twice: give a mapping"),
        ({"": base}, {}, "expected a name"),
        ({"a": base, "b": other}, {}, "seed: scenarios of a batch share it.*: a 1, b 2"),
        ({"a": base, "b": other}, {"seed": 1}, r"thresholds_gw: .* a \[10.0, 5.0, 2.0\], b \[3.0"),
        ({"a": base}, {"draws": -1}, "expected a whole number of draws"),
    ]
    for scenarios, options, message in faulty:
        with pytest.raises(sim.InputError, match=message):
            sim.simulate_many(scenarios, **options)
    with pytest.raises(ValueError, match="scenarios are no draws"):
        sim.summarise(sim.simulate_many([base], draws=64), dims=("draw", "scenario"))


def test_a_batch_that_cannot_fit_in_memory_is_refused_after_its_first(
    base: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.common.memory.available_memory", lambda: 2**28)
    with pytest.raises(sim.InputError, match="GiB"):
        sim.simulate_many({str(i): base for i in range(1000)}, draws=64)
