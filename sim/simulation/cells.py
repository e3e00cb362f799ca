"""Draws of a few values of a scenario and nothing else, for worlds made by the hundred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from sim.engine.loop import run
from sim.engine.prepare import Redrawn, prepare
from sim.engine.state import SimulationState
from sim.model.catalogue import DIMS
from sim.model.dims import COORDS
from sim.model.record_layout import CELL
from sim.model.values import Tree, references
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.statistics.values import DrawnValue, cell_label, draw_value, labels_of, names_needed


def draw_values(scenario: Scenario, options: RunOptions, trees: Sequence[Tree]) -> list[DrawnValue]:
    """Draw values and events (`model.values`) of a scenario, in all kept draws.

    No draw is left out, so that draws of several scenarios pair by their number: values that are
    not finite stay as they are. It takes the time of the draws, and some ten milliseconds.

    Raises:
        ValueError: For a label that the scenario lacks.
    """
    labels = {
        **{dim: list(of) for dim, of in COORDS.items()},
        "lab": [party.id for party in scenario.labs],
        "landlord": [party.id for party in scenario.landlords],
    }
    cells: dict[str, dict[tuple[str, ...], None]] = {}
    for tree in trees:
        for reference in references(tree):
            if DIMS.get(reference.name):
                cells.setdefault(reference.name, {})[labels_of(reference)] = None
    names = names_needed(trees)
    indices = {
        name: [
            tuple(labels[dim].index(label) for dim, label in zip(DIMS[name], of, strict=True))
            for of in wanted
        ]
        for name, wanted in cells.items()
    }
    options = replace(options, draws=min(options.draws, options.kept_draws))
    prepared = prepare(scenario, options, Redrawn(names, indices, all_finite=True))
    state = run(SimulationState.empty(prepared))
    data = {
        name: ((*prepared.variables[name].dims, "draw"), state.kept(name, slice(None)))
        for name in prepared.kept
    } | {name: (prepared.variables[name].dims, values) for name, values in prepared.fixed.items()}
    coords = {
        "draw": np.arange(options.draws),
        **labels,
        "threshold": list(scenario.settings.thresholds_gw),
        **{f"{name}{CELL}": [cell_label(of) for of in wanted] for name, wanted in cells.items()},
    }
    attrs = {"sampler": options.sampler, "named_labs": list(scenario.settings.named_labs)}
    ds = xr.Dataset(data, coords, attrs)
    return [draw_value(tree, ds) for tree in trees]
