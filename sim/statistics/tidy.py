"""A summary as tidy rows: one number a row, with its labels, error and unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

LABELS = ("lab", "landlord", "regime", "layer", "quarter")
COLUMNS = ("output", *LABELS, "statistic", "value", "error", "unit")


def tidy_rows(summary: xr.Dataset, point: tuple[int, ...] = ()) -> Iterator[list[Any]]:
    """Rows of the `COLUMNS`: every statistic of a summary, or of one point of a sweep.

    `point` are positions along the dims with which all variables of a sweep begin. Numbers are
    text with all their digits.
    """
    for name, variable in summary.variables.items():
        if "statistic" in variable.attrs and "ancillary_variables" in variable.attrs:
            yield from _rows_of(summary, str(name), point)


def _rows_of(summary: xr.Dataset, name: str, point: tuple[int, ...]) -> Iterator[list[Any]]:
    """The rows of one statistic."""
    variable = summary.variables[name]
    values = variable.values[point]
    errors = summary.variables[variable.attrs["ancillary_variables"]].values[point]
    dims = [str(dim) for dim in variable.dims[len(point) :]]
    labels = {dim: summary.variables[dim].values for dim in dims}
    for index in np.ndindex(values.shape):
        at = {dim: labels[dim][i] for dim, i in zip(dims, index, strict=True)}
        yield [
            variable.attrs["output"],
            *(at.get(dim, "") for dim in LABELS),
            _statistic_at(variable.attrs["statistic"], at),
            repr(float(values[index])),
            repr(float(errors[index])),
            variable.attrs["units"],
        ]


def _statistic_at(statistic: str, at: Mapping[str, Any]) -> str:
    """What a table calls a statistic at the labels of its dims, such as `p5`."""
    if statistic == "quantile":
        return f"p{100 * at['quantile']:g}"
    if statistic == "cvar":
        return f"cvar{100 * at['tail']:g}"
    if statistic == "finite":
        return "P(finite)"
    return f"P(> {at['threshold']:g} GW)" if "threshold" in at else statistic
