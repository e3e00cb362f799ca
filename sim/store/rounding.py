"""Draws as a file holds them: rounded to float32, without columns that are copies of others."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.statistics.datasets import PRECISION, is_rounded

ROUNDED = "float32 of the float64 that was drawn"
ABOUT = f"draws are the {ROUNDED}; statistics are of the float64"
COPIES = "copies"  # attribute: JSON, [column, variable, its column] of each that is a copy
NORMAL = np.finfo(np.float32)
_KEY = 64  # draws by which columns are compared first


def rounded(ds: xr.Dataset) -> xr.Dataset:
    """A Dataset with draws as float32, which its attributes say.

    Variables with a number that float32 cannot hold to all its digits stay as they are.
    """
    variables: dict[str, xr.Variable] = {}
    for name, variable in ds.data_vars.items():
        if "draw" in variable.dims and variable.dtype == np.float64:
            with np.errstate(over="ignore"):
                values = variable.values.astype(np.float32)  # in the same order in memory
            if _fits(variable.values, values):
                attrs = {**variable.attrs, PRECISION: ROUNDED}
                variables[str(name)] = xr.Variable(variable.dims, values, attrs)
    result = ds.assign(variables)
    return result.assign_attrs({PRECISION: ABOUT} if variables else {})


def _fits(values: NDArray[np.float64], rounded: NDArray[np.float32]) -> bool:
    """Whether all numbers are within the range of float32: 0, or of usual size, or not finite."""
    sizes = np.abs(rounded)
    small, large = sizes < NORMAL.tiny, np.isinf(sizes)
    return not (small.any() and values[small].any()) and not (
        large.any() and np.isfinite(values[large]).any()
    )


def without_copies(ds: xr.Dataset) -> xr.Dataset:
    """A Dataset of rounded draws, with NaN in columns that are copies of earlier ones.

    The attribute `copies` of a variable says which these are, and of what. Columns that are the
    same in every draw are none: they take no space.
    """
    seen: dict[bytes, list[tuple[str, int, NDArray[np.float32]]]] = {}
    changed: dict[str, xr.Variable] = {}
    for name in map(str, ds.data_vars):
        if not is_rounded(ds, name):
            continue
        columns = _columns(ds.variables[name])
        copies: list[tuple[int, str, int]] = []
        for column, draws in enumerate(columns):
            if (draws[:_KEY] == draws[0]).all() or np.isnan(draws[0]):
                continue
            same = seen.setdefault(draws[:_KEY].tobytes(), [])
            for source, position, other in same:
                if np.array_equal(draws.view(np.uint32), other.view(np.uint32)):
                    copies.append((column, source, position))
                    break
            else:
                same.append((name, column, draws))
        if copies:
            columns = columns.copy()
            columns[[column for column, *_ in copies]] = np.nan
            changed[name] = _with_columns(ds.variables[name], columns)
            changed[name].attrs[COPIES] = json.dumps(copies)
    return ds.assign(changed)


def with_copies(ds: xr.Dataset) -> xr.Dataset:
    """A Dataset that was read, with the columns filled in that `without_copies` leaves out."""
    changed: dict[str, Any] = {}
    for name, variable in ds.data_vars.items():
        if COPIES in variable.attrs:
            columns = _columns(variable.variable).copy()
            for column, source, position in json.loads(variable.attrs[COPIES]):
                own = columns if source == name else _columns(ds.variables[source])
                columns[column] = own[position]
            changed[str(name)] = _with_columns(variable.variable, columns)
            del changed[str(name)].attrs[COPIES]
    return ds.assign(changed)


def _columns(variable: xr.Variable) -> NDArray[Any]:
    """Draws [column, draw] of a variable."""
    values = np.moveaxis(variable.values, variable.dims.index("draw"), -1)
    return values.reshape(-1, values.shape[-1])


def _with_columns(variable: xr.Variable, columns: NDArray[Any]) -> xr.Variable:
    """The variable with other draws [column, draw]."""
    axis = variable.dims.index("draw")
    shape = [size for dim, size in variable.sizes.items() if dim != "draw"]
    values = np.moveaxis(columns.reshape(*shape, -1), -1, axis)
    return xr.Variable(variable.dims, values, dict(variable.attrs))
