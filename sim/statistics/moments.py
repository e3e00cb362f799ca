"""Moments by replicate of outputs of which a run keeps no draws, and their means.

There are 32 replicates, each with its mean and its sum of squared deviations. Beside them stands
the spread of the means of blocks, so that the error of a mean is the one that its draws would give.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.statistics.datasets import BLOCK_M2, REPLICATE_M2, REPLICATE_MEAN
from sim.statistics.replicates import (
    RANDOM,
    Replicates,
    fewest_draws,
    sampler_of,
    standard_error,
)

Array = NDArray[np.float64]


def replicates_of_moments(ds: xr.Dataset) -> tuple[Replicates, NDArray[np.bool_]]:
    """Replicates of moments, and flags [replicate] of those that hold draws."""
    count = ds.variables["replicate_count"].values
    return Replicates(count[count > 0], sampler_of(ds)), np.asarray(count > 0)


def weighted_sum(weight: NDArray[Any], values: Array) -> Array:
    """Sum [...] of weight [replicate] times values [replicate, ...].

    The order of the sum is fixed; that of a matrix product would depend on the alignment of the
    values in memory.
    """
    products = weight.reshape(-1, *(1,) * (values.ndim - 1)) * np.ascontiguousarray(values)
    return np.asarray(products.sum(axis=0))


def mean_of_replicates(means: Array, ds: xr.Dataset) -> tuple[Array, Array]:
    """Mean [...] and its error, from means [replicate, ...] of the 32 replicates of a Dataset."""
    replicates, held = replicates_of_moments(ds)
    mean = weighted_sum(replicates.count / max(replicates.draws, 1), means[held])
    return mean, standard_error(np.moveaxis(means[held], 0, -1), replicates)


def mean_of_moments(ds: xr.Dataset, name: str) -> tuple[Array, Array]:
    """Mean [...] of an output and its error, from its moments.

    The error is that of `sim.statistics.replicates`: from all draws under `random`, from the means
    of all blocks under `stratified`, from those of the sequences under `sobol`.
    """
    means = ds.variables[name + REPLICATE_MEAN].values
    mean, error = mean_of_replicates(means, ds)
    replicates, held = replicates_of_moments(ds)
    draws = replicates.draws
    if replicates.sampler == RANDOM:
        between = weighted_sum(replicates.count, (means[held] - mean) ** 2)
        m2 = ds.variables[name + REPLICATE_M2].values.sum(axis=0) + between
        variance = m2 / max(draws - 1, 1) / draws
        enough = draws >= fewest_draws(RANDOM)
    elif name + BLOCK_M2 in ds.variables:
        spread = ds.variables[name + BLOCK_M2]
        blocks = int(spread.attrs["blocks"])
        variance = spread.values / draws**2 * (blocks / max(blocks - 1, 1))
        enough = replicates.enough
    else:
        return mean, error
    return mean, np.sqrt(variance) if enough else np.full(mean.shape, math.nan)
