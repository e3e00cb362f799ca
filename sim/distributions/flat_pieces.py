"""Where a quantile function is flat: at values with a probability of their own."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, ndtri_exp

from sim.distributions.base import LOG_HALF, Distribution
from sim.distributions.elicitation import Array


class FlatPieces(NamedTuple):
    """Scores from `starts` to `ends` [piece] at which a quantile function has one of `values`.

    They rise, and are of the values with a probability of their own.
    """

    values: Array
    starts: Array
    ends: Array

    def locate(self, left: Array, width: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The piece in which each cell lies, or -1, and whether it holds an end of one."""
        right = left + width
        piece = np.searchsorted(self.starts, left, side="right") - 1
        inside = (piece >= 0) & (right <= self.ends[piece])
        edges = np.sort(np.concatenate([self.starts, self.ends]))
        # At an end itself the value is the one below it, at the left end of a cell the one above.
        is_edge = np.searchsorted(edges, left) < np.searchsorted(edges, right)
        return np.where(inside & ~is_edge, piece, -1), is_edge

    def between(self, levels: Array) -> Array:
        """Scores below which are these shares of all that is not in the pieces."""
        own = np.cumsum(ndtr(self.ends) - ndtr(self.starts))
        rest = levels * max(1.0 - own[-1], 0.0)
        others = ndtr(self.starts) - np.append(0.0, own[:-1])
        passed = np.searchsorted(others, rest, side="right")
        return np.asarray(ndtri(np.minimum(rest + np.append(0.0, own)[passed], 1.0)))


def find_flat_pieces(distribution: Distribution) -> FlatPieces | None:
    """Where a distribution's quantile function is flat; None where nowhere."""
    values = distribution.point_masses
    if not values.size:
        return None

    def find_scores(x: Array) -> Array:
        """The scores with the probability up to x below them."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_p, log_q = distribution.log_probabilities_at(x)
        low, high = ndtri_exp(np.minimum(log_p, LOG_HALF)), ndtri_exp(np.minimum(log_q, LOG_HALF))
        return np.where(log_p <= log_q, low, -high)

    return FlatPieces(values, find_scores(np.nextafter(values, -math.inf)), find_scores(values))
