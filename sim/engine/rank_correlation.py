"""The rank correlations that draws have, beside those that groups and common factors ask for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.distributions.copulas import ranks
from sim.distributions.groups import Group
from sim.engine.scenario_plan import ScenarioPlan
from sim.kernels.loop import sample_tiles
from sim.model.blocks import BLOCK, REPLICATES, TILE, replicate_of
from sim.model.dims import FACTORS
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Scenario

EXAMINED = 8 * TILE  # draws whose ranks are looked at: replicates are as large
MOST_PAIRS = 12
Array = NDArray[np.float64]
Drawn = Mapping[str, Array]


def achieved(groups: Sequence[Group], drawn: Drawn, sampler: str) -> list[dict[str, Any]]:
    """Every group as it is said, with the `spearman` matrix of the first 8,192 `draws`.

    That of values, `pearson`, stands beside it where the group is about those, and the Monte Carlo
    standard errors of both. `drawn` has the draws of every member by name. The rows are those of
    `inputs`.
    """
    found = []
    for group in groups:
        values = np.array([drawn[name][:EXAMINED] for name in group.members])
        told = {**group.as_entry(), "draws": values.shape[1]}
        kinds = {"spearman": lambda draws: pearson(ranks(draws))} | (
            {"pearson": pearson} if group.kind == "pearson" else {}
        )
        for kind, of in kinds.items():
            told[kind], told[f"{kind}_error"] = _with_error(of, values, sampler)
        found.append(told)
    return found


def spearman(values: Array) -> Array:
    """Rank correlations [..., member, member] of draws [..., member, draw]."""
    return pearson(ranks(values))


def pearson(values: Array) -> Array:
    """Correlations [..., member, member] of draws [..., member, draw]; NaN of what is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = values - values.mean(axis=-1, keepdims=True)
        apart /= np.sqrt((apart * apart).sum(axis=-1, keepdims=True))
        return np.asarray(np.clip(apart @ np.moveaxis(apart, -1, -2), -1.0, 1.0))


def _with_error(of: Callable[[Array], Array], values: Array, sampler: str) -> tuple[Any, Any]:
    """A matrix of draws to four digits and its standard error, from 32 replicates of the draws.

    None stands where draws do not vary, or are too few to tell an error.
    """
    matrix, error = of(values), np.full((len(values),) * 2, np.nan)
    if values.shape[1] >= TILE:
        whole = np.arange(values.shape[1] // TILE * TILE)
        order = np.argsort(replicate_of(whole, sampler), kind="stable").reshape(REPLICATES, -1)
        parts = of(np.moveaxis(values[:, order], 0, 1))
        error = parts.std(axis=0, ddof=1) / math.sqrt(REPLICATES)
    return _told(matrix), _told(error)


def _told(matrix: Array) -> list[list[float | None]]:
    return [[round(float(r), 4) if np.isfinite(r) else None for r in row] for row in matrix]


def of_scenario(
    scenario: Scenario, draws: int, seed: int, sampler: str, uncertainty: float
) -> list[dict[str, Any]]:
    """`achieved` of a scenario's groups, whose members are drawn once more."""
    if not scenario.correlations:
        return []
    drawn = _drawn(scenario, draws, seed, sampler, uncertainty)
    return achieved(scenario.correlations, drawn, sampler)


def described(scenario: Scenario, names: Sequence[str] = ()) -> dict[str, Any]:
    """How the inputs of a scenario are tied, as plain data.

    `groups` are those of `achieved`, `factors` the pairs of inputs that common factors tie the
    most: the rank correlation that follows from their loadings on factors that are not held (for a
    held one moves nothing), and that of the draws. Only what has one of `names`, if there are any.
    """
    run = scenario.run
    drawn = _drawn(scenario, EXAMINED, run.seed, run.sampler, scenario.settings.uncertainty)
    groups = [
        group
        for group in scenario.correlations
        if not names or any(name in group.members for name in names)
    ]
    loading = {
        name: np.array([quantity.loads.get(factor, 0.0) for factor in FACTORS])
        for name, quantity in scenario.quantities.items()
        if quantity.loads and np.ptp(drawn[name]) > 0
    }
    free = np.array([factor not in scenario.factors for factor in FACTORS])
    pairs = [
        (float((loading[one] * loading[other] * free).sum()), one, other)
        for one, other in itertools.combinations(loading, 2)
        if not names or one in names or other in names
    ]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    strongest = []
    for r, one, other in pairs[:MOST_PAIRS]:
        if r:
            both = np.array([drawn[one], drawn[other]])
            found, error = _with_error(spearman, both, run.sampler)
            asked = round(6 / math.pi * math.asin(r / 2), 4)
            told = {"asked": asked, "spearman": found[0][1], "spearman_error": error[0][1]}
            strongest.append({"inputs": [one, other], **told})
    return {
        "draws": EXAMINED,
        "seed": run.seed,
        "sampler": run.sampler,
        "groups": achieved(groups, drawn, run.sampler),
        "factors": strongest,
        "pairs": sum(1 for r, *_ in pairs if r),
    }


def _drawn(
    scenario: Scenario, draws: int, seed: int, sampler: str, uncertainty: float
) -> dict[str, Array]:
    """At most 8,192 draws of every input of the files, by full name."""
    plan = ScenarioPlan(
        scenario, layout_of(len(scenario.labs), len(scenario.landlords)), uncertainty
    )
    inputs = 1 + max(int(variable.columns.max()) for variable in plan.layout.inputs.values())
    examined = min(draws, EXAMINED)
    whole_blocks = -(-examined // BLOCK) * BLOCK
    store = np.repeat(plan.template[:inputs, None], whole_blocks, axis=1)
    sampling, scores = plan.sampling.sampling(seed, sampler), plan.sampling.scores(TILE)
    sample_tiles(sampling, scores, 0, whole_blocks, store)
    return {name: store[column, :examined] for name, column in plan.columns.items()}
