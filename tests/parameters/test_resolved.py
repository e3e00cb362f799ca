"""Resolved parameters, of which runs are drawn again, make the scenario that they are of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import sim
from sim.parameters.resolved import scenario_of
from sim.parameters.scenario import Scenario

FILES = sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "params").rglob("*.toml")
    if path.parent.name == "scenarios" or path.name == "base.toml"
)  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "a number without a new source": {"hardware.pue.median": 1.15},
    "a held factor": {"factors.power": 2.0},
    "settings": {"model.view": "accounting", "model.rental_mode": "market"},
    "thresholds": {"model.thresholds_gw": [8.0, 3.0], "model.named_labs": ["openai"]},
    "uncertainty": {"model.uncertainty": 0.5},
    "another order and name": {"labs.xai.order": 0, "labs.openai.name": "Open AI"},
    "a correlation group": {
        "correlation.power": {
            "inputs": ["hardware.pue", "hardware.power_price_usd_per_kwh"],
            "pairs": [["hardware.pue", "hardware.power_price_usd_per_kwh", 0.5]], "kind": "copula",
            "copula": "t", "nu": 4,
        },
        "hardware.pue.loads": {}, "hardware.power_price_usd_per_kwh.loads": {},
    },
}  # fmt: skip


def again(scenario: Scenario) -> Scenario:
    resolved = json.loads(json.dumps(scenario.resolved()))
    return scenario_of(resolved, scenario.sources_used(), scenario.name)


@pytest.mark.parametrize("file", FILES)
def test_resolved_parameters_of_a_file_make_the_same_scenario(file: str) -> None:
    scenario = sim.load(ROOT / file)
    made = again(scenario)
    assert made.digest() == scenario.digest()
    assert (made.labs, made.landlords) == (scenario.labs, scenario.landlords)
    assert made.quantities == {
        name: made_from_entry(quantity, made.quantities[name].given)
        for name, quantity in scenario.quantities.items()
    }


def made_from_entry(quantity: Any, given: dict[str, Any]) -> Any:
    """The quantity; a file may give its distribution by other keys."""
    return replace(quantity, given=given)


@pytest.mark.parametrize("change", CHANGES)
def test_resolved_parameters_with_changes_make_the_same_scenario(
    tmp_path: Path, change: str
) -> None:
    scenario = sim.load(ROOT / "params" / "base.toml", set=CHANGES[change])
    made = again(scenario)
    assert made.digest() == scenario.digest()
    assert made.settings == scenario.settings
    assert made.correlations == scenario.correlations
    assert scenario.digest() != sim.load(ROOT / "params" / "base.toml").digest()


def test_parameters_of_another_model_are_refused_by_name() -> None:
    scenario = sim.load(ROOT / "params" / "base.toml")
    resolved = scenario.resolved()
    resolved["quantities"]["hardware.puee"] = resolved["quantities"].pop("hardware.pue")
    with pytest.raises(sim.InputError, match=r"hardware\.puee: unknown key; did you mean 'pue'"):
        scenario_of(resolved, scenario.sources_used(), scenario.name)
