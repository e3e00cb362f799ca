"""How a spread is shared among independent causes, by one regression on draws that are there.

With independent standard normal causes s the variance of any function is a sum of squares: of its
coefficients on Hermite polynomials of single causes, and on products of two. Linear coefficients
come from least squares, the others from what that leaves over (Owen 2014, "Sobol' indices and
Shapley value"; a product counts half for either of its causes, which is Shapley's share).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import with_one_blas_thread
from sim.model.blocks import BLOCK
from sim.statistics.replicates import Replicates

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
GROUPS = 32  # of replicates, each left out once
PAIRED = 48  # causes with the largest shares, of which products are formed


@dataclass(frozen=True)
class Shares:
    """Shares of variances among causes, with errors; NaN where there are too few draws.

    `values` and `errors` [cause, target]; `slopes` and `slope_errors` are standardised linear
    coefficients. `explained` [target] is the sum of all shares. `order` are the causes of which
    products were formed, and `pairs` [target, cause, cause] the variance of each product of two of
    them, unbiased. `left_out` [group, cause, target] are the shares without each group of draws:
    the error of a sum of shares is the jackknife's over them (`jackknife_error`).
    """

    values: Array
    errors: Array
    slopes: Array
    slope_errors: Array
    explained: Array
    explained_errors: Array
    order: Integers
    pairs: Array
    left_out: Array


@with_one_blas_thread
def share_variance(causes: Array, targets: Array, replicates: Replicates) -> Shares:
    """Share the variance of targets [target, draw] among independent causes [cause, draw].

    Estimates are free of the bias that squares of noisy coefficients have. Errors are those of a
    jackknife over groups of independent replicates.
    """
    sums = [_sums(causes, targets, at) for at in groups_of(replicates)]
    total = _Sums(*(np.sum([getattr(s, f) for s in sums], axis=0) for f in _FIELDS))
    linear = _solve(total)
    first = np.argsort(-np.max(linear**2, axis=1))[: min(PAIRED, len(causes))]
    residuals = targets - targets.mean(axis=1, keepdims=True) - linear.T @ causes
    parts = [_products(causes, residuals, first, at) for at in groups_of(replicates)]
    whole = _fit(total, parts, linear, np.ones(len(parts), bool), first)
    estimates = []
    for group in range(len(parts)):
        kept = np.arange(len(parts)) != group
        rest = _Sums(*(getattr(total, f) - getattr(sums[group], f) for f in _FIELDS))
        estimates.append(_fit(rest, parts, linear, kept, first)[:3])
    left_out = [np.array(part) for part in zip(*estimates, strict=True)]
    if len(parts) < 2 or not replicates.enough:
        errors = [np.full(part.shape, np.nan) for part in whole[:3]]
    else:
        errors = [jackknife_error(part) for part in left_out]
    return Shares(
        values=whole[0],
        errors=errors[0],
        slopes=whole[1],
        slope_errors=errors[1],
        explained=whole[2],
        explained_errors=errors[2],
        order=first,
        pairs=whole[3],
        left_out=left_out[0],
    )


@with_one_blas_thread
def fit_slopes(causes: Array, target: Array) -> Array:
    """Coefficients [cause] of a target [draw] on causes [cause, draw], by least squares.

    Raises:
        LinAlgError: If there are fewer draws than causes.
    """
    return _solve(_sums(causes, target[None], slice(None)))[:, 0]


@dataclass
class _Sums:
    """Sums over some draws: of products of causes, with targets, of squares, and the draws."""

    count: float
    cross: Array
    products: Array
    square: Array
    sum_causes: Array
    sum_targets: Array


_FIELDS = ("count", "cross", "products", "square", "sum_causes", "sum_targets")


def _sums(causes: Array, targets: Array, at: slice | Integers) -> _Sums:
    s, q = causes[:, at], targets[:, at]
    return _Sums(
        float(s.shape[1]), s @ q.T, s @ s.T, (q**2).sum(axis=1), s.sum(axis=1), q.sum(axis=1)
    )


def _solve(of: _Sums) -> Array:
    """Linear coefficients [cause, target] by least squares, with a constant.

    Raises:
        LinAlgError: If there are fewer draws than causes.
    """
    centred = of.products - np.outer(of.sum_causes, of.sum_causes) / of.count
    cross = of.cross - np.outer(of.sum_causes, of.sum_targets) / of.count
    return np.asarray(np.linalg.solve(centred, cross))


def _products(
    causes: Array, residuals: Array, first: Integers, at: slice | Integers
) -> tuple[Array, Array, Array]:
    """Sums of residuals times polynomials, [2, cause, target] and [target, first, first]."""
    s, r = causes[:, at], residuals[:, at]
    columns = np.ascontiguousarray(r.T)
    linear = s @ columns
    powers = s * s
    squares = (powers @ columns - columns.sum(axis=0)) / np.sqrt(2)
    powers *= s  # a power of numpy's takes twenty times as long
    cubes = (powers @ columns - 3 * linear) / np.sqrt(6)
    chosen = s[first]
    pairs = np.stack([(chosen * row) @ chosen.T for row in r])
    return np.stack([squares, cubes]), pairs, (r**2).sum(axis=1)


def _fit(
    of: _Sums,
    parts: list[tuple[Array, Array, Array]],
    linear_of_all: Array,
    kept: NDArray[np.bool_],
    first: Integers,
) -> tuple[Array, Array, Array, Array]:
    """Shares, slopes, explained shares and shares of pairs, of the groups that are kept."""
    n = float(of.count)
    variance = of.square / n - (of.sum_targets / n) ** 2
    linear = _solve(of)
    own, pairs, squares = (
        np.sum([part[i] for part, keep in zip(parts, kept, strict=True) if keep], axis=0) / n
        for i in range(3)
    )
    left = np.maximum(squares * n / max(n - len(linear) - 1, 1.0), 0.0)  # the residual variance
    noise = left / n
    by_cause = linear**2 - noise + (own**2 - noise).sum(axis=0)
    products = pairs**2 - noise[:, None, None]
    diagonal = np.arange(len(first))
    products[:, diagonal, diagonal] = 0.0
    by_cause[first] += 0.5 * products.sum(axis=2).T
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = by_cause / variance
        return (
            shares,
            linear / np.sqrt(variance),
            shares.sum(axis=0),
            products / variance[:, None, None],
        )


def jackknife_error(estimates: Array) -> Array:
    """Standard errors [...] of an estimate, from those without each group of draws [group, ...]."""
    n = len(estimates)
    return np.asarray(
        np.sqrt((n - 1) / n * ((estimates - estimates.mean(axis=0)) ** 2).sum(axis=0))
    )


def groups_of(replicates: Replicates) -> list[slice | Integers]:
    """The draws of groups of replicates: slices where these are neighbours."""
    draws, count = replicates.draws, len(replicates.count)
    groups = max(1, min(GROUPS, count))
    if (replicates.order is None and count != 32) or count == draws:
        step = draws / groups
        unit = BLOCK if count < draws else 1
        ends = [min(draws, round(step * i / unit) * unit) for i in range(groups)] + [draws]
        slices = [slice(a, b) for a, b in itertools.pairwise(ends) if b > a]
        if replicates.order is None:
            return list(slices)
        return [replicates.order[part] for part in slices]
    group = replicates.of_draws() * groups // count
    order = np.argsort(group, kind="stable")
    return list(np.split(order, np.searchsorted(group[order], np.arange(1, groups))))
