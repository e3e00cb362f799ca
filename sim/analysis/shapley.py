"""Shapley effects among independent causes by pick-freeze: exact but for sampling.

Two independent worlds x and y; causes are taken from y one after another in a random order pi. With
F_0 = f(x) and F_j = f after pi(1) ... pi(j) are taken from y, the effect of pi(j) is the mean of
(F_0 - (F_{j-1} + F_j)/2)(F_{j-1} - F_j) (Goda 2021). A cause is "taken from y" by another name: its
random numbers follow from its name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import in_chunks
from sim.engine.loop import evaluate_tiles
from sim.engine.sampling_plan import name_hash
from sim.engine.scores import ScorePlans
from sim.expressions.tree import Tree
from sim.model.blocks import TILE
from sim.model.evaluation_records import EvaluationPlan
from sim.model.sampling_records import Sampling
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.cells import Cells

Array = NDArray[np.float64]
ORDERS = 64  # each of its own draws
DRAWS_PER_ORDER = 512
_KEY = 0x60DA


@dataclass(frozen=True)
class PickFreeze:
    """Effects [cause] and their errors, the variance of the target, and the number of worlds."""

    values: Array
    errors: Array
    variance: float
    variance_error: float
    worlds: int


def goda_shapley(
    evaluate: Callable[[int, frozenset[int]], Array],
    causes: int,
    orders: int = ORDERS,
    progress: Callable[[int], None] = lambda worlds: None,
    threads: int | None = None,
) -> PickFreeze:
    """Estimate Shapley effects by pick-freeze along random orders.

    Args:
        evaluate: Values [draw] of the target in the draws of an order (its number), with a subset
            of the causes taken from the other world. Called from several threads.
        causes: The number of causes.
        orders: The number of orders, each with draws of its own.
        progress: Called with numbers of worlds evaluated.
        threads: All processors unless given.
    """
    effects, totals = np.zeros((orders, causes)), np.zeros(orders)
    generator = np.random.Generator(np.random.Philox(key=_KEY))
    permutations = [generator.permutation(causes) for _ in range(orders)]

    def worker() -> Callable[[int], None]:
        def follow(number: int) -> None:
            taken: set[int] = set()
            start = before = evaluate(number, frozenset())
            for cause in map(int, permutations[number]):
                taken.add(cause)
                after = evaluate(number, frozenset(taken))
                effects[number, cause] = np.mean((start - (before + after) / 2) * (before - after))
                before = after
            totals[number] = np.mean((start - before) ** 2) / 2
            progress(causes + 1)

        return follow

    in_chunks(orders, threads, worker)
    error = effects.std(axis=0, ddof=1) / np.sqrt(orders)
    return PickFreeze(
        effects.mean(axis=0), error, float(totals.mean()),
        float(totals.std(ddof=1) / np.sqrt(orders)), orders * (causes + 1),
    )  # fmt: skip


class Worlds:
    """Values of a scenario in which some causes have the random numbers of another world."""

    def __init__(self, scenario: Scenario, options: RunOptions, tree: Tree) -> None:
        """Plan the worlds.

        `causes` are the raw names of the causes, in the order of their numbers.
        """
        self._cells = Cells(scenario, replace(options, draws=TILE), [tree])
        self.causes = tuple(ScorePlans(scenario).dimensions)
        self._spaces = threading.local()

    def evaluate(self, order: int, taken: frozenset[int]) -> Array:
        """The values [draw] in the draws of an order."""
        prepared = self._cells.prepared
        if not hasattr(self._spaces, "space"):
            self._spaces.space = prepared.workspace()
        names = {name_hash(self.causes[i]): name_hash(f"{self.causes[i]}'") for i in taken}
        plan = _renamed(prepared.evaluation, names)
        kept = np.empty((prepared.rows, DRAWS_PER_ORDER))
        status = np.empty(DRAWS_PER_ORDER, np.int8)
        evaluate_tiles(plan, self._spaces.space, order * TILE, kept, 0, status, None)
        (value,) = self._cells.read(kept, {})
        return np.asarray(np.where(value.known, value.draws, np.nan), float)


def _renamed(plan: EvaluationPlan, names: dict[int, int]) -> EvaluationPlan:
    """A plan in which causes have other names, and so other random numbers."""
    sampling: Sampling = plan.sampling
    changed = {}
    for field in ("factors", "groups", "quantities"):
        records = getattr(sampling, field).copy()
        for i, name in enumerate(records["name"].tolist()):
            if name in names:
                records["name"][i] = names[name]
        changed[field] = records
    return plan._replace(sampling=sampling._replace(**changed))
