"""On which inputs an output depends, found by moving each input in worlds of a scenario."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from sim.engine.scenario_plan import hosts
from sim.engine.worlds import draw_world, evaluate
from sim.model.dims import RENTAL_MODES, VIEWS
from sim.model.inputs import HOST_MATRICES
from sim.model.record_layout import layout_of
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]
WORLDS = 6  # in which inputs are moved
FACTORS = (0.02, 0.6, 1.7, 50.0)  # by which they are
MISSING = 0.5  # in place of an optional input that is left out
STRIDE = 37  # between the draws from which the worlds are taken


def find_dependence(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """The inputs on which each output depends, by short name, in model order.

    An output depends on an input if moving the input, up or down, at all labs or landlords, moves
    it in one of some worlds of the scenario, in either view and rental mode. Of a rule that no such
    world is near, a dependence may be missed.
    """
    return dict(_measure(scenario))


def _measure(scenario: Scenario) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """As `find_dependence`."""
    options = RunOptions.of(scenario, draws=1, seed=1)
    layout = layout_of(len(scenario.labs), len(scenario.landlords))
    worlds = [draw_world(scenario, options, STRIDE * i) for i in range(WORLDS)]
    names = list(layout.inputs)
    base = {name: np.array([world[name] for world in worlds], float) for name in names}
    moves = list(itertools.product(range(len(names)), range(len(FACTORS))))
    rows = {name: np.concatenate([values, *[values] * len(moves)]) for name, values in base.items()}
    for n, (i, j) in enumerate(moves, start=1):
        own = slice(n * WORLDS, (n + 1) * WORLDS)
        rows[names[i]][own] = _moved(base[names[i]], FACTORS[j], names[i])
    found: dict[str, set[str]] = {name: set() for name in layout.outputs}
    matrices = _hosts(scenario)
    for view, mode in itertools.product(VIEWS, RENTAL_MODES):
        outputs = evaluate({**rows, **matrices}, view=view, rental_mode=mode)  # type: ignore[arg-type]
        for name, values in outputs.items():
            flat = values.reshape(len(moves) + 1, WORLDS, -1)
            same = (flat[1:] == flat[0]) | (np.isnan(flat[1:]) & np.isnan(flat[0]))
            for n in np.flatnonzero(~same.all(axis=(1, 2))).tolist():
                found[name].add(names[moves[n][0]])
        for matrix, values in matrices.items():
            other = {**base, **matrices, matrix: FACTORS[1] * values}
            moved = evaluate(other, view=view, rental_mode=mode)  # type: ignore[arg-type]
            for name, usual in outputs.items():
                if not np.array_equal(moved[name], usual[:WORLDS], equal_nan=True):
                    found[name].add(matrix)
    order = [*names, *matrices]
    return tuple((name, tuple(i for i in order if i in of)) for name, of in found.items())


def _moved(values: Array, factor: float, name: str) -> Array:
    """Values that are moved; a shock that happens or not is turned round."""
    if name == "capital_crunch":
        return 1.0 - values
    moved = np.where(values == 0.0, factor / 10, values * factor)
    return np.where(np.isnan(values), MISSING * factor, moved)


def _hosts(scenario: Scenario) -> dict[str, Array]:
    """Matrices of who houses whom, with the dims that `evaluate` expects."""
    records = hosts(scenario)
    return {
        name: np.asarray(records[field] if dims[0] == "lab" else records[field].T, float)
        for field, (name, dims) in HOST_MATRICES.items()
    }
