"""Draws of values and events (`model.values`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.text import nearest
from sim.model.outputs import PROBABILITIES
from sim.model.values import Operation, Reference, Tree, dims_of, references
from sim.statistics.datasets import RELATIONS, indicators
from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
)
from sim.statistics.replicates import replicates_of

Array = NDArray[Any]
_OPERATORS: dict[str, Any] = {
    **RELATIONS,
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "negative": np.negative,
    "abs": np.abs,
    "log": np.log,
    "exp": np.exp,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
}


def names_needed(trees: Iterable[Tree]) -> list[str]:
    """The variables of a Dataset from which values and events are formed, each once."""
    names: dict[str, None] = {}
    for tree in trees:
        for reference in references(tree):
            probability = PROBABILITIES.get(reference.name)
            names[probability.of if probability else reference.name] = None
            if probability and isinstance(probability.threshold, str):
                names |= {"hurdle_margin": None} if "[" not in probability.threshold else {}
    return list(names)


def unknown_labels(tree: Tree, ds: xr.Dataset) -> list[str]:
    """Labs and landlords of a tree that a Dataset lacks, each with the nearest one that it has."""
    unknown = []
    for reference in references(tree):
        dims = [dim for dim in dims_of(reference.name) if dim != "quarter"]
        for dim, label in zip(dims, reference.labels, strict=True):
            known = [str(value) for value in ds[dim].values]
            if label not in known:
                unknown.append(f"{label}{nearest(label, known)}")
    return list(dict.fromkeys(unknown))


def draw_values(tree: Tree, ds: xr.Dataset) -> tuple[Array, NDArray[np.bool_]]:
    """Values or truth [draw] of a tree, and in which draws it is known: nothing in it is NaN.

    Of what is the same in every draw there is one draw.

    Raises:
        KeyError: For a variable or label that the Dataset lacks.
    """
    values, valid = _evaluate(tree, ds)
    return np.atleast_1d(values), np.atleast_1d(valid & ~np.isnan(values))


def quantiles_of_values(
    tree: Tree, ds: xr.Dataset, levels: Sequence[float]
) -> list[tuple[float, float]]:
    """Quantiles of a value with their errors; NaN where it is not known in every draw.

    The error of what is the same in every draw is 0.
    """
    values, valid = draw_values(tree, ds)
    if not valid.all():
        return [(np.nan, np.nan)] * len(levels)
    if values.size == 1:
        return [(float(values[0]), 0.0)] * len(levels)
    draws = np.ascontiguousarray(values, dtype=np.float64)
    found, errors = quantiles_with_error(np.sort(draws), draws, replicates_of(ds), list(levels))
    return [(float(value), float(error)) for value, error in zip(found, errors, strict=True)]


def mean_of_value(tree: Tree, ds: xr.Dataset) -> tuple[float, float]:
    """The mean of a value with its error, as `quantiles_of_values`."""
    values, valid = draw_values(tree, ds)
    if not valid.all():
        return np.nan, np.nan
    if values.size == 1:
        return float(values[0]), 0.0
    value, error = mean_with_error(np.ascontiguousarray(values, np.float64), replicates_of(ds))
    return float(value), float(error)


def probability_of_event(tree: Tree, ds: xr.Dataset) -> tuple[float, float]:
    """The share of draws in which an event happens, and its error.

    It is of the draws in which the event is known; NaN where it is in none.
    """
    happens, valid = draw_values(tree, ds)
    if not valid.any():
        return np.nan, np.nan
    if happens.size == 1:
        return float(happens[0]), 0.0
    value, error = probability_with_error(happens, valid, replicates_of(ds))
    return float(value), float(error)


def _evaluate(tree: Tree, ds: xr.Dataset) -> tuple[Any, Any]:
    """Values of a tree, and where none of its references is NaN."""
    if isinstance(tree, Reference):
        return _reference(tree, ds)
    if not isinstance(tree, Operation):
        return np.float64(tree), np.True_
    operands = [_evaluate(operand, ds) for operand in tree.operands]
    values, valid = operands[0]
    apply = _OPERATORS[tree.operator]
    with np.errstate(all="ignore"):
        if len(operands) == 1:
            return apply(values), valid
        for others, known in operands[1:]:
            values, valid = apply(values, others), valid & known
    return values, valid


def _reference(reference: Reference, ds: xr.Dataset) -> tuple[Any, Any]:
    """Draws of an output or input, or the indicator of a probability, at its labels."""
    name, labels = reference.name, list(reference.labels)
    index = [
        ds[dim].values.tolist().index(reference.quarter if dim == "quarter" else labels.pop(0))
        for dim in dims_of(name)
    ]
    if name in PROBABILITIES:
        happens, valid = indicators(ds, [name])[name]
        return happens[tuple(index)], np.broadcast_to(valid, happens.shape)[tuple(index)]
    variable = ds.variables[name]
    at = dict(zip(dims_of(name), index, strict=True))
    values = np.asarray(variable.isel({d: i for d, i in at.items() if d in variable.dims}).values)
    return values, ~np.isnan(values)
