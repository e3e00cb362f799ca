"""Independent replicates of a statistic, which give its Monte Carlo standard error.

Replicates are the smallest groups of draws that are independent of one another: single draws of the
sampler `random` and of Datasets of another origin, blocks of 32 consecutive draws under
`stratified`, and under `sobol` the 32 scrambled sequences, to which draws belong in turn. They are
weighted by their number of draws, so that every draw enters the error. With few draws there is no
error (NaN).

Of outputs of which a run keeps moments alone, and of histograms, there are 32 replicates: block b
belongs to replicate b mod 32 (`sim.statistics.moments`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.blocks import BLOCK, REPLICATES
from sim.statistics.sums import (
    VALUE,
    count_by_block,
    form_term,
    sum_squared_deviations,
    sum_terms_by_block,
)

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
RANDOM, SOBOL = "random", "sobol"
FEWEST_REPLICATES = 8
EVIDENCE = "evidence"  # the attribute of a Dataset whose draws have weights


def fewest_draws(sampler: str) -> int:
    """The number of draws from which on there are errors."""
    return 30 if sampler == RANDOM else FEWEST_REPLICATES * BLOCK


@dataclass(frozen=True, slots=True)
class Replicates:
    """Replicates from which standard errors are estimated.

    `count` [replicate] is the number of draws in each. `order` [draw] are the indices of the draws
    sorted by replicate; None where draws are 0, 1, 2 ..., which are sliced, and where every draw is
    a replicate.
    """

    count: Integers
    sampler: str
    order: Integers | None = None

    @property
    def draws(self) -> int:
        """The number of draws in all replicates."""
        return int(self.count.sum())

    @property
    def enough(self) -> bool:
        """Whether there are enough draws and replicates to estimate an error."""
        return self.draws >= fewest_draws(self.sampler) and len(self.count) >= FEWEST_REPLICATES

    def of_draws(self) -> Integers:
        """The replicate of each draw [draw]."""
        if self.order is None and self.sampler == SOBOL:
            return np.arange(self.draws) % len(self.count)
        replicate = np.repeat(np.arange(len(self.count)), self.count)
        if self.order is not None:
            replicate[self.order] = replicate.copy()
        return replicate

    def means(self, values: NDArray[Any]) -> Array:
        """Means of the replicates [..., replicate] of draws [..., draw]."""
        count = len(self.count)
        if count == values.shape[-1]:  # every draw is a replicate
            ordered = values if self.order is None else values[..., self.order]
            return np.asarray(ordered, dtype=float)
        if self.order is not None:
            starts = np.cumsum(self.count) - self.count
            sorted_values = values[..., self.order]
            return np.asarray(
                np.add.reduceat(sorted_values, starts, axis=-1, dtype=float) / self.count
            )
        if self.sampler != SOBOL:
            flags = values.dtype == bool
            sums = count_by_block(values) if flags else sum_terms_by_block(values, VALUE)
            return np.asarray(sums / self.count)
        size = values.shape[-1] // count
        full = size * count
        total = values[..., :full].reshape(*values.shape[:-1], size, count)
        sums = total.sum(axis=-2, dtype=float)
        sums[..., : values.shape[-1] - full] += values[..., full:]
        return np.asarray(sums / self.count)

    def means_of_term(self, values: Array, term: int, numbers: Array | float, pooled: int) -> Array:
        """Means [..., replicate] of a term (`sim.statistics.sums`) of draws and numbers [...].

        The last `pooled` dims before `draw` are pooled with it.
        """
        each = np.reshape(numbers, np.shape(numbers) + (1,) * pooled)
        in_blocks = self.order is None and self.sampler not in (RANDOM, SOBOL)
        if in_blocks and len(self.count) == -(-values.shape[-1] // BLOCK):
            means = sum_terms_by_block(values, term, each) / self.count
        else:
            means = self.means(form_term(values, term, each[..., None]))
        return pool_dims(means, pooled)


def pool_dims(by_replicate: Array, pooled: int) -> Array:
    """Mean [..., replicate] over the last `pooled` dims before `replicate`."""
    if not pooled:
        return by_replicate
    return np.asarray(by_replicate.mean(axis=tuple(range(-1 - pooled, -1))))


def replicated(draws: int, sampler: str) -> Replicates:
    """Replicates of the draws 0, 1, 2 ..."""
    if sampler == RANDOM:
        return Replicates(np.ones(draws, np.int64), sampler)
    if sampler == SOBOL:
        count = draws // REPLICATES + (np.arange(REPLICATES) < draws % REPLICATES)
        return Replicates(count[count > 0], sampler)
    count = np.full(-(-draws // BLOCK), BLOCK, np.int64)
    if draws % BLOCK:
        count[-1] = draws % BLOCK
    return Replicates(count, sampler)


def replicates_by(numbers: Integers, sampler: str) -> Replicates:
    """Replicates of draws with these numbers [draw].

    Some draws may be left out. A number that comes again is a draw of another run.
    """
    if sampler == RANDOM or np.array_equal(numbers, np.arange(numbers.size)):
        return replicated(numbers.size, sampler)
    groups = numbers % REPLICATES if sampler == SOBOL else numbers // BLOCK
    groups = groups + _repetitions(numbers) * (groups.max(initial=0) + 1)
    _, replicate = np.unique(groups, return_inverse=True)
    order = np.argsort(replicate, kind="stable")
    return Replicates(np.bincount(replicate), sampler, order)


def _repetitions(numbers: Integers) -> Integers:
    """How often each number [draw] has come before it."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    first = np.searchsorted(ordered, ordered, "left")
    repetitions = np.empty_like(numbers)
    repetitions[order] = np.arange(numbers.size) - first
    return repetitions


def replicates_of(ds: xr.Dataset) -> Replicates:
    """Replicates of the draws of a Dataset.

    Draws are treated as independent where the Dataset has no attribute `sampler`.

    Raises:
        ValueError: For draws that are weighted by evidence: here all count alike.
    """
    if EVIDENCE in ds.attrs:
        raise ValueError("draws weighted by evidence: their statistics are those of sim.condition")
    return replicates_by(numbers_of(ds), sampler_of(ds))


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
    return str(ds.attrs.get("sampler", RANDOM))


def standard_error(by_replicate: Array, replicates: Replicates) -> Array:
    """Standard error [...] of a mean with values [..., replicate], weighted by their draws."""
    if not replicates.enough:
        return np.full(by_replicate.shape[:-1], math.nan)
    n = len(replicates.count)
    weight = replicates.count / replicates.draws
    variance = sum_squared_deviations(by_replicate, weight) * (n / (n - 1))
    return np.asarray(np.sqrt(variance))
