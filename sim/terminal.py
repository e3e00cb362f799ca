"""Tables, faults and progress in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sim.tables import Cell, Table

if TYPE_CHECKING:
    from rich.progress import Progress

out = Console(highlight=False)
if out.width < 80:  # tables fit 80 columns; a narrower terminal folds lines and loses no digits
    out = Console(highlight=False, width=80)
err = Console(stderr=True, highlight=False)


def show(table: Table) -> None:
    """Print a table, values with their errors."""
    out.print(Text(table.title, style="bold"))
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for i, column in enumerate(table.columns):
        if i == 0:
            rich.add_column(column, max_width=34)
        else:
            rich.add_column(column, justify="right", no_wrap=True)
    for number, (label, cells) in enumerate(table.rows, start=1):
        shown = [_text(cell, table.narrow) for cell in cells]
        rich.add_row(Text(label), *shown, end_section=number in table.rules)
    out.print(rich)
    for remark in table.remarks:
        out.print(Text(remark, style="dim"))
    out.print()


def _text(cell: Cell | str, beside: bool) -> Text:
    if isinstance(cell, str):
        return Text(cell)
    value, error = cell.shown()
    text = Text(value)
    if error:
        text.append(f" ±{error}" if beside else f"\n±{error}", style="dim")
    return text


class Silent:
    """Progress that nobody watches."""

    def advance(self, draws: int) -> None:
        """So many more draws are done."""

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
