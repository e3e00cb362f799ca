"""Independent replicates of a statistic, from which its Monte Carlo standard error comes.

There are 32 of them. Under the sampler `sobol` draw i belongs to replicate i mod 32, which is one
scrambled sequence; otherwise to replicate (i div 32) mod 32, made of whole blocks of 32 draws.
Where draws are too few, fewer replicates are full, and below 8 no error is given.
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
    """The replicates of which an error is made.

    `count` holds the number of draws in each of them, `draws` the number in all: an incomplete end
    belongs to none. `places` are those of the draws, replicate after replicate; None where draws
    are 0, 1, 2 ..., which are cut without a search.
    """

    count: Integers
    draws: int
    sampler: str
    places: Integers | None = None

    @property
    def enough(self) -> bool:
        """Whether there are enough of them to tell an error."""
        return len(self.count) >= FEWEST_REPLICATES

    def means(self, values: NDArray[Any]) -> Array:
        """The mean of each replicate [..., replicate] over draws [..., draw]."""
        count = len(self.count)
        if self.places is not None:
            starts = np.cumsum(self.count) - self.count
            kept = values[..., self.places]
            if not count:
                return np.zeros((*values.shape[:-1], 0))
            return np.asarray(np.add.reduceat(kept, starts, axis=-1, dtype=float) / self.count)
        each = int(self.count[0]) if count else BLOCK
        cut = values[..., : count * each]
        if self.sampler == SOBOL:
            total = cut.reshape(*values.shape[:-1], each, count).sum(axis=-2, dtype=float)
        else:
            cut = cut.reshape(*values.shape[:-1], each // BLOCK, count, BLOCK)
            total = cut.sum(axis=-3, dtype=float).sum(axis=-1)  # the other way takes twice as long
        return np.asarray(total / each)


def replicated(draws: int, sampler: str) -> Replicates:
    """The replicates of draws 0, 1, 2 ...

    Below 1,024 draws every full block of 32 is one; of Sobol' sequences each needs two draws.
    """
    if sampler == SOBOL:
        each = draws // REPLICATES
        count = [each] * (REPLICATES if each > 1 else 0)
    elif draws >= BLOCK * REPLICATES:
        count = [draws // (BLOCK * REPLICATES) * BLOCK] * REPLICATES
    else:
        count = [BLOCK] * (draws // BLOCK)
    return Replicates(np.array(count, np.int64), draws, sampler)


def replicates_by(numbers: Integers, sampler: str, evaluated: int | None) -> Replicates:
    """The replicates of draws of these numbers.

    Some of the draws that were `evaluated` may be missing (None: all up to the last are there or
    left out): then replicates weigh as much as they have draws.
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
    """The replicates of the draws of a Dataset.

    Draws are taken to be independent where the Dataset names no sampler.
    """
    return replicates_by(numbers_of(ds), sampler_of(ds), int(ds.attrs.get("draws", 0)))


def numbers_of(ds: xr.Dataset) -> Integers:
    """The numbers of the draws of a Dataset: its coordinate, or 0, 1, 2 ... without one."""
    if "draw" not in ds.variables:
        return np.arange(ds.sizes.get("draw", 0))
    found = ds.variables["draw"].values
    if found.dtype.kind not in "iu" or (found.size and found.min() < 0):
        return np.arange(found.size)
    return np.asarray(found, np.int64)


def sampler_of(ds: xr.Dataset) -> str:
    """The sampler of a Dataset; "random" where it names none."""
    return str(ds.attrs.get("sampler", "random"))


def standard_error(by_replicate: Array, replicates: Replicates) -> Array:
    """Standard error of a statistic from its values in replicates [..., replicate].

    They are weighed by their draws; draws that are in none make the error smaller.
    """
    if not replicates.enough:
        return np.full(by_replicate.shape[:-1], math.nan)
    n = len(replicates.count)
    inside = int(replicates.count.sum())
    weight = replicates.count / inside
    # One order in memory: a sum over another axis than the last goes another way.
    found = np.ascontiguousarray(by_replicate)
    with np.errstate(invalid="ignore", over="ignore"):  # draws that are not finite
        deviation = found - (weight * found).sum(axis=-1, keepdims=True)
        variance = ((weight * deviation) ** 2).sum(axis=-1) * (n / (n - 1))
    return np.asarray(np.sqrt(variance * (inside / replicates.draws)))


def full_replicates(count: Integers, draws: int, sampler: str) -> NDArray[np.bool_]:
    """Which replicates an error is made of, from the number of draws that each of them holds.

    `draws` is the number that were evaluated; some of them may not count.
    """
    if sampler == SOBOL:
        return np.asarray((count > 1) & (draws >= 2 * REPLICATES))
    if draws >= BLOCK * REPLICATES:
        return np.asarray(count > 0)
    return np.asarray((np.arange(count.size) < draws // BLOCK) & (count > 0))


def full_replicates_of(ds: xr.Dataset) -> NDArray[np.bool_]:
    """`full_replicates` of a Dataset that holds moments by replicate."""
    count = ds.variables["replicate_count"].values
    draws = int(ds.attrs.get("draws", count.sum()))
    return full_replicates(count, draws, sampler_of(ds))


def weighted_sum(weight: NDArray[Any], values: Array) -> Array:
    """Sum of weight [replicate] times values [replicate, ...], in an order of its own.

    A product of matrices would sum in an order that depends on where the values stand in memory.
    """
    products = weight.reshape(-1, *(1,) * (values.ndim - 1)) * np.ascontiguousarray(values)
    return np.asarray(products.sum(axis=0))


def mean_of_replicates(
    means: Array, count: Integers, full: NDArray[np.bool_], sampler: str
) -> tuple[Array, Array]:
    """Mean over all draws and its standard error, from the means [replicate, ...] of replicates.

    Their sizes differ where the draws fill no whole tile, or some do not count, so they are
    weighed. `full` [replicate] says of which the error is made.
    """
    n = int(count.sum())
    value = weighted_sum(count / max(n, 1), means)
    by_replicate = np.moveaxis(means[full], 0, -1)
    return np.asarray(value), standard_error(by_replicate, Replicates(count[full], n, sampler))
