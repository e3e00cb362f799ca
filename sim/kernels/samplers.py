"""A block of draws of every sampled input (model.md 8.2).

z = sum of loading * factor + sqrt(1 - sum of squared loadings) * own score; the law maps z to a
value. Each score is a pure function of (seed, name, draw), so nothing else moves it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.jit import jit
from sim.kernels.normal import normal_score
from sim.kernels.philox import Word, fill_uniforms

BLOCK = 32  # draws that are sampled and evaluated together

NORMAL, LOGNORMAL, LOGIT_NORMAL, BERNOULLI = range(4)

# One sampled quantity. Its value goes to `column` of a draw's row; `center` and `spread` are read
# from `center_column` and `spread_column` of the same row where these are not negative.
QUANTITY = np.dtype(
    (
        np.record,
        [
            ("name", np.uint64),
            ("column", np.int64),
            ("law", np.int64),
            ("center", np.float64),
            ("spread", np.float64),
            ("lower", np.float64),
            ("width", np.float64),
            ("center_column", np.int64),
            ("spread_column", np.int64),
            ("own_weight", np.float64),
            ("loadings", np.float64, (5,)),
        ],
    )
)

# One common factor: `score` is its fixed value, or NaN where it is drawn.
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
def sample_block(
    seed: Word,
    first: int,
    uncertainty: float,
    factors: NDArray[np.void],
    quantities: NDArray[np.void],
    scores: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    rows: NDArray[np.float64],
) -> None:
    """Fill the sampled columns of `rows` [BLOCK, column] for draws `first` ... `first` + 31.

    `uncertainty` multiplies every normal score; at 0 every draw is the point estimate.
    `scores` [factor, BLOCK] and `uniforms` [BLOCK] are working space.
    """
    for f in range(len(factors)):
        fill_uniforms(seed, factors[f].name, first, uniforms)
        for b in range(BLOCK):
            drawn = normal_score(uniforms[b])
            scores[f, b] = drawn if np.isnan(factors[f].score) else factors[f].score
    for i in range(len(quantities)):
        quantity = quantities[i]
        fill_uniforms(seed, quantity.name, first, uniforms)
        if quantity.law == BERNOULLI:
            for b in range(BLOCK):
                happens = uniforms[b] < rows[b, quantity.center_column] and uncertainty > 0.0
                rows[b, quantity.column] = 1.0 if happens else 0.0
            continue
        for b in range(BLOCK):
            z = quantity.own_weight * normal_score(uniforms[b])
            for f in range(len(factors)):
                z += quantity.loadings[f] * scores[f, b]
            center = quantity.center
            if quantity.center_column >= 0:
                center = rows[b, quantity.center_column]
            spread = quantity.spread
            if quantity.spread_column >= 0:
                spread = rows[b, quantity.spread_column]
            rows[b, quantity.column] = value(
                quantity.law, center, spread, quantity.lower, quantity.width, uncertainty * z
            )
