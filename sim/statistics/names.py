"""The names that expressions over a Dataset may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import xarray as xr

from sim.expressions.names import Names, dims_of
from sim.expressions.parse import check, parse_any
from sim.expressions.tree import Tree, references, write
from sim.model.catalogue import quantities
from sim.model.dims import COORDS
from sim.statistics.datasets import REPLICATE_MEAN, display_names


def names_of(ds: xr.Dataset, trees: Iterable[Tree] = ()) -> Names:
    """The names of a Dataset: labels of its dims, display names, and variables of the trees.

    A variable has the dims that it has there, without `draw`; one that is not there those of the
    model.
    """
    used = dict.fromkeys(of.name for tree in trees for of in references(tree))
    variables = {name: (own_dims(ds, name), _unit(ds, name)) for name in used if _is_held(ds, name)}
    dims = {dim for of, _ in variables.values() for dim in of} | {"lab", "landlord", *COORDS}
    labels = {dim: list(map(str, ds[dim].values.ravel())) for dim in dims if dim in ds.variables}
    display: dict[str, str] = {}
    for dim in ("landlord", "lab"):
        if f"{dim}_name" in ds.coords and ds[dim].ndim:
            display |= {name: of for of, name in display_names(ds, dim).items()}
    return Names({**COORDS, **labels}, display, variables)


def read_in(ds: xr.Dataset, text: str, parse: Callable[..., Tree]) -> Tree:
    """The tree of a value or event over a Dataset, by one of `sim.expressions.parse`.

    Raises:
        ExpressionError: As `parse`, of the names of the Dataset.
    """
    tree = parse(text, None)
    return check(tree, names_of(ds, [tree]))


def text_with_ids(text: str, tree: Tree) -> str:
    """A text as typed, or that of its tree where display names stand in it."""
    return text if parse_any(text, None) == tree else write(tree)


def own_dims(ds: xr.Dataset, name: str) -> tuple[str, ...]:
    """The dims of a variable of a Dataset, or of its moments, in the order of the model's."""
    held = ds.variables[name if name in ds.variables else name + REPLICATE_MEAN].dims
    dims = [str(dim) for dim in held if dim not in ("draw", "replicate")]
    try:
        order = dims_of(name)
    except KeyError:
        return tuple(dims)
    known = [dim for dim in order if dim in dims]
    return tuple(known + [dim for dim in dims if dim not in known])


def _is_held(ds: xr.Dataset, name: str) -> bool:
    """Whether a Dataset holds a variable with its own dims, not some cells of it."""
    for of in (name, name + REPLICATE_MEAN):
        if of in ds.variables:
            return not any(str(dim).endswith("_cell") for dim in ds.variables[of].dims)
    return False


def _unit(ds: xr.Dataset, name: str) -> str:
    """The unit of a variable; "" if it is not known."""
    if name in quantities():
        return quantities()[name][0]
    return str(ds.variables[name].attrs.get("units", "")) if name in ds.variables else ""
