"""Independent replicates of a statistic, which give its Monte Carlo standard error.

There are 32 replicates. Under the sampler `sobol` draw i belongs to replicate i mod 32, which is
one scrambled sequence; otherwise to replicate (i div 32) mod 32, which consists of complete blocks
of 32 draws. With few draws fewer replicates are full, and below 8 there is no error (NaN).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.blocks import BLOCK, REPLICATES, replicate_of

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
SOBOL = "sobol"
FEWEST_REPLICATES = 8


@dataclass(frozen=True, slots=True)
class Replicates:
    """Replicates from which standard errors are estimated.

    `count` [replicate] is the number of draws in each, `draws` the number of all draws; those of an
    incomplete last block belong to no replicate. `order` [draw in a replicate] are the indices of
    the draws sorted by replicate; None where draws are 0, 1, 2 ..., which are sliced.
    """

    count: Integers
    draws: int
    sampler: str
    order: Integers | None = None

    @property
    def enough(self) -> bool:
        """Whether there are enough replicates to estimate an error."""
        return len(self.count) >= FEWEST_REPLICATES

    def means(self, values: NDArray[Any]) -> Array:
        """Means of the replicates [..., replicate] of draws [..., draw]."""
        count = len(self.count)
        if self.order is not None:
            starts = np.cumsum(self.count) - self.count
            kept = values[..., self.order]
            if not count:
                return np.zeros((*values.shape[:-1], 0))
            return np.asarray(np.add.reduceat(kept, starts, axis=-1, dtype=float) / self.count)
        size = int(self.count[0]) if count else BLOCK
        kept = values[..., : count * size]
        if self.sampler == SOBOL:
            total = kept.reshape(*values.shape[:-1], size, count).sum(axis=-2, dtype=float)
        else:
            kept = kept.reshape(*values.shape[:-1], size // BLOCK, count, BLOCK)
            total = kept.sum(axis=-3, dtype=float).sum(axis=-1)  # the reverse order: twice as slow
        return np.asarray(total / size)


def replicated(draws: int, sampler: str) -> Replicates:
    """Replicates of the draws 0, 1, 2 ...

    Below 1,024 draws every full block of 32 is a replicate; under Sobol' each sequence of at least
    two draws.
    """
    if sampler == SOBOL:
        size = draws // REPLICATES
        count = [size] * (REPLICATES if size > 1 else 0)
    elif draws >= BLOCK * REPLICATES:
        count = [draws // (BLOCK * REPLICATES) * BLOCK] * REPLICATES
    else:
        count = [BLOCK] * (draws // BLOCK)
    return Replicates(np.array(count, np.int64), draws, sampler)


def replicates_by(numbers: Integers, sampler: str, evaluated: int | None) -> Replicates:
    """Replicates of draws with these numbers [draw].

    `evaluated` is the number of draws that were evaluated, of which some may be left out (None: up
    to the last of `numbers`); replicates are then weighted by their number of draws.
    """
    if np.array_equal(numbers, np.arange(numbers.size)):
        return replicated(numbers.size, sampler)
    replicate = replicate_of(numbers, sampler)
    count = np.bincount(replicate, minlength=REPLICATES)
    last = int(numbers.max()) + 1
    full = full_replicates(count, max(last, evaluated or 0), sampler)
    order = np.argsort(replicate, kind="stable")
    return Replicates(count[full], numbers.size, sampler, order[full[replicate[order]]])


def replicates_of(ds: xr.Dataset) -> Replicates:
    """Replicates of the draws of a Dataset.

    Draws are treated as independent where the Dataset has no attribute `sampler`.
    """
    return replicates_by(numbers_of(ds), sampler_of(ds), int(ds.attrs.get("draws", 0)))


def numbers_of(ds: xr.Dataset) -> Integers:
    """Numbers of the draws [draw]: the coordinate, or 0, 1, 2 ..."""
    if "draw" not in ds.variables:
        return np.arange(ds.sizes.get("draw", 0))
    numbers = ds.variables["draw"].values
    if numbers.dtype.kind not in "iu" or (numbers.size and numbers.min() < 0):
        return np.arange(numbers.size)
    return np.asarray(numbers, np.int64)


def sampler_of(ds: xr.Dataset) -> str:
    """Sampler of a Dataset; "random" where it has no such attribute."""
    return str(ds.attrs.get("sampler", "random"))


def standard_error(by_replicate: Array, replicates: Replicates) -> Array:
    """Standard error [...] of a statistic with values [..., replicate].

    Replicates are weighted by their draws; draws outside of all replicates reduce the error.
    """
    if not replicates.enough:
        return np.full(by_replicate.shape[:-1], math.nan)
    n = len(replicates.count)
    inside = int(replicates.count.sum())
    weight = replicates.count / inside
    # One order in memory: NumPy sums over the last axis in another order than over others.
    values = np.ascontiguousarray(by_replicate)
    with np.errstate(invalid="ignore", over="ignore"):  # draws that are not finite
        deviation = values - (weight * values).sum(axis=-1, keepdims=True)
        variance = ((weight * deviation) ** 2).sum(axis=-1) * (n / (n - 1))
    return np.asarray(np.sqrt(variance * (inside / replicates.draws)))


def full_replicates(count: Integers, draws: int, sampler: str) -> NDArray[np.bool_]:
    """Flags [replicate] of the replicates that are full, from their counts [replicate].

    `draws` is the number of draws that were evaluated, including those that are left out.
    """
    if sampler == SOBOL:
        return np.asarray((count > 1) & (draws >= 2 * REPLICATES))
    if draws >= BLOCK * REPLICATES:
        return np.asarray(count > 0)
    return np.asarray((np.arange(count.size) < draws // BLOCK) & (count > 0))


def full_replicates_of(ds: xr.Dataset) -> NDArray[np.bool_]:
    """Flags [replicate] of full replicates of a Dataset with moments by replicate."""
    count = ds.variables["replicate_count"].values
    draws = int(ds.attrs.get("draws", count.sum()))
    return full_replicates(count, draws, sampler_of(ds))


def weighted_sum(weight: NDArray[Any], values: Array) -> Array:
    """Sum [...] of weight [replicate] times values [replicate, ...].

    The order of the sum is fixed; that of a matrix product would depend on the alignment of the
    values in memory.
    """
    products = weight.reshape(-1, *(1,) * (values.ndim - 1)) * np.ascontiguousarray(values)
    return np.asarray(products.sum(axis=0))


def mean_of_replicates(
    means: Array, count: Integers, full: NDArray[np.bool_], sampler: str
) -> tuple[Array, Array]:
    """Mean [...] and its error, from means [replicate, ...] of replicates.

    Replicates are weighted by `count` [replicate]: it differs where the last tile is incomplete or
    draws are left out. The error is estimated from those of `full` [replicate].
    """
    n = int(count.sum())
    mean = weighted_sum(count / max(n, 1), means)
    by_replicate = np.moveaxis(means[full], 0, -1)
    return np.asarray(mean), standard_error(by_replicate, Replicates(count[full], n, sampler))
