"""Tables, faults and progress in a terminal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sim.tables.cells import NOT_REPORTED, Cell, Table

if TYPE_CHECKING:
    from rich.progress import Progress
out = Console(highlight=False)
if out.width < 80:  # tables fit 80 columns; a narrower terminal folds lines and loses no digits
    out = Console(highlight=False, width=80)
LABEL, GAP = 36, 2  # columns of a terminal: most for labels, and between columns of a table
err = Console(stderr=True, highlight=False)
Line = tuple[str, str]  # of a cell: what is plain, and what is dim


def show(table: Table) -> None:
    """Print a table, values with their errors; one that is too wide goes on below itself."""
    out.print(Text(table.title, style="bold"))
    for part in _folds(table):
        out.print(part.drawn(out.width), no_wrap=True, overflow="ignore", crop=False)
    for remark in table.remarks:
        out.print(Text(remark, style="dim"))
    out.print()


def _folds(table: Table) -> list[_Part]:
    """The columns beside the labels, in as few and equal parts as the terminal is wide enough."""
    count = len(table.columns) - 1
    for parts in range(1, count + 1):
        ends = [round(count * part / parts) for part in range(parts + 1)]
        cut = [_Part(table, range(a, b)) for a, b in itertools.pairwise(ends)]
        if all(part.least <= out.width for part in cut):
            return cut
    return [_Part(table, range(i, i + 1)) for i in range(count)]


class _Part:
    """The labels and some other columns of a table, as they are laid out.

    Tables of Rich's look the same, and take six times as long: a twentieth of a short run.
    """

    def __init__(self, table: Table, columns: range) -> None:
        self.rules = table.rules
        self.labels = [table.columns[0], *(label for label, _ in table.rows)]
        rows = [
            [_lines(cell, table.narrow) for cell in _said_once(cells[i] for i in columns)]
            for _, cells in table.rows
        ]
        self.rows = [[_lines(table.columns[i + 1]) for i in columns], *rows]
        self.widths = [
            max(cell_len(plain) + cell_len(dim) for row in self.rows for plain, dim in row[place])
            for place in range(len(columns))
        ]
        self.beside = sum(self.widths) + GAP * len(columns) + 2  # edges as well
        longest = max(cell_len(word) for label in self.labels for word in label.split() or [""])
        self.least = self.beside + min(longest, LABEL)

    def drawn(self, width: int) -> Text:
        """What is printed in so many columns of a terminal, its labels on several lines if need be.

        Heads stand at the bottom of their row, other cells at its top.
        """
        longest = max(cell_len(line) for label in self.labels for line in label.split("\n"))
        room = min(longest, LABEL, width - self.beside)
        blank = " " * (room + self.beside)
        text = Text(f"{blank}\n")
        for number, (label, cells) in enumerate(zip(self.labels, self.rows, strict=True)):
            said = [line.plain for line in Text(label).wrap(out, room, overflow="fold")]
            tall = max(len(said), *map(len, cells))
            below = tall if number == 0 else 0
            for at in range(tall):
                line = _at(said, at, below, "")
                text.append(f" {line}{' ' * (room - cell_len(line))}", "bold" if below else None)
                for lines, wide in zip(cells, self.widths, strict=True):
                    plain, dim = _at(lines, at, below, ("", ""))
                    left = GAP + wide - cell_len(plain) - cell_len(dim)
                    text.append(f"{' ' * left}{plain}", "bold" if below else None)
                    if dim:
                        text.append(dim, "dim")
                text.append(" \n")
            if number == 0:
                text.append(f" {'─' * (len(blank) - 2)} \n")
            elif number in self.rules and number < len(self.rows) - 1:
                text.append(f"{blank}\n")
        text.append(blank)
        return text


def _at(lines: Sequence[Any], at: int, below: int, nothing: Any) -> Any:
    """A line of a cell, which ends at the line `below` of its row if that is not 0."""
    place = at - below + len(lines) if below else at
    return lines[place] if 0 <= place < len(lines) else nothing


def _said_once(cells: Iterable[Cell | str]) -> Iterator[Cell | str]:
    """Cells of a row of which the first that is not reported says so, and others are dashes."""
    said = False
    for cell in cells:
        missing = isinstance(cell, Cell) and cell.shown()[0] == NOT_REPORTED
        yield "-" if missing and said else cell
        said |= missing


def _lines(cell: Cell | str, beside: bool = False) -> list[Line]:
    if isinstance(cell, str):
        return [(line, "") for line in cell.split("\n")]
    value, error = cell.shown()
    if not beside and (math.isnan(cell.value) or math.isinf(cell.error)):
        value = value.replace(" ", "\n", 1)  # words in a column of numbers
    lines = [(line, "") for line in value.split("\n")]
    if error and beside:
        lines[-1] = (lines[-1][0], f" ±{error}")
    elif error:
        lines.append(("", f"±{error}"))
    return lines


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
