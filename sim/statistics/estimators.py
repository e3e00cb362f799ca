"""Estimators: quantiles, tail means and probabilities of draws, with their standard errors.

A quantile and a tail mean are not evaluated in every replicate, which would hold few draws beyond
them. It is counted how many draws of each replicate lie beyond the value over all draws, and the
slope of the quantiles around it makes an error of that. Where fewer than 10 draws a replicate lie
beyond a quantile or threshold, the pooled order statistics, or for a probability Wilson's
interval, give the error instead.
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
SLOPE_OVER = 4  # standard deviations of a share to either side: some 100 draws and more


def _pooled(by_replicate: Array, pooled: int) -> Array:
    """The mean over the last `pooled` dims before `replicate`."""
    return np.asarray(by_replicate.mean(axis=tuple(range(-1 - pooled, -1))))


def flattened(values: NDArray[Any], pooled: int = 0) -> NDArray[Any]:
    """Draws [..., draw] with the last `pooled` dims before `draw` made one with it."""
    return values.reshape(*values.shape[: values.ndim - 1 - pooled], -1)


def mean_with_error(values: Array, replicates: Replicates, pooled: int = 0) -> tuple[Array, Array]:
    """The mean of draws [..., draw] and its standard error.

    The last `pooled` dims before `draw` are pooled with it, here and below: their values belong
    to the replicate of their draw, and are not independent.
    """
    with np.errstate(invalid="ignore"):
        mean = flattened(values, pooled).mean(axis=-1)
        return mean, standard_error(_pooled(replicates.means(values), pooled), replicates)


def sd_with_error(values: Array, replicates: Replicates, pooled: int = 0) -> tuple[Array, Array]:
    """The standard deviation of draws [..., draw] and its standard error."""
    together = flattened(values, pooled)
    with np.errstate(invalid="ignore", over="ignore"):
        centre = together.mean(axis=-1)
        sd = np.full(centre.shape, math.nan)
        if together.shape[-1] > 1:
            sd = together.std(axis=-1, ddof=1)
        squares = (values - _beside(centre, values)) ** 2
        return sd, sd_error(sd, _pooled(replicates.means(squares), pooled), replicates)


def sd_error(sd: Array, squares: Array, replicates: Replicates) -> Array:
    """Standard error of an sd [...], from the mean squares [..., replicate] about the mean.

    To first order; an sd of a replicate of few draws would be biased.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = standard_error(squares, replicates) / (2 * sd)
    return np.where((sd == 0.0) & replicates.enough, 0.0, error)


def _quantiles(ordered: Array, levels: Sequence[float]) -> Array:
    """Quantiles [level, ...] of sorted draws, linear between order statistics, infinities kept."""
    n = ordered.shape[-1]
    found = []
    for level in levels:
        place = level * (n - 1)
        low = math.floor(place)
        weight = place - low
        below, above = ordered[..., low], ordered[..., min(low + 1, n - 1)]
        with np.errstate(invalid="ignore"):
            between = below + weight * (above - below)
        settled = (below == above) | np.isneginf(below)
        found.append(np.where(settled, below, between) if weight else below)
    return np.stack(found)


def _tail_means(ordered: Array, levels: Sequence[float]) -> Array:
    n = ordered.shape[-1]
    found = []
    for level in levels:
        if level <= 0.5:
            found.append(ordered[..., : max(1, math.ceil(level * n - ROUNDING))].mean(axis=-1))
        else:
            start = min(n - 1, math.floor(level * n + ROUNDING))
            found.append(ordered[..., start:].mean(axis=-1))
    return np.stack(found)


def quantiles_with_error(
    ordered: Array,
    values: Array,
    replicates: Replicates,
    levels: Sequence[float],
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Quantiles [level, ...] of draws [..., draw], and their standard errors.

    `ordered` [..., value] are the same, sorted, the pooled ones among them.
    """
    value = _quantiles(ordered, levels)
    errors = [
        _quantile_error(ordered, values, replicates, level, at, pooled)
        for level, at in zip(levels, value, strict=True)
    ]
    return value, np.stack(errors)


def _quantile_error(
    ordered: Array, values: Array, replicates: Replicates, level: float, at: Array, pooled: int
) -> Array:
    if not replicates.enough or level in (0.0, 1.0):  # draws cannot tell what lies beyond them
        return np.full(at.shape, math.nan)
    draws = replicates.draws
    spread = math.sqrt(level * (1 - level) / draws)
    near = _rise(ordered, level, spread)[0] / 2
    if draws * min(level, 1 - level) < FEWEST_BEYOND * len(replicates.count):
        return near
    shares = _pooled(replicates.means(values <= _beside(at, values)), pooled)
    below = standard_error(shares, replicates)
    # All replicates may agree on a share (one stratified input, a level at the edge of a stratum);
    # the quantile still lies anywhere between two draws.
    below = np.sqrt(below**2 + 0.5 / draws**2)
    rise, run = _rise(ordered, level, SLOPE_OVER * spread)
    with np.errstate(over="ignore"):
        error = below * rise / run
    # Where the slope reaches into infinity, the nearest order statistics tell what is known.
    return np.where(np.isfinite(error), error, near)


def quantile_by_replicate(values: Array, replicates: Replicates, level: float) -> Array:
    """How far each replicate [replicate] would move a quantile of draws [draw], to first order."""
    ordered = np.sort(values)
    at = _quantiles(ordered, [level])[0]
    spread = math.sqrt(level * (1 - level) / values.size)
    rise, run = _rise(ordered, level, SLOPE_OVER * spread)
    return (level - replicates.means(values <= at)) * (rise / run)


def _beside(at: Array, values: NDArray[Any]) -> Array:
    """Numbers [...] as they stand beside draws [..., pooled, draw]."""
    return at.reshape(*at.shape, *(1,) * (values.ndim - at.ndim))


def _rise(ordered: Array, level: float, reach: float) -> tuple[Array, float]:
    """How much quantiles rise from `level - reach` to `level + reach`, and between which levels."""
    ends = [max(level - reach, 0.0), min(level + reach, 1.0)]
    low, high = _quantiles(ordered, ends)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(low == high, 0.0, high - low), ends[1] - ends[0]


def tail_means_with_error(
    ordered: Array,
    values: Array,
    replicates: Replicates,
    levels: Sequence[float],
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Means of the tails [level, ...] of draws [..., draw], and their standard errors.

    `ordered` [..., value] are the same, sorted. To first order a tail mean moves with the mean
    excess over the quantile where the tail begins, and not with the quantile itself.
    """
    errors = []
    for level, at in zip(levels, _quantiles(ordered, levels), strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            excess = values - _beside(at, values)
            if level <= 0.5:
                np.negative(excess, out=excess)
            np.maximum(excess, 0.0, out=excess)
            mean = _pooled(replicates.means(excess), pooled) / min(level, 1 - level)
        errors.append(standard_error(mean, replicates))
    with np.errstate(invalid="ignore"):
        return _tail_means(ordered, levels), np.stack(errors)


def probability_with_error(
    happens: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    replicates: Replicates,
    pooled: int = 0,
) -> tuple[Array, Array]:
    """Share of the valid draws [..., draw] in which an event happens, and its standard error."""
    each = math.prod(happens.shape[happens.ndim - 1 - pooled : -1])
    value = share(flattened(happens, pooled), flattened(valid, pooled))
    if not replicates.enough:
        return value, np.full(value.shape, math.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        events, known = (_pooled(replicates.means(x), pooled) for x in (happens & valid, valid))
        error = standard_error(events / known, replicates)
        # Values of the same draw may be one and the same: draws alone are surely independent.
        n = valid.sum(axis=tuple(range(-1 - pooled, 0))) / each
        few = n * np.minimum(value, 1 - value) < FEWEST_BEYOND * len(replicates.count)
        wilson = np.sqrt(value * (1 - value) / n + 1 / (4.0 * n * n)) / (1 + 1 / n)
    return value, np.where(few, wilson, error)
