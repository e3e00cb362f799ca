"""Sample inputs: scores, their dependence, and values (section 8 of docs/model.md).

z = sum of loading * factor + sqrt(1 - sum of squared loadings) * own score; a distribution maps z
to a value. Each score is a pure function of (seed, name, draw), so nothing else moves it; members
of a correlation group are mixtures of the group's scores.
"""

from __future__ import annotations

import numpy as np

from sim.kernels.jit import jit, jit_not_inlined
from sim.kernels.sampling.quantile_tables import (
    fill_from_probabilities,
    fill_from_table,
    step_value,
    to_normal_scores,
)
from sim.kernels.sampling.samplers import (
    fill_random,
    fill_sobol,
    fill_stratified,
)
from sim.kernels.simd.functions import exp, log1p, sqrt
from sim.kernels.simd.memory import put_lanes, take_lanes
from sim.kernels.simd.vectors import LANES, where
from sim.model.dims import FACTORS
from sim.model.sampling_records import (
    BERNOULLI,
    NORMAL,
    RANDOM,
    STEPS,
    STRATIFIED,
    TABLE,
    Array,
    Group,
    Quantity,
    Sampling,
    Scores,
    Word,
)


@jit_not_inlined
def fill_uniforms(sampling: Sampling, name: Word, dimension: int, first: int, work: Scores) -> None:
    """Fill `work.own` with the numbers of `name`, from draw `first` on."""
    seed, uniforms = sampling.seed, work.own
    if sampling.sampler == STRATIFIED:
        fill_stratified(seed, name, first, uniforms, work.own_bits, work.words, work.strata)
    elif sampling.sampler == RANDOM:
        fill_random(seed, name, first, uniforms, work.own_bits, work.words)
    else:
        fill_sobol(
            seed,
            name,
            sampling.directions,
            dimension,
            first,
            uniforms,
            work.own_bits,
            work.bits,
            work.words,
            work.strata,
        )


@jit_not_inlined
def fill_normal(sampling: Sampling, name: Word, dimension: int, first: int, work: Scores) -> None:
    """Fill `work.own` with the normal scores of `name`, from draw `first` on."""
    fill_uniforms(sampling, name, dimension, first, work)
    to_normal_scores(sampling.normal, work.own, work.values, work.bits, work.words)


@jit_not_inlined
def load(quantity: Quantity, factors: Array, scores: Array) -> None:
    """Make a quantity's own scores load on its factors (8.8)."""
    own_weight = quantity.own_weight
    if own_weight != 1.0:
        for b in range(scores.size):
            scores[b] *= own_weight
    for f in range(len(FACTORS)):
        loading = quantity.loadings[f]
        if loading != 0.0:
            for b in range(scores.size):
                scores[b] += loading * factors[f, b]
    if quantity.own_factor >= 0:
        loading = quantity.loadings[len(FACTORS)]
        for b in range(scores.size):
            scores[b] += loading * factors[quantity.own_factor, b]


@jit
def mix(sampling: Sampling, group: Group, first: int, work: Scores) -> None:
    """Tie the own scores of a group's members by its copula."""
    members = work.members[group.first : group.first + group.size]
    n = work.own.size
    for i in range(group.size - 1, -1, -1):  # a row needs those before it as they were
        row = group.mixing + i * group.size
        for b in range(n):
            members[i, b] *= sampling.mixing[row + i]
        for j in range(i):
            weight = sampling.mixing[row + j]
            if weight != 0.0:
                for b in range(n):
                    members[i, b] += weight * members[j, b]
    if group.is_t:
        fill_normal(sampling, group.name, group.dimension, first, work)
        fill_from_table(sampling.cells, group.scale, work.own, work.values, work.words)
        for i in range(group.size):
            for b in range(n):
                members[i, b] *= work.values[b]
            for b in range(0, n, LANES):
                t = take_lanes(members, (i, b))
                put_lanes(sqrt(log1p(t * t)), work.own, b)
            for b in range(n):
                work.own[b] = np.copysign(work.own[b], members[i, b])
            fill_from_table(sampling.cells, group.score, work.own, members[i], work.words)


@jit
def write_values(
    sampling: Sampling, quantity: Quantity, scores: Array, work: Scores, columns: Array, at: int
) -> None:
    """Write a quantity's values at its scores to its column (8.9, 8.10).

    They go to `columns` [column, draw] from index `at` on. There may be less room than scores, for
    a lognormal quantity a multiple of `LANES`. Scores are overwritten, and so is what in `work` is
    not theirs. At score 0 a value is the median.
    """
    column, shift, factor = quantity.column, quantity.shift, quantity.factor
    n = min(scores.size, columns.shape[1] - at)
    if sampling.uncertainty != 1.0:
        for b in range(scores.size):
            scores[b] *= sampling.uncertainty
    if quantity.distribution == TABLE:
        fill_from_table(sampling.cells, quantity.slot, scores, work.values, work.words)
        write_between_ends(quantity, work.values, columns, at)
    elif quantity.distribution == NORMAL:
        for b in range(n):
            columns[column, at + b] = shift + factor * scores[b]
    elif quantity.distribution == STEPS:
        for b in range(n):
            columns[column, at + b] = step_value(sampling.steps, quantity.slot, scores[b])
    else:  # LOGNORMAL with the draw's own median and sigma (8.10)
        medians, spreads = columns[max(quantity.center_column, 0)], columns[quantity.spread_column]
        for b in range(0, n, LANES):
            own = take_lanes(medians, at + b)
            median = where(quantity.center_column >= 0, own, factor)
            score = take_lanes(scores, b)
            value = median * exp(take_lanes(spreads, at + b) * score)
            put_lanes(value, columns[column], at + b)


@jit
def write_between_ends(quantity: Quantity, values: Array, columns: Array, at: int) -> None:
    """Write a quantity's values, given those of its standard table.

    `values` [draw] are shifted, scaled and cut to the quantity's ends.
    """
    column, shift, factor = quantity.column, quantity.shift, quantity.factor
    low, high = quantity.low, quantity.high
    for b in range(min(values.size, columns.shape[1] - at)):
        columns[column, at + b] = min(max(shift + factor * values[b], low), high)


@jit
def sample(sampling: Sampling, first: int, work: Scores, columns: Array, at: int) -> None:
    """Sample draws from number `first` on into `columns` [column, draw] (8.8-8.11).

    They go to `columns` from index `at` on. `first` and the length of the working space are
    multiples of 32; as many draws are sampled as there is working space for, or room in `columns`.
    With an uncertainty of 0 every draw is the point estimate.
    """
    factors, quantities, groups = sampling.factors, sampling.quantities, sampling.groups
    for f in range(len(factors)):
        factor = factors[f]
        if np.isnan(factor.score):
            fill_normal(sampling, factor.name, factor.dimension, first, work)
        for b in range(work.own.size):
            work.factors[f, b] = work.own[b] if np.isnan(factor.score) else factor.score
    if len(groups) > 0:
        for i in range(len(quantities)):
            quantity = quantities[i]
            if quantity.member >= 0:
                fill_normal(sampling, quantity.name, quantity.dimension, first, work)
                for b in range(work.own.size):
                    work.members[quantity.member, b] = work.own[b]
        for g in range(len(groups)):
            mix(sampling, groups[g], first, work)
    for i in range(len(quantities)):
        quantity = quantities[i]
        if quantity.member >= 0:
            write_values(sampling, quantity, work.members[quantity.member], work, columns, at)
            continue
        fill_uniforms(sampling, quantity.name, quantity.dimension, first, work)
        if quantity.distribution == BERNOULLI:  # (8.11)
            for b in range(min(work.own.size, columns.shape[1] - at)):
                likely = work.own[b] < columns[quantity.center_column, at + b]
                happens = likely and sampling.uncertainty > 0.0
                columns[quantity.column, at + b] = 1.0 if happens else 0.0
        elif quantity.near >= 0:
            fill_from_probabilities(
                sampling.normal,
                sampling.cells,
                quantity.slot,
                quantity.near,
                work.own,
                work.values,
                work.bits,
                work.words,
            )
            write_between_ends(quantity, work.values, columns, at)
        else:
            to_normal_scores(sampling.normal, work.own, work.values, work.bits, work.words)
            load(quantity, work.factors, work.own)
            write_values(sampling, quantity, work.own, work, columns, at)
