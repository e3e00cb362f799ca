"""What learning one input alone would tell: first-order indices, valid under dependence.

The index of an input is the variance of the conditional mean of a target, given the input, as a
share of the target's variance. It is estimated from draws that are there, in equal-count bins of
the input's score, less the variance that means of so few draws have by chance. Indices of dependent
inputs overlap: they need not sum to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from sim.analysis.regression import groups_of, jackknife_error
from sim.statistics.replicates import Replicates

Array = NDArray[np.float64]
MOST_BINS, FEWEST_BINS = 128, 8
DRAWS_PER_BIN = 64  # with fewer draws there are fewer bins


def first_order(scores: Array, targets: Array, replicates: Replicates) -> tuple[Array, Array]:
    """First-order indices [input, target] of inputs by their scores [input, draw], and errors.

    Targets are [target, draw]; scores are standard normal. Errors are NaN with too few draws.
    """
    draws = scores.shape[1]
    bins = int(np.clip(draws // DRAWS_PER_BIN, FEWEST_BINS, MOST_BINS))
    parts = groups_of(replicates)
    group = np.empty(draws, np.int64)
    for number, at in enumerate(parts):
        group[at] = number
    cells, count = len(parts) * bins, len(parts)
    offsets = group * bins
    centred = targets - targets.mean(axis=1, keepdims=True)
    squares = centred**2
    by_group = np.array([[row[at].sum() for at in parts] for row in squares])  # [target, group]
    values, errors = (np.full((len(scores), len(targets)), np.nan) for _ in range(2))
    for i, row in enumerate(scores):
        index = np.minimum((ndtr(row) * bins).astype(np.int64), bins - 1)
        index += offsets
        n = np.bincount(index, minlength=cells).reshape(count, bins)
        for j, target in enumerate(centred):
            sums = np.bincount(index, weights=target, minlength=cells).reshape(count, bins)
            values[i, j] = _index(n.sum(axis=0), sums.sum(axis=0), by_group[j].sum())
            if count > 1 and replicates.enough:
                without = _index(
                    n.sum(axis=0) - n,
                    sums.sum(axis=0) - sums,
                    by_group[j].sum() - by_group[j],
                )
                errors[i, j] = jackknife_error(without)
    return values, errors


def _index(count: Array, sums: Array, square: Array | float) -> Array:
    """The index [...] from counts and sums of a target [..., bin], and its sum of squares."""
    draws = count.sum(axis=-1)
    mean = sums.sum(axis=-1) / draws
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(count > 0, sums / count, 0.0)
        total = square - draws * mean**2
        between = (count * means**2).sum(axis=-1) - draws * mean**2
        bins = (count > 0).sum(axis=-1)
        within = (total - between) / (draws - bins)
        return np.asarray((between - (bins - 1) * within) / total)
