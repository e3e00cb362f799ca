"""Concatenation of Datasets along a dim `scenario`, and selection of one scenario."""

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
LACKING = "lacking"  # optional attribute: JSON, scenario -> variables that it lacks
COUNTED = "counted"  # variable: whether a draw counts in a scenario
PARTY_DIMS = ("lab", "landlord")  # dims whose labels may differ between scenarios

Indices = Mapping[str, Sequence[NDArray[np.int64] | None]]  # dim -> for each scenario


def concat_scenarios(parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Concatenate Datasets, with or without draws, along a leading dim `scenario`.

    `simulate_many` says what the result holds. Dims other than `draw`, `lab` and `landlord` must
    have the same labels in all parts.
    """
    datasets = list(parts.values())
    labels = {dim: _union([ds[dim].values for ds in datasets if dim in ds]) for dim in PARTY_DIMS}
    drawn = all("draw" in ds.dims for ds in datasets)
    if drawn:
        labels["draw"] = np.unique(np.concatenate([ds["draw"].values for ds in datasets]))
    labels = {dim: values for dim, values in labels.items() if values.size}
    indices = {
        dim: [_label_indices(ds, dim, values) for ds in datasets] for dim, values in labels.items()
    }
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {DIM: list(parts)}
    for name in dict.fromkeys(str(name) for ds in datasets for name in ds.data_vars):
        data[name] = _concat_variable(name, datasets, indices, labels)
    for name in dict.fromkeys(str(name) for ds in datasets for name in ds.coords):
        if name in indices:
            coords[name] = (name, labels[name], _attributes(name, datasets))
        elif _differs(name, datasets):
            coords[name] = _concat_variable(name, datasets, indices, labels)
        else:
            coords[name] = datasets[0].variables[name]
    if drawn:
        counted = np.zeros((len(datasets), labels["draw"].size), bool)
        for row, draws in zip(counted, indices["draw"], strict=True):
            row[slice(None) if draws is None else draws] = True
        data[COUNTED] = ((DIM, "draw"), counted, {"units": "1", "long_name": "Draw that counts"})
    return xr.Dataset(data, coords, _concat_attributes(parts))


def _union(labels: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """All labels without repetition, in the order of their first appearance."""
    return np.array(list(dict.fromkeys(str(label) for part in labels for label in part)))


def _label_indices(ds: xr.Dataset, dim: str, labels: NDArray[Any]) -> NDArray[np.int64] | None:
    """Indices of a Dataset's labels among `labels`; None if they are equal."""
    values = ds[dim].values if dim in ds else labels
    if np.array_equal(values, labels):
        return None
    order = np.argsort(labels)
    return np.asarray(order[np.searchsorted(labels, values, sorter=order)])


def _differs(name: str, datasets: Sequence[xr.Dataset]) -> bool:
    """Whether a variable is missing or different in some Dataset."""
    first = datasets[0]
    return any(name not in ds or not ds[name].equals(first[name]) for ds in datasets)


def _attributes(name: str, datasets: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Attributes of a variable in the first Dataset that holds it."""
    return dict(next(ds.variables[name] for ds in datasets if name in ds.variables).attrs)


def _concat_variable(
    name: str,
    datasets: Sequence[xr.Dataset],
    indices: Indices,
    labels: Mapping[str, NDArray[Any]],
) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
    """Concatenate one variable: its dims (`scenario` first), values and attributes.

    `labels` are the labels of all scenarios by dim; `indices` says where those of each Dataset are
    among them. Values that a scenario lacks are NaN (integers and flags become floats; texts are
    ""). A variable without `draw` in one scenario is repeated where another has it.
    """
    variables = [ds.variables.get(name) for ds in datasets]
    present = [variable for variable in variables if variable is not None]
    dims = max((tuple(map(str, variable.dims)) for variable in present), key=len)
    sizes = {
        dim: labels[dim].size if dim in indices else max(
            variable.sizes.get(dim, 0) for variable in present
        )
        for dim in dims
    }  # fmt: skip
    gaps = len(present) < len(datasets) or any(
        dim in indices and any(part is not None for part in indices[dim]) for dim in dims
    )
    dtype = np.result_type(*(variable.dtype for variable in present))
    is_text = dtype.kind in "UO"
    if gaps and not is_text:
        dtype = np.result_type(dtype, np.float64)
    # `draw` last, as in the engine: the draws of an output are contiguous in memory.
    order = [dim for dim in dims if dim != "draw"] + [dim for dim in dims if dim == "draw"]
    missing = "" if is_text else math.nan if dtype.kind == "f" else 0
    shape = (len(datasets), *(sizes[dim] for dim in order))
    values = np.full(shape, missing, dtype=dtype) if gaps else np.empty(shape, dtype)
    for i, variable in enumerate(variables):
        if variable is None:
            continue
        targets = [indices[dim][i] if dim in indices else None for dim in order]
        part = variable.transpose(*(dim for dim in order if dim in variable.dims)).values
        part = part[tuple(slice(None) if dim in variable.dims else None for dim in order)]
        if all(target is None for target in targets):
            values[i] = part
        else:
            full = [
                np.arange(size) if target is None else target
                for target, size in zip(targets, shape[1:], strict=True)
            ]
            values[i][np.ix_(*full)] = part
    if "draw" in dims:
        values = np.moveaxis(values, -1, 1 + dims.index("draw"))
    return (DIM, *dims), values, dict(present[0].attrs)


def _concat_attributes(parts: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """Shared attributes, and JSON texts of the others by scenario."""
    datasets = list(parts.values())
    names = dict.fromkeys(name for ds in datasets for name in ds.attrs)
    first = datasets[0].attrs
    shared = {
        name: first[name]
        for name in names
        if all(name in ds.attrs and ds.attrs[name] == first[name] for ds in datasets)
    }
    by_scenario = {
        scenario: {key: value for key, value in ds.attrs.items() if key not in shared}
        for scenario, ds in parts.items()
    }
    variables = dict.fromkeys(name for ds in datasets for name in ds.data_vars)
    lacking = {
        scenario: [name for name in variables if name not in ds] for scenario, ds in parts.items()
    }
    optional = {LACKING: json.dumps(lacking)} if any(lacking.values()) else {}
    return {**shared, BY_SCENARIO: json.dumps(by_scenario), **optional}


def is_batch(ds: xr.Dataset) -> bool:
    """Whether a Dataset holds several scenarios, as `concat_scenarios` returns it."""
    return DIM in ds.dims and BY_SCENARIO in ds.attrs


def of_scenario(ds: xr.Dataset, name: str) -> xr.Dataset:
    """The Dataset of one scenario of a batch, as `simulate` gives it.

    Raises:
        KeyError: If there is no scenario of that name.
    """
    part = ds.sel({DIM: name}, drop=True)
    part = part.drop_vars(json_attribute(ds, LACKING, {}).get(name, []), errors="ignore")
    if COUNTED in part:
        if not part[COUNTED].values.all():
            part = part.isel(draw=np.flatnonzero(part[COUNTED].values))
        part = part.drop_vars(COUNTED)
    for dim in PARTY_DIMS:
        if f"{dim}_name" in part and (part[f"{dim}_name"].values == "").any():
            part = part.isel({dim: np.flatnonzero(part[f"{dim}_name"].values != "")})
    for variable in part.data_vars:
        kind = OUTPUTS[str(variable)].kind if str(variable) in OUTPUTS else "float64"
        if part[variable].dtype != kind and part[variable].dtype.kind == "f":
            part[variable] = part[variable].astype(kind)
    shared = {key: value for key, value in ds.attrs.items() if key not in (BY_SCENARIO, LACKING)}
    part.attrs = {**shared, **json_attribute(ds, BY_SCENARIO)[name]}
    return part
