"""How much of a law lies outside of the interval that its quantity may lie in."""

from __future__ import annotations

import math

import numpy as np

from sim.distributions.base import Distribution


def shares_outside(distribution: Distribution, low: float, high: float) -> tuple[float, float]:
    """The probabilities below and above an interval."""
    below = above = 0.0
    least, most = distribution.ends
    with np.errstate(all="ignore"):
        if math.isfinite(low) and least < low:
            before = np.nextafter(np.array([low]), -np.inf)
            below = float(np.exp(distribution.log_shares_at(before)[0])[0])
        if math.isfinite(high) and most > high:
            above = float(np.exp(distribution.log_shares_at(np.array([high]))[1])[0])
    return below, above
