"""Draws of a few values of a scenario and nothing else, for worlds made by the hundred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.loop import run
from sim.engine.prepare import Redrawn, prepare
from sim.engine.state import SimulationState
from sim.expressions.tree import FACTOR, Reference, Tree, references
from sim.model.catalogue import DIMS
from sim.model.dims import COORDS
from sim.model.outputs import PROBABILITIES
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.scores import draw_factor
from sim.statistics.replicates import replicated
from sim.statistics.values import DrawnValue, form_value, labels_of, names_needed


class Cells:
    """Values and events (`sim.expressions`) of a scenario, and the plan of what they need.

    No draw is left out, so that draws of several scenarios pair by their number: values that are
    not finite stay as they are.
    """

    def __init__(self, scenario: Scenario, options: RunOptions, trees: Sequence[Tree]) -> None:
        """Plan the draws that are kept.

        Raises:
            ValueError: For a label that the scenario lacks, or a declared probability: say its
                event.
        """
        if named := [r.name for t in trees for r in references(t) if r.name in PROBABILITIES]:
            raise ValueError(f"say the event of {named[0]}")
        self.trees = trees
        self.labels = {
            **{dim: list(of) for dim, of in COORDS.items()},
            "lab": [party.id for party in scenario.labs],
            "landlord": [party.id for party in scenario.landlords],
        }
        cells: dict[str, dict[tuple[str, ...], None]] = {}
        for tree in trees:
            for reference in references(tree):
                if DIMS.get(reference.name):
                    cells.setdefault(reference.name, {})[labels_of(reference)] = None
        self.cells = {name: list(of) for name, of in cells.items()}
        needed = names_needed(trees)
        self.factors = [name for name in needed if name.startswith(FACTOR)]
        names = [name for name in needed if not name.startswith(FACTOR)]
        indices = {
            name: [self._index(DIMS[name], of) for of in wanted]
            for name, wanted in self.cells.items()
        }
        self.options = replace(options, draws=min(options.draws, options.kept_draws))
        self.prepared = prepare(scenario, self.options, Redrawn(names, indices, all_finite=True))

    def _index(self, dims: Sequence[str], labels: Sequence[str]) -> tuple[int, ...]:
        return tuple(self.labels[dim].index(of) for dim, of in zip(dims, labels, strict=True))

    def read(
        self, kept: NDArray[np.float64], factors: Mapping[str, NDArray[np.float64]]
    ) -> list[DrawnValue]:
        """The draws of the values, from those of the kept columns [column, draw] and of factors."""
        replicates = replicated(kept.shape[1], self.options.sampler)
        return [
            form_value(tree, lambda of: self._reference(of, kept, factors), replicates)
            for tree in self.trees
        ]

    def _reference(
        self,
        reference: Reference,
        kept: NDArray[np.float64],
        factors: Mapping[str, NDArray[np.float64]],
    ) -> tuple[Any, Any]:
        name = reference.name
        if name in factors:
            values = factors[name]
        elif name in self.prepared.fixed:
            at = self._index(self.prepared.variables[name].dims, labels_of(reference))
            values = np.asarray(self.prepared.fixed[name][at], float)
        else:
            rows = kept[self.prepared.slices[name]]
            if name in self.cells:
                values = rows[self.cells[name].index(labels_of(reference))]
            else:
                variable = self.prepared.variables[name]
                at = self._index(variable.dims, labels_of(reference))
                values = rows.reshape(*variable.columns.shape, -1)[at]
        return values, ~np.isnan(values)


def draw_values(scenario: Scenario, options: RunOptions, trees: Sequence[Tree]) -> list[DrawnValue]:
    """Draw values and events (`Cells`) of a scenario, in all kept draws.

    It takes the time of the draws, and some ten milliseconds.

    Raises:
        ValueError: As `Cells`.
    """
    cells = Cells(scenario, options, trees)
    state = run(SimulationState.empty(cells.prepared))
    factors = {
        name: draw_factor(scenario, options, name.removeprefix(FACTOR)) for name in cells.factors
    }
    return cells.read(state.values[:, : cells.options.draws], factors)
