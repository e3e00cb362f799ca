"""Gaussian and t copulas: the correlations of scores behind a group.

The rank correlations, correlations of values or copula parameters of a group are turned into one
correlation matrix of normal scores, and that into weights by which members' own scores are mixed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from scipy.special import gammainccinv, gammaincinv, ndtr, ndtri_exp

from sim.distributions.base import Distribution
from sim.distributions.discrete import Discrete, Steps
from sim.distributions.elicitation import Array
from sim.distributions.groups import Group, GroupError
from sim.distributions.quantile_tables import Table, tabulate
from sim.distributions.unbounded import student_log_tail, student_tail

LEAST_EIGENVALUE = -1e-10  # in units of the largest: rounding leaves a singular matrix that much
MOST_NAMED = 3  # entries that a message names


def score_matrix(group: Group, distributions: Mapping[str, Distribution]) -> Array:
    """The correlation matrix [member, member] of normal scores of a group.

    Spearman's rho is turned into 2 sin(pi rho / 6), Pearson's and the rank correlation of discrete
    distributions into what gives them between these values or ranks (Lancaster 1957).

    Args:
        group: The group.
        distributions: The distribution of every member, by its name.

    Raises:
        GroupError: If a distribution has no variance, a correlation is beyond what two
            distributions can have, or the matrix is not positive semi-definite; the entries that
            cannot be are named.
    """
    scores = np.array(group.matrix)
    if group.kind == "spearman":
        scores = 2.0 * np.sin(np.pi * scores / 6.0)
        np.fill_diagonal(scores, 1.0)
    if group.kind != "copula":
        _solve_entries(group, distributions, scores)
    values, vectors = np.linalg.eigh(scores)
    if values[0] < LEAST_EIGENVALUE * values[-1]:
        blamed = _blame_entries(group, scores, vectors[:, 0])
        of_scores = "" if group.kind == "copula" else " of normal scores"
        message = (
            f"no inputs are correlated like this: {blamed}; the smallest eigenvalue of the"
            f" matrix{of_scores} is {values[0]:.3g}"
        )
        raise GroupError([("matrix", message)])
    return scores


def _blame_entries(group: Group, scores: Array, eigenvector: Array) -> str:
    """The entries of a group that cannot hold together, in words.

    They are three of which two leave the third too narrow a range; else those with most weight in
    the eigenvector [member] of the smallest eigenvalue of `scores` [member, member].
    """
    names, entries = group.members, np.array(group.matrix)

    def from_score(r: float) -> float:
        return 6.0 / math.pi * math.asin(r / 2.0) if group.kind == "spearman" else r

    worst: tuple[float, int, int, int] = (1e-9, 0, 0, 0)
    for i in range(len(names)):
        beyond = np.abs(scores - np.outer(scores[i], scores[i]))
        beyond -= np.sqrt(np.maximum(0.0, np.outer(1 - scores[i] ** 2, 1 - scores[i] ** 2)))
        beyond[i] = beyond[:, i] = 0.0
        first, second = np.unravel_index(np.triu(beyond, 1).argmax(), beyond.shape)
        worst = max(worst, (float(beyond[first, second]), i, int(first), int(second)))
    excess, i, j, k = worst
    if excess > 1e-9:
        middle = scores[i, j] * scores[i, k]
        width = math.sqrt(max(0.0, (1 - scores[i, j] ** 2) * (1 - scores[i, k] ** 2)))
        low, high = from_score(middle - width), from_score(middle + width)
        return (
            f"{names[i]}, {names[j]} = {entries[i, j]:g}"
            f" and {names[i]}, {names[k]} = {entries[i, k]:g}"
            f" leave {names[j]}, {names[k]} between {low:.3g} and {high:.3g},"
            f" not {entries[j, k]:g}"
        )
    pairs = sorted(
        itertools.combinations(range(len(names)), 2),
        key=lambda pair: -abs(eigenvector[pair[0]] * eigenvector[pair[1]] * scores[pair]),
    )
    named = [f"{names[i]}, {names[j]} = {entries[i, j]:g}" for i, j in pairs[:MOST_NAMED]]
    return f"most of all {'; '.join(named)}"


def mixing(scores: Array) -> Array:
    """The lower triangular L [member, member] with L L' = `scores`.

    `scores` may be singular.

    A member's score is its row of L times the own scores of the members up to it.
    """
    values, vectors = np.linalg.eigh(scores)
    # Rounding may leave eigenvalues a little below 0: they are taken as 0.
    root = np.asarray(np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r")).T
    root = root * np.where(np.diag(root) < 0, -1.0, 1.0)
    return np.asarray(np.tril(root / np.linalg.norm(root, axis=1, keepdims=True)))


# Values are series of Hermite polynomials of their scores: the k-th terms of two inputs with scores
# of correlation r are correlated by r^k (Lancaster 1957).
_TERMS = 300
_FARTHER = np.arange(_TERMS + 1, 40 * _TERMS)
_EDGES = np.linspace(-20.0, 20.0, 321)  # the mass beyond is 1e-88
_MOST_JUMPS = 500  # where there are more, each is small


@lru_cache(maxsize=8)
def _nodes(jumps: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """Scores [node], weights [node], and orthonormal Hermite polynomials [term, node] at them.

    No panel of the quadrature has a jump within.
    """
    x, w = np.polynomial.legendre.leggauss(8)
    edges = np.union1d(_EDGES, jumps)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half * (1 + x)).ravel()
    weights = (half * w).ravel() * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    terms = np.empty((_TERMS + 1, z.size))
    terms[0], terms[1] = 1.0, z
    for k in range(1, _TERMS):
        terms[k + 1] = (z * terms[k] - math.sqrt(k) * terms[k - 1]) / math.sqrt(k + 1)
    return z, weights, terms


def _jumps(distribution: Distribution) -> list[float]:
    """The scores, of either sign, at which values jump.

    None where there are very many.
    """
    edges = distribution.edges.tolist() if isinstance(distribution, Steps) else []
    return edges + [-edge for edge in edges] if len(edges) <= _MOST_JUMPS else []


def _ranks(distribution: Distribution, z: Array) -> Array:
    """The mean rank, 0 to 1, of the values at scores."""
    if not isinstance(distribution, Steps):
        return np.asarray(ndtr(z))
    weights = distribution.atoms[1]
    return np.asarray((np.cumsum(weights) - weights / 2)[np.searchsorted(distribution.edges, z)])


def _standardise(
    distribution: Distribution, jumps: tuple[float, ...], of_ranks: bool
) -> tuple[Array, Array]:
    """Standardise values or ranks [node], and expand them in Hermite polynomials.

    Back come values or ranks [node] with mean 0 and sd 1, and the coefficients [term] of their
    series.
    """
    z, weights, terms = _nodes(jumps)
    x = _ranks(distribution, z) if of_ranks else distribution.quantile(z)
    x = x - weights @ x / weights.sum()
    x = x / math.sqrt(weights @ (x * x))
    return x, terms @ (weights * x)


def _solve_entries(group: Group, distributions: Mapping[str, Distribution], scores: Array) -> None:
    """Solve the entries of `scores` [member, member], in place.

    They are those that give the correlations of values, or of ranks with ties.

    Raises:
        GroupError: If a distribution has a single value or no variance, or if two cannot be
            correlated like this.
    """
    names, of_ranks = group.members, group.kind == "spearman"
    faults = []
    for name in names:
        distribution = distributions[name]
        if len(np.unique(distribution.quantile(np.array([-8.0, 0.0, 8.0])))) == 1:
            faults.append(("inputs", f"{name} has one value only, which nothing can be tied to"))
        elif not of_ranks and not distribution.moment_order > 2:
            message = f"{name} has no variance, so no pearson correlation; give its spearman"
            faults.append(("inputs", message))
    if faults:
        raise GroupError(faults)
    for i, j in itertools.combinations(range(len(names)), 2):
        first, second, rho = distributions[names[i]], distributions[names[j]], group.matrix[i][j]
        if of_ranks and not isinstance(first, Steps) and not isinstance(second, Steps):
            continue
        low, high, _ = _correlation(first, second, of_ranks)
        if not low - 1e-6 <= rho <= high + 1e-6:
            message = (
                f"{names[i]}, {names[j]} = {rho:g} cannot be: between these distributions it is"
                f" from {low:.3g} to {high:.3g}"
            )
            message += "" if of_ranks else "; or give their spearman correlation"
            faults.append(("matrix", message))
        else:
            scores[i, j] = scores[j, i] = _solve_score(first, second, of_ranks, rho)
    if faults:
        raise GroupError(faults)


@lru_cache(maxsize=4096)  # a group is checked, sampled and redrawn
def _solve_score(first: Distribution, second: Distribution, of_ranks: bool, rho: float) -> float:
    """The correlation of normal scores that gives `rho`, or the nearest that can be."""
    from scipy.optimize import brentq

    low, high, correlation = _correlation(first, second, of_ranks)
    goal = min(max(rho, low), high)
    return brentq(lambda r: correlation(r) - goal, -1.0, 1.0, xtol=1e-12) if rho else 0.0


@lru_cache(maxsize=1024)
def _correlation(
    first: Distribution, second: Distribution, of_ranks: bool
) -> tuple[float, float, Callable[[float], float]]:
    """The correlation of two distributions that a Gaussian copula ties.

    Returns:
        The least and the largest correlation, and the correlation as a function of that of the
        normal scores.
    """
    jumps = tuple(sorted({*_jumps(first), *_jumps(second)}))
    x, a = _standardise(first, jumps, of_ranks)
    y, b = _standardise(second, jumps, of_ranks)
    _, weights, _ = _nodes(jumps)
    powers = np.arange(1, _TERMS + 1)
    terms = (a * b)[1:]
    high, low = float(weights @ (x * y)), float(weights @ (x * y[::-1]))
    # The rest of the truncated series, so that both ends are exact: the terms of distributions
    # with jumps fall like k^-1.5.
    farther = _FARTHER**-1.5
    even = farther[_FARTHER % 2 == 0].sum()
    rest_up = high - terms.sum()
    rest_down = low - (terms * (-1.0) ** powers).sum()
    share_even = (rest_up + rest_down) / 2 / even
    share_odd = (rest_up - rest_down) / 2 / (farther.sum() - even)
    farther = farther * np.where(_FARTHER % 2 == 0, share_even, share_odd)

    def correlation(r: float) -> float:
        if r in (-1.0, 1.0):
            return high if r > 0 else low
        with np.errstate(under="ignore"):
            return float(terms @ r**powers + farther @ r ** _FARTHER.astype(float))

    return low, high, correlation


def spearman_of_scores(first: Distribution, second: Distribution, r: float) -> float:
    """Spearman's rho of two inputs whose normal scores have the correlation r.

    Values that tie share their mean rank.
    """
    if not isinstance(first, Steps) and not isinstance(second, Steps):
        return 6.0 / math.pi * math.asin(r / 2.0)
    *_, correlation = _correlation(first, second, True)
    return correlation(r)


def at_scores(distribution: Distribution, mean: float, sd: float) -> Distribution:
    """A distribution whose ranks are those of this one at scores of N(mean, sd^2).

    `sd` is above 0. Only a discrete distribution becomes another one: the scores between its values
    have other probabilities then.
    """
    if not isinstance(distribution, Steps) or (mean, sd) == (0.0, 1.0):
        return distribution
    edges = (distribution.edges - mean) / sd
    below, above = ndtr([-np.inf, *edges, np.inf]), ndtr([np.inf, *-edges, -np.inf])
    # Of two numbers near 1 the difference is lost: then that of their complements is taken.
    weights = np.where(below[1:] < 0.5, np.diff(below), -np.diff(above))
    values = np.arange(float(len(weights)))
    return Discrete(family="discrete", values=tuple(values), weights=tuple(weights))


@lru_cache(maxsize=64)
def t_scale_table(nu: float) -> Table:
    """The table of sqrt(nu / W) over a normal score.

    W is the chi-square with nu degrees of freedom at the same probability.
    """

    def scale(z: Array) -> Array:
        low = gammaincinv(nu / 2, ndtr(np.minimum(z, 0.0)))
        high = gammainccinv(nu / 2, ndtr(-np.maximum(z, 0.0)))
        return np.asarray(np.sqrt(nu / 2 / np.where(z < 0, low, high)))

    return tabulate(scale)


@lru_cache(maxsize=64)
def t_score_table(nu: float) -> Table:
    """The table of the normal score of a t over u.

    u is sign(t) sqrt(log(1 + t^2)).

    In u the score is near a line, however heavy the tails.
    """
    t = student_tail(nu, np.array([-45.0]))[0]  # a score of 9.1
    reach = math.ceil(4 * math.sqrt(np.log1p(t * t))) / 4  # 0 is then the edge of a cell, and exact

    def score(u: Array) -> Array:
        z = -ndtri_exp(student_log_tail(nu, np.sqrt(np.expm1(u * u))))
        return np.where(u == 0, 0.0, np.copysign(z, u))

    return tabulate(score, reach, checked_to=reach)
