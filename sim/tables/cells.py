"""What tables are made of: cells with their errors, and the summary they are read from."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from sim.common.numbers import percentage, rounded_by, significant
from sim.model.dims import QUARTERS
from sim.statistics.datasets import REPLICATE_MEAN, last
from sim.statistics.histogram_estimators import draws_of
from sim.statistics.replicates import full_replicates_of, mean_of_replicates, sampler_of

LAST_QUARTER = QUARTERS[-1]
NOT_REPORTED = "not reported"  # of a lab without ARR; any other number that is missing is a nan


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its standard error.

    `scale` is for show; a probability is `of` so many draws, and shown in percent. `missing` and
    `infinite` are shown where there is no number, or no finite one.
    """

    value: float
    error: float
    unit: str
    scale: float = 1.0
    of: int = 0
    missing: str = "nan"
    infinite: str = "inf"

    def shown(self) -> tuple[str, str]:
        """The value rounded by its error, and the error."""
        if math.isnan(self.value):
            return self.missing, ""
        if math.isinf(self.value):
            return self.infinite if self.value > 0 else f"-{self.infinite}", ""
        if math.isinf(self.error):  # some replicates have no finite value
            beyond = self.infinite if self.value >= 0 else f"-{self.infinite}"
            return f"{significant(self.value * self.scale, 3)} or {beyond}", ""
        if self.of:
            return percentage(self.value, self.error, self.of)
        return rounded_by(self.value * self.scale, self.error * self.scale)

    def data(self) -> dict[str, Any]:
        """The cell for machines: unscaled; what is not finite is null and said in words."""
        numbers = {"value": self.value, "error": self.error}
        data: dict[str, Any] = {
            name: number if math.isfinite(number) else None for name, number in numbers.items()
        }
        if data["value"] is None or math.isinf(self.error):
            data["text"] = self.shown()[0]
        return {**data, "unit": self.unit}


@dataclass(frozen=True, slots=True)
class Selection:
    """The labs, landlords and quarters that tables are narrowed to; all where none are named."""

    labs: tuple[str, ...] = ()
    landlords: tuple[str, ...] = ()
    quarters: tuple[str, ...] = ()


@dataclass
class Table:
    """A title, column heads, rows of a label and cells, and remarks under it.

    Errors stand below their values, or beside them where the table is `narrow`.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | str]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)  # rows after which there is a gap
    narrow: bool = False

    def data(self) -> dict[str, Any]:
        """The table for machines: values unscaled, with errors and units."""
        columns = [column.replace("\n", " ") for column in self.columns[1:]]
        cells = []
        for label, row in self.rows:
            # A unit in a label is that of the number shown, not of the one here.
            at = {"row": re.sub(r" \([^()]*\)$", "", label.replace("\n", ": "))}
            for column, cell in zip(columns, row, strict=True):
                if isinstance(cell, Cell):
                    cells.append({**at, "column": column, **cell.data()})
                elif cell not in ("", "-"):
                    cells.append({**at, "column": column, "text": cell})
        return {"title": self.title, "cells": cells, "remarks": self.remarks}


class Reader:
    """Cells from a summary by name, coordinates and statistic."""

    def __init__(self, ds: xr.Dataset, summary: xr.Dataset, selection: Selection) -> None:
        self.ds, self.summary, self.selection = ds, summary, selection
        self.draws = draws_of(ds)  # those that are not left out
        paid = last(ds, "lab_paid_margin")[:, 0]
        self.silent = set(ds["lab"].values[np.isnan(paid).all(axis=-1)].tolist())  # without ARR
        self.places = {  # label -> index, by dim
            str(dim): {label: i for i, label in enumerate(summary[dim].values.tolist())}
            for dim in summary.dims
        }

    def cell(
        self,
        name: str,
        scale: float = 1.0,
        of: int = 0,
        infinite: str = "inf",
        **where: Any,
    ) -> Cell:
        """The statistic `name` of the summary at coordinates `where`."""
        missing = NOT_REPORTED if where.get("lab") in self.silent else "nan"
        found, error = self.summary.variables[name], self.summary.variables[f"{name}_error"]
        place = tuple(self.places[str(dim)][where[str(dim)]] for dim in found.dims)
        unit = str(found.attrs["units"])
        value, deviation = float(found.values[place]), float(error.values[place])
        return Cell(value, deviation, unit, scale, of, missing, infinite)

    def probability(self, name: str, **where: Any) -> Cell:
        """A probability or the mean of an indicator, shown in percent."""
        return self.cell(name, of=self.draws, **where)

    def total(self, name: str, **where: Any) -> Cell:
        """The mean of a variable of which only moments are kept, summed over its other dims."""
        means, unit = self.replicates(name, **where)
        value, error = self.mean(means.reshape(len(means), -1).sum(axis=1))
        return Cell(float(value), float(error), unit)

    def ratio(self, over: str, under: str, **where: Any) -> Cell:
        """The ratio of two means, summed over their other dims, and its error to first order."""
        top, bottom = (
            kept.reshape(len(kept), -1).sum(axis=1)
            for kept in (self.replicates(name, **where)[0] for name in (over, under))
        )
        (above, _), (below, _) = self.mean(top), self.mean(bottom)
        with np.errstate(divide="ignore", invalid="ignore"):  # a fleet that earns nothing
            value = above / below
            error = self.mean(top - value * bottom)[1] / below
        missing = NOT_REPORTED if where.get("lab") in self.silent else "nan"
        return Cell(float(value), float(error), "1", missing=missing)

    def mean(self, means: Any) -> tuple[Any, Any]:
        """The mean over all draws of what has these means by replicate, and its error."""
        count = self.ds["replicate_count"].values
        return mean_of_replicates(means, count, full_replicates_of(self.ds), sampler_of(self.ds))

    def replicates(self, name: str, **where: Any) -> tuple[Any, str]:
        """The means of a variable in every replicate [replicate, ...], and its unit."""
        kept = self.ds[name + REPLICATE_MEAN]
        chosen = kept.sel({dim: at for dim, at in where.items() if dim in kept.dims})
        return np.ascontiguousarray(chosen.values), str(kept.attrs["units"])

    def labels(self, dim: str) -> list[tuple[str, str]]:
        """Ids and display names of the labs or landlords to be shown."""
        chosen = self.selection.labs if dim == "lab" else self.selection.landlords
        names = zip(self.ds[dim].values, self.ds[f"{dim}_name"].values, strict=True)
        return [(str(i), str(n)) for i, n in names if not chosen or i in chosen]

    def as_of(self, dim: str, field: str) -> str:
        """The labs or landlords to be shown, each with the date of an input where it has one."""
        dates = json.loads(self.ds.attrs["as_of"])
        known = {name: dates.get(f"{dim}s.{label}.{field}") for label, name in self.labels(dim)}
        return ", ".join(f"{name} {date}" for name, date in known.items() if date)

    def quarters(self, *otherwise: str) -> tuple[str, ...]:
        """The quarters to be shown."""
        return self.selection.quarters or otherwise


def plus_minus(cell: Cell) -> str:
    """A value and its error in a line of text."""
    value, error = cell.shown()
    return f"{value} ± {error}" if error else value


def hurdle_label(ds: xr.Dataset) -> str:
    """`70 %` where the hurdle is one number, else `hurdle`."""
    hurdle = ds["hurdle_margin"]
    return f"{100 * float(hurdle):g} %" if hurdle.ndim == 0 else "hurdle"
