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
from sim.statistics import (
    probability_with_error,
    quantiles_with_error,
    replicated,
    standard_error,
)
from sim.tables import LAST_QUARTER, Cell, Table


@dataclass(frozen=True)
class Measure:
    """A column: the draws of which it shows the quantile at `level`, or else the share."""

    head: str
    draws: NDArray[Any]
    level: float | None
    unit: str
    scale: float = 1.0

    def cell(self) -> Cell:
        """The statistic with its error."""
        if self.level is None:
            value, error = probability_with_error(self.draws, np.ones_like(self.draws))
            return Cell(float(value), float(error), self.unit, of=self.draws.size)
        cut, used = replicated(self.draws)
        ordered, by_replicate = np.sort(self.draws), np.sort(cut)
        value, error = quantiles_with_error(ordered, by_replicate, used, [self.level])
        return Cell(float(value[0]), float(error[0]), self.unit, self.scale)

    def by_replicate(self, places: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
        """The statistic in each replicate of some of the draws, and the share of them in these."""
        cut, used = replicated(self.draws[places])
        if self.level is None:
            return np.asarray(cut.mean(axis=-1)), used
        return np.asarray(np.quantile(cut, self.level, axis=-1)), used

    def less(self, other: Measure, mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> Cell:
        """The difference to another run's, with the error of a pair.

        `mine` and `theirs` are the places of the draws that both have.
        """
        found, used = self.by_replicate(mine)
        error = standard_error(found - other.by_replicate(theirs)[0], used)
        value = self.cell().value - other.cell().value
        scale = 100.0 if self.level is None else self.scale
        return Cell(value, float(error), self.unit, scale)


@dataclass(frozen=True)
class Compared:
    """What the side-by-side table needs of a run."""

    scenario: str
    seed: str
    evaluated: int  # draws, with those that are left out
    numbers: NDArray[np.int64]  # of the draws that are not
    measures: dict[str, Measure]


def compared(ds: xr.Dataset, labs: Sequence[str] = ()) -> Compared:
    """The few draws of a run that the side-by-side table needs; of the first two labs or those."""
    q, end = QUARTERS.index(REFERENCE_QUARTER), QUARTERS.index(LAST_QUARTER)
    margin, loaded = last(ds, "inference_gross_margin")[q], last(ds, "loaded_gross_margin")[q]
    gw, level = last(ds, "gw")[:, end], float(ds["threshold"].values[0])
    names = list(enumerate(ds["lab_name"].values))
    ids = [str(lab) for lab in ds["lab"].values]
    chosen = [(i, name) for i, name in names if ids[i] in labs] if labs else names[:2]
    found = [
        Measure("margin\np5", margin, 0.05, "1", 100.0),
        Measure("margin\np50", margin, 0.5, "1", 100.0),
        Measure("margin\np95", margin, 0.95, "1", 100.0),
        Measure("P(>=\nhurdle)", margin >= last(ds, "hurdle_margin"), None, "1"),
        Measure("loaded\np50", loaded, 0.5, "1", 100.0),
        *(Measure(f"{name}\nGW", gw[i], 0.5, "GW") for i, name in chosen),
        Measure(f"two\n> {level:g}", (gw > level).sum(axis=0) >= 2, None, "1"),
    ]
    paid, multiple = last(ds, "lab_paid_margin")[:, q], last(ds, "training_moic")
    for i, name in chosen:
        if not np.isnan(paid[i]).any():  # it reports ARR
            found.append(Measure(f"{name}\npaid %", paid[i], 0.5, "1", 100.0))
            found.append(Measure(f"{name}\nmultiple", multiple[i], 0.5, "x"))
    copies = {m.head: replace(m, draws=m.draws.copy()) for m in found}
    numbers, evaluated = ds["draw"].values.copy(), int(ds.attrs["draws"])
    return Compared(ds.attrs["scenario"], ds.attrs["seed"], evaluated, numbers, copies)


def side_by_side(runs: Sequence[Compared]) -> Table:
    """Scenarios side by side, and less the first: the same random numbers, a paired error."""
    first = runs[0]
    shared = [head for head in first.measures if all(head in run.measures for run in runs)]
    table = Table(
        f"Scenarios: in {REFERENCE_QUARTER} margins (%) and multiples, in {LAST_QUARTER} GW and"
        " P(two labs above)",
        ["scenario", *shared],
    )
    for run in runs:
        _, before, now = np.intersect1d(first.numbers, run.numbers, return_indices=True)
        paired = first.seed == run.seed and first.evaluated == run.evaluated and len(now) > 0
        cells: list[Cell | str] = []
        less: list[Cell | str] = []
        for head in shared:
            one, other = first.measures[head], run.measures[head]
            cells.append(other.cell())
            if paired:
                less.append(other.less(one, now, before))
        table.rows.append((run.scenario, cells))
        if run is not first and less:
            table.rows.append((f"  less {first.scenario}", less))
        table.rules.append(len(table.rows))
    table.remarks = [
        "Of labs: medians. Differences are between draws with the same random numbers, so their"
        " errors are smaller."
    ]
    return table
