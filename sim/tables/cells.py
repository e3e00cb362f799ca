"""Tables, their cells, and the reader that makes cells."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.numbers import percentage, rounded_by, significant
from sim.model.catalogue import OUTPUTS
from sim.model.dims import QUARTERS
from sim.statistics.datasets import REPLICATE_MEAN, display_names, draws_of, json_attribute, last
from sim.statistics.moments import mean_of_replicates
from sim.statistics.tails import OWNED, WORST_SHARE
from sim.tables.asked import AskedStatistics, indices_of

LAST_QUARTER = QUARTERS[-1]
WIDTH_OF_SD = 3.3  # from p5 to p95, of a normal distribution
MAX_HEAD = 18  # characters of a name in the head of a column
SPREAD_DIGITS = 200  # parts of the spread that the digits of a value tell apart
LARGEST_ERROR_OF_SPREAD = 0.1  # of the sd, where it has settled
NOT_KEPT = "not kept"  # of a run that cannot be drawn again
NOT_REPORTED = "not reported"  # of a lab without ARR; any other number that is missing is a nan


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its standard error.

    `scale` is applied for display. A probability, shown in percent, is a share of `draws`; where
    there is no uncertainty, so that all draws are the same, `draws` is infinite. `missing` and
    `infinite` are shown where there is no number, or no finite one. `worst` is the share of the
    worst draws in it: a handful of draws owns a number that is marked by `*`. It is NaN where it is
    not known how much they own. `spread` is the width of the distribution of which it is a
    statistic: digits beyond a two-hundredth of it say nothing. It is 0 where it is not known.
    """

    value: float
    error: float
    unit: str
    scale: float = 1.0
    draws: float = 0
    missing: str = "nan"
    infinite: str = "inf"
    worst: float = 0.0
    spread: float = 0.0

    def times(self, factor: float) -> Cell:
        """The cell of a number that is so many times this one."""
        value, error, spread = (factor * x for x in (self.value, self.error, self.spread))
        return replace(self, value=value, error=error, spread=spread)

    def rounded(self) -> tuple[str, str]:
        """The value rounded by its error and spread, and the error."""
        value, error = self._rounded()
        return (f"{value}*" if is_owned(self.worst) else value), error

    def _rounded(self) -> tuple[str, str]:
        """The value rounded by its error without a mark, and the error."""
        if math.isnan(self.value):
            return self.missing, ""
        if math.isinf(self.value):
            return self.infinite if self.value > 0 else f"-{self.infinite}", ""
        if math.isinf(self.error):  # some replicates have no finite value
            beyond = self.infinite if self.value >= 0 else f"-{self.infinite}"
            return f"{significant(self.value * self.scale, 3)} or {beyond}", ""
        if math.isinf(self.draws):
            return f"{100 * self.value:g}", ""
        if self.draws:
            return percentage(self.value, self.error, int(self.draws))
        value, error = rounded_by(self.value * self.scale, self.error * self.scale)
        coarse = self.spread / SPREAD_DIGITS
        if self.error < coarse:
            value, _ = rounded_by(self.value * self.scale, coarse * self.scale)
        return value, error

    def data(self) -> dict[str, Any]:
        """The cell for JSON: unscaled, with a text where not finite."""
        numbers = {"value": self.value, "error": self.error}
        data: dict[str, Any] = {
            name: number if math.isfinite(number) else None for name, number in numbers.items()
        }
        if data["value"] is None or math.isinf(self.error):
            data["text"] = self.rounded()[0]
        if is_owned(self.worst):
            data["worst_share"] = None if math.isnan(self.worst) else self.worst
        return {**data, "unit": self.unit}


def is_owned(worst: float) -> bool:
    """Whether a handful of draws owns a number, of which the worst draws hold this share."""
    return not worst <= OWNED


@dataclass(frozen=True, slots=True)
class Selection:
    """Labs, landlords and quarters to be shown; empty for all."""

    labs: tuple[str, ...] = ()
    landlords: tuple[str, ...] = ()
    quarters: tuple[str, ...] = ()


@dataclass
class Table:
    """A title, column heads, rows of cells, and remarks.

    Each row begins with a label.

    Errors stand below their values, or beside them where the table is `narrow`. A gap follows each
    of the row numbers in `rules`, which count from 1. `sim show` knows it by its name.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | str]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)
    narrow: bool = False
    name: str = ""

    def data(self) -> dict[str, Any]:
        """The table for JSON: values unscaled, with errors and units."""
        columns = [column.replace("\n", " ") for column in self.columns[1:]]
        cells = []
        for label, row in self.rows:
            # A unit in a label is that of the number shown, not of the one here.
            row_name = {"row": re.sub(r" \([^()]*\)$", "", label.replace("\n", ": "))}
            for column, cell in zip(columns, row, strict=True):
                if isinstance(cell, Cell):
                    cells.append({**row_name, "column": column, **cell.data()})
                elif cell not in ("", "-"):
                    cells.append({**row_name, "column": column, "text": cell})
        return {"name": self.name, "title": self.title, "cells": cells, "remarks": self.remarks}


def _spread(
    summary: xr.Dataset, indices: dict[str, dict[Any, int]], name: str, at: dict[str, Any]
) -> float:
    """Width from p5 to p95 of what a quantile or mean is of; 0 where it is not known."""
    output, _, statistic = name.rpartition("_")
    if statistic not in ("quantile", "mean"):
        return 0.0
    for suffix, factor in (("_quantile", 1.0), ("_sd", WIDTH_OF_SD)):
        variable = summary.variables.get(output + suffix)
        if variable is not None:
            index = tuple(
                slice(None) if dim == "quantile" else indices[str(dim)][at[str(dim)]]
                for dim in variable.dims
            )
            values = variable.values[index]
            low = float(values.min()) if np.ndim(values) else 0.0
            high = float(values.max())
            is_finite = math.isfinite(low) and math.isfinite(high)
            return factor * (high - low) if is_finite else 0.0
    return 0.0


class Reader:
    """Cells of a run by statistic and coordinates."""

    def __init__(self, ds: xr.Dataset, summary: xr.Dataset, selection: Selection) -> None:
        self.ds, self.summary, self.selection = ds, summary, selection
        self.draws = share_of_draws(ds, draws_of(ds))  # those that are not left out
        paid = last(ds, "lab_paid_margin")[:, 0]
        self.silent = set(ds["lab"].values[np.isnan(paid).all(axis=-1)].tolist())  # without ARR
        self.indices, self.indices_of_run = indices_of(summary), indices_of(ds)
        self.asked = AskedStatistics(ds)

    def cell(
        self, name: str, scale: float = 1.0, draws: float = 0, infinite: str = "inf", **at: Any
    ) -> Cell:
        """A statistic of the run at the labels of its dims.

        It is NaN where it is not known, and then known to be asked for (`AskedStatistics`).
        """
        missing = NOT_REPORTED if at.get("lab") in self.silent else "nan"
        summary, indices, level = self.summary, self.indices, at.get("quantile")
        if name not in summary or level not in (None, *indices.get("quantile", ())):
            asked = self.asked.find(name, level, at)
            if asked is None:
                return Cell(math.nan, math.nan, "", scale, missing=NOT_KEPT)
            (summary, indices), at = asked
        values, errors = (summary.variables[n] for n in (name, f"{name}_error"))
        index = tuple(indices[str(dim)][at[str(dim)]] for dim in values.dims)
        value, error = float(values.values[index]), float(errors.values[index])
        unit, worst = str(values.attrs["units"]), self._worst(summary, name, index)
        spread = 0.0 if draws else _spread(summary, indices, name, at)
        return Cell(value, error, unit, scale, draws, missing, infinite, worst, spread)

    def _worst(self, summary: xr.Dataset, name: str, index: tuple[int, ...]) -> float:
        """Share of the worst draws in a statistic; 0 of one that is no sum of values.

        NaN where no draws are kept, and the sd does not settle.
        """
        variables = summary.variables
        if name + WORST_SHARE in variables:
            share = float(variables[name + WORST_SHARE].values[index])
            return 0.0 if math.isnan(share) else share
        output = name.removesuffix("_mean")
        if output not in OUTPUTS or OUTPUTS[output].kind == "bool":
            return 0.0
        sd, error = (float(variables[f"{output}_sd{s}"].values[index]) for s in ("", "_error"))
        return math.nan if error > LARGEST_ERROR_OF_SPREAD * sd else 0.0

    def probability(self, name: str, **at: Any) -> Cell:
        """A probability or the mean of an indicator, shown in percent."""
        return self.cell(name, draws=self.draws, **at)

    def total(self, name: str, **at: Any) -> Cell:
        """The mean of a variable, summed over labels.

        The sum is over the dims for which `at` holds a list. Only variables with moments have it.
        """
        means, unit = self.replicates(name, **at)
        value, error = self.mean(means.reshape(len(means), -1).sum(axis=1))
        return Cell(float(value), float(error), unit)

    def ratio(self, over: str, under: str, **at: Any) -> Cell:
        """The ratio of two means, with its error to first order.

        Both are summed as in `total`.
        """
        top, bottom = (
            means.reshape(len(means), -1).sum(axis=1)
            for means in (self.replicates(name, **at)[0] for name in (over, under))
        )
        (numerator, _), (denominator, _) = self.mean(top), self.mean(bottom)
        with np.errstate(divide="ignore", invalid="ignore"):  # a fleet that earns nothing
            value = numerator / denominator
            error = self.mean(top - value * bottom)[1] / denominator
        missing = NOT_REPORTED if at.get("lab") in self.silent else "nan"
        return Cell(float(value), float(error), "1", missing=missing)

    def values(
        self, texts: Sequence[str], levels: Sequence[float | None], unit: str, scale: float = 1.0
    ) -> list[list[Cell]]:
        """Statistics of values formed in each draw (`model.values`): a list for each text.

        They are quantiles, and where there is no level means. They are NaN until they are known, as
        of `cell`.
        """
        rows = []
        for text in texts:
            value = self.asked.value(text)
            if value is None:
                missing = Cell(math.nan, math.nan, unit, scale, missing=NOT_KEPT)
                rows.append([missing] * len(levels))
                continue
            low, high, *found = value.quantiles([0.05, 0.95, *(x for x in levels if x is not None)])
            is_finite = np.isfinite([low[0], high[0]]).all()
            spread = high[0] - low[0] if is_finite else 0.0
            numbers = iter(found)
            cells = [value.mean() if level is None else next(numbers) for level in levels]
            rows.append([Cell(*number, unit, scale, spread=spread) for number in cells])
        return rows

    def mean(self, means: NDArray[np.float64]) -> tuple[Any, Any]:
        """Mean and error from means [replicate, ...] of replicates."""
        return mean_of_replicates(means, self.ds)

    def replicates(self, name: str, **at: Any) -> tuple[NDArray[np.float64], str]:
        """Means [replicate, ...] of a variable, and its unit."""
        means = self.ds.variables[name + REPLICATE_MEAN]
        values = means.values
        for axis, dim in reversed([*enumerate(map(str, means.dims))]):
            if dim in at:
                index, chosen = self.indices_of_run[dim], at[dim]
                some = [index[x] for x in chosen] if isinstance(chosen, list) else index[chosen]
                values = values.take(some, axis)
        return np.ascontiguousarray(values), str(means.attrs["units"])

    def fixed(self, name: str, **at: str) -> float:
        """A number that is the same in every draw, at the labels of its dims."""
        values = self.ds.variables[name]
        index = tuple(self.indices_of_run[str(dim)][at[str(dim)]] for dim in values.dims)
        return float(values.values[index])

    def labels(self, dim: str) -> list[tuple[str, str]]:
        """Ids and display names of the labs or landlords to be shown."""
        chosen = self.selection.labs if dim == "lab" else self.selection.landlords
        names = display_names(self.ds, dim).items()
        return [(label, name) for label, name in names if not chosen or label in chosen]

    def as_of(self, dim: str, quantity: str) -> str:
        """Labs or landlords with the date of an input, as text.

        Those without a date are left out.
        """
        dates = json_attribute(self.ds, "as_of")
        dated = {name: dates.get(f"{dim}s.{i}.{quantity}") for i, name in self.labels(dim)}
        return ", ".join(f"{name} {date}" for name, date in dated.items() if date)

    def quarters(self, *default: str) -> tuple[str, ...]:
        """The quarters to be shown."""
        return self.selection.quarters or default


def wrap_head(name: str) -> str:
    """A name in lines of `MAX_HEAD` characters at most, for the head of a column."""
    return "\n".join(textwrap.wrap(name, MAX_HEAD, break_on_hyphens=False)) or name


def share_of_draws(ds: xr.Dataset, draws: int) -> float:
    """`Cell.draws` of a probability: infinite in a run without uncertainty."""
    return math.inf if ds.attrs.get("uncertainty") == 0 else draws


def plus_minus(cell: Cell) -> str:
    """A value and its error in a line of text."""
    value, error = cell.rounded()
    return f"{value} ± {error}" if error else value


def hurdle_label(ds: xr.Dataset) -> str:
    """`70 %` where the hurdle is one number, else `hurdle`."""
    hurdle = ds["hurdle_margin"]
    return f"{100 * float(hurdle):g} %" if hurdle.ndim == 0 else "hurdle"
