"""Tables, faults and progress in a terminal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sim.tables import Cell, Table
from sim.tables.cells import NOT_REPORTED

if TYPE_CHECKING:
    from rich.progress import Progress

out = Console(highlight=False)
if out.width < 80:  # tables fit 80 columns; a narrower terminal folds lines and loses no digits
    out = Console(highlight=False, width=80)
err = Console(stderr=True, highlight=False)


def show(table: Table) -> None:
    """Print a table, values with their errors; one that is too wide goes on below itself."""
    out.print(Text(table.title, style="bold"))
    for columns in _folds(table):
        out.print(_rich(table, columns))
    for remark in table.remarks:
        out.print(Text(remark, style="dim"))
    out.print()


def _folds(table: Table) -> list[range]:
    """The columns beside the labels, in as few and equal parts as the terminal is wide enough."""
    count = len(table.columns) - 1
    for parts in range(1, count + 1):
        ends = [round(count * part / parts) for part in range(parts + 1)]
        cut = [range(a, b) for a, b in itertools.pairwise(ends)]
        if all(_width(_rich(table, columns)) <= out.width for columns in cut):
            return cut
    return [range(i, i + 1) for i in range(count)]


def _width(rich: RichTable) -> int:
    """The columns of a terminal that a table needs, its labels on several lines."""
    return out.measure(rich, options=out.options.update(max_width=10_000)).minimum


def _rich(table: Table, columns: range) -> RichTable:
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    rich.add_column(table.columns[0], max_width=36, overflow="fold")
    rows = [
        [_text(cell, table.narrow) for cell in _said_once(cells[i] for i in columns)]
        for _, cells in table.rows
    ]
    for place, i in enumerate(columns):
        head = table.columns[i + 1]
        # Rich takes a column to need no more than its longest word, and would clip its lines.
        widest = max(
            cell_len(line)
            for text in (head, *(row[place].plain for row in rows))
            for line in text.split("\n")
        )
        rich.add_column(Text(head), justify="right", no_wrap=True, min_width=widest)
    for number, ((label, _), row) in enumerate(zip(table.rows, rows, strict=True), start=1):
        rich.add_row(Text(label), *row, end_section=number in table.rules)
    return rich


def _said_once(cells: Iterable[Cell | str]) -> Iterator[Cell | str]:
    """Cells of a row of which the first that is not reported says so, and others are dashes."""
    said = False
    for cell in cells:
        missing = isinstance(cell, Cell) and cell.shown()[0] == NOT_REPORTED
        yield "-" if missing and said else cell
        said |= missing


def _text(cell: Cell | str, beside: bool) -> Text:
    if isinstance(cell, str):
        return Text(cell)
    value, error = cell.shown()
    if not beside and (math.isnan(cell.value) or math.isinf(cell.error)):
        value = value.replace(" ", "\n", 1)  # words in a column of numbers
    text = Text(value)
    if error:
        text.append(f" ±{error}" if beside else f"\n±{error}", style="dim")
    return text


class Silent:
    """Progress that nobody watches."""

    def advance(self, draws: int) -> None:
        """So many more draws are done."""

    def total(self, draws: int) -> None:
        """There will be so many draws in all."""

    def stage(self, what: str) -> None:
        """The draws are done; now comes something else."""


class Bar(Silent):
    """Progress as a bar of draws, then what is being done with them."""

    def __init__(self, progress: Progress, label: str, draws: int) -> None:
        self.progress, self.label = progress, label
        self.task = progress.add_task(label, total=draws)

    def advance(self, draws: int) -> None:
        """So many more draws are done."""
        self.progress.update(self.task, advance=draws)

    def total(self, draws: int) -> None:
        """There will be so many draws in all."""
        self.progress.update(self.task, total=draws)

    def stage(self, what: str) -> None:
        """The draws are done; now comes something else."""
        self.progress.update(self.task, description=f"{self.label}: {what}")


@contextmanager
def watch(quiet: bool, label: str, draws: int) -> Iterator[Silent]:
    """Progress on the error stream, if that is a terminal; gone when the work is done."""
    if quiet or not err.is_terminal:
        yield Silent()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("draws"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        yield Bar(progress, label, draws)
