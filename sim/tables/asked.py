"""Statistics that tables ask for and a stored summary lacks, of draws that are made again."""

from __future__ import annotations

import math
from collections.abc import Callable

import xarray as xr

from sim.common.errors import InputError
from sim.model.catalogue import DIMS, OUTPUTS
from sim.model.values import Tree, parse
from sim.simulation.redraw import redraw
from sim.statistics.datasets import REPLICATE_MEAN
from sim.statistics.summary import QUANTILES, summarise
from sim.statistics.values import DrawnValue, draw_value, names_needed

STATISTICS = ("mean", "sd", "quantile", "cvar", "finite")
LONG = 1_000_000  # draws that take seconds
COLUMNS = 256  # that are drawn again at a time: 0.2 GB with 100,000 draws


class AskedStatistics:
    """Statistics of outputs of a run that its summary lacks.

    Tables are made twice where they ask for some: `lacking` collects what the first ones ask for,
    by output with the levels of its quantiles, and `lacking_values` values formed in each draw;
    `answer` draws it again, all together.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self.ds = ds
        self.lacking: dict[str, set[float]] = {}
        self.quarters: dict[str, set[str]] = {}  # of the outputs, ever asked for
        self.summaries: dict[str, xr.Dataset] = {}
        self.lacking_values: dict[str, Tree] = {}
        self.values: dict[str, DrawnValue] = {}

    def find(self, name: str, level: float | None, quarter: str | None = None) -> xr.Dataset | None:
        """The summary with a statistic, such as `arr_quantile`; None where it is not known yet.

        Raises:
            KeyError: If it is no statistic of an output.
        """
        output, _, statistic = name.rpartition("_")
        if output not in OUTPUTS or statistic not in STATISTICS:
            raise KeyError(name)
        summary = self.summaries.get(output)
        levels = {level} if statistic == "quantile" and level is not None else set()
        quarters = {quarter} if quarter is not None and "quarter" in DIMS[output] else set()
        if (
            summary is not None
            and levels <= set(summary["quantile"].values.tolist())
            and quarters <= self.quarters.get(output, set())
        ):
            return summary if name in summary else None
        self.lacking.setdefault(output, set()).update(levels)
        self.quarters.setdefault(output, set()).update(quarters)
        return None

    def value(self, text: str) -> DrawnValue | None:
        """The draws of a value or event (`model.values`); None where they are not known yet.

        Raises:
            ValueSyntaxError: For another text.
        """
        if text not in self.values:
            self.lacking_values[text] = parse(text)
        return self.values.get(text)

    def answer(self, note: Callable[[str], None]) -> bool:
        """Draw again what is lacking, and summarise it; returns whether there was something.

        `note` is called with a line where that takes long, or cannot be done.
        """
        lacking, self.lacking = self.lacking, {}
        values, self.lacking_values = self.lacking_values, {}
        formed = names_needed(values.values())  # of rounded draws the exact ones are taken
        names = [*lacking, *(name for name in formed if name not in self.ds)]
        if names and int(self.ds.attrs["draws"]) > LONG:
            draws = int(self.ds.attrs["draws"])
            listed = ", ".join(dict.fromkeys(names))
            note(f"{listed}: a run keeps no draws of it; {draws:,} are made again for the tables")
        absent: dict[str, str] = {}  # and why
        levels = sorted({*QUANTILES}.union(*lacking.values()))
        for group in self._groups(list(lacking)):
            drawn = self._drawn(group, absent)
            for name in group:
                if name in drawn:
                    some = self._of_quarters(drawn, name)
                    self.summaries[name] = summarise(some, [name], quantiles=levels)
        drawn = self._drawn(formed, absent)
        for text, tree in values.items():
            if all(name in drawn for name in names_needed([tree])):
                self.values[text] = draw_value(tree, drawn)
        if absent:
            note(f"{', '.join(absent)}: not in the tables. {next(iter(absent.values()))}")
        return bool(self.summaries or self.values)

    def _of_quarters(self, drawn: xr.Dataset, name: str) -> xr.Dataset:
        """The quarters of an output that were asked for: of others nothing has to be sorted."""
        if not self.quarters.get(name):
            return drawn
        parts = [n for n in drawn.data_vars if n == name or str(n).startswith(f"{name}_")]
        shared = [n for n in ("replicate_count",) if n in drawn]
        return drawn[[*parts, *shared]].sel(quarter=sorted(self.quarters[name]))

    def _drawn(self, names: list[str], absent: dict[str, str]) -> xr.Dataset:
        """The run with draws of these variables; those that it cannot get go into `absent`."""
        try:
            return redraw(self.ds, names)
        except InputError as error:
            absent |= {name: str(error) for name in names if name not in self.ds}
            return self.ds

    def _groups(self, names: list[str]) -> list[list[str]]:
        """The outputs in groups of up to `COLUMNS` columns, or of one output."""
        groups: list[list[str]] = []
        room = 0
        for name in names:
            known = self.ds.variables.get(name + REPLICATE_MEAN)
            size = COLUMNS if known is None else math.prod(known.shape[1:])
            if size > room:
                groups.append([])
                room = COLUMNS
            groups[-1].append(name)
            room -= size
        return groups
