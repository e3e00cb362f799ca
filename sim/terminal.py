"""Tables, faults and progress in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable
from rich.text import Text

from sim.tables import Cell, Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def show(table: Table) -> None:
    """Print a table, values with their errors."""
    out.print(Text(table.title, style="bold"))
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for i, column in enumerate(table.columns):
        rich.add_column(column, justify="left" if i == 0 else "right", no_wrap=i > 0)
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


@contextmanager
def progress(quiet: bool, label: str, draws: int) -> Iterator[Callable[[int], None] | None]:
    """A progress bar on the error stream, gone when the work is done."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("draws"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(label, total=draws)
        yield lambda done: bar.update(task, advance=done)
