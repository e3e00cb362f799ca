"""Draws, moments and indicators in a Dataset; names of its variables."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.text import plain
from sim.model.catalogue import DIMS
from sim.model.outputs import EVERY_THRESHOLD, FIRST_THRESHOLD, PROBABILITIES

Array = NDArray[Any]
PRECISION = "precision"  # attribute of a stored run, and of its variables with rounded draws
BIN_COUNT = "_bin_count"
REPLICATE_MEAN, REPLICATE_M2, BLOCK_M2 = "_replicate_mean", "_replicate_m2", "_block_m2"
HAPPENS, VALID = "_replicate_happens", "_replicate_valid"  # of probabilities
RELATIONS = {
    ">=": np.greater_equal,
    ">": np.greater,
    "<=": np.less_equal,
    "<": np.less,
}


def json_attribute(ds: xr.Dataset, name: str, default: Any = None) -> Any:
    """Decode an attribute that holds JSON text; `default` where it is absent."""
    return json.loads(ds.attrs[name]) if name in ds.attrs else default


def display_names(ds: xr.Dataset, dim: str) -> dict[str, str]:
    """Names of the labs or landlords in tables and figures, by id, as plain text."""
    names = zip(ds[dim].values.tolist(), ds[f"{dim}_name"].values.tolist(), strict=True)
    return {str(label): plain(name) for label, name in names}


def describe_settings(ds: xr.Dataset) -> str:
    """The switches of a run in words: "economic view, cost-plus rents"."""
    view, rental_mode = (plain(ds.attrs[name]) for name in ("view", "rental_mode"))
    return f"{view} view, {rental_mode.replace('_', '-')} rents"


def has_histogram(ds: xr.Dataset, name: str) -> bool:
    """Whether a Dataset holds histograms of a variable."""
    return name + BIN_COUNT in ds.variables


def is_rounded(ds: xr.Dataset, name: str) -> bool:
    """Whether a Dataset holds draws of a variable as float32, as stored runs do."""
    variable = ds.variables[name]
    return "draw" in variable.dims and variable.dtype == np.float32


def draws_of(ds: xr.Dataset) -> int:
    """Number of draws behind the statistics: all in histograms, otherwise those kept."""
    if any(has_histogram(ds, str(name)) for name in ds.data_vars):
        return int(ds["replicate_count"].sum())
    return ds.sizes["draw"]


def last(ds: xr.Dataset, name: str) -> Array:
    """Draws of a variable [..., draw]; a fixed one has one draw.

    They are contiguous in memory where the engine stored them.
    """
    variable = ds.variables[name]
    if "draw" not in variable.dims:
        return np.asarray(variable.values)[..., None]
    axis = variable.dims.index("draw")
    return np.moveaxis(np.asarray(variable.values), axis, -1)


def named_labs(ds: xr.Dataset) -> list[str]:
    """Labs of the probability `p_both_named`.

    netCDF returns a list of length one as text.
    """
    named = ds.attrs["named_labs"]
    return [named] if isinstance(named, str) else list(named)


def available_probabilities(ds: xr.Dataset) -> list[str]:
    """Declared probabilities whose inputs are all available."""
    return [name for name in PROBABILITIES if _has_inputs(ds, name)]


def _has_inputs(ds: xr.Dataset, name: str) -> bool:
    """Whether a Dataset holds counts, or all inputs, dims and labels, of a probability.

    A Dataset of another origin, or a selection of one, may lack some.
    """
    if name + HAPPENS in ds:
        return True
    probability = PROBABILITIES[name]
    if probability.of not in ds or "draw" not in ds.variables[probability.of].dims:
        return False
    dims = tuple(dim for dim in ds.variables[probability.of].dims if dim != "draw")
    threshold = probability.threshold
    level = "threshold" if threshold in (EVERY_THRESHOLD, FIRST_THRESHOLD) else threshold
    if dims != DIMS[probability.of] or (isinstance(level, str) and level not in ds.variables):
        return False
    if probability.count == "all named":
        return set(named_labs(ds)) <= set(ds["lab"].values.tolist())
    return probability.count == "each" or ds.sizes["lab"] > 1


def indicators(
    ds: xr.Dataset, names: Collection[str] | None = None
) -> dict[str, tuple[Array, Array]]:
    """Indicators of events and of valid draws, by name of the probability.

    Both are Boolean [..., draw] with the dims of `catalogue.probability_dims`. A draw is not valid
    where a value that is compared is NaN. Unless names are given, all probabilities of outputs
    whose draws are kept; of others a run has counts alone.
    """
    chosen = available_probabilities(ds) if names is None else names
    if names is None:
        chosen = [name for name in chosen if PROBABILITIES[name].of in ds]
    return {name: _indicator(ds, name) for name in chosen}


def _indicator(ds: xr.Dataset, name: str) -> tuple[Array, Array]:
    """Indicators [..., draw] of one probability: its event and valid draws."""
    probability = PROBABILITIES[name]
    values = last(ds, probability.of)
    axis = 0 if probability.count == "each" else DIMS[probability.of].index("lab")
    if probability.count == "all named":
        labs = ds["lab"].values.tolist()
        values = values.take([labs.index(lab) for lab in named_labs(ds)], axis=axis)
    valid: Array = ~np.isnan(values)
    threshold: Any = probability.threshold
    if threshold == EVERY_THRESHOLD:
        threshold = ds["threshold"].values.reshape(-1, *(1,) * values.ndim)
        values, valid = values[None], np.broadcast_to(valid, (len(threshold), *values.shape))
    elif threshold == FIRST_THRESHOLD:
        threshold = ds["threshold"].values[0]
    elif isinstance(threshold, str):
        threshold = last(ds, threshold)
    passes: Array = RELATIONS[probability.relation](values, threshold)
    if probability.count == "each":
        return passes, valid
    if probability.count == "all named":
        happens: Any = passes.all(axis=axis)
    else:
        happens = _at_least_two(passes, axis)
    return np.asarray(happens), np.asarray(valid.all(axis=axis))


def _at_least_two(flags: Array, axis: int) -> NDArray[np.bool_]:
    """Whether two flags or more along an axis are True (10x faster than a sum)."""
    rows = np.moveaxis(flags, axis, 0)
    once, twice = (np.zeros(rows.shape[1:], bool) for _ in range(2))
    for row in rows:
        twice |= once & row
        once |= row
    return twice


def share(happens: Array, valid: Array) -> Array:
    """Share [...] of valid draws in which an event happens.

    NaN where no draw is valid. Both arguments are Boolean [..., draw], or counts [..., replicate].
    """
    with np.errstate(invalid="ignore"):
        if happens.dtype == bool:
            if valid.all():
                return np.asarray(_count_true(happens) / valid.shape[-1])
            return np.asarray(_count_true(happens & valid) / _count_true(valid))
        return np.asarray(happens.sum(axis=-1) / valid.sum(axis=-1))


def _count_true(flags: Array) -> Array:
    """Count of True along the last axis.

    count_nonzero by row is 10 times faster than a sum.
    """
    rows = flags.reshape(-1, flags.shape[-1])
    return np.array([np.count_nonzero(row) for row in rows]).reshape(flags.shape[:-1])
