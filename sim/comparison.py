"""Scenarios side by side, with paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.fields import QUARTERS, REFERENCE_QUARTER
from sim.results import last
from sim.statistics import replicated, standard_error
from sim.tables import LAST_QUARTER, Cell, Table


@dataclass(frozen=True)
class Measure:
    """A column of the side-by-side table: the draws of which it shows a quantile or the mean."""

    head: str
    draws: NDArray[Any]
    level: float | None
    unit: str
    scale: float = 1.0

    def of(self, draws: NDArray[Any]) -> NDArray[np.float64]:
        """The statistic over the last axis."""
        if self.level is None:
            return np.asarray(draws.mean(axis=-1))
        return np.asarray(np.quantile(draws, self.level, axis=-1))

    def replicates(self) -> tuple[NDArray[np.float64], float]:
        """The statistic in each replicate, and the share of the draws in them."""
        cut, used = replicated(self.draws)
        return self.of(cut), used


@dataclass(frozen=True)
class Compared:
    """What the side-by-side table needs of a run."""

    scenario: str
    seed: str
    measures: dict[str, Measure]


def compared(ds: xr.Dataset) -> Compared:
    """The few draws of a run that the side-by-side table needs."""
    q, end = QUARTERS.index(REFERENCE_QUARTER), QUARTERS.index(LAST_QUARTER)
    margin, loaded = last(ds, "inference_gross_margin")[q], last(ds, "loaded_gross_margin")[q]
    gw, level = last(ds, "gw")[:, end], float(ds["threshold"].values[0])
    found = [
        Measure("margin\np5", margin, 0.05, "1", 100.0),
        Measure("margin\np50", margin, 0.5, "1", 100.0),
        Measure("margin\np95", margin, 0.95, "1", 100.0),
        Measure("P(>=\nhurdle)", margin >= last(ds, "hurdle_margin"), None, "1", 100.0),
        Measure("loaded\np50", loaded, 0.5, "1", 100.0),
        *(
            Measure(f"{name}\nGW", gw[i], 0.5, "GW")
            for i, name in enumerate(ds["lab_name"].values[:2])
        ),
        Measure(f"two\n> {level:g}", (gw > level).sum(axis=0) >= 2, None, "1", 100.0),
    ]
    copies = {m.head: replace(m, draws=m.draws.copy()) for m in found}
    return Compared(ds.attrs["scenario"], ds.attrs["seed"], copies)


def side_by_side(runs: Sequence[Compared]) -> Table:
    """Scenarios side by side, and less the first: the same random numbers, a paired error."""
    first = runs[0]
    shared = [head for head in first.measures if all(head in run.measures for run in runs)]
    table = Table(
        f"Scenarios: margins in {REFERENCE_QUARTER} (%), and in {LAST_QUARTER} median GW and"
        " P(two labs above)",
        ["scenario", *shared],
    )
    for run in runs:
        cells: list[Cell | str] = []
        less: list[Cell | str] = []
        for head in shared:
            one, other = first.measures[head], run.measures[head]
            by_replicate, used = other.replicates()
            error = float(standard_error(by_replicate, used))
            value = float(other.of(other.draws))
            of = other.draws.size if other.level is None else 0
            cells.append(Cell(value, error, other.unit, other.scale, of))
            if one.draws.size == other.draws.size and first.seed == run.seed:
                error = float(standard_error(by_replicate - one.replicates()[0], used))
                difference = value - float(one.of(one.draws))
                less.append(Cell(difference, error, other.unit, other.scale))
        table.rows.append((run.scenario, cells))
        if run is not first and less:
            table.rows.append((f"  less {first.scenario}", less))
        table.rules.append(len(table.rows))
    table.remarks = [
        "Differences are between draws with the same random numbers, so their errors are smaller."
    ]
    return table
