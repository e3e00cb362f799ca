"""How much of a statistic a handful of draws own, and how heavy a tail is.

Statistics that rest on sums of values (means, sds, tail means) may be owned by a few draws. Then
their errors say little: other draws would own them in another run.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sim.statistics.order_statistics import OrderStatistics

Array = NDArray[np.float64]
WORST = 0.0003  # share of the draws that are called the worst
WORST_SHARE = "_worst_share"  # suffix of variables of a summary
# Largest tail index of draws for whose mean an error can be trusted. The variance of a mean is
# infinite from 1/2 on; estimates have an error of 0.05 to 0.1.
LARGEST_TAIL_INDEX = 0.4
FEWEST_IN_TAIL = 5
ROUNDING = 1e-9  # 0.0003 of 10,000 draws are 3, and 2.9999999999999996 in floats
MOMENTS = {"mean": 1, "cvar": 1, "sd": 2}  # statistic -> power of the values whose mean it is


def worst_draws(draws: float) -> int:
    """The number of the worst among this many draws."""
    return max(1, math.floor(WORST * draws + ROUNDING))


def tail_size(draws: int, tail: float) -> int:
    """The number of draws in the tail of that level."""
    return max(1, round(min(tail, 1 - tail) * draws))


def worst_share(
    ordered: Array | OrderStatistics,
    centre: Array,
    power: int = 1,
    tail: float | None = None,
    total: Array | None = None,
) -> Array:
    """Share [...] that the worst draws have in a statistic of sorted draws [..., value].

    The worst are those furthest from `centre` [...], and their share is that in the sum over all
    draws of the distance from it to the `power`: 1 for a mean, 2 for an sd. With a level `tail`,
    the sum is over the draws of that tail. `total` [...] is that sum, where it is known. 0 where
    all draws are equal; NaN where a draw is not finite.
    """
    draws = size = ordered.shape[-1]
    first = 0
    if tail is not None:
        size = tail_size(draws, tail)
        first = 0 if tail <= 0.5 else draws - size
    k = min(worst_draws(draws), size)

    def distance(begin: int, end: int) -> Array:
        """Distances [..., draw] of the draws from the centre, to the power."""
        return np.asarray(np.abs(ordered[..., begin:end] - centre[..., None]) ** power)

    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        last = first + size
        ends = np.concatenate(
            [distance(first, first + k), distance(max(first + k, last - k), last)], -1
        )
        worst = np.sort(ends, axis=-1)[..., -k:].sum(axis=-1)
        if total is None:
            total = distance(first, last).sum(axis=-1)
        return np.where(total == 0.0, 0.0, worst / total)


def worst_share_of_bins(distance: Array, counts: Array, draws: int) -> Array:
    """Share [...] of the worst draws in a sum, from bins [..., bin] of draws at one distance each.

    `counts` are the draws of each bin in the sum, of `draws` in all.
    """
    order = np.argsort(-distance, axis=-1)
    distance, counts = (np.take_along_axis(x, order, -1) for x in (distance, counts))
    before = np.cumsum(counts, axis=-1) - counts
    worst = np.clip(worst_draws(draws) - before, 0, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = (counts * distance).sum(axis=-1)
        return np.where(total == 0.0, 0.0, (worst * distance).sum(axis=-1) / total)


def tail_index(draws: Array, heavier: bool = True) -> float:
    """Estimated index of a tail of draws [draw]: moments up to its inverse exist.

    The tail is the `heavier` one, or the upper one.

    Of the generalised Pareto distribution of the draws beyond a high quantile, by Zhang and
    Stephens (2009) with the prior of Vehtari et al. (2024). -inf where too few draws differ; NaN
    where one is not finite.
    """
    if not np.isfinite(draws).all():
        return math.nan
    ordered = np.sort(draws)
    size = math.ceil(min(0.2 * ordered.size, 3 * math.sqrt(ordered.size)))
    upper = ordered[-size:] - ordered[-size - 1] if size < ordered.size else ordered[:0]
    lower = (ordered[size] - ordered[:size])[::-1] if size < ordered.size else ordered[:0]
    tails = (upper, lower) if heavier else (upper,)
    return max(_pareto_index(tail[tail > 0]) for tail in tails)


def refuse_heavy_tail(draws: Array, statistic: str, level: float) -> str:
    """Why the error of a mean, sd or tail mean cannot be trusted; empty where it can.

    Few draws carry the variance of a mean with a heavy tail. Draws that lack them show neither the
    mean nor its error, and a run that stops at a small error stops just there.

    Args:
        draws: Draws [draw].
        statistic: One of `MOMENTS`.
        level: That of the tail, if the statistic is `cvar`.
    """
    if statistic == "cvar":
        index = tail_index(-draws if level <= 0.5 else draws, heavier=False)
    else:
        index = tail_index(draws)
    if MOMENTS[statistic] * index <= LARGEST_TAIL_INDEX or math.isnan(index):
        return ""
    return (
        f"a few draws carry its variance, which {draws.size:,} draws do not show (tail index"
        f" {index:.2f}); ask for a quantile, or for a number of draws"
    )


def _pareto_index(excess: Array) -> float:
    """Index of a generalised Pareto distribution, from sorted positive draws; -inf from too few."""
    n = excess.size
    if n < FEWEST_IN_TAIL or excess[0] == excess[-1]:
        return -math.inf
    points = 30 + math.isqrt(n)
    quartile = excess[int(n / 4 + 0.5) - 1]
    scale = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    b = scale / (3 * quartile) + 1 / excess[-1]
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    likelihood = n * (np.log(-(b / k)) - k - 1)
    weight = 1 / np.exp(np.clip(likelihood - likelihood[:, None], -700, 700)).sum(axis=1)
    mean_b = (b * weight).sum() / weight.sum()
    index = float(np.log1p(-mean_b * excess).mean())
    return (n * index + 10 * 0.5) / (n + 10)
