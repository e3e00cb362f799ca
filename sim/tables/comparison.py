"""Scenarios side by side, with paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.text import plain
from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.simulation.redraw import redraw
from sim.statistics.datasets import display_names, last
from sim.statistics.estimators import probability_with_error, quantiles_with_error
from sim.statistics.paired import quantile_difference_error, share_difference_error
from sim.statistics.replicates import Replicates, replicates_by, replicates_of, sampler_of
from sim.tables.cells import LAST_QUARTER, share_of_draws
from sim.tables.table import Cell, Table, wrap_head

Integers = NDArray[np.int64]
DRAWN = (
    "inference_gross_margin", "loaded_gross_margin", "hurdle_margin", "gw", "lab_paid_margin",
    "training_moic",
)  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """A quantile or share of draws [draw], a column of the table.

    It is the quantile at `level`, or the share where there is no level.

    `share_of` is the number of draws of which a share is, as of `Cell.draws`; `total` the sum of
    the values that it compares, which differs between runs where an edit moves any of them.
    """

    head: str
    draws: NDArray[Any]
    level: float | None
    unit: str
    scale: float
    replicates: Replicates
    share_of: float = 0
    total: float = 0.0

    def cell(self) -> Cell:
        """The statistic with its error."""
        if self.level is None:
            valid = np.ones_like(self.draws)
            value, error = probability_with_error(self.draws, valid, self.replicates)
            return Cell(float(value), float(error), self.unit, draws=self.share_of)
        ordered = np.sort(self.draws)
        values, errors = quantiles_with_error(ordered, self.draws, self.replicates, [self.level])
        return Cell(float(values[0]), float(errors[0]), self.unit, self.scale)

    def difference(
        self,
        reference: Measure,
        indices: Integers,
        reference_indices: Integers,
        replicates: Replicates,
    ) -> Cell:
        """The difference to another run's, with the error of a pair.

        The indices are those of the draws that both runs have, `replicates` are theirs.
        """
        pairs = reference.draws[reference_indices], self.draws[indices]
        if self.level is None:
            error = share_difference_error(*pairs, replicates, self.total != reference.total)
        else:
            error = quantile_difference_error(*pairs, replicates, self.level)
        value = self.cell().value - reference.cell().value
        scale = 100.0 if self.level is None else self.scale
        return Cell(value, error, self.unit, scale)


@dataclass(frozen=True)
class Compared:
    """A run in the side-by-side table.

    `evaluated` counts all draws, with those that are left out; `kept` those of them from which the
    table is made, the first ones; `numbers` are those of the draws that are not left out.
    """

    label: str
    seed: str
    sampler: str
    evaluated: int
    kept: int
    numbers: Integers
    measures: dict[str, Measure]

    def pairs_with(self, other: Compared) -> bool:
        """Whether draws of the same number have the same random numbers."""
        options = [(run.seed, run.sampler, run.evaluated) for run in (self, other)]
        return options[0] == options[1]


def compared(ds: xr.Dataset, labs: Sequence[str] = (), label: str = "") -> Compared:
    """What the side-by-side table needs of a run.

    Its labs are the first two, unless some are given. The label tells it from the other runs; it
    is the name of the scenario unless given.
    """
    numbers, evaluated = ds["draw"].values.copy(), int(ds.attrs["draws"])
    return Compared(
        plain(label or ds.attrs["scenario"]),
        ds.attrs["seed"],
        sampler_of(ds),
        evaluated,
        int(ds.attrs.get("draws_kept", evaluated)),
        numbers,
        {measure.head: measure for measure in _measures(ds, labs)},
    )


def _measures(ds: xr.Dataset, labs: Sequence[str]) -> list[Measure]:
    """The columns of a run.

    Margins, gigawatts, and of labs that report ARR margin and multiple.
    """
    reference, end = QUARTERS.index(REFERENCE_QUARTER), QUARTERS.index(LAST_QUARTER)
    ds = redraw(ds, DRAWN)
    margins, loaded = last(ds, "inference_gross_margin"), last(ds, "loaded_gross_margin")
    margin, hurdle = margins[reference], last(ds, "hurdle_margin")
    gw, threshold = last(ds, "gw")[:, end], float(ds["threshold"].values[0])
    replicates, share_of = replicates_of(ds), share_of_draws(ds, ds.sizes["draw"])

    def quantile(
        head: str, draws: NDArray[Any], level: float = 0.5, unit: str = "1", scale: float = 1.0
    ) -> Measure:
        return Measure(head, draws.copy(), level, unit, scale, replicates)

    def share(head: str, happens: NDArray[Any], values: NDArray[Any]) -> Measure:
        total = float(values.sum())
        return Measure(head, happens, None, "1", 1.0, replicates, share_of, total)

    names = display_names(ds, "lab")
    shown = [
        (i, name) for i, (lab, name) in enumerate(names.items()) if (lab in labs if labs else i < 2)
    ]
    measures = [
        quantile("inference\nmargin\np5", margin, 0.05, scale=100.0),
        quantile("inference\nmargin\np50", margin, scale=100.0),
        quantile("inference\nmargin\np95", margin, 0.95, scale=100.0),
        quantile(f"margin\np50 in\n{LAST_QUARTER}", margins[end], scale=100.0),
        share("P(margin\n>=\nhurdle)", margin >= hurdle, margin - hurdle),
        quantile("loaded\nmargin\np50", loaded[reference], scale=100.0),
        *(quantile(f"{wrap_head(name)}\nGW", gw[i], unit="GW") for i, name in shown),
        share(f"P(two\nlargest\n> {threshold:g} GW)", (gw > threshold).sum(axis=0) >= 2, gw),
    ]
    paid, multiple = last(ds, "lab_paid_margin")[:, reference], last(ds, "training_moic")
    for i, name in shown:
        if not np.isnan(paid[i]).any():  # it reports ARR
            measures.append(quantile(f"{wrap_head(name)}\npaid\nmargin", paid[i], scale=100.0))
            measures.append(
                quantile(f"{wrap_head(name)}\ntraining\nmultiple", multiple[i], unit="x")
            )
    return measures


def side_by_side(runs: Sequence[Compared]) -> Table:
    """Scenarios side by side, with paired differences to the first.

    There is no row of differences for a run of another seed, sampler or number of draws.
    """
    first = runs[0]
    shared = [head for head in first.measures if all(head in run.measures for run in runs)]
    table = Table(
        f"Scenarios: margins and probabilities (%) and training multiples of {REFERENCE_QUARTER},"
        f" gigawatts of {LAST_QUARTER}",
        ["scenario", *shared],
    )
    for run in runs:
        table.rows.append((run.label, [run.measures[head].cell() for head in shared]))
        numbers, of_first, of_run = np.intersect1d(first.numbers, run.numbers, return_indices=True)
        if run is not first and numbers.size and run.pairs_with(first):
            replicates = replicates_by(numbers, run.sampler)
            differences: list[Cell | str] = [
                run.measures[head].difference(first.measures[head], of_run, of_first, replicates)
                for head in shared
            ]
            table.rows.append((f"  vs {first.label}", differences))
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
