"""Likelihoods of evidence draw by draw, and how surprising it is under the prior.

A figure y is read as value + error: its likelihood is the density of the error at y - value. A
range is 1 inside and 0 outside; a soft bound a is the probability that value + error is beyond it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_ndtr, ndtr, stdtr

from sim.parameters.evidence import Line

Array = NDArray[np.float64]
LOG_TWO_PI = math.log(2 * math.pi)


def log_likelihood(line: Line, values: Array) -> Array:
    """Log likelihood [draw] of a line, but for a constant (`log_constant`), at values [draw].

    It is -inf where a value is not finite, and exactly 0 where the error is infinite.
    """
    of = line.evidence
    finite = np.isfinite(values)
    with np.errstate(all="ignore"):
        if of.relation == "between":
            found = np.where((values >= of.number) & (values <= of.high), 0.0, -np.inf)
        elif of.relation in (">=", "<="):
            found = log_ndtr(_beyond(line, values))
        else:
            z = _apart(line, values)
            if line.family == "student_t":
                found = -0.5 * (line.nu + 1) * np.log1p(z * z / line.nu)
            else:
                found = -0.5 * z * z
    return np.asarray(np.where(finite & ~np.isnan(found), found, -np.inf))


def log_constant(line: Line) -> float:
    """The part of the log likelihood that is the same in every draw; NaN of an infinite error."""
    of = line.evidence
    if of.relation != "=":
        return 0.0
    if math.isinf(of.error):
        return math.nan
    if line.family == "student_t":
        half = gammaln((line.nu + 1) / 2) - gammaln(line.nu / 2)
        return float(half - 0.5 * math.log(line.nu * math.pi) - math.log(of.error))
    jacobian = math.log(of.number) if line.family == "lognormal" else 0.0
    return -0.5 * LOG_TWO_PI - math.log(of.error) - jacobian


def tails(line: Line, values: Array) -> tuple[Array, Array]:
    """Probabilities [draw] that value + error would be up to, and at least, what is known.

    Of ranges and bounds both are the probability [draw] that they hold.
    """
    of = line.evidence
    if of.relation == "between":
        holds = np.where((values >= of.number) & (values <= of.high), 1.0, 0.0)
        return holds, holds
    with np.errstate(all="ignore"):
        if of.relation in (">=", "<="):
            holds = np.nan_to_num(ndtr(_beyond(line, values)))
            return holds, holds
        z = _apart(line, values)
        if line.family == "student_t":
            return stdtr(line.nu, z), stdtr(line.nu, -z)
        return ndtr(z), ndtr(-z)


def surprise_of(line: Line, values: Array, weights: Array) -> tuple[float, Array]:
    """The surprise of a line, and what it is the weighted mean of [draw].

    Of a figure, the two-sided probability of value + error as far out as it or farther; of a range
    or bound, its probability.
    """
    low, high = tails(line, values)
    below, above = float(weights @ low), float(weights @ high)
    if line.evidence.relation != "=":
        return below, low
    return (min(1.0, 2 * below), 2 * low) if below <= above else (min(1.0, 2 * above), 2 * high)


def _apart(line: Line, values: Array) -> Array:
    """How far the figure lies above the values [draw], in standard deviations of its error."""
    of = line.evidence
    if line.family == "lognormal":
        return np.asarray((math.log(of.number) - np.log(values)) / of.error)
    return np.asarray((of.number - values) / of.error)


def _beyond(line: Line, values: Array) -> Array:
    """How far values [draw] lie on the right side of a bound, in standard deviations."""
    of = line.evidence
    sign = 1.0 if of.relation == ">=" else -1.0
    return np.asarray(sign * (values - of.number) / of.error)
