"""Mean and standard deviation of any law, from its quantile function over the normal score."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sim.distributions.base import Distribution
from sim.distributions.discrete import Steps
from sim.distributions.elicitation import Array
from sim.distributions.from_scipy import Scipy
from sim.distributions.quantile_tables import REACH, SPLIT, Table, table_of

_FAR = 37.5  # the score beyond which doubles hold no probability
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


# What the last score may add to a sum that is taken as complete.
_NEGLIGIBLE = 1e-6


def moments(distribution: Distribution) -> tuple[float, float]:
    """Mean and standard deviation; nan where the law has none, or where its tail hides them.

    Raises:
        TooRoughError: If the law's quantile function is too rough for a table.
    """
    if isinstance(distribution, Steps):
        values, weights = distribution.atoms
        mean = float(values @ weights)
        return mean, math.sqrt(float((values - mean) ** 2 @ weights))
    table = table_of(distribution)
    scores, values, weights = map(np.concatenate, zip(*_parts(distribution, table), strict=True))
    density = weights * np.exp(-scores * scores / 2) / math.sqrt(2 * math.pi)
    if not distribution.moments > 1:
        return math.nan, math.nan
    middle = distribution.point
    with np.errstate(all="ignore"):
        mean = middle + _summed(scores, (values - middle) * density)
        if not distribution.moments > 2:
            return mean, math.nan
        return mean, math.sqrt(_summed(scores, (values - mean) ** 2 * density))


def _summed(scores: Array, parts: Array) -> float:
    """A sum over scores; nan if those furthest out still matter."""
    held = np.isfinite(parts)  # values beyond what doubles hold are further out than they matter
    scores, parts = np.abs(scores[held]), parts[held]
    last = np.abs(parts[scores > scores.max() - 1]).sum()
    return float(parts.sum()) if last <= _NEGLIGIBLE * np.abs(parts).sum() else math.nan


def _parts(distribution: Distribution, table: Table) -> Iterator[tuple[Array, Array, Array]]:
    """Scores, values and widths: the table's cells, and beyond them the law itself."""
    rows = np.arange(table.rows)
    left, width = table.start + rows / table.per_unit, 1.0 / table.per_unit
    while rows.size:
        cells = table.cells[rows]
        cut = np.isnan(cells[:, 3])
        whole = cells[~cut]
        values = whole @ np.vander(_NODES, 4, increasing=True).T
        yield (
            (left[~cut, None] + width * _NODES).ravel(),
            values.ravel(),
            np.tile(width * _WEIGHTS, len(whole)),
        )
        width /= SPLIT
        rows = (cells[cut, 0].astype(int)[:, None] + np.arange(SPLIT)).ravel()
        left = (left[cut, None] + width * np.arange(SPLIT)).ravel()
    if isinstance(distribution, Scipy):  # each quantile may take long
        return
    width = 0.25
    starts = np.arange(REACH, _FAR, width)
    scores = (starts[:, None] + width * _NODES).ravel()
    for side in (-scores, scores):
        with np.errstate(all="ignore"):
            yield side, distribution.quantile(side), np.tile(width * _WEIGHTS, len(starts))
