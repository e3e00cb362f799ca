"""Quantile functions as checked tables over the normal score.

A table is rows of four numbers, the cubic of a cell in its own coordinate t in [0, 1). A cell that
one cubic does not meet to the tolerance holds NaN as its last number and points to 4 cells that
share it, so kinks, jumps and tails that no regular grid would follow cost rows where they are and
nothing elsewhere. A value with a probability of its own makes the function flat between two scores:
cells there hold this value alone, to the last bit, and cells that hold an end of it are cut until
they are narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sim.distributions.base import Distribution
from sim.distributions.discrete import Steps
from sim.distributions.elicitation import Array
from sim.distributions.flat_pieces import FlatPieces, find_flat_pieces
from sim.distributions.from_scipy import Scipy
from sim.distributions.normal import Normal

BOUND = 1e-8  # of the larger of interquartile range and distance from the median
NEAR_ERROR = 0.4 * BOUND  # of a table over probabilities, from that over scores
CHECKED_TO = 7.05  # the score beyond which 1e-12 of the mass lies
REACH = 9.0  # the score to which a table goes, in units of the uncertainty
FARTHEST_DRAWN = 8.3  # the normal score of 2^-53
SPLIT = 4  # cells into which one is cut
_DENSITIES = (4, 8, 16, 32, 64, 128)  # cells to a unit of score
_FAR = 0.01  # what an error counts beyond CHECKED_TO
_AIM = BOUND / 10
_CUT_MASS = 0.06  # as much of the mass may lie in cells that are cut again
_LEAST_WIDTH = 1e-12  # of a cell: a jump is then where it should be to this score
_MOST_ROWS = 1 << 17
_MOST_OF_SCIPY = 2_000  # quantiles; more of them would follow the noise of scipy
_LARGEST = 1e300  # value of a draw; sums of several must not overflow
_MOST_PIECES = 500  # an end of a piece takes some 80 rows
_KINKS = 24  # cells that are cut on all the same: noise leaves four times as many at each cut
_NODES = np.array([0.0, 0.25, 0.75, 1.0])
_TO_CUBIC = np.linalg.inv(np.vander(_NODES, increasing=True))
_TO_CUBIC[0] = (1.0, 0.0, 0.0, 0.0)
_TO_LINE = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 1.0], [0.0, 0, 0, 0], [0.0, 0, 0, 0]])
# Where the error of the cubic through these nodes is largest.
_CHECKS = np.array([0.5 - math.sqrt(5 / 32), 0.5, 0.5 + math.sqrt(5 / 32)])


class Table(NamedTuple):
    """Cubics from the score `start` on, `per_unit` to a unit.

    `rows` of them lie side by side, one more holds the value at the end; further ones are cells of
    cells. `error` is the largest that was seen: a share of the interquartile range, or of the
    distance from the median where that is larger.
    """

    cells: Array  # [row, 4]
    start: float
    per_unit: float
    rows: int
    error: float

    def at(self, z: Array) -> Array:
        """The values at normal scores, as the kernels compute them."""
        position = (np.asarray(z, float) - self.start) * self.per_unit
        position = np.clip(position, 0.0, float(self.rows))
        row = position.astype(np.int64)
        t = position - row
        while True:
            a0, a1, a2, a3 = np.moveaxis(self.cells[row], -1, 0)
            is_cut = np.isnan(a3)
            if not is_cut.any():
                return np.asarray(a0 + t * (a1 + t * (a2 + t * a3)))
            finer = np.where(is_cut, t * SPLIT, 0.0)
            within = finer.astype(np.int64)
            row = np.where(is_cut, np.where(is_cut, a0, 0.0).astype(np.int64) + within, row)
            t = np.where(is_cut, finer - within, t)


class StepTable(NamedTuple):
    """A step function of the normal score: values that change at `edges`.

    `guide` holds the number of edges below each score of a regular grid, from `start` on with
    `per_unit` to a unit of score: a search begins there.
    """

    guide: NDArray[np.int64]  # [score of the grid]
    edges: Array  # [value - 1]
    values: Array  # [value]
    start: float
    per_unit: float


class TooRoughError(ValueError):
    """A distribution that cannot be drawn to the promised error."""


def find_reach(loads: Sequence[float], held: Sequence[float], uncertainty: float) -> float:
    """The score to which a quantity's table is needed.

    Args:
        loads: Its loadings on common factors, [factor].
        held: The scores at which factors are held, NaN where they are drawn; [factor]. They may
            carry the quantity farther than any draw.
        uncertainty: The factor of all scores.
    """
    reach = REACH
    both = [(abs(load), abs(score)) for load, score in zip(loads, held, strict=False) if load]
    if any(not math.isnan(score) for _, score in both):
        own_weight = math.sqrt(max(0.0, 1.0 - math.fsum(load**2 for load in loads)))
        farthest = sum(
            load * (FARTHEST_DRAWN if math.isnan(score) else score) for load, score in both
        )
        reach = max(REACH, math.ceil(farthest + FARTHEST_DRAWN * own_weight))
    return float(math.ceil(reach * max(1.0, uncertainty)))


def needs_table(distribution: Distribution) -> bool:
    """Whether a distribution is drawn from a table, not by its steps or as a line of the score."""
    is_line = isinstance(distribution, Normal) and distribution.support == (-math.inf, math.inf)
    return not is_line and not isinstance(distribution.standard()[0], Steps)


@lru_cache(maxsize=4096)
def check_drawable(distribution: Distribution, reach: float = REACH) -> None:
    """Check that a distribution can be drawn; its table, if it needs one, is then known.

    Raises:
        TooRoughError: If its quantile function is too rough for `BOUND`, or doubles do not hold
            all values but those of 1e-12 of the mass.
    """
    farthest = CHECKED_TO * reach / REACH
    with np.errstate(all="ignore"):
        ends = distribution.quantile(np.array([-farthest, farthest]))
    if not (np.abs(ends) <= _LARGEST).all():
        raise TooRoughError(
            f"it reaches beyond {_LARGEST:g}, next to the largest number that a double holds"
        )
    if needs_table(distribution):
        table_of(distribution.standard()[0], reach)


def table_of(distribution: Distribution, reach: float = REACH) -> Table:
    """The table of a distribution between the normal scores -reach and reach.

    Raises:
        TooRoughError: If the quantile function is too rough for `BOUND`.
    """
    return _table_of(distribution, reach)


@lru_cache(maxsize=4096)
def _table_of(distribution: Distribution, reach: float) -> Table:
    """`table_of`, which is kept."""
    is_own = not isinstance(distribution, Scipy)
    pieces = find_flat_pieces(distribution)
    if pieces is not None and len(pieces.values) > _MOST_PIECES:
        raise TooRoughError(
            f"it has {len(pieces.values):,} values with a probability of their own beside others"
            f" without (at most {_MOST_PIECES})"
        )
    table = tabulate(
        distribution.quantile,
        reach,
        math.inf if is_own else _MOST_OF_SCIPY,
        CHECKED_TO * reach / REACH,
        pieces,
    )
    if is_own and not table.error <= BOUND:
        raise TooRoughError(
            f"its quantile function is too rough for a table: an error of {table.error:.1e} of the"
            f" interquartile range remains (at most {BOUND:g})"
        )
    return table


@lru_cache(maxsize=1024)
def steps_of(distribution: Steps, reach: float = REACH) -> StepTable:
    """The table of a discrete distribution over scores from -reach to reach."""
    per_unit = 16.0
    edges, values = distribution.edges, distribution.atoms[0]
    grid = np.linspace(-reach, reach, round(2 * reach * per_unit) + 1)
    return StepTable(np.searchsorted(edges, grid, side="left"), edges, values, -reach, per_unit)


def tabulate(
    quantile: Callable[[Array], Array],
    reach: float = REACH,
    most: float = math.inf,
    checked_to: float = CHECKED_TO,
    pieces: FlatPieces | None = None,
) -> Table:
    """Tabulate a quantile function of the normal score.

    Args:
        quantile: Values at normal scores; scores of any shape.
        reach: The table spans the scores from -reach to reach.
        most: The number of quantiles to compute; few more are.
        checked_to: The score beyond which an error counts for little, as next to no draw is there.
        pieces: Where the function is flat.

    Returns:
        The table. Where quantiles or rows run out, its `error` says how good it is. (Time does not
        run out: a table would then differ from one machine to another.)
    """
    computed = 0
    levels = np.array([0.25, 0.5, 0.75])
    scores = ndtri(levels) if pieces is None else np.clip(pieces.between(levels), -reach, reach)
    quartiles = quantile(scores)
    middle, spread = quartiles[1], abs(quartiles[2] - quartiles[0])

    def fit_cells(left: Array, width: float, to_cubic: Array = _TO_CUBIC) -> tuple[Array, Array]:
        """Cubics [cell, 4] of cells by their left scores, and errors [cell]."""
        nonlocal computed
        t = np.concatenate([_NODES, _CHECKS])
        computed += len(left) * t.size
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            x = quantile((left[:, None] + width * t).ravel()).reshape(len(left), t.size)
            cubic = x[:, :4] @ to_cubic.T
            missed = np.abs(np.vander(_CHECKS, 4, increasing=True) @ cubic.T - x[:, 4:].T)
            scale = np.maximum(np.abs(x[:, 4:].T - middle), spread)
            # Doubles of this size can be no nearer.
            floor = 16 * np.finfo(float).eps * np.abs(x).max(axis=1)
            missed = np.maximum(missed - floor, 0.0)
            error = np.where(missed == 0.0, 0.0, missed / scale).max(axis=0)
            error[np.abs(left) > checked_to] *= _FAR
        overflows = ~np.isfinite(x).all(axis=1)  # beyond what doubles hold
        flat = overflows | (x == x[:, :1]).all(axis=1)
        cubic[flat] = np.stack([x[flat, 0], *(np.zeros(flat.sum()),) * 3], axis=1)
        return cubic, np.where(flat, 0.0, error)

    def fit_around_pieces(left: Array, width: float) -> tuple[Array, Array]:
        """The same, of a function that is flat in places; elsewhere cubics rise.

        So no value lies on the wrong side of one with a probability of its own.
        """
        if pieces is None:
            return fit_cells(left, width)
        piece, is_edge = pieces.locate(left, width)
        cubics, errors = np.zeros((left.size, 4)), np.zeros(left.size)
        flat = piece >= 0
        cubics[flat, 0] = pieces.values[piece[flat]]
        cubics[~flat], errors[~flat] = fit_cells(left[~flat], width)
        errors[is_edge] = np.inf
        cubics[is_edge, 1:] = 0.0
        falls = ~_is_rising(cubics)
        cubics[falls], errors[falls] = fit_cells(left[falls], width, _TO_LINE)
        return cubics, errors

    for density in _DENSITIES:
        left = -reach + np.arange(round(2 * reach * density)) / density
        cells, errors = fit_around_pieces(left, 1.0 / density)
        mass = ndtr(left + 1.0 / density) - ndtr(left)
        if mass[errors > _AIM].sum() <= _CUT_MASS or 3 * computed > most:  # the next takes twice
            break
    rows = len(left)
    end = np.zeros((1, 4))
    end[0, 0] = quantile(np.array([reach]))[0]
    blocks = [cells, end]
    total = rows + 1
    width = 1.0 / density
    worst = _largest(errors[errors <= _AIM], left[errors <= _AIM], checked_to)
    coarse, edges = np.flatnonzero(errors > _AIM), left[errors > _AIM]  # cells to be cut
    remaining = errors[errors > _AIM]
    parents: NDArray[np.float64] = cells
    while coarse.size:
        narrow = width / SPLIT < _LEAST_WIDTH
        if (
            narrow
            or total + SPLIT * coarse.size > _MOST_ROWS
            or (computed > most and coarse.size > _KINKS)
        ):
            if not narrow:
                worst = max(worst, _largest(remaining, edges, checked_to))
            break
        width /= SPLIT
        left = (edges[:, None] + width * np.arange(SPLIT)).ravel()
        cells, errors = fit_around_pieces(left, width)
        parents[coarse] = np.nan
        parents[coarse, 0] = total + SPLIT * np.arange(coarse.size)
        blocks.append(cells)
        total += len(cells)
        good = errors <= _AIM
        worst = max(worst, _largest(errors[good], left[good], checked_to))
        parents, coarse = cells, np.flatnonzero(~good)
        edges, remaining = left[~good], errors[~good]
    return Table(np.concatenate(blocks), -reach, float(density), rows, worst)


def _is_rising(cubics: Array) -> NDArray[np.bool_]:
    """Whether each cubic [cell, 4] falls nowhere between 0 and 1."""
    _, a, b, c = cubics.T
    with np.errstate(divide="ignore", invalid="ignore"):
        steepest = np.nan_to_num(np.clip(-b / (3.0 * c), 0.0, 1.0))
    slopes = [a + t * (2.0 * b + t * 3.0 * c) for t in (0.0, 1.0, steepest)]
    return np.asarray(np.min(slopes, axis=0) >= 0.0)


def _largest(errors: Array, scores: Array, checked_to: float) -> float:
    """The largest error at scores up to `checked_to`; else 0."""
    inside = errors[np.abs(scores) <= checked_to]
    return float(inside.max()) if inside.size else 0.0


@lru_cache(maxsize=2)
def _probabilities(octaves: int, cells: int) -> tuple[Array, Array]:
    """Probabilities [row, 7] of nodes and checks, and their normal scores.

    Rows are the `cells` parts of every octave below 1/2.
    """
    within = 1.0 + (np.arange(cells)[:, None] + np.concatenate([_NODES, _CHECKS])) / cells
    p = ((2.0 ** np.arange(-octaves - 1, -1))[:, None, None] * within).reshape(-1, 7)
    return p, ndtri(p)


@lru_cache(maxsize=1)
def normal_scores(octaves: int, cells: int) -> Array:
    """Cubics [row, 4] of the normal score over the probability.

    Rows are the `cells` parts of every octave below 1/2, and a last one for 1/2 itself.
    """
    rows = _probabilities(octaves, cells)[1][:, :4] @ _TO_CUBIC.T
    return np.concatenate([rows, np.zeros((1, 4))])


@lru_cache(maxsize=4096)
def over_probabilities(distribution: Distribution, octaves: int, cells: int) -> Array | None:
    """The table of a distribution as cubics over probabilities instead of scores.

    Returns:
        Cubics [2 * (octaves * cells + 2), 4]; the half of probabilities below 1/2 comes first. In
        either half the first row, which is NaN, stands for what is farther out than all octaves,
        and the last for 1/2 itself. Rows that one cubic does not meet to `NEAR_ERROR` are NaN. None
        if such rows hold much of the mass, if the two errors together are above `BOUND`, or if
        there are values with a probability of their own.
    """
    if distribution.point_masses.size:
        return None  # cubics over probabilities would not end where the flat pieces do
    p, z = _probabilities(octaves, cells)
    table = table_of(distribution)
    if table.error + NEAR_ERROR > BOUND:
        return None
    x = table.at(np.stack([z, -z]))
    low, middle, high = table.at(ndtri(np.array([0.25, 0.5, 0.75])))
    rows = np.full((2, len(z) + 2, 4), np.nan)
    rows[:, -1] = middle, 0.0, 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        rows[:, 1:-1] = x[..., :4] @ _TO_CUBIC.T
        missed = np.abs(rows[:, 1:-1] @ np.vander(_CHECKS, 4, increasing=True).T - x[..., 4:])
        scale = np.maximum(np.abs(x[..., 4:] - middle), high - low)
        good = (missed <= NEAR_ERROR * scale).all(axis=-1)
    rows[:, 1:-1][~good] = np.nan
    mass = np.diff(np.append(p[:, 0], 0.5))
    return rows.reshape(-1, 4) if (mass * ~good).sum() <= _CUT_MASS else None
