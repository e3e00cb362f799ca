"""A run of the base case that the tests of analyses share."""

from __future__ import annotations

import pytest
import xarray as xr
from conftest import ROOT

import sim


@pytest.fixture(scope="session")
def base() -> sim.Scenario:
    return sim.load(ROOT / "params" / "base.toml")


@pytest.fixture(scope="session")
def run(base: sim.Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=4096, seed=1)
