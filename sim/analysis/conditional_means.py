"""What choosing by a conditional mean gains: smooth regression of payoffs on what is learnt.

The gain is the mean of the largest conditional mean payoff, less the largest mean (Strong, Oakley
and Brennan 2014, "Estimating multiparameter partial expected value of perfect information from a
probabilistic sensitivity analysis sample"). Means in bins must not be used for it: near
indifference the noise in a bin is mistaken for knowledge.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim.analysis.regression import groups_of
from sim.analysis.targets import normal_scores
from sim.statistics.replicates import replicates_by

Array = NDArray[np.float64]
Part = slice | NDArray[np.int64]
KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)  # quantiles (Harrell 2015, "Regression Modeling", 2.4.6)
DRAWS_TO_CHOOSE = 32_768  # at most, by which one of two sets of terms is chosen
FOLDS = 8  # in each of which several inputs are weighed by the draws of the others
CROSSED = 6  # inputs that are learnt together, up to which their products are terms too
DRAWS_PER_SQUARE, DRAWS_PER_TERM = 20, 4  # at least, for squares, and for any term
SINGULAR = 1e-10  # of the largest eigenvalue: terms that others make up


class Regression:
    """Least squares on terms [term, draw], the first of which is the constant."""

    def __init__(self, terms: Array) -> None:
        self.terms = terms
        self._gram = terms @ terms.T

    def fit(self, targets: Array) -> Array:
        """Conditional means [target, draw] of targets [target, draw]."""
        return np.asarray(_solve(self._gram, self.terms @ targets.T).T @ self.terms)


def gain(regression: Regression, increments: Array) -> Array:
    """Draws [draw] whose mean is the gain of choosing by conditional means.

    Increments [option, draw] are payoffs less that of the option with the largest mean. A draw is
    the larger of the best conditional increment and 0, and what the draw does to the slopes, which
    has the mean 0: so the error of the mean is that of the gain (to first order).
    """
    means = regression.fit(increments)
    best = np.maximum(means.max(axis=0), 0.0)
    chosen = (means == best) & (means > 0)
    weights = regression.fit(chosen.astype(float))
    return np.asarray(best + (weights * (increments - means)).sum(axis=0))


def terms_of_one(scores: Array, increments: Array, parts: Sequence[Part]) -> Array:
    """Terms [term, draw] of a score [draw]: a cubic, or a natural spline of five knots.

    The spline is taken where it predicts parts of the draws that are left out better, by more than
    the standard error of that. The parts are of the first draws (`parts_to_choose`).
    """
    draws = sum(_size(part) for part in parts)
    first, targets = scores[:draws], increments[:, :draws]
    if len(parts) < 2 or (spline := natural_spline(first)) is None:
        return hermite(scores)
    scale = targets.var(axis=1)
    cubic_errors, spline_errors = (
        _left_out([_sums(terms, targets, at) for at in parts], scale)
        for terms in (hermite(first), spline)
    )
    better = cubic_errors - spline_errors
    if better.sum() > np.sqrt(better.size * better.var(ddof=1)):
        return hermite(scores) if (of_all := natural_spline(scores)) is None else of_all
    return hermite(scores)


def parts_to_choose(numbers: NDArray[np.int64], sampler: str) -> list[Part]:
    """Parts of the first draws, by which terms are chosen; `numbers` [draw] are those of all."""
    return list(groups_of(replicates_by(numbers[:DRAWS_TO_CHOOSE], sampler)))


def _size(part: Part) -> int:
    return part.stop - part.start if isinstance(part, slice) else part.size


def hermite(scores: Array) -> Array:
    """The constant and Hermite polynomials [4, draw] of a score [draw]."""
    squares = scores * scores
    return np.stack([np.ones_like(scores), scores, squares - 1, scores * (squares - 3)])


def natural_spline(scores: Array) -> Array | None:
    """Terms [5, draw] of a cubic spline that is linear beyond its ends; None without five knots."""
    knots = np.quantile(scores, KNOTS)
    if (np.diff(knots) <= 0).any():
        return None
    above = [np.maximum(scores - knot, 0.0) for knot in knots]
    cubes = [of * of * of for of in above]  # a power of numpy's takes many times as long
    slopes = [(cubes[i] - cubes[-1]) / (knots[-1] - knots[i]) for i in range(len(knots) - 1)]
    curved = [slope - slopes[-1] for slope in slopes[:-1]]
    return np.stack([np.ones_like(scores), scores, *curved])


def index_of_several(scores: Array, increments: Array, parts: Sequence[Part]) -> Array | None:
    """What scores [input, draw] tell of each increment [option, draw], as its normal scores.

    An increment is predicted in each part of the draws by the slopes of all the others, on linear
    terms, squares and, of a few inputs, products. So noise that many inputs fit by chance is no
    knowledge; what the terms lack, as they are no more than an index, is for the regression on it.
    Squares are left out with too few draws for them; None with too few for any term.
    """
    terms = _terms_of_several(scores)
    if terms is None or len(parts) < FOLDS:
        return None
    folds = [parts[i::FOLDS] for i in range(FOLDS)]
    sums = [[_sums(terms, increments, at) for at in fold] for fold in folds]
    grams, crosses = ([np.sum([of[i] for of in fold], axis=0) for fold in sums] for i in range(2))
    gram, cross = sum(grams), sum(crosses)
    index = np.empty_like(increments)
    for fold, own_gram, own_cross in zip(folds, grams, crosses, strict=True):
        slopes = _solve(gram - own_gram, cross - own_cross)
        for at in fold:  # without the constant, which would tell the folds apart
            index[:, at] = slopes[1:].T @ terms[1:, at]
    return np.stack([normal_scores(row) for row in index])


def terms_of_index(index: Array, increments: Array, parts: Sequence[Part]) -> Array:
    """Terms [term, draw] of an index [option, draw]: as of one score, or cubics of several."""
    if len(index) == 1:
        return terms_of_one(index[0], increments, parts)
    products = [index[i] * index[j] for i, j in itertools.combinations(range(len(index)), 2)]
    cubics = [hermite(row)[1:] for row in index]
    return np.concatenate([np.ones((1, index.shape[1])), *cubics, np.array(products)])


def _terms_of_several(scores: Array) -> Array | None:
    """Terms [term, draw] of scores [input, draw], as of `index_of_several`."""
    count, draws = scores.shape
    terms = [np.ones((1, draws)), scores]
    if draws >= DRAWS_PER_SQUARE * (2 * count + 1):
        terms.append(scores**2 - 1)
        if count <= CROSSED:
            terms += [scores[i : i + 1] * scores[i + 1 :] for i in range(count - 1)]
    elif draws < DRAWS_PER_TERM * (count + 1):
        return None
    return np.concatenate(terms)


def _sums(terms: Array, targets: Array, at: Part) -> tuple[Array, Array, Array]:
    """Sums over some draws: of products of terms, of terms and targets, of squares of targets."""
    x, y = terms[:, at], targets[:, at]
    return x @ x.T, x @ y.T, (y**2).sum(axis=1)


def _solve(gram: Array, cross: Array) -> Array:
    """Slopes [..., term, target] from sums of products; the smallest, where terms are linked."""
    return np.asarray(np.linalg.pinv(gram, rcond=SINGULAR, hermitian=True) @ cross)


def _left_out(sums: Sequence[tuple[Array, Array, Array]], scale: Array) -> Array:
    """Squared errors [part] in each part of the draws, of slopes from all the others.

    They are sums over targets, each by its variance in `scale`.
    """
    grams, crosses, squares = (np.array(of) for of in zip(*sums, strict=True))
    slopes = _solve(grams.sum(axis=0) - grams, crosses.sum(axis=0) - crosses)
    explained = (slopes * (2 * crosses - grams @ slopes)).sum(axis=1)
    errors = (squares - explained) / np.where(scale > 0, scale, np.inf)
    return np.asarray(errors.sum(axis=1))
