from __future__ import annotations

from pathlib import Path
from typing import Any

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
