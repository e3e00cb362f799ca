"""Draws of values and events (`sim.expressions`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.text import nearest
from sim.expressions.names import dims_of
from sim.expressions.tree import Reference, Statistic, Tree, references
from sim.model.outputs import PROBABILITIES
from sim.model.record_layout import CELL
from sim.statistics.datasets import RELATIONS, indicators
from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
)
from sim.statistics.names import own_dims
from sim.statistics.replicates import Replicates, replicates_of

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
                hint = nearest(label, known)
                unknown.append(label + (hint if "did you mean" in hint else ""))
    return list(dict.fromkeys(unknown))


@dataclass(frozen=True)
class DrawnValue:
    """Draws of a value or event.

    `draws` [draw] are numbers or truth, `known` [draw] says in which of them nothing in it is NaN.
    What is the same in every draw has one.
    """

    draws: Array
    known: NDArray[np.bool_]
    replicates: Replicates

    def quantiles(self, levels: Sequence[float]) -> list[tuple[float, float]]:
        """Quantiles with their errors; NaN where the value is not known in every draw."""
        if self.draws.size == 1 or not self.known.all():
            return [self._same()] * len(levels)
        draws = np.ascontiguousarray(self.draws, dtype=np.float64)
        found, errors = quantiles_with_error(np.sort(draws), draws, self.replicates, list(levels))
        return [(float(value), float(error)) for value, error in zip(found, errors, strict=True)]

    def mean(self) -> tuple[float, float]:
        """The mean with its error, as `quantiles`."""
        if self.draws.size == 1 or not self.known.all():
            return self._same()
        draws = np.ascontiguousarray(self.draws, dtype=np.float64)
        value, error = mean_with_error(draws, self.replicates)
        return float(value), float(error)

    def probability(self) -> tuple[float, float]:
        """The share of draws in which an event happens, and its error.

        It is of the draws in which the event is known; NaN where it is in none.
        """
        if self.draws.size == 1 or not self.known.any():
            return self._same()
        value, error = probability_with_error(self.draws, self.known, self.replicates)
        return float(value), float(error)

    def _same(self) -> tuple[float, float]:
        """What is the same in every draw, without error, or NaN where it is not known."""
        return (float(self.draws[0]), 0.0) if self.known.all() else (np.nan, np.nan)


def draw_value(tree: Tree, ds: xr.Dataset) -> DrawnValue:
    """The draws of a value or event.

    Raises:
        KeyError: For a variable that the Dataset lacks.
        ValueError: For a label that it lacks.
    """
    return form_value(tree, lambda reference: _reference(reference, ds), replicates_of(ds))


def form_value(
    tree: Tree, read: Callable[[Reference], tuple[Any, Any]], replicates: Replicates
) -> DrawnValue:
    """The draws of a value or event, from those of its references.

    `read` gives the draws of a reference, and where they are known.
    """
    values, known = _evaluate(tree, read)
    values, known = np.atleast_1d(values), np.atleast_1d(known)
    return DrawnValue(values, known & ~np.isnan(values), replicates)


def _evaluate(tree: Tree, read: Callable[[Reference], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Values of a tree, and where none of its references is NaN."""
    if isinstance(tree, Reference):
        return read(tree)
    if isinstance(tree, float):
        return np.float64(tree), np.True_
    if isinstance(tree, Statistic):
        raise ValueError(f"{tree} is no value of a draw")
    operands = [_evaluate(operand, read) for operand in tree.operands]
    values, valid = operands[0]
    apply = _OPERATORS[tree.operator]
    with np.errstate(all="ignore"):
        if len(operands) == 1:
            return apply(values), valid
        for others, known in operands[1:]:
            values, valid = apply(values, others), valid & known
    return values, valid


def cell_label(labels: Sequence[str]) -> str:
    """The label of a cell of a variable, from its labels in the order of the variable's dims."""
    return ", ".join(labels)


def labels_of(reference: Reference, dims: Sequence[str] | None = None) -> tuple[str, ...]:
    """The labels of a reference, with the quarter, in the order of the variable's dims.

    These are those of the model unless given.
    """
    others = iter(reference.labels)
    dims = dims_of(reference.name) if dims is None else dims
    return tuple(str(reference.quarter) if dim == "quarter" else next(others) for dim in dims)


def _dims(reference: Reference, ds: xr.Dataset) -> tuple[str, ...]:
    """The dims that the labels of a reference are of: the model's, or those of the Dataset."""
    count = len(reference.labels) + (reference.quarter is not None)
    try:
        dims = dims_of(reference.name)
    except KeyError:
        return own_dims(ds, reference.name)
    return dims if len(dims) == count else own_dims(ds, reference.name)


def _reference(reference: Reference, ds: xr.Dataset) -> tuple[Any, Any]:
    """Draws of an output or input, or the indicator of a probability, at its labels."""
    name = reference.name
    dims = _dims(reference, ds)
    labels = labels_of(reference, dims)
    if f"{name}{CELL}" in ds.dims:
        dims, labels = (f"{name}{CELL}",), (cell_label(labels),)
    index = [list(map(str, ds[dim].values)).index(of) for dim, of in zip(dims, labels, strict=True)]
    if name in PROBABILITIES:
        happens, valid = indicators(ds, [name])[name]
        return happens[tuple(index)], np.broadcast_to(valid, happens.shape)[tuple(index)]
    variable = ds.variables[name]
    at = dict(zip(dims, index, strict=True))
    values = np.asarray(variable.isel({d: i for d, i in at.items() if d in variable.dims}).values)
    return values, ~np.isnan(values)
