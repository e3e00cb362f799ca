"""Rank correlations of draws, beside those of groups and common factors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.distributions.groups import Group
from sim.engine.scenario_plan import ScenarioPlan
from sim.kernels.loop import sample_tiles
from sim.model.blocks import BLOCK, REPLICATES, TILE, replicate_of
from sim.model.dims import FACTORS
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Scenario

EXAMINED = 8 * TILE  # draws whose ranks are compared: tiles, so that replicates are equally large
MOST_PAIRS = 12  # of inputs, that common factors tie the most
Array = NDArray[np.float64]
Draws = Mapping[str, Array]  # name of an input -> its draws


def group_correlations(groups: Sequence[Group], draws: Draws, sampler: str) -> list[dict[str, Any]]:
    """The correlations of draws within each group, as plain data.

    `draws` has every member of the groups; its first 8,192 draws are used.

    Returns:
        The entry of each group as in a parameter file, with the matrices `spearman` (and `pearson`
        for a group of that kind) in the order of `inputs`, their Monte Carlo standard errors
        `spearman_error` and `pearson_error`, and the number of `draws`.
    """
    entries = []
    for group in groups:
        values = np.array([draws[name][:EXAMINED] for name in group.members])
        entry = {**group.as_entry(), "draws": values.shape[1]}
        statistics = {"spearman": spearman}
        if group.kind == "pearson":
            statistics["pearson"] = pearson
        for name, statistic in statistics.items():
            entry[name], entry[f"{name}_error"] = _with_error(statistic, values, sampler)
        entries.append(entry)
    return entries


def spearman(values: Array) -> Array:
    """Rank correlations [..., member, member] of draws [..., member, draw]."""
    import pandas as pd  # only groups need it; xarray has it loaded, unlike scipy.stats

    rows = values.reshape(-1, values.shape[-1])
    return pearson(pd.DataFrame(rows.T).rank().to_numpy().T.reshape(values.shape))


def pearson(values: Array) -> Array:
    """Correlations [..., member, member] of draws [..., member, draw].

    They are NaN for a member whose draws are all equal.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = values - values.mean(axis=-1, keepdims=True)
        deviations /= np.sqrt((deviations * deviations).sum(axis=-1, keepdims=True))
        return np.asarray(np.clip(deviations @ np.moveaxis(deviations, -1, -2), -1.0, 1.0))


def _with_error(
    statistic: Callable[[Array], Array], values: Array, sampler: str
) -> tuple[Any, Any]:
    """A matrix of draws, and its standard error from 32 replicates.

    `statistic` maps draws [..., member, draw] to matrices [..., member, member]; `values` are
    [member, draw]. Both results are rows of numbers with four digits; None stands where draws do
    not vary, and for all errors where there are fewer than 1,024 draws.
    """
    matrix, error = statistic(values), np.full((len(values),) * 2, np.nan)
    if values.shape[1] >= TILE:
        numbers = np.arange(values.shape[1] // TILE * TILE)
        order = np.argsort(replicate_of(numbers, sampler), kind="stable").reshape(REPLICATES, -1)
        parts = statistic(np.moveaxis(values[:, order], 0, 1))
        error = parts.std(axis=0, ddof=1) / math.sqrt(REPLICATES)
    return _rows(matrix), _rows(error)


def _rows(matrix: Array) -> list[list[float | None]]:
    """The rows of a matrix, rounded to four digits; None for NaN."""
    return [[round(float(r), 4) if np.isfinite(r) else None for r in row] for row in matrix]


def scenario_correlations(
    scenario: Scenario, draws: int, seed: int, sampler: str, uncertainty: float
) -> list[dict[str, Any]]:
    """`group_correlations` of a scenario, whose inputs are sampled once more."""
    if not scenario.correlations:
        return []
    sampled = _sample_inputs(scenario, draws, seed, sampler, uncertainty)
    return group_correlations(scenario.correlations, sampled, sampler)


def describe_correlations(scenario: Scenario, names: Sequence[str] = ()) -> dict[str, Any]:
    """Describe the dependence between inputs of a scenario, as plain data.

    Groups and pairs are those with one of `names`, or all without names.

    Returns:
        `groups` as in `group_correlations`, and `factors`: the pairs of inputs that common factors
        tie the most, with the rank correlation `asked` that follows from their loadings (held
        factors move nothing), `spearman` of the draws and `spearman_error`. `pairs` is the number
        of all such pairs; `draws`, `seed` and `sampler` are those of the draws.
    """
    run = scenario.run
    uncertainty = scenario.settings.uncertainty
    sampled = _sample_inputs(scenario, EXAMINED, run.seed, run.sampler, uncertainty)
    groups = [
        group
        for group in scenario.correlations
        if not names or any(name in group.members for name in names)
    ]
    loadings = {
        name: np.array([quantity.loads.get(factor, 0.0) for factor in FACTORS])
        for name, quantity in scenario.quantities.items()
        if quantity.loads and np.ptp(sampled[name]) > 0
    }
    free = np.array([factor not in scenario.factors for factor in FACTORS])
    pairs = [
        (float((loadings[first] * loadings[second] * free).sum()), first, second)
        for first, second in itertools.combinations(loadings, 2)
        if not names or first in names or second in names
    ]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    strongest = []
    for score_correlation, first, second in pairs[:MOST_PAIRS]:
        if score_correlation:
            values = np.array([sampled[first], sampled[second]])
            matrix, error = _with_error(spearman, values, run.sampler)
            strongest.append(
                {
                    "inputs": [first, second],
                    "asked": round(6 / math.pi * math.asin(score_correlation / 2), 4),
                    "spearman": matrix[0][1],
                    "spearman_error": error[0][1],
                }
            )
    return {
        "draws": EXAMINED,
        "seed": run.seed,
        "sampler": run.sampler,
        "groups": group_correlations(groups, sampled, run.sampler),
        "factors": strongest,
        "pairs": sum(1 for score_correlation, *_ in pairs if score_correlation),
    }


def _sample_inputs(
    scenario: Scenario, draws: int, seed: int, sampler: str, uncertainty: float
) -> dict[str, Array]:
    """Full name -> at most 8,192 draws, of the files' inputs."""
    plan = ScenarioPlan(
        scenario, layout_of(len(scenario.labs), len(scenario.landlords)), uncertainty
    )
    inputs = 1 + max(int(variable.columns.max()) for variable in plan.layout.inputs.values())
    examined = min(draws, EXAMINED)
    size = -(-examined // BLOCK) * BLOCK  # of complete blocks
    store = np.repeat(plan.template[:inputs, None], size, axis=1)
    sampling, scores = plan.sampling.sampling(seed, sampler), plan.sampling.scores(TILE)
    sample_tiles(sampling, scores, 0, size, store)
    return {name: store[column, :examined] for name, column in plan.columns.items()}
