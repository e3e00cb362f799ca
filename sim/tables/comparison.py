"""Scenarios side by side, with paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.statistics.datasets import last
from sim.statistics.estimators import (
    probability_with_error,
    quantile_by_replicate,
    quantiles_with_error,
)
from sim.statistics.replicates import (
    Replicates,
    replicates_by,
    replicates_of,
    sampler_of,
    standard_error,
)
from sim.tables.cells import LAST_QUARTER, Cell, Table


@dataclass(frozen=True)
class Measure:
    """A column: the draws of which it shows the quantile at `level`, or else the share."""

    head: str
    draws: NDArray[Any]
    level: float | None
    unit: str
    scale: float
    replicates: Replicates

    def cell(self) -> Cell:
        """The statistic with its error."""
        if self.level is None:
            every = np.ones_like(self.draws)
            value, error = probability_with_error(self.draws, every, self.replicates)
            return Cell(float(value), float(error), self.unit, of=self.draws.size)
        ordered = np.sort(self.draws)
        value, error = quantiles_with_error(ordered, self.draws, self.replicates, [self.level])
        return Cell(float(value[0]), float(error[0]), self.unit, self.scale)

    def by_replicate(
        self, places: NDArray[np.int64], replicates: Replicates
    ) -> NDArray[np.float64]:
        """The statistic in each replicate of some of the draws, less what they have in common."""
        if self.level is None:
            return replicates.means(self.draws[places])
        return quantile_by_replicate(self.draws[places], replicates, self.level)

    def less(
        self,
        other: Measure,
        mine: NDArray[np.int64],
        theirs: NDArray[np.int64],
        replicates: Replicates,
    ) -> Cell:
        """The difference to another run's, with the error of a pair.

        `mine` and `theirs` are the places of the draws that both have, `replicates` how these fall.
        """
        apart = self.by_replicate(mine, replicates) - other.by_replicate(theirs, replicates)
        error = standard_error(apart, replicates)
        value = self.cell().value - other.cell().value
        scale = 100.0 if self.level is None else self.scale
        return Cell(value, float(error), self.unit, scale)


@dataclass(frozen=True)
class Compared:
    """What the side-by-side table needs of a run."""

    scenario: str
    seed: str
    sampler: str
    evaluated: int  # draws, with those that are left out
    kept: int  # the first of them, to which the table looks
    numbers: NDArray[np.int64]  # of the draws that are not
    measures: dict[str, Measure]


def compared(ds: xr.Dataset, labs: Sequence[str] = ()) -> Compared:
    """The few draws of a run that the side-by-side table needs; of the first two labs or those."""
    q, end = QUARTERS.index(REFERENCE_QUARTER), QUARTERS.index(LAST_QUARTER)
    margins, loaded = last(ds, "inference_gross_margin"), last(ds, "loaded_gross_margin")[q]
    margin = margins[q]
    gw, level = last(ds, "gw")[:, end], float(ds["threshold"].values[0])
    names = list(enumerate(ds["lab_name"].values))
    ids = [str(lab) for lab in ds["lab"].values]
    chosen = [(i, name) for i, name in names if ids[i] in labs] if labs else names[:2]
    how = replicates_of(ds)

    def of(
        head: str, draws: NDArray[Any], level: float | None, unit: str, scale: float = 1.0
    ) -> Measure:
        return Measure(head, draws.copy(), level, unit, scale, how)

    found = [
        of("inference\nmargin\np5", margin, 0.05, "1", 100.0),
        of("inference\nmargin\np50", margin, 0.5, "1", 100.0),
        of("inference\nmargin\np95", margin, 0.95, "1", 100.0),
        of(f"margin\np50 in\n{LAST_QUARTER}", margins[end], 0.5, "1", 100.0),
        of("P(margin\n>=\nhurdle)", margin >= last(ds, "hurdle_margin"), None, "1"),
        of("loaded\nmargin\np50", loaded, 0.5, "1", 100.0),
        *(of(f"{name}\nGW", gw[i], 0.5, "GW") for i, name in chosen),
        of(f"P(two\nlargest\n> {level:g} GW)", (gw > level).sum(axis=0) >= 2, None, "1"),
    ]
    paid, multiple = last(ds, "lab_paid_margin")[:, q], last(ds, "training_moic")
    for i, name in chosen:
        if not np.isnan(paid[i]).any():  # it reports ARR
            found.append(of(f"{name}\npaid\nmargin", paid[i], 0.5, "1", 100.0))
            found.append(of(f"{name}\ntraining\nmultiple", multiple[i], 0.5, "x"))
    numbers, evaluated = ds["draw"].values.copy(), int(ds.attrs["draws"])
    measures = {m.head: m for m in found}
    return Compared(
        ds.attrs["scenario"],
        ds.attrs["seed"],
        sampler_of(ds),
        evaluated,
        int(ds.attrs.get("draws_kept", evaluated)),
        numbers,
        measures,
    )


def side_by_side(runs: Sequence[Compared]) -> Table:
    """Scenarios side by side, and less the first: the same random numbers, a paired error."""
    first = runs[0]
    shared = [head for head in first.measures if all(head in run.measures for run in runs)]
    table = Table(
        f"Scenarios: margins and probabilities (%) and training multiples of {REFERENCE_QUARTER},"
        f" gigawatts of {LAST_QUARTER}",
        ["scenario", *shared],
    )
    for run in runs:
        both, before, now = np.intersect1d(first.numbers, run.numbers, return_indices=True)
        how = replicates_by(both, run.sampler)
        same = ("seed", "sampler", "evaluated")
        paired = len(both) > 0 and all(getattr(first, x) == getattr(run, x) for x in same)
        cells: list[Cell | str] = []
        less: list[Cell | str] = []
        for head in shared:
            one, other = first.measures[head], run.measures[head]
            cells.append(other.cell())
            if paired:
                less.append(other.less(one, now, before, how))
        table.rows.append((run.scenario, cells))
        if run is not first and less:
            table.rows.append((f"  vs {first.scenario}", less))
        table.rules.append(len(table.rows))
    table.remarks = [
        "Inference and loaded margin: of the reference lab. Of labs: medians. P(two largest): both"
        f" of the two largest labs above the threshold in {LAST_QUARTER}. Differences are between"
        " draws with the same random numbers, so their errors are smaller."
    ]
    if any(run.kept < run.evaluated for run in runs):
        kept = min(run.kept for run in runs)
        table.remarks.append(f"From the draws that are kept: the first {kept:,} of each scenario.")
    return table
