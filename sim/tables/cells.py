"""The reader that makes cells of tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.catalogue import OUTPUTS
from sim.model.dims import QUARTERS
from sim.statistics.datasets import REPLICATE_MEAN, display_names, draws_of, json_attribute, last
from sim.statistics.moments import mean_of_replicates
from sim.statistics.tails import WORST_SHARE
from sim.tables.asked import AskedStatistics, indices_of
from sim.tables.table import NOT_KEPT, NOT_REPORTED, Cell, Selection

LAST_QUARTER = QUARTERS[-1]
WIDTH_OF_SD = 3.3  # from p5 to p95, of a normal distribution
LARGEST_ERROR_OF_SPREAD = 0.1  # of the sd, where it has settled


def _spread(
    summary: xr.Dataset, indices: dict[str, dict[Any, int]], name: str, at: dict[str, Any]
) -> float:
    """Width from p5 to p95 of what a quantile or mean is of; 0 where it is not known.

    It is infinite where an end is.
    """
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
            if math.isinf(low) or math.isinf(high):
                return math.inf
            return factor * (high - low) if math.isfinite(high - low) else 0.0
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
        """Statistics of values formed in each draw (`sim.expressions`): a list for each text.

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


def share_of_draws(ds: xr.Dataset, draws: int) -> float:
    """`Cell.draws` of a probability: infinite in a run without uncertainty."""
    return math.inf if ds.attrs.get("uncertainty") == 0 else draws


def hurdle_label(ds: xr.Dataset) -> str:
    """`70 %` where the hurdle is one number, else `hurdle`."""
    hurdle = ds["hurdle_margin"]
    return f"{100 * float(hurdle):g} %" if hurdle.ndim == 0 else "hurdle"
