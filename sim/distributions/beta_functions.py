"""The beta distribution on 0 to 1: its probabilities and quantiles, exact near either end."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import special

from sim.distributions.elicitation import Array

# Beyond, betainc and its inverse are wrong from the fourth digit on, or never end.
MOST_OF_BETA = 1e7
UpToBeta = Annotated[float, Field(gt=0, le=MOST_OF_BETA)]


def beta_logits(a: float, b: float, share: Array, rest: Array) -> Array:
    """The logit of the probability below a position, counted from either end."""
    return beta_log_cdf(a, b, share, rest) - beta_log_cdf(b, a, rest, share)


def solve_beta(shares: Array, rests: Array, goal: Array) -> tuple[float, float]:
    """The a and b of which two positions have these logits of the probability below.

    For every a + b one mean gives the first; the larger a + b, the nearer are both.

    Raises:
        ValueError: If a + b lies outside what can be computed.
    """
    from scipy.optimize import brentq

    def miss(log_total: float, logit_mean: float, which: int) -> float:
        total = math.exp(log_total)
        a, b = total * special.expit(logit_mean), total * special.expit(-logit_mean)
        with np.errstate(all="ignore"):
            difference = beta_logits(a, b, shares[which], rests[which]) - goal[which]
        return float(np.clip(np.nan_to_num(difference, nan=0.0), -1e3, 1e3))

    def find_mean(log_total: float) -> float:
        return float(brentq(lambda m: miss(log_total, m, 0), -40.0, 40.0, xtol=1e-15))

    least, most = math.log(1e-4), math.log(2 * MOST_OF_BETA)
    if not miss(least, find_mean(least), 1) < 0.0:
        raise ValueError(
            "they are too far apart: all that a beta with these quantiles has lies next to min and"
            " max; give a bernoulli or a discrete"
        )
    if not miss(most, find_mean(most), 1) > 0.0:
        raise ValueError(
            f"they are too near one another: a beta with these quantiles has a or b above"
            f" {MOST_OF_BETA:g}; give a normal, or near an end a gamma"
        )
    log_total = brentq(lambda n: miss(n, find_mean(n), 1), least, most, xtol=1e-14)
    total, mean = math.exp(log_total), find_mean(log_total)
    return total * float(special.expit(mean)), total * float(special.expit(-mean))


def beta_share(a: float, b: float, log_p: Array) -> Array:
    """The position with log-probability log_p below it.

    Where it is tiny it is that of the leading power of the incomplete beta function.
    """
    log_tiny = (log_p + math.log(a) + special.betaln(a, b)) / a
    is_tiny = log_tiny < math.log(1e-17 / (1.0 + b))  # the next term is below the last bit
    usual = special.betaincinv(a, b, np.where(is_tiny, 0.5, np.exp(log_p)))
    unsolved = is_tiny | np.isnan(usual)  # scipy gives none near 1e-17 where a or b is about 1
    return np.where(unsolved, np.exp(np.minimum(log_tiny, 0.0)), usual)


def beta_log_cdf(a: float, b: float, share: Array, rest: Array) -> Array:
    """The log-probability below a position, counted from either end."""
    share, rest = np.asarray(share), np.asarray(rest)
    below, is_low = np.empty(share.shape), share < rest  # the smaller of the two is the exact one
    below[is_low] = special.betainc(a, b, share[is_low])
    below[~is_low] = special.betaincc(b, a, rest[~is_low])
    return np.log(below)
