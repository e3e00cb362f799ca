"""Correlation groups: inputs tied by a copula, and the correlations that give what is asked for.

A group says rank correlations (`spearman`), correlations of values (`pearson`), or the parameters
of the copula itself (`copula`). Whatever it says is turned into one correlation matrix of normal
scores, and that into weights by which the members' own scores are mixed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammainccinv, gammaincinv, ndtr, ndtri_exp

from sim.common.text import finite, nearest, shown
from sim.distributions.base import Distribution
from sim.distributions.discrete import Steps
from sim.distributions.elicitation import Array
from sim.distributions.quantile_tables import Table, tabulate
from sim.distributions.unbounded import student_log_tail, student_tail

KINDS = ("spearman", "pearson", "copula")
COPULAS = ("gaussian", "t")
KEYS = ("name", "inputs", "kind", "matrix", "pairs", "copula", "nu")
LEAST_NU = 0.5  # below it, half of all draws would lie farther out than doubles reach
LEAST_EIGENVALUE = -1e-10
MOST_NAMED = 3


class GroupError(ValueError):
    """What is wrong with a group: `faults` are pairs of a key ("" for all of it) and a message."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(": ".join(filter(None, fault)) for fault in faults))


@dataclass(frozen=True, slots=True)
class Group:
    """A correlation group. Members are in the order of their names, as are rows of `matrix`.

    `nu` are the degrees of freedom of a t copula.
    """

    name: str
    members: tuple[str, ...]
    kind: str
    matrix: tuple[tuple[float, ...], ...]
    copula: str = "gaussian"
    nu: float | None = None

    def said(self) -> dict[str, Any]:
        """The group in the words of a parameter file."""
        said: dict[str, Any] = {"name": self.name, "inputs": list(self.members), "kind": self.kind}
        said |= {} if self.nu is None else {"copula": self.copula, "nu": self.nu}
        return {**said, "matrix": [list(row) for row in self.matrix]}


def group_from(entry: Any) -> Group:
    """The group that plain data gives, as in a file.

    `inputs` and `kind` are needed, and `matrix` (rows in the order of `inputs`) or `pairs` such as
    `["a", "b", 0.5]`, of which those that are not said are 0; `copula` is "gaussian" unless it is
    said, "t" needs `nu`. A group without a `name` is called after its members.

    Raises:
        GroupError: With everything that is wrong.
    """
    if not isinstance(entry, Mapping):
        raise GroupError([("", f"expected a table with inputs and kind, got {shown(entry)}")])
    faults: list[tuple[str, str]] = [
        (str(key), f"unknown key{nearest(str(key), KEYS)}") for key in entry if key not in KEYS
    ]
    inputs, name = entry.get("inputs"), entry.get("name")
    if not isinstance(inputs, list | tuple) or not all(isinstance(part, str) for part in inputs):
        faults.append(("inputs", f"expected a list of inputs by full name, got {shown(inputs)}"))
        inputs = []
    elif len(inputs) < 2:
        faults.append(("inputs", f"expected at least two inputs, got {shown(list(inputs))}"))
    for part in dict.fromkeys(part for part in inputs if list(inputs).count(part) > 1):
        faults.append(("inputs", f"{part} stands there twice"))
    if name is not None and (not isinstance(name, str) or not name.strip()):
        faults.append(("name", f"expected a name, got {shown(name)}"))
    faults += _kind(entry)
    given = [key for key in ("matrix", "pairs") if key in entry]
    rows: list[list[float]] = []
    if len(given) != 1:
        got = "both" if given else "neither"
        faults.append(("", f"expected a matrix or pairs, got {got}"))
    elif not any(key == "inputs" for key, _ in faults):
        wrong = list((_matrix if given == ["matrix"] else _pairs)(entry[given[0]], inputs, rows))
        faults += [(given[0], message) for message in wrong]
    if faults:
        raise GroupError(faults)
    order = sorted(range(len(inputs)), key=lambda i: inputs[i])
    members = tuple(inputs[i] for i in order)
    return Group(
        name or "+".join(members),
        members,
        entry["kind"],
        tuple(tuple(rows[i][j] for j in order) for i in order),
        entry.get("copula", "gaussian"),
        None if "nu" not in entry else float(entry["nu"]),
    )


def _kind(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind, copula = entry.get("kind"), entry.get("copula", "gaussian")
    if kind not in KINDS:
        what = "missing: expected" if kind is None else f"unknown kind {shown(kind)}; expected"
        yield "kind", f"{what} {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    if copula not in COPULAS:
        yield "copula", f"unknown copula {shown(copula)}{nearest(str(copula), COPULAS)}"
    elif copula == "t" and kind in KINDS[:-1]:
        yield "kind", f"expected copula, as {kind} goes with the gaussian copula"
    if copula == "t" and "nu" not in entry:
        yield "nu", "missing: the degrees of freedom of the t copula"
    if "nu" in entry:
        nu = finite(entry["nu"])
        if copula != "t":
            yield "nu", "only the t copula has degrees of freedom"
        elif nu is None or not LEAST_NU <= nu <= 1e6:
            got = shown(entry["nu"])
            yield "nu", f"expected a number from {LEAST_NU:g} to 1e6, got {got}"


def _matrix(said: Any, inputs: Sequence[str], rows: list[list[float]]) -> Iterator[str]:
    n = len(inputs)
    shape = isinstance(said, list | tuple) and len(said) == n
    if not shape or not all(isinstance(row, list | tuple) and len(row) == n for row in said):
        yield f"expected {n} rows of {n} numbers, one for each input"
        return
    for i, j in itertools.product(range(n), range(n)):
        one, other = finite(said[i][j]), finite(said[j][i])
        where = f"{inputs[i]}, {inputs[j]}"
        if one is None:
            yield f"expected a number for {where}, got {shown(said[i][j])}"
        elif i == j and one != 1:
            yield f"expected 1 for {inputs[i]} with itself, got {one:g}"
        elif not -1 <= one <= 1:
            yield f"expected a number from -1 to 1 for {where}, got {one:g}"
        elif i < j and other is not None and one != other:
            yield f"expected a symmetric matrix: {where} is {one:g} and {other:g}"
    rows += [[finite(x) or 0.0 for x in row] for row in said]


def _pairs(said: Any, inputs: Sequence[str], rows: list[list[float]]) -> Iterator[str]:
    rows += np.eye(len(inputs)).tolist()
    if not isinstance(said, list | tuple):
        yield f'expected pairs such as ["{inputs[0]}", "{inputs[1]}", 0.5], got {shown(said)}'
        return
    seen: set[frozenset[str]] = set()
    for pair in said:
        if not isinstance(pair, list | tuple) or len(pair) != 3:
            yield f"expected two inputs and a number, got {shown(pair)}"
            continue
        *both, said_number = pair
        number = finite(said_number)
        unknown = [part for part in both if part not in inputs]
        for part in unknown:
            yield f"{shown(part)} is not one of the inputs{nearest(str(part), list(inputs))}"
        if number is None or not -1 <= number <= 1:
            yield f"expected a number from -1 to 1 for {', '.join(map(str, both))}, got" + (
                f" {shown(said_number)}"
            )
        elif not unknown and both[0] == both[1]:
            yield f"{both[0]} is paired with itself"
        elif not unknown and frozenset(both) in seen:
            yield f"{', '.join(both)} is said twice"
        elif not unknown:
            seen.add(frozenset(both))
            i, j = (list(inputs).index(part) for part in both)
            rows[i][j] = rows[j][i] = number


def score_matrix(group: Group, distributions: Mapping[str, Distribution]) -> Array:
    """The correlation matrix [member, member] of normal scores that a group asks for.

    Spearman's rho is turned into 2 sin(pi rho / 6), or where a law is of separate values into what
    gives it between these ranks; Pearson's into what gives it between these values.

    Raises:
        GroupError: If a law has no variance, a correlation is beyond what two laws can have, or
            no scores are correlated like this; the entries that cannot be are named.
    """
    made = np.array(group.matrix)
    if group.kind == "spearman":
        made = 2.0 * np.sin(np.pi * made / 6.0)
        np.fill_diagonal(made, 1.0)
    if group.kind != "copula":
        _solve(group, distributions, made)
    values, vectors = np.linalg.eigh(made)
    if values[0] < LEAST_EIGENVALUE:
        key = "matrix"
        told = f"no inputs are correlated like this: {_guilty(group, made, vectors[:, 0])}"
        of_scores = "" if group.kind == "copula" else " of normal scores"
        told += f"; the smallest eigenvalue of the matrix{of_scores} is {values[0]:.3g}"
        raise GroupError([(key, told)])
    return made


def _guilty(group: Group, scores: Array, vector: Array) -> str:
    """The entries that cannot be together, in words."""
    names, said = group.members, np.array(group.matrix)

    def back(r: float) -> float:
        return 6.0 / math.pi * math.asin(r / 2.0) if group.kind == "spearman" else r

    found = []
    for i, j, k in itertools.permutations(range(len(names)), 3):
        if j > k:
            continue
        middle = scores[i, j] * scores[i, k]
        width = math.sqrt(max(0.0, (1 - scores[i, j] ** 2) * (1 - scores[i, k] ** 2)))
        excess = abs(scores[j, k] - middle) - width
        if excess > 1e-9:
            found.append((excess, i, j, k, middle - width, middle + width))
    if found:
        _, i, j, k, low, high = max(found)
        return (
            f"{names[i]}, {names[j]} = {said[i, j]:g} and {names[i]}, {names[k]} = {said[i, k]:g}"
            f" leave {names[j]}, {names[k]} between {back(low):.3g} and {back(high):.3g},"
            f" not {said[j, k]:g}"
        )
    pairs = sorted(
        itertools.combinations(range(len(names)), 2),
        key=lambda pair: -abs(vector[pair[0]] * vector[pair[1]] * scores[pair]),
    )
    worst = [f"{names[i]}, {names[j]} = {said[i, j]:g}" for i, j in pairs[:MOST_NAMED]]
    return f"most of all {'; '.join(worst)}"


def mixing(scores: Array) -> Array:
    """The lower triangular L with L L' = `scores`, also where that is singular.

    A member's score is the sum of its row times the own scores of those up to it.
    """
    values, vectors = np.linalg.eigh(scores)
    # Of a matrix that is singular, or by rounding a little less, the nearest that is none.
    root = np.asarray(np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r")).T
    root = root * np.where(np.diag(root) < 0, -1.0, 1.0)
    return np.asarray(np.tril(root / np.linalg.norm(root, axis=1, keepdims=True)))


# Values as series of Hermite polynomials of their scores: the k-th term of two inputs correlates
# like r^k (Lancaster 1957).
_TERMS = 300
_FARTHER = np.arange(_TERMS + 1, 40 * _TERMS)
_EDGES = np.linspace(-20.0, 20.0, 321)  # the mass beyond is 1e-88
_MOST_JUMPS = 500  # more of them are small ones


@lru_cache(maxsize=8)
def _nodes(jumps: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """Scores, their weights, and orthonormal Hermite polynomials [term, score] at them.

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
    edges = distribution.edges.tolist() if isinstance(distribution, Steps) else []
    return edges + [-edge for edge in edges] if len(edges) <= _MOST_JUMPS else []


def _ranks(distribution: Distribution, z: Array) -> Array:
    """The mean rank, from 0 to 1, of the values at scores: equal values share theirs."""
    if not isinstance(distribution, Steps):
        return np.asarray(ndtr(z))
    weights = distribution.atoms[1]
    return np.asarray((np.cumsum(weights) - weights / 2)[np.searchsorted(distribution.edges, z)])


def _standardised(
    distribution: Distribution, jumps: tuple[float, ...], of_ranks: bool
) -> tuple[Array, Array]:
    """Values or ranks at the nodes, of mean 0 and sd 1, and the coefficients of their series."""
    z, weights, terms = _nodes(jumps)
    x = _ranks(distribution, z) if of_ranks else distribution.quantile(z)
    x = x - weights @ x / weights.sum()
    x = x / math.sqrt(weights @ (x * x))
    return x, terms @ (weights * x)


def _solve(group: Group, distributions: Mapping[str, Distribution], scores: Array) -> None:
    """Put the correlations of scores that give those of values, or of ranks that have ties."""
    from scipy.optimize import brentq

    names, of_ranks = group.members, group.kind == "spearman"
    faults = []
    for name in names:
        distribution = distributions[name]
        if len(np.unique(distribution.quantile(np.array([-8.0, 0.0, 8.0])))) == 1:
            faults.append(("inputs", f"{name} has one value only, which nothing can be tied to"))
        elif not of_ranks and not distribution.moments > 2:
            told = f"{name} has no variance, so no pearson correlation; give its spearman"
            faults.append(("inputs", told))
    if faults:
        raise GroupError(faults)
    for i, j in itertools.combinations(range(len(names)), 2):
        one, other, rho = distributions[names[i]], distributions[names[j]], group.matrix[i][j]
        if of_ranks and not isinstance(one, Steps) and not isinstance(other, Steps):
            continue
        low, high, correlation = _correlation(one, other, of_ranks)
        if not low - 1e-6 <= rho <= high + 1e-6:
            message = (
                f"{names[i]}, {names[j]} = {rho:g} cannot be: between these laws it is from"
                f" {low:.3g} to {high:.3g}"
            )
            message += "" if of_ranks else "; or give their spearman correlation"
            faults.append(("matrix", message))
        else:
            goal = min(max(rho, low), high)
            found = brentq(lambda r, c=correlation, g=goal: c(r) - g, -1.0, 1.0, xtol=1e-12)
            scores[i, j] = scores[j, i] = found if rho else 0.0
    if faults:
        raise GroupError(faults)


@lru_cache(maxsize=1024)
def _correlation(
    one: Distribution, other: Distribution, of_ranks: bool
) -> tuple[float, float, Any]:
    """The least and the largest correlation of two laws, and that at a correlation of scores."""
    jumps = tuple(sorted({*_jumps(one), *_jumps(other)}))
    (x, a), (y, b) = (_standardised(distribution, jumps, of_ranks) for distribution in (one, other))
    _, weights, _ = _nodes(jumps)
    powers = np.arange(1, _TERMS + 1)
    terms = (a * b)[1:]
    high, low = float(weights @ (x * y)), float(weights @ (x * y[::-1]))
    # What is left of a series that was cut, so that both ends are exact: laws with jumps have
    # terms that fall like k^-1.5.
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


@lru_cache(maxsize=64)
def t_scale_table(nu: float) -> Table:
    """The table of sqrt(nu / W) over a normal score, W the chi-square of as large a probability."""

    def scale(z: Array) -> Array:
        low = gammaincinv(nu / 2, ndtr(np.minimum(z, 0.0)))
        high = gammainccinv(nu / 2, ndtr(-np.maximum(z, 0.0)))
        return np.asarray(np.sqrt(nu / 2 / np.where(z < 0, low, high)))

    return tabulate(scale)


@lru_cache(maxsize=64)
def t_score_table(nu: float) -> Table:
    """The table of the normal score of a t over u = sign(t) sqrt(log(1 + t^2)).

    In u the score is near a line, however heavy the tails.
    """
    t = student_tail(nu, np.array([-45.0]))[0]  # a score of 9.1
    reach = math.ceil(4 * math.sqrt(np.log1p(t * t))) / 4  # 0 is then the edge of a cell, and exact

    def score(u: Array) -> Array:
        z = -ndtri_exp(student_log_tail(nu, np.sqrt(np.expm1(u * u))))
        return np.where(u == 0, 0.0, np.copysign(z, u))

    return tabulate(score, reach, checked_to=reach)


def ranks(values: Array) -> Array:
    """Ranks, from 0, of draws [..., draw] among one another; ties share their mean rank."""
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    found = np.empty(values.shape)
    np.put_along_axis(found, order, np.arange(float(values.shape[-1])), axis=-1)
    for place in np.argwhere((ordered[..., 1:] == ordered[..., :-1]).any(axis=-1)):
        at = tuple(place)
        _, inverse, counts = np.unique(values[at], return_inverse=True, return_counts=True)
        found[at] = (np.cumsum(counts) - (counts + 1) / 2)[inverse]
    return found
