"""The nearest world at which an event begins or ends to happen.

Worlds are made of independent standard normal scores, and the world of all medians is where all are
0. The nearest world on the frontier of an event is its most probable one, the design point of
first-order reliability methods (Hasofer and Lind 1974; steps of Rackwitz and Fiessler 1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.engine.given_scores import GivenScores
from sim.engine.scores import ScorePlans
from sim.expressions.tree import FACTOR, RELATIONS, Operation, Reference, Tree
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.cells import Cells
from sim.simulation.origin import run_of

Array = NDArray[np.float64]
STEP = 1e-3  # of a score, for slopes
ROUNDS = 30
CLOSE = 1e-6  # of a score: how exactly the frontier is met
SHOWN = 12


@dataclass(frozen=True)
class Move:
    """A score that is moved: by how many standard deviations, and its share of their squares.

    `value` and `median` are of the input, NaN of a common factor.
    """

    name: str
    score: float
    share: float
    value: float
    median: float
    unit: str


@dataclass(frozen=True)
class Nearest:
    """The nearest world on the frontier of an event.

    `distance` is in standard deviations of the scores; `happens` says whether the event happens in
    the world of all medians, so that it ends to happen at the frontier.
    """

    distance: float
    happens: bool
    moves: tuple[Move, ...]


def find_nearest(ds: xr.Dataset, event: Tree) -> Nearest | None:
    """Find the nearest world at which an event begins to happen, or ends to.

    Args:
        ds: What `simulate` or `open_run` gives.
        event: The event, with ids.

    Returns:
        The world, with the scores that it moves, the largest first; None where scores cannot be
        given (draws of another origin, a t copula, other uncertainty than 1), or no frontier is
        found.
    """
    if "parameters" not in ds.attrs:
        return None
    scenario, options = run_of(ds)
    try:
        worlds = _Worlds(scenario, options, [excess_of(event)])
    except ValueError:
        return None
    at = _search(worlds.excess, len(worlds.names))
    if at is None:
        return None
    distance = float(np.linalg.norm(at))
    happens = bool(worlds.excess(np.zeros((len(at), 1)))[0] >= 0)
    return Nearest(distance, happens, _moves(scenario, options, worlds.names, at))


def excess_of(event: Tree) -> Tree:
    """A value that is at least 0 where an event happens: left less right, the least of several."""
    if isinstance(event, Operation):
        if event.operator in RELATIONS:
            sides = event.operands if event.operator[0] == ">" else event.operands[::-1]
            return Operation("-", sides)
        if event.operator in ("and", "or"):
            kind = "min" if event.operator == "and" else "max"
            return Operation(kind, tuple(map(excess_of, event.operands)))
        if event.operator == "not":
            return Operation("negative", (excess_of(event.operands[0]),))
    return event


class _Worlds:
    """Values of a scenario at given independent scores."""

    def __init__(self, scenario: Scenario, options: RunOptions, trees: list[Tree]) -> None:
        self.scenario = scenario
        self.cells = Cells(scenario, options, trees)
        self.names = list(ScorePlans(scenario).dimensions)
        self.given = GivenScores(self.cells.prepared, self.names)

    def values(self, scores: Array) -> list[Array]:
        """The values [draw] of the trees at scores [score, draw]."""
        rows = {name.removeprefix("factors."): i for i, name in enumerate(self.names)}
        held = self.scenario.factors
        factors = {}
        for name in self.cells.factors:
            of = name.removeprefix(FACTOR)
            factors[name] = np.full(scores.shape[1], held[of]) if of in held else scores[rows[of]]
        found = self.cells.read(self.given.evaluate(scores), factors)
        numbers = [np.where(of.known, of.draws, np.nan).astype(float) for of in found]
        return [np.array(np.broadcast_to(of, (scores.shape[1],))) for of in numbers]

    def excess(self, scores: Array) -> Array:
        """The first value."""
        return self.values(scores)[0]


def _search(excess: Callable[[Array], Array], size: int) -> Array | None:
    """The scores [score] nearest to 0 at which the excess is 0; None where none is found."""
    at = np.zeros(size)
    best: Array | None = None
    for _ in range(ROUNDS):
        value, slopes = _slopes(excess, at)
        steep = float(slopes @ slopes)
        if not math.isfinite(value) or not math.isfinite(steep) or steep == 0:
            break
        target = (float(slopes @ at) - value) / steep * slopes
        apart = float(np.linalg.norm(target - at))
        at = at + (target - at) * min(1.0, 2.0 / max(apart, 1e-12))
        found = _on_frontier(excess, at)
        if found is not None and (
            best is None or np.linalg.norm(found) < np.linalg.norm(best) - CLOSE
        ):
            best = found
        elif best is not None and apart < 1e-3:
            break
    return best


def _slopes(excess: Callable[[Array], Array], at: Array) -> tuple[float, Array]:
    """The excess at scores, and its slopes [score] by central differences."""
    steps = STEP * np.eye(len(at))
    worlds = np.concatenate([at[:, None], at[:, None] + steps, at[:, None] - steps], axis=1)
    values = excess(worlds)
    up, down = values[1 : 1 + len(at)], values[1 + len(at) :]
    return float(values[0]), np.asarray((up - down) / (2 * STEP))


def _on_frontier(excess: Callable[[Array], Array], at: Array) -> Array | None:
    """The first place on the line from 0 through scores at which the excess changes sides."""
    if not np.linalg.norm(at) > 0:
        return None
    low, high = 0.0, 1.5
    for _ in range(5):
        along = np.linspace(low, high, 33)
        values = excess(at[:, None] * along)
        turns = np.flatnonzero((values[1:] >= 0) != (values[:-1] >= 0))
        if not turns.size:
            return None
        low, high = along[turns[0]], along[turns[0] + 1]
    return np.asarray(at * (low + high) / 2)


def _moves(
    scenario: Scenario, options: RunOptions, names: list[str], at: Array
) -> tuple[Move, ...]:
    """The scores that are moved most, with the values of their inputs there and at the median."""
    order = np.argsort(-np.abs(at), kind="stable")[:SHOWN].tolist()
    inputs = [names[i] for i in order if names[i] in scenario.quantities]
    trees = [_reference(name) for name in inputs]
    values: list[Array] = []
    if trees:
        worlds = _Worlds(scenario, options, trees)
        values = worlds.values(np.stack([at, np.zeros(len(at))], axis=1))
    known = dict(zip(inputs, values, strict=True))
    total = float(at @ at)
    moves = []
    for i in order:
        name = names[i]
        value, median = known.get(name, (math.nan, math.nan))
        unit = scenario.quantities[name].field.unit if name in scenario.quantities else "1"
        label = name.replace("factors.", FACTOR, 1) if name.startswith("factors.") else name
        moves.append(
            Move(label, float(at[i]), float(at[i] ** 2 / total), float(value), float(median), unit)
        )
    return tuple(moves)


def _reference(name: str) -> Tree:
    """The value that an input is, by its full name."""
    table, *middle, last = name.split(".")
    if table in ("labs", "landlords"):
        return Reference(last, tuple(middle))
    return Reference(last)
