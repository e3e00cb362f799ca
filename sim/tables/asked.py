"""Statistics that tables ask for and a stored summary lacks, of draws that are made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import xarray as xr

from sim.common.errors import InputError
from sim.expressions.parse import parse_any
from sim.expressions.tree import Tree, references
from sim.model.catalogue import DIMS, OUTPUTS
from sim.model.record_layout import CELL
from sim.simulation.redraw import redraw_cells
from sim.statistics.datasets import is_rounded
from sim.statistics.summary import QUANTILES, summarise
from sim.statistics.values import DrawnValue, cell_label, draw_value, labels_of, names_needed

STATISTICS = ("mean", "sd", "quantile", "cvar", "finite")
LONG = 1_000_000  # draws that take seconds

Labels = tuple[str, ...]  # of a cell of an output, in the order of its dims


class Summary(NamedTuple):
    """A summary, and the index of each label by dim."""

    data: xr.Dataset
    indices: dict[str, dict[Any, int]]

    @classmethod
    def of(cls, data: xr.Dataset) -> Summary:
        """A summary with its indices."""
        return cls(data, indices_of(data))


def indices_of(ds: xr.Dataset) -> dict[str, dict[Any, int]]:
    """Dim -> label -> index, of all dims but `draw`."""
    return {
        str(dim): {label: i for i, label in enumerate(ds[dim].values.tolist())}
        for dim in ds.dims
        if dim != "draw"
    }


class AskedStatistics:
    """Statistics of outputs of a run that its summary lacks.

    Tables are made twice where they ask for some: `find` and `value` collect what the first ones
    ask for, statistics of cells of outputs and values formed in each draw, and `draws` all of some
    variables; `answer` draws what these need again, in one pass.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self.ds = ds
        self.levels: set[float] = {*QUANTILES}
        self.lacking: dict[str, dict[Labels, None]] = {}  # output -> cells, each once
        self.summaries: dict[str, Summary] = {}
        self.lacking_draws: set[str] = set()
        self.drawn: xr.Dataset | None = None
        self.lacking_values: dict[str, Tree] = {}
        self.values: dict[str, DrawnValue] = {}

    def find(
        self, name: str, level: float | None, at: dict[str, Any]
    ) -> tuple[Summary, dict[str, Any]] | None:
        """The summary with a statistic, such as `arr_quantile`, and the labels of its dims there.

        `at` are the labels of the output's dims. None where it is not known yet.

        Raises:
            KeyError: If it is no statistic of an output.
        """
        output, _, statistic = name.rpartition("_")
        if output not in OUTPUTS or statistic not in STATISTICS:
            raise KeyError(name)
        cell = tuple(str(at[dim]) for dim in DIMS[output])
        labels = {**at, f"{output}{CELL}": cell_label(cell)}
        known = self.summaries.get(output)
        if known is not None and name in known.data:
            dims = [str(dim) for dim in known.data[name].dims]
            if all(labels[dim] in known.indices[dim] for dim in dims):
                return known, labels
        self.lacking.setdefault(output, {})[cell] = None
        if level is not None:
            self.levels.add(level)
        return None

    def draws(self, names: Sequence[str]) -> xr.Dataset | None:
        """The run with exact draws of these variables; None where they are not known yet."""
        if self.drawn is not None and all(n in self.drawn for n in names):
            return self.drawn
        self.lacking_draws.update(names)
        return None

    def value(self, text: str) -> DrawnValue | None:
        """The draws of a value or event (`sim.expressions`); None where they are not known yet.

        Raises:
            ExpressionError: For another text.
        """
        if text not in self.values:
            self.lacking_values[text] = parse_any(text)
        return self.values.get(text)

    def answer(self, note: Callable[[str], None]) -> bool:
        """Draw again what is lacking, and summarise it; returns whether there was something.

        `note` is called with a line where that takes long, or cannot be done.
        """
        lacking, self.lacking = self.lacking, {}
        values, self.lacking_values = self.lacking_values, {}
        names, self.lacking_draws = self.lacking_draws, set()
        drawn = self._draw(lacking, values, names, note)
        if names:
            self.drawn = drawn
        known = [name for name in lacking if name in drawn]
        if known:
            # Columns are few, and each thread would need memory of its own.
            found = summarise(drawn, known, sorted(self.levels), tails=[], threads=1)
            summary = Summary.of(found)
            self.summaries |= dict.fromkeys(known, summary)
        for text, tree in values.items():
            if all(name in drawn for name in names_needed([tree])):
                self.values[text] = draw_value(tree, drawn)
        return bool(self.summaries or self.values or self.drawn)

    def _draw(
        self,
        lacking: dict[str, dict[Labels, None]],
        values: dict[str, Tree],
        entire: set[str],
        note: Callable[[str], None],
    ) -> xr.Dataset:
        """The run with draws of what is lacking, as far as it can get them; `note` as of `answer`.

        Of rounded draws the exact ones are taken. All cells are of what is `entire`, and of
        probabilities.
        """
        found = [reference for tree in values.values() for reference in references(tree)]
        in_tables = dict.fromkeys([*lacking, *names_needed(values.values())])
        needed = [*in_tables, *sorted(entire)]
        names = [n for n in dict.fromkeys(needed) if n not in self.ds or is_rounded(self.ds, n)]
        cells = {name: {**lacking.get(name, {})} for name in names if name in DIMS}
        for reference in found:
            if reference.name in cells:
                cells[reference.name][labels_of(reference)] = None
        whole = entire.union(names_needed(tree for tree in found if tree.name not in cells))
        some = {name: list(labels) for name, labels in cells.items() if name not in whole}
        if not names:
            return self.ds
        draws = int(self.ds.attrs["draws"])
        absent = [name for name in names if name not in self.ds and name in in_tables]
        if absent and draws > LONG:
            listed = ", ".join(absent)
            note(f"{listed}: a run keeps no draws of it; {draws:,} are made again for the tables")
        try:
            drawn = redraw_cells(self.ds, names, some, only_kept=not lacking)
        except InputError as error:
            if absent:
                note(f"{', '.join(absent)}: not in the tables. {error}")
            return self.ds
        held = [str(name) for name in drawn.data_vars if name in self.ds]
        return self.ds.drop_vars(held).assign(drawn.data_vars).assign_coords(drawn.coords)
