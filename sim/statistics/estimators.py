"""Statistics of draws, with their standard errors.

Quantiles and tail means are not evaluated by replicate, since few draws of a replicate lie beyond
them. Instead the share of the draws of each replicate beyond the quantile of all draws is taken,
and the slope of the quantiles around it converts the spread of these shares to an error (Woodruff
1952). Factors for few draws in a tail are measured: they hold the coverage of the errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.statistics.datasets import share
from sim.statistics.order_statistics import OrderStatistics, Range
from sim.statistics.replicates import RANDOM, Replicates, pool_dims, standard_error
from sim.statistics.sums import AT_MOST, EXCESS, SHORTFALL, SQUARE, VALUE, sum_terms

Array = NDArray[np.float64]
Ordered = Array | OrderStatistics  # draws [..., value] in ascending order
ROUNDING = 1e-9  # 0.07 of 100 draws are 7, and 7.000000000000001 in floats
# Standard deviations of a share to either side over which the slope of quantiles is taken: with few
# it is noisy, with many it is that of another part of the distribution.
LEAST_REACH, MOST_REACH = 2.0, 4.0


def flattened(values: NDArray[Any], pooled: int = 0) -> NDArray[Any]:
    """Draws [..., draw] with the last `pooled` dims merged into `draw`."""
    lead = values.ndim - 1 - pooled
    return values.reshape(*values.shape[:lead], math.prod(values.shape[lead:]))


def mean_with_error(values: Array, replicates: Replicates, pooled: int = 0) -> tuple[Array, Array]:
    """Mean [...] of draws [..., draw] and its standard error.

    In all estimators the last `pooled` dims before `draw` are pooled with it: their values belong
    to the replicate of their draw, and are not independent.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = flattened(values, pooled).mean(axis=-1)
        means = replicates.means_of_term(values, VALUE, 0.0, pooled)
        return mean, standard_error(means, replicates)


def sd_with_error(values: Array, replicates: Replicates, pooled: int = 0) -> tuple[Array, Array]:
    """Standard deviation [...] of draws [..., draw] and its standard error."""
    flat = flattened(values, pooled)
    draws = flat.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):
        centre = flat.mean(axis=-1)
        sd = np.full(centre.shape, math.nan)
        if draws > 1:
            sd = np.sqrt(sum_terms(flat, SQUARE, centre) / (draws - 1))
        squares = replicates.means_of_term(values, SQUARE, centre, pooled)
        return sd, sd_error(sd, squares, replicates)


def sd_error(sd: Array, squares: Array, replicates: Replicates) -> Array:
    """Standard error of an sd [...] from mean squared deviations [..., replicate].

    To first order; the sd of a replicate of few draws would be biased.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = standard_error(squares, replicates) / (2 * sd)
    return np.where((sd == 0.0) & replicates.enough, 0.0, error)


def _quantiles(ordered: Ordered, levels: Sequence[float]) -> Array:
    """Quantiles [level, ...] of sorted draws [..., value], linear between order statistics.

    Infinite draws stay infinite.
    """
    n = ordered.shape[-1]
    position = np.array(levels) * (n - 1)
    low = np.floor(position).astype(np.int64)
    weight = position - low
    below, above = ordered[..., low], ordered[..., np.minimum(low + 1, n - 1)]
    with np.errstate(invalid="ignore"):
        between = below + weight * (above - below)
    exact = (below == above) | np.isneginf(below) | (weight == 0.0)
    return np.moveaxis(np.where(exact, below, between), -1, 0)


def tail_range(n: int, level: float) -> Range:
    """The ranks of the draws of a tail, whole draws of `n`: the first, and that after the last."""
    if level <= 0.5:
        return 0, max(1, math.ceil(level * n - ROUNDING))
    return min(n - 1, math.floor(level * n + ROUNDING)), n


def _tail_means(ordered: Ordered, levels: Sequence[float]) -> Array:
    """Tail means [level, ...] of sorted draws [..., value], over whole draws."""
    ranges = [tail_range(ordered.shape[-1], level) for level in levels]
    return np.stack([ordered[..., begin:end].mean(axis=-1) for begin, end in ranges])


@lru_cache(maxsize=16)
def ranges_needed(
    n: int, draws: int, quantiles: tuple[float, ...], tails: tuple[float, ...]
) -> list[Range]:
    """The ranks of `n` values of `draws` draws that quantiles and tail means are taken from.

    Of both, with the errors of the quantiles at which tails begin.
    """
    ranges = [tail_range(n, level) for level in tails]
    levels = [*quantiles, *tails]
    for level in tuple(levels):
        levels += [bound for reach in _reaches(draws, level) for bound in _span(level, reach)]
    for level in levels:
        low = math.floor(level * (n - 1))
        ranges.append((low, min(low + 2, n)))
    return ranges


def quantiles_with_error(
    ordered: Ordered,
    values: Array,
    replicates: Replicates,
    levels: Sequence[float],
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Quantiles [level, ...] of draws [..., draw] and their standard errors.

    `ordered` [..., value] are the same draws, flattened over the pooled dims and sorted.

    The error is that of the share of draws up to the quantile, times the slope of the quantiles;
    half the rise of the quantiles over one sd of a share where that is infinite. 0 within an atom.
    NaN where less than one draw is expected beyond the quantile.
    """
    n = replicates.draws
    beyond = [n * min(level, 1 - level) for level in levels]
    # Nothing is known beyond the outer draws.
    known = [k for k, draws in enumerate(beyond) if replicates.enough and draws >= 1]
    steep, near = ([_span(levels[k], _reaches(n, levels[k])[one]) for k in known] for one in (1, 0))
    bounds = [bound for span in (*steep, *near) for bound in span]
    quantiles = _quantiles(ordered, [*levels, *bounds])
    quantiles, ends = quantiles[: len(levels)], quantiles[len(levels) :]
    errors = np.full(quantiles.shape, math.nan)
    if not known:
        return quantiles, errors
    shares = [replicates.means_of_term(values, AT_MOST, quantiles[k], pooled) for k in known]
    below = standard_error(np.stack(shares), replicates)
    ones = (1,) * (quantiles.ndim - 1)
    # All replicates may agree on a share (one stratified input, a level at the edge of a stratum);
    # the quantile still lies anywhere between two draws.
    few = np.array([1 + 1 / beyond[k] ** 2 for k in known]).reshape(-1, *ones)
    below = np.sqrt((below**2 + 0.5 / n**2) * few)
    runs = np.array([last - first for first, last in steep]).reshape(-1, *ones)
    with np.errstate(over="ignore", invalid="ignore"):
        rises = np.where(ends[::2] == ends[1::2], 0.0, ends[1::2] - ends[::2])
        error = below * rises[: len(known)] / runs
    # Where the slope is infinite, only the nearest order statistics bound the quantile.
    errors[known] = np.where(np.isfinite(error), error, rises[len(known) :] / 2)
    return quantiles, errors


def quantile_influence(values: Array, level: float) -> Array:
    """First-order shift [draw] of a quantile by each draw, but for a constant.

    The mean of these over draws moves with the quantile: its standard error is that of the
    quantile.
    """
    ordered = OrderStatistics(values, ranges_needed(values.size, values.size, (level,), ()))
    rise, run = _rise(ordered, level, _reaches(values.size, level)[1])
    return np.asarray((values > _quantiles(ordered, [level])[0]) * (rise / run))


def _reaches(draws: int, level: float) -> tuple[float, float]:
    """One standard deviation of the share of draws up to a quantile, and the reach of its slope."""
    spread = math.sqrt(level * (1 - level) / draws)
    return spread, slope_reach(draws * min(level, 1 - level)) * spread


def _span(level: float, reach: float) -> tuple[float, float]:
    """The levels `level` ± `reach`, from 0 to 1."""
    return max(level - reach, 0.0), min(level + reach, 1.0)


def _rise(ordered: Ordered, level: float, reach: float) -> tuple[Array, float]:
    """Rise [...] of quantiles over `level` ± `reach`, and the levels' distance."""
    first, last = _span(level, reach)
    low, high = _quantiles(ordered, [first, last])
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(low == high, 0.0, high - low), last - first


def tail_means_with_error(
    ordered: Ordered,
    values: Array,
    replicates: Replicates,
    levels: Sequence[float],
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Tail means [level, ...] of draws [..., draw] and their standard errors.

    `ordered` [..., value] are the same draws, sorted. To first order a tail mean moves with the
    mean excess over the quantile where the tail begins, and not with the quantile itself.
    """
    quantiles = _quantiles(ordered, levels)
    errors = np.full(quantiles.shape, math.nan)
    in_tail = [replicates.draws * min(level, 1 - level) for level in levels]
    for k, level in enumerate(levels):
        if in_tail[k] >= 1:
            term = SHORTFALL if level <= 0.5 else EXCESS
            with np.errstate(invalid="ignore", over="ignore"):
                excess = replicates.means_of_term(values, term, quantiles[k], pooled)
                excess = excess / min(level, 1 - level)
            errors[k] = standard_error(excess, replicates) * tail_factor(in_tail[k])
    with np.errstate(invalid="ignore"):
        return _tail_means(ordered, levels), errors


def slope_reach(beyond: float) -> float:
    """Reach of a slope in sds of a share, with that many draws beyond the quantile; measured."""
    return min(max(math.sqrt(beyond) / 6, LEAST_REACH), MOST_REACH)


def tail_factor(in_tail: float) -> float:
    """Factor of the error of a tail mean of that many draws; measured, see above."""
    return math.sqrt(1 + 4 / in_tail)


def probability_with_error(
    happens: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    replicates: Replicates,
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Share [...] of valid draws with an event, and its error.

    `happens` and `valid` are Boolean [..., draw].
    """
    if valid.all():
        known, counted = np.ones(happens.shape[: happens.ndim - 1 - pooled]), happens
    else:
        known, counted = valid.mean(axis=tuple(range(-1 - pooled, 0))), happens & valid
    value = share(flattened(counted, pooled), flattened(valid, pooled))
    if not replicates.enough:
        return value, np.full(value.shape, math.nan)
    if replicates.sampler == RANDOM and not pooled:
        return value, _wilson(_binomial(value, known * replicates.draws), known * replicates.draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        events = pool_dims(replicates.means(counted), pooled)
        valid_share = (
            np.ones(()) if counted is happens else pool_dims(replicates.means(valid), pooled)
        )
        error = _share_error(events, valid_share, value, known, replicates)
        return value, _wilson(error, known * replicates.draws)


def _share_error(
    events: Array, valid: Array, value: Array, known: Array, replicates: Replicates
) -> Array:
    """Standard error [...] of the share `value` of events among valid draws.

    `events` and `valid` [..., replicate] are shares of all draws of the replicates, `known` [...]
    is the share of valid draws among all.
    """
    excess = (events - value[..., None] * valid) / known[..., None]
    return standard_error(excess, replicates)


def _binomial(value: Array, draws: Array) -> Array:
    """Standard error [...] of a share of independent draws."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(value * (1 - value) / np.maximum(draws - 1, 1)))


def _wilson(error: Array, draws: Array) -> Array:
    """Standard error [...] of a share of draws, half the width of Wilson's interval.

    `error` is that of the normal approximation; of an event in no draw, or in all, it is 0.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(error**2 + 1 / (4.0 * draws**2)) / (1 + 1 / draws))


def share_with_error(
    happens: NDArray[Any],
    valid: NDArray[Any],
    replicates: Replicates,
    hidden_variance: Array | float = 0.0,
    values_per_draw: int = 1,
    all_happen: Array | None = None,
) -> tuple[Array, Array]:
    """Share [...] of valid draws with an event and its error, from counts [..., replicate].

    `hidden_variance` of the counts does not show in replicates; `values_per_draw` are counted.
    `all_happen` [...] is the sum of `happens`, where that is known without rounding. See
    `probability_with_error`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        known = valid.sum(axis=-1)
        value = (happens.sum(axis=-1) if all_happen is None else all_happen) / known
        if not replicates.enough:
            return value, np.full(value.shape, math.nan)
        if replicates.sampler == RANDOM and values_per_draw == 1:
            error = _binomial(value, known)
        else:
            count = replicates.count
            mean_known = known / replicates.draws
            error = _share_error(happens / count, valid / count, value, mean_known, replicates)
        error = np.sqrt(error**2 + hidden_variance / known.astype(float) ** 2)
        return value, _wilson(error, known / values_per_draw)
