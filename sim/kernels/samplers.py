"""A block of draws of every sampled input (model.md 8.2).

z = sum of loading * factor + sqrt(1 - sum of squared loadings) * own score; the law maps z to a
value. Each score is a pure function of (seed, name, draw), so nothing else moves it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.fields import FACTORS, Records
from sim.kernels.jit import jit
from sim.kernels.normal import normal_score
from sim.kernels.philox import Word, fill_uniforms

BLOCK = 32  # draws that are sampled and evaluated together

NORMAL, LOGNORMAL, LOGIT_NORMAL, BERNOULLI = range(4)


class Quantity(NamedTuple):
    """One sampled quantity. Its value goes to `column` of a draw's row.

    `center` and `spread` are read from `center_column` and `spread_column` of the same row where
    these are not negative.
    """

    name: np.uint64
    column: int
    law: int
    center: float
    spread: float
    lower: float
    width: float
    center_column: int
    spread_column: int
    own_weight: float
    loadings: NDArray[np.float64]  # [factor]


class Factor(NamedTuple):
    """A common factor: `score` is its fixed value, or NaN where it is drawn."""

    name: np.uint64
    score: float


QUANTITY = np.dtype(
    (
        np.record,
        [
            ("name", np.uint64),
            *((name, np.int64) for name in ("column", "law", "center_column", "spread_column")),
            *((name, np.float64) for name in ("center", "spread", "lower", "width", "own_weight")),
            ("loadings", np.float64, (len(FACTORS),)),
        ],
    )
)
FACTOR = np.dtype((np.record, [("name", np.uint64), ("score", np.float64)]))


@jit
def value(law: int, center: float, spread: float, lower: float, width: float, z: float) -> float:
    """The value of a law at normal score z; exactly the median at z = 0 for LN (8.2).

    The logit-normal's `center` is its median's place between `lower` and `lower + width`.
    """
    if law == LOGNORMAL:
        return center * np.exp(spread * z)
    if law == LOGIT_NORMAL:
        return lower + width * (center / (center + (1.0 - center) * np.exp(-spread * z)))
    return center + spread * z


@jit
def fill_scores(
    quantity: Quantity, factor_scores: NDArray[np.float64], scores: NDArray[np.float64]
) -> None:
    """Turn the uniforms in `scores` into normal scores that load on the common factors (8.2)."""
    own_weight = quantity.own_weight
    for b in range(BLOCK):
        scores[b] = own_weight * normal_score(scores[b])
    for f in range(factor_scores.shape[0]):
        loading = quantity.loadings[f]
        if loading != 0.0:
            for b in range(BLOCK):
                scores[b] += loading * factor_scores[f, b]


@jit
def write_values(
    quantity: Quantity,
    uncertainty: float,
    scores: NDArray[np.float64],
    rows: NDArray[np.float64],
) -> None:
    """Write the values of a quantity at its normal scores to its column of `rows`."""
    law, column, lower, width = quantity.law, quantity.column, quantity.lower, quantity.width
    center, spread = quantity.center, quantity.spread
    center_column, spread_column = quantity.center_column, quantity.spread_column
    for b in range(BLOCK):
        if center_column >= 0:
            center = rows[b, center_column]
        if spread_column >= 0:
            spread = rows[b, spread_column]
        rows[b, column] = value(law, center, spread, lower, width, uncertainty * scores[b])


@jit
def sample_block(
    seed: Word,
    first: int,
    uncertainty: float,
    factors: Records[Factor],
    quantities: Records[Quantity],
    factor_scores: NDArray[np.float64],
    scores: NDArray[np.float64],
    rows: NDArray[np.float64],
) -> None:
    """Fill the sampled columns of `rows` [BLOCK, column] for draws `first` ... `first` + 31.

    `uncertainty` multiplies every normal score; at 0 every draw is the point estimate.
    `factor_scores` [factor, BLOCK] and `scores` [BLOCK] are working space.
    """
    for f in range(len(factors)):
        fill_uniforms(seed, factors[f].name, first, scores)
        for b in range(BLOCK):
            drawn = normal_score(scores[b])
            factor_scores[f, b] = drawn if np.isnan(factors[f].score) else factors[f].score
    for i in range(len(quantities)):
        quantity = quantities[i]
        fill_uniforms(seed, quantity.name, first, scores)
        if quantity.law == BERNOULLI:
            for b in range(BLOCK):
                happens = scores[b] < rows[b, quantity.center_column] and uncertainty > 0.0
                rows[b, quantity.column] = 1.0 if happens else 0.0
        else:
            fill_scores(quantity, factor_scores, scores)
            write_values(quantity, uncertainty, scores, rows)
