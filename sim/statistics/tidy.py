"""Tidy rows of a summary: one statistic with its error a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from sim.statistics.tails import WORST_SHARE

LABELS = ("lab", "landlord", "regime", "layer", "quarter")
WORST = "worst_share"  # of the worst 0.03 % of draws in means, sds and means of tails
COLUMNS = ("output", *LABELS, "statistic", "value", "error", "unit", WORST)


def tidy_rows(summary: xr.Dataset, point: tuple[int, ...] = ()) -> Iterator[list[Any]]:
    """Rows of the `COLUMNS`: all statistics of a summary or sweep point.

    `point` are indices along the dims that all variables of a sweep begin with. Numbers are texts
    with all digits.
    """
    for name, variable in summary.variables.items():
        if "statistic" in variable.attrs and "ancillary_variables" in variable.attrs:
            yield from _rows_of(summary, str(name), point)


def _rows_of(summary: xr.Dataset, name: str, point: tuple[int, ...]) -> Iterator[list[Any]]:
    """Rows of one statistic, one for each of its values."""
    variable = summary.variables[name]
    values = variable.values[point]
    errors = summary.variables[variable.attrs["ancillary_variables"]].values[point]
    worst = summary.variables.get(name + WORST_SHARE)
    shares = None if worst is None else worst.values[point]
    dims = [str(dim) for dim in variable.dims[len(point) :]]
    labels = {dim: summary.variables[dim].values for dim in dims}
    for index in np.ndindex(values.shape):
        own_labels = {dim: labels[dim][i] for dim, i in zip(dims, index, strict=True)}
        yield [
            variable.attrs["output"],
            *(own_labels.get(dim, "") for dim in LABELS),
            _statistic_name(variable.attrs["statistic"], own_labels),
            repr(float(values[index])),
            repr(float(errors[index])),
            variable.attrs["units"],
            "" if shares is None else repr(float(shares[index])),
        ]


def _statistic_name(statistic: str, labels: Mapping[str, Any]) -> str:
    """Name of a statistic with these labels by dim, such as `p5`."""
    if statistic == "quantile":
        return f"p{100 * labels['quantile']:g}"
    if statistic == "cvar":
        return f"cvar{100 * labels['tail']:g}"
    if statistic == "finite":
        return "P(finite)"
    return f"P(> {labels['threshold']:g} GW)" if "threshold" in labels else statistic
