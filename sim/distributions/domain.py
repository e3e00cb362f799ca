"""How much of a distribution lies outside its quantity's domain."""

from __future__ import annotations

import math

import numpy as np

from sim.distributions.base import Distribution


def probabilities_outside(
    distribution: Distribution, low: float, high: float
) -> tuple[float, float]:
    """The probabilities below `low` and above `high`."""
    below = above = 0.0
    least, most = distribution.support
    with np.errstate(all="ignore"):
        if math.isfinite(low) and least < low:
            just_below = np.nextafter(np.array([low]), -np.inf)
            below = float(np.exp(distribution.log_probabilities_at(just_below)[0])[0])
        if math.isfinite(high) and most > high:
            above = float(np.exp(distribution.log_probabilities_at(np.array([high]))[1])[0])
    return below, above
