"""Draws of a few values of a scenario and nothing else, for worlds made by the hundred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sim.engine.loop import run
from sim.engine.prepare import Redrawn, prepare
from sim.engine.state import SimulationState
from sim.model.catalogue import DIMS
from sim.model.dims import COORDS
from sim.model.outputs import PROBABILITIES
from sim.model.values import FACTOR, Reference, Tree, references
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.scores import draw_factor
from sim.statistics.replicates import replicated
from sim.statistics.values import DrawnValue, form_value, labels_of, names_needed


def draw_values(scenario: Scenario, options: RunOptions, trees: Sequence[Tree]) -> list[DrawnValue]:
    """Draw values and events (`model.values`) of a scenario, in all kept draws.

    No draw is left out, so that draws of several scenarios pair by their number: values that are
    not finite stay as they are. It takes the time of the draws, and some ten milliseconds.

    Raises:
        ValueError: For a label that the scenario lacks, or a declared probability: say its event.
    """
    if named := [r.name for t in trees for r in references(t) if r.name in PROBABILITIES]:
        raise ValueError(f"say the event of {named[0]}")
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
    needed = names_needed(trees)
    names = [name for name in needed if not name.startswith(FACTOR)]
    factors = {
        name: draw_factor(scenario, options, name.removeprefix(FACTOR))
        for name in needed
        if name.startswith(FACTOR)
    }
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
    replicates = replicated(options.draws, options.sampler)

    def read(reference: Reference) -> tuple[Any, Any]:
        name = reference.name
        if name in factors:
            values = factors[name]
        elif name in prepared.fixed:
            at = tuple(
                labels[dim].index(of)
                for dim, of in zip(prepared.variables[name].dims, labels_of(reference), strict=True)
            )
            values = np.asarray(prepared.fixed[name][at], float)
        elif name in cells:
            values = state.kept(name, slice(None))[[*cells[name]].index(labels_of(reference))]
        else:
            values = state.kept(name, slice(None))
            at = tuple(
                labels[dim].index(of)
                for dim, of in zip(prepared.variables[name].dims, labels_of(reference), strict=True)
            )
            values = values[at]
        return values, ~np.isnan(values)

    return [form_value(tree, read, replicates) for tree in trees]
