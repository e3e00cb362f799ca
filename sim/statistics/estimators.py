"""Statistics of draws, with their standard errors.

Quantiles and tail means are not evaluated by replicate, since few draws of a replicate lie beyond
them. Instead the share of the draws of each replicate beyond the quantile of all draws is taken,
and the slope of the quantiles around it converts the spread of these shares to an error. Where
fewer than 10 draws a replicate lie beyond a quantile or threshold, the error comes from the
pooled order statistics, or for a probability from Wilson's interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.statistics.datasets import share
from sim.statistics.replicates import Replicates, standard_error

Array = NDArray[np.float64]
FEWEST_BEYOND = 10
ROUNDING = 1e-9  # 0.07 of 100 draws are 7, and 7.000000000000001 in floats
SLOPE_OVER = 4  # standard deviations of a share to either side: about 100 draws and more


def _pool(by_replicate: Array, pooled: int) -> Array:
    """Mean over the last `pooled` dims before `replicate`."""
    return np.asarray(by_replicate.mean(axis=tuple(range(-1 - pooled, -1))))


def flattened(values: NDArray[Any], pooled: int = 0) -> NDArray[Any]:
    """Draws [..., draw] with the last `pooled` dims merged into `draw`."""
    return values.reshape(*values.shape[: values.ndim - 1 - pooled], -1)


def mean_with_error(values: Array, replicates: Replicates, pooled: int = 0) -> tuple[Array, Array]:
    """Mean [...] of draws [..., draw] and its standard error.

    In all estimators the last `pooled` dims before `draw` are pooled with it: their values belong
    to the replicate of their draw, and are not independent.
    """
    with np.errstate(invalid="ignore"):
        mean = flattened(values, pooled).mean(axis=-1)
        return mean, standard_error(_pool(replicates.means(values), pooled), replicates)


def sd_with_error(values: Array, replicates: Replicates, pooled: int = 0) -> tuple[Array, Array]:
    """Standard deviation [...] of draws [..., draw] and its standard error."""
    flat = flattened(values, pooled)
    with np.errstate(invalid="ignore", over="ignore"):
        centre = flat.mean(axis=-1)
        sd = np.full(centre.shape, math.nan)
        if flat.shape[-1] > 1:
            sd = flat.std(axis=-1, ddof=1)
        squares = (values - _expand(centre, values)) ** 2
        return sd, sd_error(sd, _pool(replicates.means(squares), pooled), replicates)


def sd_error(sd: Array, squares: Array, replicates: Replicates) -> Array:
    """Standard error of an sd [...] from mean squared deviations [..., replicate].

    To first order; the sd of a replicate of few draws would be biased.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = standard_error(squares, replicates) / (2 * sd)
    return np.where((sd == 0.0) & replicates.enough, 0.0, error)


def _quantiles(ordered: Array, levels: Sequence[float]) -> Array:
    """Quantiles [level, ...] of sorted draws [..., value], linear between order statistics.

    Infinite draws stay infinite.
    """
    n = ordered.shape[-1]
    quantiles = []
    for level in levels:
        position = level * (n - 1)
        low = math.floor(position)
        weight = position - low
        below, above = ordered[..., low], ordered[..., min(low + 1, n - 1)]
        with np.errstate(invalid="ignore"):
            between = below + weight * (above - below)
        exact = (below == above) | np.isneginf(below)
        quantiles.append(np.where(exact, below, between) if weight else below)
    return np.stack(quantiles)


def _tail_means(ordered: Array, levels: Sequence[float]) -> Array:
    """Tail means [level, ...] of sorted draws [..., value], over whole draws."""
    n = ordered.shape[-1]
    means = []
    for level in levels:
        if level <= 0.5:
            means.append(ordered[..., : max(1, math.ceil(level * n - ROUNDING))].mean(axis=-1))
        else:
            first = min(n - 1, math.floor(level * n + ROUNDING))
            means.append(ordered[..., first:].mean(axis=-1))
    return np.stack(means)


def quantiles_with_error(
    ordered: Array,
    values: Array,
    replicates: Replicates,
    levels: Sequence[float],
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Quantiles [level, ...] of draws [..., draw] and their standard errors.

    `ordered` [..., value] are the same draws, flattened over the pooled dims and sorted.
    """
    quantiles = _quantiles(ordered, levels)
    errors = [
        _quantile_error(ordered, values, replicates, level, quantile, pooled)
        for level, quantile in zip(levels, quantiles, strict=True)
    ]
    return quantiles, np.stack(errors)


def _quantile_error(
    ordered: Array,
    values: Array,
    replicates: Replicates,
    level: float,
    quantile: Array,
    pooled: int,
) -> Array:
    """Standard error of a quantile [...] of draws [..., draw].

    It is the error of the share of draws up to the quantile, times the slope of the quantiles; or
    half the rise of the quantiles over one sd of a share where few draws lie beyond. NaN at the
    levels 0 and 1.
    """
    if not replicates.enough or level in (0.0, 1.0):  # nothing is known beyond the outer draws
        return np.full(quantile.shape, math.nan)
    draws = replicates.draws
    spread = math.sqrt(level * (1 - level) / draws)
    near = _rise(ordered, level, spread)[0] / 2
    if draws * min(level, 1 - level) < FEWEST_BEYOND * len(replicates.count):
        return near
    shares = _pool(replicates.means(values <= _expand(quantile, values)), pooled)
    below = standard_error(shares, replicates)
    # All replicates may agree on a share (one stratified input, a level at the edge of a stratum);
    # the quantile still lies anywhere between two draws.
    below = np.sqrt(below**2 + 0.5 / draws**2)
    rise, run = _rise(ordered, level, SLOPE_OVER * spread)
    with np.errstate(over="ignore"):
        error = below * rise / run
    # Where the slope is infinite, only the nearest order statistics bound the quantile.
    return np.where(np.isfinite(error), error, near)


def quantile_by_replicate(values: Array, replicates: Replicates, level: float) -> Array:
    """First-order shift [replicate] of a quantile of draws [draw] by replicate."""
    ordered = np.sort(values)
    quantile = _quantiles(ordered, [level])[0]
    spread = math.sqrt(level * (1 - level) / values.size)
    rise, run = _rise(ordered, level, SLOPE_OVER * spread)
    return (level - replicates.means(values <= quantile)) * (rise / run)


def _expand(numbers: Array, values: NDArray[Any]) -> Array:
    """Numbers [...] reshaped to broadcast against draws [..., pooled, draw]."""
    return numbers.reshape(*numbers.shape, *(1,) * (values.ndim - numbers.ndim))


def _rise(ordered: Array, level: float, reach: float) -> tuple[Array, float]:
    """Rise [...] of quantiles over `level` ± `reach`, and the levels' distance."""
    levels = [max(level - reach, 0.0), min(level + reach, 1.0)]
    low, high = _quantiles(ordered, levels)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(low == high, 0.0, high - low), levels[1] - levels[0]


def tail_means_with_error(
    ordered: Array,
    values: Array,
    replicates: Replicates,
    levels: Sequence[float],
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Tail means [level, ...] of draws [..., draw] and their standard errors.

    `ordered` [..., value] are the same draws, sorted. To first order a tail mean moves with the
    mean excess over the quantile where the tail begins, and not with the quantile itself.
    """
    errors = []
    for level, quantile in zip(levels, _quantiles(ordered, levels), strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            excess = values - _expand(quantile, values)
            if level <= 0.5:
                np.negative(excess, out=excess)
            np.maximum(excess, 0.0, out=excess)
            mean = _pool(replicates.means(excess), pooled) / min(level, 1 - level)
        errors.append(standard_error(mean, replicates))
    with np.errstate(invalid="ignore"):
        return _tail_means(ordered, levels), np.stack(errors)


def probability_with_error(
    happens: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    replicates: Replicates,
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Share [...] of valid draws with an event, and its error.

    `happens` and `valid` are Boolean [..., draw].
    """
    values_per_draw = math.prod(happens.shape[happens.ndim - 1 - pooled : -1])
    value = share(flattened(happens, pooled), flattened(valid, pooled))
    if not replicates.enough:
        return value, np.full(value.shape, math.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        events, known = (
            _pool(replicates.means(flags), pooled) for flags in (happens & valid, valid)
        )
        error = standard_error(events / known, replicates)
        # Pooled values of one draw may be equal: only draws are independent for certain.
        n = valid.sum(axis=tuple(range(-1 - pooled, 0))) / values_per_draw
        few = n * np.minimum(value, 1 - value) < FEWEST_BEYOND * len(replicates.count)
        wilson = np.sqrt(value * (1 - value) / n + 1 / (4.0 * n * n)) / (1 + 1 / n)
    return value, np.where(few, wilson, error)


def share_with_error(
    happens: NDArray[Any],
    valid: NDArray[Any],
    all_happen: NDArray[Any],
    all_valid: NDArray[Any],
    replicates: Replicates,
    hidden_variance: Array | float = 0.0,
    values_per_draw: int = 1,
) -> tuple[Array, Array]:
    """Share of valid draws with an event and its error, from counts.

    `happens` and `valid` [..., replicate] are counts of the full replicates, `all_happen` and
    `all_valid` [...] of all draws. `hidden_variance` of the counts does not show in replicates;
    `values_per_draw` are counted. See `probability_with_error`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = all_happen / all_valid
        if not replicates.enough:
            return value, np.full(value.shape, math.nan)
        error = np.sqrt(
            standard_error(happens / valid, replicates) ** 2
            + hidden_variance / all_valid.astype(float) ** 2
        )
        n = all_valid / values_per_draw  # pooled values of one draw may be equal
        few = n * np.minimum(value, 1 - value) < FEWEST_BEYOND * len(replicates.count)
        wilson = np.sqrt(np.maximum(value * (1 - value), 0.0) / n + 1 / (4.0 * n * n)) / (1 + 1 / n)
    return value, np.where(few, wilson, error)
