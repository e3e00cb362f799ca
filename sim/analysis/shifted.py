"""Draws that are moved towards evidence, where few draws of the prior are near it.

Inputs are formed of independent standard normal scores. Evidence acts on a few directions among
them, one for each line: that in which its value rises. Along these the posterior is nearly normal;
its mean m and covariance C are fitted to weighted draws, and draws come from the mixture
alpha N(0, I) + (1 - alpha) N(m, C), which moves scores in these directions alone. A draw's weight
is its likelihood times prior over mixture density, which is at most 1 / alpha (defensive importance
sampling, Hesterberg 1995). Fits are made in rounds; where the first draws are too far from the
evidence, the likelihood is tempered (Neal 2001) to a power that leaves enough of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.sampled import Sampled
from sim.analysis.weighted import Sorted
from sim.common.errors import InputError
from sim.engine.given_scores import GivenScores
from sim.engine.scores import ScorePlans, draw_independent
from sim.expressions.tree import FACTOR, Tree
from sim.model.blocks import BLOCK
from sim.parameters.evidence import Line
from sim.simulation.cells import Cells
from sim.simulation.origin import run_of
from sim.simulation.scores import draw_causes
from sim.statistics.replicates import SOBOL, Replicates, replicated

Array = NDArray[np.float64]
ALPHA = 3 / BLOCK  # share of the prior in the mixture
OF_PRIOR = (5, 16, 27)  # draws of a block, or blocks under Sobol', that are of the prior
PILOT, MOST_DRAWS = 16_384, 65_536
ROUNDS = 4
LEAST = 200  # effective draws, from which a mean and covariance are fitted
CLEAR = 3.0  # standard errors, below which a slope counts as none
WIDER = 1.15  # of the fitted covariance: tails of the mixture cover those of the posterior
GOOD = 0.5  # effective share, from which on a further round gains nothing


class Mixture:
    """Moves scores [score, draw] in some directions; `directions` [score, direction] are unit.

    `mean` [direction] and `covariance` are those of the moved part.
    """

    def __init__(self, directions: Array, mean: Array, covariance: Array) -> None:
        self.directions, self.mean = directions, mean
        values, vectors = np.linalg.eigh(covariance)
        values = np.maximum(values, 1e-6)
        self.root = (vectors * np.sqrt(values)) @ vectors.T
        self.inverse = (vectors / values) @ vectors.T
        self.log_det = float(np.log(values).sum())

    def move(self, scores: Array, moved: NDArray[np.bool_]) -> Array:
        """Scores with the moved draws [draw] where the mixture's second part has them."""
        along = self.directions.T @ scores
        target = self.mean[:, None] + self.root @ along
        return np.asarray(scores + self.directions @ np.where(moved, target - along, 0.0))

    def log_ratio(self, scores: Array) -> Array:
        """Log of prior over mixture density [draw]; other directions cancel."""
        along = self.directions.T @ scores
        apart = along - self.mean[:, None]
        ours = -0.5 * ((self.inverse @ apart) * apart).sum(axis=0) - 0.5 * self.log_det
        theirs = -0.5 * (along**2).sum(axis=0)
        return np.asarray(-np.logaddexp(math.log(ALPHA), math.log1p(-ALPHA) + ours - theirs))


def shift_scores(
    ds: xr.Dataset, prior: Sampled, lines: Sequence[Line], trees: Sequence[Tree]
) -> Sampled | None:
    """Draws that are moved towards evidence.

    Args:
        ds: What `simulate` or `open_run` gives.
        prior: Its draws of `trees`.
        lines: The evidence.
        trees: Values and events of which draws are needed.

    Returns:
        Draws of the mixture, at most `MOST_DRAWS` of them, with the log of prior over mixture
        density; None where scores cannot be moved: of a Dataset of another origin, a value that
        cannot be drawn again, a t copula, or no direction in which the evidence acts.
    """
    if "parameters" not in ds.attrs:
        return None
    try:
        worlds = _Worlds(ds, trees)
        scores = draw_causes(ds, draws=PILOT).values
    except (InputError, ValueError):
        return None
    count = scores.shape[1]
    values = [prior.values[line.value].draws[:count] for line in lines]
    likelihoods = prior.log_likelihoods(lines).sum(axis=0)[:count]
    log_ratio, best, tempers = np.zeros(count), 0.0, True
    found: Mixture | None = None
    for number in range(ROUNDS):
        mixture, tempers = _fit(scores, values, likelihoods, log_ratio)
        if mixture is None:
            break
        draws = min(PILOT, ds.sizes["draw"])
        scores, log_ratio, drawn = worlds.draw(mixture, draws, number + 1)
        values = [drawn[line.value].draws for line in lines]
        sampled = Sampled(drawn, log_ratio, worlds.replicates(draws))
        share = sampled.effective(lines) / draws
        likelihoods = sampled.log_likelihoods(lines).sum(axis=0)
        if share > best:
            best, found = share, mixture
        if not tempers and (share > GOOD or share < 1.1 * best) and number:
            break
    if found is None:
        return None
    draws = min(MOST_DRAWS, ds.sizes["draw"])
    _, log_ratio, drawn = worlds.draw(found, draws, 0)
    return Sampled(drawn, log_ratio, worlds.replicates(draws))


class _Worlds:
    """Draws values of a scenario at moved scores."""

    def __init__(self, ds: xr.Dataset, trees: Sequence[Tree]) -> None:
        self.scenario, self.options = run_of(ds)
        self.trees = trees
        self.cells = Cells(self.scenario, self.options, trees)
        self.dimensions = ScorePlans(self.scenario).dimensions
        self.names = list(self.dimensions)
        self.given = GivenScores(self.cells.prepared, self.names)

    def replicates(self, draws: int) -> Replicates:
        """The replicates of the first draws."""
        return replicated(draws, self.options.sampler)

    def draw(
        self, mixture: Mixture, draws: int, number: int
    ) -> tuple[Array, Array, dict[Tree, Sorted]]:
        """Scores, log of prior over mixture density [draw], and draws of values by tree.

        Random numbers are those of other names than the run's, so that draws are independent of
        its own, and of those of another `number`.
        """
        mark = "'" * (number + 1)
        names = {f"{name}{mark}": at for name, at in self.dimensions.items()}
        of = self.options
        scores = draw_independent(names, draws, of.seed, of.sampler, of.threads)
        at = np.arange(draws)
        at = (at // BLOCK if of.sampler == SOBOL else at) % BLOCK
        scores = mixture.move(scores, ~np.isin(at, OF_PRIOR))
        values = self.cells.read(self.given.evaluate(scores), self._factors(scores))
        numbers = [np.where(value.known, value.draws, np.nan).astype(float) for value in values]
        drawn = {
            tree: Sorted(np.array(np.broadcast_to(of, (draws,))))
            for tree, of in zip(self.trees, numbers, strict=True)
        }
        return scores, mixture.log_ratio(scores), drawn

    def _factors(self, scores: Array) -> dict[str, Array]:
        """The scores of common factors that values need."""
        held = self.scenario.factors
        rows = {name.removeprefix("factors."): i for i, name in enumerate(self.names)}
        return {
            name: np.full(scores.shape[1], held[of]) if of in held else scores[rows[of]]
            for name in self.cells.factors
            if (of := name.removeprefix(FACTOR)) in held or of in rows
        }


def _fit(
    scores: Array, values: Sequence[Array], likelihoods: Array, log_ratio: Array
) -> tuple[Mixture | None, bool]:
    """The mixture that fits weighted draws, and whether the likelihood was tempered for it."""
    directions = _directions(scores, values)
    if directions is None:
        return None, False
    along = directions.T @ scores
    power = _power(likelihoods, log_ratio)
    weights = _weights(power * likelihoods + log_ratio)
    mean = along @ weights
    apart = along - mean[:, None]
    covariance = (apart * weights) @ apart.T * WIDER
    return Mixture(directions, mean, np.asarray(covariance)), power < 1


def _directions(scores: Array, values: Sequence[Array]) -> Array | None:
    """Orthonormal directions [score, direction] in which the values rise; None where none is clear.

    Slopes of normal scores of ranks; those that are not clear count as none.
    """
    from scipy.special import ndtri

    n = scores.shape[1]
    centred = scores - scores.mean(axis=1, keepdims=True)
    gram = centred @ centred.T / n
    gram.flat[:: len(gram) + 1] += 1e-9
    slopes = []
    for of in values:
        rank = np.empty(n)
        rank[np.argsort(of, kind="stable")] = np.arange(n)
        target = ndtri((rank + 0.5) / n)
        slope = np.linalg.solve(gram, centred @ target / n)
        rest = target - slope @ centred
        error = np.sqrt(rest @ rest / n / n * np.diag(np.linalg.inv(gram)))
        slopes.append(np.where(np.abs(slope) > CLEAR * error, slope, 0.0))
    matrix = np.array(slopes).T
    matrix = matrix[:, np.abs(matrix).sum(axis=0) > 0]
    if not matrix.size:
        return None
    basis, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(basis[:, sizes > 1e-3 * sizes[0]])


def _weights(logs: Array) -> Array:
    """Weights [draw] of sum 1."""
    raw = np.exp(logs - logs.max())
    return np.asarray(raw / raw.sum())


def _power(likelihoods: Array, log_ratio: Array) -> float:
    """The largest power of the likelihood, up to 1, that leaves `LEAST` effective draws."""

    def effective(power: float) -> float:
        with np.errstate(invalid="ignore"):
            logs = power * likelihoods + log_ratio
        return 1 / float((_weights(logs) ** 2).sum()) if np.isfinite(logs.max()) else 0.0

    if effective(1.0) >= LEAST:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= LEAST else (low, middle)
    return max(low, 1e-9)
