"""The rank correlations that draws have, beside those that groups and common factors ask for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.correlation import Group, spearman
from sim.fields import FACTORS
from sim.kernels.loops import TILE, sample_tiles
from sim.layout import Layout
from sim.rows import Rows
from sim.scenario import Scenario

EXAMINED = 10_000  # draws whose ranks are looked at
MOST_PAIRS = 12

Drawn = Mapping[str, NDArray[np.float64]]


def achieved(groups: Sequence[Group], drawn: Drawn) -> list[dict[str, Any]]:
    """Every group as it is said, with the `spearman` matrix of the first 10,000 `draws`.

    `drawn` has the draws of every member by name. The rows are those of `inputs`.
    """
    found = []
    for group in groups:
        values = np.array([drawn[name][:EXAMINED] for name in group.members])
        ranks = [[round(float(r), 4) for r in row] for row in spearman(values)]
        found.append({**group.said(), "draws": values.shape[1], "spearman": ranks})
    return found


def of_scenario(
    scenario: Scenario, draws: int, seed: int, sampler: str, uncertainty: float
) -> list[dict[str, Any]]:
    """`achieved` of a scenario's groups, whose members are drawn once more."""
    if not scenario.correlations:
        return []
    return achieved(scenario.correlations, _drawn(scenario, draws, seed, sampler, uncertainty))


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
    strongest = [
        {
            "inputs": [one, other],
            "asked": round(6 / math.pi * math.asin(r / 2), 4),
            "spearman": round(float(spearman(np.array([drawn[one], drawn[other]]))[0, 1]), 4),
        }
        for r, one, other in pairs[:MOST_PAIRS]
        if r
    ]
    return {
        "draws": EXAMINED,
        "seed": run.seed,
        "sampler": run.sampler,
        "groups": achieved(groups, drawn),
        "factors": strongest,
        "pairs": sum(1 for r, *_ in pairs if r),
    }


def _drawn(
    scenario: Scenario, draws: int, seed: int, sampler: str, uncertainty: float
) -> dict[str, NDArray[np.float64]]:
    """At most 10,000 draws of every input of the files, by full name."""
    start = Rows(scenario, Layout(len(scenario.labs), len(scenario.landlords)), uncertainty)
    inputs = 1 + max(int(variable.columns.max()) for variable in start.layout.inputs.values())
    store = np.repeat(start.row[:inputs, None], min(draws, EXAMINED), axis=1)
    sampling, scores = start.plan.sampling(seed, sampler), start.plan.scores(TILE)
    sample_tiles(sampling, scores, 0, store.shape[1], store)
    return {name: store[column] for name, column in start.columns.items()}
