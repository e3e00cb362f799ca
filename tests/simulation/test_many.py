from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario

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


def test_batch_holds_the_dataset_of_each_scenario(scenarios: dict[str, Scenario]) -> None:
    many = sim.simulate_many(scenarios, **OPTIONS)
    assert many["inference_gross_margin"].dims == ("scenario", "draw", "quarter")
    assert many["scenario"].values.tolist() == list(scenarios)
    for name, scenario in scenarios.items():
        single = sim.simulate(scenario, **OPTIONS)
        xr.testing.assert_identical(sim.of_scenario(many, name), single)
        assert (many["gw"].sel(scenario=name).values == single["gw"].values).all()


def test_scenarios_share_their_random_numbers(scenarios: dict[str, Scenario]) -> None:
    many = sim.simulate_many(scenarios, **OPTIONS)
    apart = many["gw"].sel(scenario="dear power") - many["gw"].sel(scenario="base")
    assert float(abs(apart).max()) == 0.0  # power moves no gigawatt
    margin = many["inference_gross_margin"].sel(quarter="2026Q4")
    assert (margin.sel(scenario="dear power") < margin.sel(scenario="base")).mean() > 0.9


@pytest.mark.parametrize("keep", [None, "all", ["gw", "speed_unreachable", "hurdle_margin"]])
def test_summary_of_a_batch_is_that_of_each_scenario(
    scenarios: dict[str, Scenario], keep: Any
) -> None:
    chosen = {name: scenarios[name] for name in ("base", "dear power")}
    actual = sim.summarise(sim.simulate_many(chosen, keep=keep, **OPTIONS))
    for name, scenario in chosen.items():
        expected = sim.summarise(sim.simulate(scenario, keep=keep, **OPTIONS))
        assert set(actual.data_vars) == set(expected.data_vars)
        xr.testing.assert_equal(actual.sel(scenario=name, drop=True), expected)


def test_progress_counts_the_draws_of_all_scenarios(scenarios: dict[str, Scenario]) -> None:
    done_draws: list[int] = []
    sim.simulate_many(scenarios, keep=["gw"], draws=100, progress=done_draws.append)
    assert sum(done_draws) == 300


def test_scenarios_of_one_name_are_labelled_by_their_folders(params: Path) -> None:
    for folder in ("north", "south"):
        (params / folder).mkdir()
        (params / folder / "site.toml").write_text('format = 1\nextends = "../base.toml"\n')
    paths = (params / "north/site.toml", params / "base.toml", params / "south/site.toml")
    batch = sim.simulate_many([sim.load(path) for path in paths], keep=["gw"], draws=64)
    assert batch["scenario"].values.tolist() == ["north/site", "base", "south/site"]


def test_simulate_many_refuses_invalid_batches(base: Scenario, params: Path) -> None:
    other = sim.load(params / "base.toml", set={"run.seed": 2, "model.thresholds_gw": [3]})
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ([], {}, "expected a list of what sim.load gives"),
        ("base.toml", {}, "expected a list of what sim.load gives"),
        (["base.toml"], {}, "expected what sim.load gives, got 'base.toml'"),
        ([base, base], {}, "'base' occurs twice: give a mapping"),
        ({"": base}, {}, "expected a name"),
        ({"a": base, "b": other}, {}, "seed: scenarios of a batch share it.*: a 1, b 2"),
        ({"a": base, "b": other}, {"seed": 1}, r"thresholds_gw: .* a \[10.0, 5.0, 2.0\], b \[3.0"),
        ({"a": base}, {"draws": -1}, "expected a whole number of draws"),
    ]
    for scenarios, options, message in cases:
        with pytest.raises(sim.InputError, match=message):
            sim.simulate_many(scenarios, **options)
    with pytest.raises(ValueError, match="scenarios are no draws"):
        sim.summarise(sim.simulate_many([base], draws=64), dims=("draw", "scenario"))


def test_batch_that_cannot_fit_in_memory_is_refused_after_its_first_scenario(
    base: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.common.memory.available_memory", lambda: 2**28)
    with pytest.raises(sim.InputError, match="GiB"):
        sim.simulate_many({str(i): base for i in range(1000)}, draws=64)
