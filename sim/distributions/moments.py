"""Mean and standard deviation of a distribution, integrated over the normal score."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed, Steps
from sim.distributions.elicitation import Array
from sim.distributions.from_scipy import Scipy
from sim.distributions.quantile_tables import REACH, SPLIT, Table, table_of

_FAR = 37.5  # the score beyond which doubles hold no probability
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_NEGLIGIBLE = 1e-6  # share of a sum that the outermost unit of score may add


def moments(distribution: Distribution) -> tuple[float, float]:
    """Mean and standard deviation of a distribution, in its unit.

    A moment is nan where it does not exist, or its sum does not converge.

    Raises:
        TooRoughError: If the quantile function is too rough for a table.
    """
    if isinstance(distribution, Fixed):
        return distribution.value, 0.0
    discrete = distribution.standard()[0]
    if isinstance(discrete, Steps):
        values, weights = discrete.atoms
        mean = float(values @ weights)
        return mean, math.sqrt(float((values - mean) ** 2 @ weights))
    table = table_of(distribution)
    scores, values, weights = map(
        np.concatenate, zip(*_integration_nodes(distribution, table), strict=True)
    )
    density = weights * np.exp(-scores * scores / 2) / math.sqrt(2 * math.pi)
    if not distribution.moment_order > 1:
        return math.nan, math.nan
    middle = distribution.point
    with np.errstate(all="ignore"):
        mean = middle + _sum_scores(scores, (values - middle) * density)
        if not distribution.moment_order > 2:
            return mean, math.nan
        from_mean = values - mean
        # A power of 2, so that squares neither overflow nor vanish.
        largest = np.abs(from_mean[np.isfinite(from_mean)]).max(initial=0.0)
        scale = math.ldexp(0.5, math.frexp(largest)[1])
        return mean, scale * math.sqrt(_sum_scores(scores, (from_mean / scale) ** 2 * density))


def _sum_scores(scores: Array, terms: Array) -> float:
    """The sum of terms over scores; nan if the outermost still matter."""
    finite = np.isfinite(terms)  # values that overflow are too far out to matter
    if not finite.any():
        return math.nan
    scores, terms = np.abs(scores[finite]), terms[finite]
    outermost = np.abs(terms[scores > scores.max() - 1]).sum()
    return float(terms.sum()) if outermost <= _NEGLIGIBLE * np.abs(terms).sum() else math.nan


def _integration_nodes(
    distribution: Distribution, table: Table
) -> Iterator[tuple[Array, Array, Array]]:
    """Scores, values and weights of a quadrature, [node] each, in several batches.

    They are of the table's cells, level by level, and beyond the table of the distribution itself.
    """
    rows = np.arange(table.rows)
    left, width = table.start + rows / table.per_unit, 1.0 / table.per_unit
    while rows.size:
        cells = table.cells[rows]
        is_cut = np.isnan(cells[:, 3])
        cubics = cells[~is_cut]
        values = cubics @ np.vander(_NODES, 4, increasing=True).T
        yield (
            (left[~is_cut, None] + width * _NODES).ravel(),
            values.ravel(),
            np.tile(width * _WEIGHTS, len(cubics)),
        )
        width /= SPLIT
        rows = (cells[is_cut, 0].astype(int)[:, None] + np.arange(SPLIT)).ravel()
        left = (left[is_cut, None] + width * np.arange(SPLIT)).ravel()
    if isinstance(distribution, Scipy):  # each quantile may take long
        return
    width = 0.25
    starts = np.arange(REACH, _FAR, width)
    scores = (starts[:, None] + width * _NODES).ravel()
    for side in (-scores, scores):
        with np.errstate(all="ignore"):
            yield side, distribution.quantile(side), np.tile(width * _WEIGHTS, len(starts))
