"""Rank correlations of draws, beside those of groups and common factors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.distributions.base import Distribution
from sim.distributions.copulas import at_scores, spearman_of_scores
from sim.distributions.groups import Group
from sim.engine.sampling_plan import SamplingPlan, name_hash, own_factor_name
from sim.engine.scenario_plan import ScenarioPlan
from sim.kernels.shipped.entries import sample_tiles
from sim.model.blocks import BLOCK, REPLICATES, TILE, replicate_of
from sim.model.dims import OWN_FACTOR
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Quantity, Scenario

EXAMINED = 8 * TILE  # draws whose ranks are compared: tiles, so that replicates are equally large
MOST_PAIRS = 12  # of inputs, that common factors tie the most
Array = NDArray[np.float64]
Draws = Mapping[str, Array]  # name of an input -> its draws


def group_correlations(
    groups: Sequence[Group],
    distributions: Mapping[str, Distribution],
    draws: Draws,
    seed: int,
    sampler: str,
    uncertainty: float = 1.0,
) -> list[dict[str, Any]]:
    """The correlations of draws within each group, as plain data.

    `draws` has every member of the groups, `distributions` theirs; the first 8,192 draws are used.
    `seed`, `sampler` and `uncertainty` are those of the draws.

    Returns:
        The entry of each group as in a parameter file, with the matrices `spearman` (and `pearson`
        for a group of that kind) in the order of `inputs`, their Monte Carlo standard errors
        `spearman_error` and `pearson_error`, and the number of `draws`. Errors are None where there
        are fewer than 1,024 draws, and all numbers of a member whose draws are equal.
    """
    entries = []
    for group in groups:
        values = np.array([draws[name][:EXAMINED] for name in group.members])
        entry = {**group.as_entry(), "draws": values.shape[1]}
        entry["spearman"], entry["spearman_error"] = _spearman_with_error(values, sampler)
        if group.kind == "pearson":
            error = np.full((len(values),) * 2, np.nan)
            if values.shape[1] >= TILE:
                others = _redraw(group, distributions, values.shape[1], seed, sampler, uncertainty)
                error = np.array([pearson(other) for other in others]).std(axis=0, ddof=1)
            entry["pearson"], entry["pearson_error"] = _rows(pearson(values)), _rows(error)
        entries.append(entry)
    return entries


def _redraw(
    group: Group,
    distributions: Mapping[str, Distribution],
    draws: int,
    seed: int,
    sampler: str,
    uncertainty: float,
) -> Iterator[Array]:
    """Draws [member, draw] of a group alone with 32 other seeds.

    How far their correlations of values differ is the error of such a correlation. From parts of
    one sample it would be 2 to 4 times too small where tails are heavy: the few draws that move it
    are in hardly any part.
    """
    plan = SamplingPlan(uncertainty)
    plan.group(group, distributions)
    for column, name in enumerate(group.members):
        plan.add(name, column, distributions[name])
    scores = plan.scores(TILE)
    for i in range(REPLICATES):
        store = np.empty((len(group.members), -(-draws // BLOCK) * BLOCK))
        sampling = plan.sampling(name_hash(f"redraw {i} of {seed}"), sampler)
        sample_tiles(sampling, scores, 0, store.shape[1], store)
        yield store[:, :draws]


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


def _spearman_with_error(values: Array, sampler: str) -> tuple[Any, Any]:
    """Rank correlations of draws, and their standard errors from 32 replicates.

    `values` are [member, draw]. Both results are rows of numbers with four digits; None stands
    where draws do not vary, and for all errors where there are fewer than 1,024 draws. Draws after
    the last full tile are in no replicate; ranks have no outliers, so they count like the others.
    """
    matrix, error = spearman(values), np.full((len(values),) * 2, np.nan)
    if values.shape[1] >= TILE:
        numbers = np.arange(values.shape[1] // TILE * TILE)
        order = np.argsort(replicate_of(numbers, sampler), kind="stable").reshape(REPLICATES, -1)
        parts = spearman(np.moveaxis(values[:, order], 0, 1))
        error = parts.std(axis=0, ddof=1) / math.sqrt(REPLICATES * values.shape[1] / numbers.size)
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
    return group_correlations(
        scenario.correlations, _distributions(scenario), sampled, seed, sampler, uncertainty
    )


def _distributions(scenario: Scenario) -> dict[str, Distribution]:
    return {name: quantity.distribution for name, quantity in scenario.quantities.items()}


def describe_correlations(scenario: Scenario, names: Sequence[str] = ()) -> dict[str, Any]:
    """Describe the dependence between inputs of a scenario, as plain data.

    Groups and pairs are those with one of `names`, or all without names.

    Returns:
        `groups` as in `group_correlations`, and `factors`: the pairs of inputs that common factors
        tie the most, with the rank correlation `asked` that follows from their loadings and
        distributions, given the held factors; `spearman` of the draws and `spearman_error`. `pairs`
        is the number of all such pairs; `draws`, `seed` and `sampler` are those of the draws.
    """
    run = scenario.run
    uncertainty = scenario.settings.uncertainty
    sampled = _sample_inputs(scenario, EXAMINED, run.seed, run.sampler, uncertainty)
    groups = [
        group
        for group in scenario.correlations
        if not names or any(name in group.members for name in names)
    ]
    tied = {
        name: _Tied.given(quantity, scenario.factors, uncertainty)
        for name, quantity in scenario.quantities.items()
        if quantity.loads and np.ptp(sampled[name]) > 0
    }
    pairs = [
        (tied[first].score_correlation(tied[second]), first, second)
        for first, second in itertools.combinations(tied, 2)
        if not names or first in names or second in names
    ]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    strongest = []
    for score_correlation, first, second in pairs[:MOST_PAIRS]:
        if score_correlation:
            values = np.array([sampled[first], sampled[second]])
            matrix, error = _spearman_with_error(values, run.sampler)
            asked = spearman_of_scores(
                tied[first].distribution, tied[second].distribution, score_correlation
            )
            strongest.append(
                {
                    "inputs": [first, second],
                    "asked": round(asked, 4),
                    "spearman": matrix[0][1],
                    "spearman_error": error[0][1],
                }
            )
    return {
        "draws": EXAMINED,
        "seed": run.seed,
        "sampler": run.sampler,
        "groups": group_correlations(
            groups, _distributions(scenario), sampled, run.seed, run.sampler, uncertainty
        ),
        "factors": strongest,
        "pairs": sum(1 for score_correlation, *_ in pairs if score_correlation),
    }


class _Tied(NamedTuple):
    """An input that factors tie, given those that are held.

    `loadings` by factor are those of its score, which varies about another mean and less where
    factors are held. A lab's own factor is called by its full name. `distribution` is one with the
    same ranks over a normal score.
    """

    loadings: dict[str, float]
    distribution: Distribution

    def score_correlation(self, other: _Tied) -> float:
        """The correlation of the scores of two inputs."""
        return math.fsum(
            loading * other.loadings[factor]
            for factor, loading in self.loadings.items()
            if factor in other.loadings
        )

    @classmethod
    def given(cls, quantity: Quantity, held: Mapping[str, float], uncertainty: float) -> _Tied:
        """The input with these factors held at their scores."""
        loads = quantity.loads
        mean = math.fsum(load * held[factor] for factor, load in loads.items() if factor in held)
        left = 1.0 - math.fsum(load**2 for factor, load in loads.items() if factor in held)
        sd = math.sqrt(max(left, 0.0))
        own = own_factor_name(quantity.name.split(".")[1])
        free = {
            own if factor == OWN_FACTOR else factor: load / (sd or 1.0)
            for factor, load in loads.items()
            if factor not in held
        }
        # An input without a variance left is not among those that are tied: its draws are equal.
        return cls(
            free,
            at_scores(quantity.distribution, uncertainty * mean, uncertainty * sd),
        )


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
