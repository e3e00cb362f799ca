"""What moves a number most: a quick screen of the draws that are there, for the headline.

The normal scores of the ranks of a value are regressed on all independent causes behind the draws,
by least squares on the first draws alone. A squared coefficient is the cause's share of the
variance (Saltelli et al. 2008, "Global Sensitivity Analysis", 1.2.5: standardised regression
coefficients of ranks). Squares and products of causes stay in the remainder; `sensitivity` has
them.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from sim.common.errors import Fault, InputError, Location
from sim.common.threads import with_one_blas_thread
from sim.expressions.parse import parse_value
from sim.parameters.fields import JUDGEMENT
from sim.simulation.scores import draw_causes
from sim.statistics.datasets import json_attribute
from sim.statistics.replicates import Replicates, replicates_by, sampler_of
from sim.statistics.values import draw_value

Array = NDArray[np.float64]
MOST_DRAWS = 8_192  # the error of a share is then below 0.3 % of the spread
DRAWS_PER_CAUSE = 2  # at least, for coefficients that say anything
GROUPS = 32  # of replicates, from which errors follow


@with_one_blas_thread
def find_drivers(ds: xr.Dataset, value: str, threads: int | None = None) -> xr.Dataset:
    """Find what moves a value most, from the first 8,192 draws of a run.

    Args:
        ds: What `simulate` or `open_run` gives, with draws of the value.
        value: A number a draw (VALUE), such as `inference_gross_margin@2026Q4`.
        threads: All processors unless given; changes no number.

    Returns:
        A Dataset with dim `cause`, largest first: `share` (1), of the variance of the value's
        ranks, `share_error`, and `slope` (sd of the value's normal score per sd of the cause).
        `explained` (1) is the sum of all shares, `judgement` (1) that of the inputs whose source is
        judgement. Errors are Monte Carlo standard errors, from independent replicates; NaN where
        draws are too few. The attribute `value` repeats the value, `draws` counts those used.

    Raises:
        InputError: If draws are too few, the value is the same in all of them, or the Dataset is
            none of this version of the model.
    """
    first = ds.isel(draw=slice(MOST_DRAWS))
    drawn = draw_value(parse_value(value), first)
    known = np.flatnonzero(np.broadcast_to(drawn.known, first.sizes["draw"]))
    # As runs are stored: a run that is read has the same ranks as one that was just made.
    values = np.broadcast_to(drawn.draws, first.sizes["draw"])[known].astype(np.float32)
    if not values.size or values.min() == values.max():
        raise _error("it is the same in every draw")
    causes = draw_causes(ds, threads, draws=first.sizes["draw"])
    needed = DRAWS_PER_CAUSE * len(causes.names) + 1
    if values.size < needed:
        raise _error(f"{values.size:,} draws are too few ({needed:,} are needed)")
    scores = causes.values if known.size == causes.values.shape[1] else causes.values[:, known]
    numbers = first["draw"].values[known] if "draw" in first.coords else known
    replicates = replicates_by(numbers, sampler_of(ds))
    slopes, noise, influence = _regress(scores, _normal_scores(values), replicates)
    shares = slopes**2 - noise
    moved = 2 * slopes[:, None] * influence
    order = np.argsort(-shares)
    judged = _is_judged(ds, causes.names)
    return xr.Dataset(
        {
            "share": ("cause", shares[order], {"units": "1"}),
            "share_error": ("cause", _errors(moved)[order]),
            "slope": ("cause", slopes[order], {"units": "1"}),
            "explained": ((), shares.sum(), {"units": "1"}),
            "judgement": ((), shares[judged].sum(), {"units": "1"}),
            "judgement_error": ((), _errors(moved[judged].sum(axis=0))),
        },
        {"cause": [causes.names[i] for i in order]},
        {"value": value, "draws": int(values.size)},
    )


def _normal_scores(values: NDArray[np.float32]) -> Array:
    """Normal scores [draw] of the ranks of values; equal values take ranks as they come."""
    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return np.asarray(ndtri((ranks + 0.5) / values.size))


def _regress(scores: Array, target: Array, replicates: Replicates) -> tuple[Array, Array, Array]:
    """Standardised coefficients [cause] of a target on causes [cause, draw] by least squares.

    Returns:
        The coefficients, the part of their squares that is noise, which has the variance of the
        remainder, and what groups of replicates add to each [cause, group]: also by their part in
        the variance of the cause and in the ranks of the target (as to a correlation of normal
        scores). NaN where draws are too few for errors.
    """
    draws = target.size
    centred = scores - scores.mean(axis=1, keepdims=True)
    target = (target - target.mean()) / target.std()
    inverse = np.linalg.inv(centred @ centred.T)
    sd = scores.std(axis=1)
    coefficients = inverse @ (centred @ target)
    remainder = target - coefficients @ centred
    standardised = coefficients * sd
    variance = float(remainder @ remainder) / (draws - len(scores) - 1)
    noise = variance * np.diag(inverse) * sd**2
    if not replicates.enough:
        return standardised, noise, np.full((len(scores), 1), np.nan)
    group = replicates.of_draws() * GROUPS // len(replicates.count)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(GROUPS))
    starts = np.unique(starts[starts < draws])
    added = centred * remainder
    squares = 0.5 * standardised[:, None] * ((centred / sd[:, None]) ** 2 - target**2) / draws
    if replicates.order is not None or not np.array_equal(order, np.arange(draws)):
        added, squares = added[:, order], squares[:, order]
    influence = sd[:, None] * (inverse @ np.add.reduceat(added, starts, axis=1))
    influence += np.add.reduceat(squares, starts, axis=1)
    return standardised, noise, influence


def _errors(influence: Array) -> Array:
    """Standard errors [...] of numbers to which groups of draws add `influence` [..., group]."""
    groups = influence.shape[-1]
    if groups == 1:
        return np.full(influence.shape[:-1], np.nan)
    spread = influence - influence.mean(axis=-1, keepdims=True)
    return np.asarray(np.sqrt((spread**2).sum(axis=-1) * groups / (groups - 1)))


def _is_judged(ds: xr.Dataset, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Whether each cause is an input whose source is judgement."""
    quantities = json_attribute(ds, "parameters", {}).get("quantities", {})
    sources = json_attribute(ds, "sources", {})
    found = []
    for name in names:
        source = quantities.get(name, {}).get("source", "")
        found.append(sources.get(source, {}).get("grade", source) == JUDGEMENT)
    return np.array(found)


def _error(message: str) -> InputError:
    return InputError([Fault(Location("drivers"), "", message)])
