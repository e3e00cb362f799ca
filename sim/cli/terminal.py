"""Tables, messages and progress in a terminal.

What a user typed is never markup: texts are made plain here, and styles are given beside them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sim.common.text import plain, plain_lines
from sim.tables.table import NOT_REPORTED, Cell, Table

if TYPE_CHECKING:
    from rich.progress import Progress
MIN_WIDTH = 80  # tables fit it; a narrower terminal folds lines and loses no digits
MAX_LABEL, GAP = 36, 2  # columns of a terminal: for labels, and between columns of a table
Line = tuple[str, str]  # of a cell: its plain text, and the dim text after it
T = TypeVar("T")


def consoles() -> tuple[Console, Console]:
    """Consoles of the output and error streams, of the current width."""
    options: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    output = Console(**options)
    if output.width < MIN_WIDTH:
        output = Console(**options, width=MIN_WIDTH)
    return output, Console(stderr=True, **options)


out, err = consoles()


def say(text: object = "", style: str = "") -> None:
    """Print lines of text, wrapped at the width of the terminal."""
    out.print(Text(plain_lines(text), style))


def say_lines(lines: Iterable[Text]) -> None:
    """Print lines that were laid out, as they are."""
    for line in lines:
        out.print(line, no_wrap=True, overflow="ignore", crop=False)


def say_headed(head: object, text: str, *, unbroken: bool = False) -> None:
    """Print a head in bold and a text after it.

    An unbroken line is not wrapped: some terminals make a link of a folder.
    """
    line = Text(plain(head), "bold")
    out.print(Text.assemble(line, f"  {plain(text)}"), soft_wrap=unbroken)


def warn(text: object, style: str = "bold red") -> None:
    """Print lines of text on the error stream."""
    err.print(Text(plain_lines(text), style))


def show(table: Table, errors: bool = True, close: bool = False) -> None:
    """Print a table, values with their errors; `close` without blank lines around it.

    Without `errors` those that are at most a hundredth of the spread are left out, and digits
    follow the spread. A table that is too wide continues below itself.
    """
    say(table.title, "bold")
    for part in _split(table, errors):
        text = part.text(out.width)
        if close:
            text = Text("\n").join(text.split("\n")[1:-1])
        out.print(text, no_wrap=True, overflow="ignore", crop=False)
    for remark in table.remarks:
        say(remark, "dim")
    if not close:
        say()


def _split(table: Table, errors: bool) -> list[_Part]:
    """The columns beside the labels, in parts that fit the terminal.

    The parts are as few and as equal as possible.
    """
    count = len(table.columns) - 1
    for parts in range(1, count + 1):
        ends = [round(count * part / parts) for part in range(parts + 1)]
        split = [_Part(table, range(begin, end), errors) for begin, end in itertools.pairwise(ends)]
        if all(part.min_width <= out.width for part in split):
            return split
    return [_Part(table, range(i, i + 1), errors) for i in range(count)]


class _Part:
    """The labels and some columns of a table, laid out.

    Widths are in columns of the terminal.

    Rich's own tables look the same and take six times as long, a twentieth of a short run.
    """

    def __init__(self, table: Table, columns: range, errors: bool) -> None:
        """Lay out the cells of columns, counted without the labels; `errors` as of `show`."""
        self.rules = table.rules
        self.labels = [*map(plain_lines, (table.columns[0], *(label for label, _ in table.rows)))]
        rows = [
            [
                _cell_lines(cell, table.narrow, errors)
                for cell in _dash_repeats(cells[i] for i in columns)
            ]
            for _, cells in table.rows
        ]
        self.rows = [[_cell_lines(table.columns[i + 1]) for i in columns], *rows]
        self.widths = [
            max(cell_len(plain) + cell_len(dim) for row in self.rows for plain, dim in row[i])
            for i in range(len(columns))
        ]
        self.cells_width = sum(self.widths) + GAP * len(columns) + 2  # with both edges
        longest_word = max(
            cell_len(word) for label in self.labels for word in label.split() or [""]
        )
        self.min_width = self.cells_width + min(longest_word, MAX_LABEL)

    def text(self, width: int) -> Text:
        """The part as text, with labels wrapped if need be.

        It is at most `width` columns wide.

        Heads stand at the bottom of their row, other cells at its top.
        """
        longest = max(cell_len(line) for label in self.labels for line in label.split("\n"))
        label_width = min(longest, MAX_LABEL, width - self.cells_width)
        blank = " " * (label_width + self.cells_width)
        text = Text(f"{blank}\n")
        for number, (label, cells) in enumerate(zip(self.labels, self.rows, strict=True)):
            is_head = number == 0
            wrapped = Text(label).wrap(out, label_width, overflow="fold")
            label_lines = [line.plain for line in wrapped]
            height = max(len(label_lines), *map(len, cells))
            for i in range(height):
                line = _line(label_lines, i, height, is_head, "")
                padding = " " * (label_width - cell_len(line))
                text.append(f" {line}{padding}", "bold" if is_head else None)
                for lines, cell_width in zip(cells, self.widths, strict=True):
                    plain, dim = _line(lines, i, height, is_head, ("", ""))
                    padding = " " * (GAP + cell_width - cell_len(plain) - cell_len(dim))
                    text.append(f"{padding}{plain}", "bold" if is_head else None)
                    if dim:
                        text.append(dim, "dim")
                text.append(" \n")
            if is_head:
                text.append(f" {'─' * (len(blank) - 2)} \n")
            elif number in self.rules and number < len(self.rows) - 1:
                text.append(f"{blank}\n")
        text.append(blank)
        return text


def _line(lines: Sequence[T], i: int, height: int, at_bottom: bool, blank: T) -> T:
    """Line `i` of a cell in a row of `height` lines.

    The cell's own lines are at the bottom of the row or at its top.
    """
    index = i - height + len(lines) if at_bottom else i
    return lines[index] if 0 <= index < len(lines) else blank


def _dash_repeats(cells: Iterable[Cell | str]) -> Iterator[Cell | str]:
    """Replace repeated "not reported" cells of a row by dashes."""
    repeated = False
    for cell in cells:
        missing = isinstance(cell, Cell) and cell.rounded()[0] == NOT_REPORTED
        yield "-" if missing and repeated else cell
        repeated |= missing


def _cell_lines(cell: Cell | str, narrow: bool = False, errors: bool = True) -> list[Line]:
    """The lines of a cell; `errors` as of `show`.

    The error is below the value or, if `narrow`, beside it.
    """
    if isinstance(cell, str):
        return [(plain(line), "") for line in cell.split("\n")]
    value, error = cell.rounded() if errors else cell.brief()
    if not narrow and (math.isnan(cell.value) or math.isinf(cell.error)):
        value = value.replace(" ", "\n", 1)  # words in a column of numbers
    lines = [(line, "") for line in value.split("\n")]
    if error and narrow:
        lines[-1] = (lines[-1][0], f" ±{error}")
    elif error:
        lines.append(("", f"±{error}"))
    return lines


class Silent:
    """Progress that is not shown."""

    def advance(self, draws: int) -> None:
        """Add draws that are done."""

    def total(self, draws: int) -> None:
        """Set the number of draws to be done."""

    def stage(self, name: str) -> None:
        """Show what is done after the draws."""


class Bar(Silent):
    """Progress as a bar of draws, then the name of a stage."""

    def __init__(self, progress: Progress, label: str, draws: int) -> None:
        self.progress, self.label = progress, plain(label)
        self.task = progress.add_task(self.label, total=draws)

    def advance(self, draws: int) -> None:
        """Add draws that are done."""
        self.progress.update(self.task, advance=draws)

    def total(self, draws: int) -> None:
        """Set the number of draws to be done."""
        self.progress.update(self.task, total=draws)

    def stage(self, name: str) -> None:
        """Show what is done after the draws."""
        self.progress.update(self.task, description=f"{self.label}: {name}")


@contextmanager
def watch(quiet: bool, label: str, draws: int) -> Iterator[Silent]:
    """Progress on the error stream, if that is a terminal.

    It is cleared when the work is done.
    """
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("draws"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        yield Bar(progress, label, draws)
