"""The model for given inputs."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT
from random_worlds import base_case

import sim
from sim.engine import worlds
from sim.model.catalogue import OUTPUTS

BASE = ROOT / "params" / "base.toml"


@pytest.mark.parametrize(
    ("view", "rental_mode"), [("economic", "cost_plus"), ("accounting", "market")]
)
def test_inputs_of_draws_give_the_outputs_of_the_draws(view: str, rental_mode: str) -> None:
    scenario = sim.load(BASE, set={"model.view": view, "model.rental_mode": rental_mode})
    ds = sim.simulate(scenario, draws=2048, seed=1, keep="all")
    outputs = worlds.evaluate(base_case(70), view=view, rental_mode=rental_mode)  # type: ignore[arg-type]
    assert len(outputs) > 50
    for name, values in outputs.items():
        assert name in OUTPUTS
        drawn = ds[name].transpose("draw", ...).values[:70]
        assert np.array_equal(values, drawn, equal_nan=True), name


def test_missing_inputs_are_named() -> None:
    inputs = base_case(1)
    del inputs["pue"]
    with pytest.raises(ValueError, match="missing inputs: pue"):
        worlds.evaluate(inputs)
    del inputs["captive"]
    with pytest.raises(ValueError, match="missing inputs: captive"):
        worlds.evaluate(inputs)
