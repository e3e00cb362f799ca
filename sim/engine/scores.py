"""Normal scores behind the draws of a scenario, made again by name.

Every input is a monotone function of a standard normal score, which is made of independent ones:
those of the common factors, of each lab's own factor, and one of the input's own. In a correlation
group the own scores of its members are mixed; a t copula has one more variable, common to all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import in_chunks
from sim.engine.sampling_plan import (
    COMMON_VARIABLE,
    STANDARD_NORMAL,
    SamplingPlan,
    factor_name,
)
from sim.engine.scenario_plan import ScenarioPlan
from sim.kernels.shipped.entries import sample_tiles
from sim.model.blocks import TILE
from sim.model.dims import FACTORS
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]
TILES_PER_CHUNK = 16
DRAWS_AT_A_TIME = 512


class ScorePlans:
    """Plans of the scores of a scenario.

    `dimensions` has the names of the independent scores, `factors.demand`, `labs.openai.own`,
    inputs by their full names, `shocks...`, and that of a t copula's common variable, each with its
    dimension of Sobol' sequences. `inputs` are the full names of the sampled inputs.
    """

    def __init__(self, scenario: Scenario) -> None:
        layout = layout_of(len(scenario.labs), len(scenario.landlords))
        plan = ScenarioPlan(scenario, layout).sampling
        self._scenario, self._plan = scenario, plan
        factors = {
            factor_name(factor): dimension
            for dimension, factor in enumerate(FACTORS)
            if factor not in scenario.factors
        }
        groups = scenario.correlations
        own = dict.fromkeys(s.own_factor for s in plan.sampled.values() if s.own_factor)
        last = plan.dimensions
        own_factors = {name: last + i for i, name in enumerate(own)}
        last += len(own)
        inputs = {name: sampled.dimension for name, sampled in plan.sampled.items()}
        t_copulas = {
            f"{COMMON_VARIABLE}{group.name}": last + i
            for i, group in enumerate(groups)
            if group.copula == "t"
        }
        self.dimensions = {**factors, **own_factors, **inputs, **t_copulas}
        self.inputs = tuple(plan.sampled)

    def draw_inputs(
        self, draws: int, seed: int, sampler: str, threads: int | None = None, first: int = 0
    ) -> Array:
        """The scores [input, draw] of the sampled inputs, as dependent as the inputs are.

        Of the draws `first` ... `draws - 1`.
        """
        scenario, plan = self._scenario, SamplingPlan()
        for factor in FACTORS:
            plan.factor(factor_name(factor), scenario.factors.get(factor, math.nan))
        distributions = {name: q.distribution for name, q in scenario.quantities.items()}
        for group in scenario.correlations:
            plan.group(group, distributions)
        plan.dimensions = self._plan.dimensions
        for column, (name, sampled) in enumerate(self._plan.sampled.items()):
            own = plan.own_factor(sampled.own_factor) if sampled.own_factor else -1
            plan.add(name, column, STANDARD_NORMAL, sampled.loads, sampled.dimension, own)
        return _draw(plan, len(self.inputs), draws, seed, sampler, threads, first)

    def loadings(self) -> tuple[Array, tuple[str, ...]]:
        """Loadings [input, factor] of the inputs, and the names of the factors.

        Factors are the common ones, also those that are held, and then those of labs.
        """
        own = [name for name in self.dimensions if name.endswith(".own")]
        names = (*map(factor_name, FACTORS), *own)
        loads = np.zeros((len(self.inputs), len(names)))
        for i, sampled in enumerate(self._plan.sampled.values()):
            common = sampled.loads[: len(FACTORS)]
            loads[i, : len(common)] = common
            if sampled.own_factor:
                loads[i, names.index(sampled.own_factor)] = sampled.loads[len(FACTORS)]
        return loads, names


def draw_independent(
    dimensions: Mapping[str, int],
    draws: int,
    seed: int,
    sampler: str,
    threads: int | None = None,
    first: int = 0,
) -> Array:
    """Independent standard normal scores [score, draw] of draws `first` ... `draws - 1`, by name.

    `dimensions` are those of Sobol' sequences, which other samplers do not need.
    """
    plan = SamplingPlan()
    for column, (name, dimension) in enumerate(dimensions.items()):
        plan.add(name, column, STANDARD_NORMAL, dimension=dimension)
    return _draw(plan, len(dimensions), draws, seed, sampler, threads, first)


def _draw(
    plan: SamplingPlan,
    rows: int,
    draws: int,
    seed: int,
    sampler: str,
    threads: int | None,
    first: int = 0,
) -> Array:
    """Values [row, draw] of a plan's quantities, of draws `first` ... `draws - 1`.

    Kernels write each draw at its number: of earlier ones there is room, and no memory is used.
    """
    store = np.empty((rows, draws))
    sampling = plan.sampling(seed, sampler)
    size = TILES_PER_CHUNK * TILE if draws - first > TILE else TILE
    begin = first // size * size

    def worker() -> Callable[[int], None]:
        scores = plan.scores(DRAWS_AT_A_TIME)

        def write(chunk: int) -> None:
            at = begin + chunk * size
            sample_tiles(sampling, scores, at, min(size, draws - at), store)

        return write

    in_chunks(math.ceil((draws - begin) / size), threads, worker)
    return store[:, first:] if first else store
