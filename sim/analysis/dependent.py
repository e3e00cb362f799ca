"""Shapley effects of inputs as they are given, dependent: for papers that ask for them.

Of the linear part of the normal score of an output, exactly but for the orders: with z = L w, L the
Cholesky factor of the correlations of the scores in some order of the inputs and w independent, the
variance that the next input adds to those before it is the square of its entry of L' beta. Inputs
that an output does not use have effects too, where they are correlated with some that it uses
(Owen and Prieur 2017); shares over independent causes (`analysis.sensitivity`) have none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import with_one_blas_thread

Array = NDArray[np.float64]
ORDERS = 2000  # each with its reverse
BATCH = 64
_KEY = 0x5EED


@dataclass(frozen=True)
class Effects:
    """Shapley effects [input] of dependent inputs, in units of the variance of beta' z.

    `errors` are those of the orders, and of the slopes where these are given by group.
    """

    values: Array
    errors: Array
    variance: float


@with_one_blas_thread
def dependent_shapley(
    correlation: Array, slopes: Array, slopes_without: Array | None = None, orders: int = ORDERS
) -> Effects:
    """Shapley effects of correlated standard normal scores on their linear combination.

    Args:
        correlation: Correlations [input, input] of the scores.
        slopes: The coefficients [input] of the combination.
        slopes_without: Coefficients [group, input] without each group of draws, for the error.
        orders: Pairs of orders that are drawn.

    Returns:
        The effects, which sum to the variance of the combination.
    """
    inputs = len(slopes)
    generator = np.random.Generator(np.random.Philox(key=_KEY))
    several = slopes[None] if slopes_without is None else np.vstack([slopes, slopes_without])
    total = np.zeros((len(several), inputs))
    squares = np.zeros(inputs)
    pairs = 0
    while pairs < orders:
        count = min(BATCH, orders - pairs)
        forward = generator.permuted(np.tile(np.arange(inputs), (count, 1)), axis=1)
        parts = np.zeros((count, len(several), inputs))
        for order in (forward, forward[:, ::-1]):
            factors = np.linalg.cholesky(correlation[order[:, :, None], order[:, None, :]])
            ordered = np.moveaxis(several[:, order], 0, 1)  # [order, slopes, position]
            added = np.matmul(ordered, factors) ** 2
            index = np.broadcast_to(order[:, None, :], added.shape)
            of_input = np.empty_like(added)
            np.put_along_axis(of_input, index, added, axis=2)
            parts += of_input / 2
        total += parts.sum(axis=0)
        squares += (parts[:, 0] ** 2).sum(axis=0)
        pairs += count
    values = total / pairs
    spread = np.maximum(squares / pairs - values[0] ** 2, 0.0)
    errors = np.sqrt(spread / max(pairs - 1, 1))
    if slopes_without is not None:
        groups = len(slopes_without)
        deviations = values[1:] - values[1:].mean(axis=0)
        errors = np.hypot(errors, np.sqrt((groups - 1) / groups * (deviations**2).sum(axis=0)))
    return Effects(values[0], errors, float(slopes @ correlation @ slopes))


def factor_correlation(loadings: Array, own: Array | None = None) -> Array:
    """Correlations [input, input] of scores with loadings [input, factor].

    `own` are those of their own parts, which are independent unless given.
    """
    weight = np.sqrt(np.maximum(1 - (loadings**2).sum(axis=1), 0.0))
    parts = np.eye(len(loadings)) if own is None else own
    correlation = np.asarray(loadings @ loadings.T + weight[:, None] * parts * weight)
    np.fill_diagonal(correlation, 1.0)
    return correlation


@with_one_blas_thread
def independent_shapley_of_factors(loadings: Array, slopes: Array) -> tuple[Array, Array]:
    """Shares of a linear combination among its independent causes: factors, and own parts."""
    weight = np.sqrt(np.maximum(1 - (loadings**2).sum(axis=1), 0.0))
    variance = math.fsum((loadings.T @ slopes) ** 2) + math.fsum((weight * slopes) ** 2)
    return (loadings.T @ slopes) ** 2 / variance, (weight * slopes) ** 2 / variance
