"""What Datasets of draws hold: draws, moments, indicators, and names of variables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.outputs import PROBABILITIES

Array = NDArray[Any]
BIN_COUNT = "_bin_count"
REPLICATE_MEAN, REPLICATE_M2 = "_replicate_mean", "_replicate_m2"
HAPPENS, VALID = "_replicate_happens", "_replicate_valid"  # of probabilities


def last(ds: xr.Dataset, name: str) -> Array:
    """The draws of a variable with `draw` as the last axis, contiguous as the engine left them."""
    variable = ds.variables[name]
    if "draw" not in variable.dims:
        return np.asarray(variable.values)[..., None]
    axis = variable.dims.index("draw")
    return np.moveaxis(np.asarray(variable.values), axis, -1)


def named_labs(ds: xr.Dataset) -> list[str]:
    """The labs of which `p_both_named` speaks; netCDF makes a text of a list of one."""
    named = ds.attrs["named_labs"]
    return [named] if isinstance(named, str) else list(named)


def indicated(ds: xr.Dataset) -> list[str]:
    """Those of `PROBABILITIES` that the draws of the Dataset can give."""
    found = []
    for name, probability in PROBABILITIES.items():
        # A Dataset of another origin, or one that was narrowed, has other dims.
        of_gw = probability.of == "gw"
        dims = ("lab", "quarter") if of_gw else probability.dims
        needed = "threshold" if of_gw else probability.least
        if probability.of not in ds or (isinstance(needed, str) and needed not in ds.variables):
            continue
        if tuple(d for d in ds.variables[probability.of].dims if d != "draw") != dims:
            continue
        if "draw" not in ds.variables[probability.of].dims:
            continue
        if name == "p_both_named" and not set(named_labs(ds)) <= set(ds["lab"].values.tolist()):
            continue
        if name == "p_top_two" and ds.sizes["lab"] < 2:
            continue
        found.append(name)
    return found


def indicators(
    ds: xr.Dataset, names: Collection[str] | None = None
) -> dict[str, tuple[Array, Array]]:
    """Name -> in which draws it happens, and in which it is not NaN, both [..., draw] (9.4).

    All that are `indicated`, unless some of them are named.
    """
    found: dict[str, tuple[Array, Array]] = {}
    for name in indicated(ds) if names is None else names:
        probability = PROBABILITIES[name]
        values = last(ds, probability.of)
        if probability.of != "gw":
            needed = probability.least
            least = last(ds, needed) if isinstance(needed, str) else needed
            found[name] = values >= least, ~np.isnan(values)
            continue
        thresholds = ds["threshold"].values
        if name == "p_gw_above":
            above = values[None] > thresholds[:, None, None, None]
            found[name] = above, np.broadcast_to(~np.isnan(values), above.shape)
            continue
        valid: Array = np.asarray(~np.isnan(values).any(axis=0))
        if name == "p_both_named":
            labs = ds["lab"].values.tolist()
            places = [labs.index(lab) for lab in named_labs(ds)]
            found[name] = (values[places] > thresholds[0]).all(axis=0), valid
        else:
            found[name] = (values > thresholds[0]).sum(axis=0) >= 2, valid
    return found


def share(happens: Array, valid: Array) -> Array:
    """Share of the valid draws in which something happens [...]; NaN where none is valid.

    Both may be numbers of draws.
    """
    with np.errstate(invalid="ignore"):
        if happens.dtype == bool:
            return np.asarray(_many(happens & valid) / _many(valid))
        return np.asarray(happens.sum(axis=-1) / valid.sum(axis=-1))


def _many(true: Array) -> Array:
    """How many of [..., draw] are true [...]; row by row, which takes a tenth of a sum."""
    rows = true.reshape(-1, true.shape[-1])
    return np.array([np.count_nonzero(row) for row in rows]).reshape(true.shape[:-1])
