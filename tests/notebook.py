"""The model as a user of NumPy would run it: sampling and evaluation of `naive`, vectorised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import naive
import numpy as np
import pytest

import sim
from sim.model.inputs import HOST_MATRICES, SPREAD_FROM
from sim.parameters.scenario import Scenario


def distributions(scenario: Scenario) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The scenario's laws as `naive.sample` takes them: scalars, labs, landlords."""
    scalars: dict[str, Any] = {}
    labs: dict[str, dict[str, Any]] = {party.id: {} for party in scenario.labs}
    landlords: dict[str, dict[str, Any]] = {party.id: {} for party in scenario.landlords}
    for name, quantity in scenario.quantities.items():
        distribution: dict[str, Any] = {
            **quantity.distribution.model_dump(),
            "loads": quantity.loads,
        }
        *where, last = name.split(".")
        target = {"labs": labs, "landlords": landlords}.get(where[0])
        if target is None:
            scalars[last] = distribution
        else:
            target[where[1]][last] = distribution
    for fields in labs.values():
        for arr in ("arr_2025q4_busd", "arr_2026q4_busd", "arr_growth_2027"):
            fields.setdefault(arr, {"value": float("nan")})
    assert set(SPREAD_FROM) <= set(landlords["oracle"])
    return scalars, labs, landlords


def matrices(scenario: Scenario) -> dict[str, np.ndarray]:
    ds = sim.simulate(scenario, draws=1, keep=[name for name, _ in HOST_MATRICES.values()])
    return {name: ds[name].values for name, _ in HOST_MATRICES.values()}


@pytest.fixture
def notebook(base: Scenario) -> Callable[[int], Mapping[str, np.ndarray]]:
    """Sample and evaluate in NumPy."""
    scalars, labs, landlords = distributions(base)
    hosts = matrices(base)

    def run(draws: int) -> Mapping[str, np.ndarray]:
        rng = np.random.default_rng(1)
        return naive.evaluate({**naive.sample(scalars, labs, landlords, draws, rng), **hosts})

    return run
