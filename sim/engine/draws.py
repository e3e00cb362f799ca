"""Draws as plain arrays, where no Dataset is needed: xarray is slow to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.engine import draw_quality, loop
from sim.engine.prepare import prepare
from sim.engine.state import SimulationState
from sim.model.dims import COORDS
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario


class Array(NamedTuple):
    """Values, and the names of their dims."""

    dims: tuple[str, ...]
    values: NDArray[Any]


def draw_arrays(scenario: Scenario, draws: int, names: Sequence[str]) -> dict[str, Array]:
    """Evaluate the draws of some inputs and outputs, as `simulate` with `keep`.

    Returns:
        Name -> draws [..., draw] of those that count, one value of what is fixed; and dim ->
        labels, as in a Dataset.

    Raises:
        RunError: As `simulate`.
        ValueError: For an unknown name.
    """
    options = run_options(scenario, draws, keep=names)
    state = loop.run(SimulationState.empty(prepare(scenario, options)))
    draw_quality.check_draws(state)
    prepared = state.prepared
    counted = slice(None) if state.counted.all() else state.counted
    labels = {
        **COORDS,
        "lab": [party.id for party in scenario.labs],
        "landlord": [party.id for party in scenario.landlords],
    }
    return {
        **{dim: Array((dim,), np.array(values)) for dim, values in labels.items()},
        **{
            name: Array((*prepared.variables[name].dims, "draw"), state.kept(name, counted))
            for name in prepared.kept
        },
        **{
            name: Array(prepared.variables[name].dims, values)
            for name, values in prepared.fixed.items()
        },
    }
