"""Datasets of several scenarios as one with a dim `scenario`, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.catalogue import OUTPUTS
from sim.statistics.datasets import json_attribute

DIM = "scenario"
BY_SCENARIO = "by_scenario"  # attribute: JSON, scenario -> the attributes in which they differ
LACKING = "lacking"  # attribute, where there are any: JSON, scenario -> variables it lacks
COUNTED = "counted"
JOINED = ("lab", "landlord")  # dims whose labels may differ between scenarios


def concat_scenarios(parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Datasets of scenarios, with or without draws, as one with a leading dim `scenario`.

    What comes back is as `simulate_many` says. Dims but `draw`, `lab` and `landlord` have the same
    labels in all of them.
    """
    every = list(parts.values())
    labels = {dim: _union([part[dim].values for part in every if dim in part]) for dim in JOINED}
    drawn = all("draw" in part.dims for part in every)
    if drawn:
        labels["draw"] = np.unique(np.concatenate([part["draw"].values for part in every]))
    labels = {dim: found for dim, found in labels.items() if found.size}
    places = {dim: [_places(part, dim, found) for part in every] for dim, found in labels.items()}
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {DIM: list(parts)}
    for name in dict.fromkeys(str(name) for part in every for name in part.data_vars):
        data[name] = _stacked(name, every, places, labels)
    for name in dict.fromkeys(str(name) for part in every for name in part.coords):
        if name in places:
            coords[name] = (name, labels[name], _attributes(name, every))
        elif _differs(name, every):
            coords[name] = _stacked(name, every, places, labels)
        else:
            coords[name] = every[0].variables[name]
    if drawn:
        counted = np.zeros((len(every), labels["draw"].size), bool)
        for row, at in zip(counted, places["draw"], strict=True):
            row[slice(None) if at is None else at] = True
        data[COUNTED] = ((DIM, "draw"), counted, {"units": "1", "long_name": "Draw that counts"})
    return xr.Dataset(data, coords, _shared_attributes(parts))


def _union(labels: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """All labels, in the order in which they first come."""
    return np.array(list(dict.fromkeys(str(label) for some in labels for label in some)))


def _places(part: xr.Dataset, dim: str, labels: NDArray[Any]) -> NDArray[np.int64] | None:
    """Where the labels of a Dataset are among all; None where it has all of them, in that order."""
    own = part[dim].values if dim in part else labels
    if np.array_equal(own, labels):
        return None
    order = np.argsort(labels)
    return np.asarray(order[np.searchsorted(labels, own, sorter=order)])


def _differs(name: str, parts: Sequence[xr.Dataset]) -> bool:
    first = parts[0]
    return any(name not in part or not part[name].equals(first[name]) for part in parts)


def _attributes(name: str, parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    return dict(next(part.variables[name] for part in parts if name in part.variables).attrs)


def _stacked(
    name: str,
    parts: Sequence[xr.Dataset],
    places: Mapping[str, Sequence[NDArray[np.int64] | None]],
    labels: Mapping[str, NDArray[Any]],
) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
    """A variable of all scenarios, NaN (of texts: "") where one lacks it or a label of it."""
    found = [part.variables.get(name) for part in parts]
    there = [variable for variable in found if variable is not None]
    # One that is the same in every draw of one scenario may have a dim more in another.
    dims = max((tuple(map(str, variable.dims)) for variable in there), key=len)
    sizes = {
        dim: labels[dim].size if dim in places else max(
            variable.sizes.get(dim, 0) for variable in there
        )
        for dim in dims
    }  # fmt: skip
    gaps = len(there) < len(parts) or any(
        dim in places and any(at is not None for at in places[dim]) for dim in dims
    )
    dtype = np.result_type(*(variable.dtype for variable in there))
    texts = dtype.kind in "UO"
    if gaps and not texts:
        dtype = np.result_type(dtype, np.float64)
    # As the engine leaves them: the draws of a place are contiguous.
    order = [dim for dim in dims if dim != "draw"] + [dim for dim in dims if dim == "draw"]
    missing = "" if texts else math.nan if dtype.kind == "f" else 0
    shape = (len(parts), *(sizes[dim] for dim in order))
    made = np.full(shape, missing, dtype=dtype) if gaps else np.empty(shape, dtype)
    for i, variable in enumerate(found):
        if variable is None:
            continue
        at = [places[dim][i] if dim in places else None for dim in order]
        own = [dim for dim in order if dim in variable.dims]
        values = variable.transpose(*own).values
        values = values[tuple(slice(None) if dim in own else None for dim in order)]
        if all(index is None for index in at):
            made[i] = values
        else:
            indices = [np.arange(n) if a is None else a for a, n in zip(at, shape[1:], strict=True)]
            made[i][np.ix_(*indices)] = values
    if "draw" in dims:
        made = np.moveaxis(made, -1, 1 + dims.index("draw"))
    return (DIM, *dims), made, dict(there[0].attrs)


def _shared_attributes(parts: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """The attributes that all have alike, and the others by name."""
    every = [part.attrs for part in parts.values()]
    names = dict.fromkeys(name for attrs in every for name in attrs)
    first = every[0]
    alike = {
        name: first[name]
        for name in names
        if all(name in attrs and attrs[name] == first[name] for attrs in every)
    }
    others = {
        name: {key: what for key, what in part.attrs.items() if key not in alike}
        for name, part in parts.items()
    }
    found = dict.fromkeys(name for part in parts.values() for name in part.data_vars)
    lacking = {n: [x for x in found if x not in part] for n, part in parts.items()}
    said = {LACKING: json.dumps(lacking)} if any(lacking.values()) else {}
    return {**alike, BY_SCENARIO: json.dumps(others), **said}


def is_batch(ds: xr.Dataset) -> bool:
    """Whether a Dataset holds several scenarios, as `concat_scenarios` makes it."""
    return DIM in ds.dims and BY_SCENARIO in ds.attrs


def of_scenario(ds: xr.Dataset, name: str) -> xr.Dataset:
    """The Dataset of one scenario of a batch, as `simulate` gives it.

    Raises:
        KeyError: If there is no scenario of that name.
    """
    one = ds.sel({DIM: name}, drop=True)
    one = one.drop_vars(json_attribute(ds, LACKING, {}).get(name, []), errors="ignore")
    if COUNTED in one:
        if not one[COUNTED].values.all():
            one = one.isel(draw=np.flatnonzero(one[COUNTED].values))
        one = one.drop_vars(COUNTED)
    for dim in JOINED:
        if f"{dim}_name" in one and (one[f"{dim}_name"].values == "").any():
            one = one.isel({dim: np.flatnonzero(one[f"{dim}_name"].values != "")})
    for variable in one.data_vars:
        kind = OUTPUTS[str(variable)].kind if str(variable) in OUTPUTS else "float64"
        if one[variable].dtype != kind and one[variable].dtype.kind == "f":
            one[variable] = one[variable].astype(kind)
    alike = {key: what for key, what in ds.attrs.items() if key not in (BY_SCENARIO, LACKING)}
    one.attrs = {**alike, **json_attribute(ds, BY_SCENARIO)[name]}
    return one
