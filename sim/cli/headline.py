"""The headline of a run as a page of at most thirty lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from sim.cli import terminal
from sim.cli.run_output import Description
from sim.cli.terminal import MIN_WIDTH
from sim.common.text import paragraph, plain
from sim.parameters.override import Override
from sim.tables.table import DRIVERS, LABS, NOT_REPORTED, Cell, Headline, Table

MOST_LINES = 30
MOST_LABS = 8  # lines of labs, unless some are chosen
WORDS_LINES = 2  # of the description
OVERRIDES = 2
GAP = 2
LEAST_LABEL = 12  # columns of a name that is shortened
ENDS = ("p5", "p95")
INTERVAL = "5 to 95 %"
SET = "--set"
MORE = "more tables: sim show --list"
Style = Callable[[Cell], str]
_NUMBER = re.compile(r"[-<> ]*\d+")  # up to the decimal point
_BOUND = "\ue000"  # no space, so that a number and its percent sign stay on one line


def print_headline(
    headline: Headline, description: Description, folder: str, *notes: str, errors: bool = False
) -> None:
    """Print what a run is, its margins and labs, what moves them, what is odd, and its folder.

    It has at most thirty lines: what is odd and does not fit is counted, and so are more labs than
    eight. With `errors` every number stands above its own, all is shown, and it has more lines.
    """
    tables = [table for table in headline.tables if table.name != DRIVERS]
    lines = [*_about(headline, description), Text()]
    if errors:
        terminal.say_lines(lines)
        for table in tables:
            terminal.show(replace(table, title=table.title.replace("\n", "; ")))
        lines = []
    else:
        for table in tables:
            lines += [*_table(table), Text()]
    lines += _drivers(headline.tables, errors)
    odd = [*headline.remarks, *map(plain, description.remarks)]
    terminal.say_lines([*lines, *_odd(odd, None if errors else MOST_LINES - len(lines) - 1)])
    notes = (*filter(None, notes), MORE)
    while len(notes) > 1 and sum(map(cell_len, (folder, *notes))) + 2 * len(notes) > MIN_WIDTH:
        notes = notes[:-1]
    if folder:
        terminal.say_headed(folder, "  ".join(notes), unbroken=True)
    else:
        terminal.say("  ".join(notes), "dim")


def _about(headline: Headline, description: Description) -> list[Text]:
    """The title, the description, what differs from the file, and targets of `--until`."""
    of = headline.attributes
    title = Text(plain(of["scenario"]), "bold")
    draws = "1 draw" if of["draws"] == 1 else f"{of['draws']:,} draws"
    title.append(f"  {draws}, {of['sampler']}, seed {of['seed']}, {headline.settings}", "not bold")
    lines = _wrap(title)
    if description.text:
        wrapped = _wrap(Text(paragraph(description.text)))
        if len(wrapped) > WORDS_LINES:
            wrapped = wrapped[:WORDS_LINES]
            wrapped[-1].truncate(terminal.out.width - 2)
            wrapped[-1].append(" …")
        lines += wrapped
    for text in _changes(description.overrides):
        line = Text(f"  {text}")
        line.truncate(terminal.out.width, overflow="ellipsis")
        lines.append(line)
    for target in headline.targets:
        lines += _wrap(Text(f"  {plain(target)}"))
    return lines


def _changes(overrides: Sequence[Override]) -> list[str]:
    """What differs from the file that a scenario extends: a line for each of few, else names.

    What `--set` changed comes first.
    """
    if len(overrides) <= OVERRIDES:
        return [*map(str, overrides)]
    by: dict[str, list[str]] = {}
    for override in sorted(overrides, key=lambda override: override.by != SET):
        source = re.sub(r":\d+$", "", plain(override.by)).rpartition("/")[2]
        by.setdefault(source, []).append(plain(override.key))
    lines = [
        f"{len(keys)} {'change' if len(keys) == 1 else 'changes'} by {source}: {', '.join(keys)}"
        for source, keys in by.items()
    ]
    return lines[:OVERRIDES]


def _wrap(text: Text, indent: int = 0) -> list[Text]:
    """The lines of a text at the width of the terminal, all but the first indented."""
    text.plain = text.plain.replace(" %", f"{_BOUND}%")
    wrapped = text.wrap(terminal.out, terminal.out.width - indent)
    for line in wrapped:
        line.plain = line.plain.replace(_BOUND, " ").rstrip()
    return [line if i == 0 else Text(" " * indent) + line for i, line in enumerate(wrapped)]


def _table(table: Table) -> list[Text]:
    """A table as lines: its title stands in the head above the labels.

    Errors are shown where they are large. A table that is too wide for them shows its numbers
    rounded by their errors, which `--errors` shows.
    """
    rows = table.rows
    left_out = ""
    if table.name == LABS and len(rows) > MOST_LABS:
        left_out = f"and {len(rows) - MOST_LABS + 1} more labs (table labs)"
        rows = rows[: MOST_LABS - 1]
    for gap, style in [(g, s) for s in (_with_large_error, _rounded) for g in (GAP, 1)]:
        lines = _lay_out(table, rows, style, gap)
        too_wide = max(map(cell_len, lines)) - terminal.out.width
        if too_wide <= 0:
            break
    if too_wide > 0:  # long names are shortened
        longest = max(cell_len(plain(label)) for label, _ in rows)
        lines = _lay_out(table, rows, _rounded, 1, longest - too_wide)
    heads = len(table.title.split("\n"))
    styled = [Text(line, "bold" if i < heads else "") for i, line in enumerate(lines)]
    return styled + ([Text(left_out)] if left_out else [])


def _with_error(cell: Cell) -> str:
    value, error = cell.rounded()
    return f"{value} ±{error}" if error else value


def _with_large_error(cell: Cell) -> str:
    value, error = cell.brief()
    return f"{value} ±{error}" if error else value


def _rounded(cell: Cell) -> str:
    return cell.brief()[0]


def _lay_out(
    table: Table,
    rows: Sequence[tuple[str, list[Cell | str]]],
    style: Style,
    gap: int,
    longest: int | None = None,
) -> list[str]:
    """The lines of a table; columns of a 5 and a 95 % quantile become one.

    Labels are shortened to the columns `longest`, if that is given.
    """
    titles = table.title.split("\n")
    texts = [[_text(cell, style) for cell in cells] for _, cells in rows]
    columns = []
    low: list[str] = []
    for i, head in enumerate(table.columns[1:]):
        end = head.split("\n")[-1]
        found = [row[i] for row in texts]
        if end not in ENDS:
            found = ["-" if text == NOT_REPORTED else text for text in found]
        column = _aligned(found)
        if end == ENDS[0]:
            low = column
        elif end == ENDS[1]:
            spans = [_span(a, b) for a, b in zip(low, column, strict=True)]
            columns.append([*_head(INTERVAL, len(titles)), *_justified(spans)])
        else:
            columns.append([*_head(head, len(titles)), *column])
    labels = [*titles, *(_shortened(plain(label), longest) for label, _ in rows)]
    width = max(map(cell_len, labels))
    lines = []
    for number, label in enumerate(labels):
        line = label + " " * (width - cell_len(label))
        for column in columns:
            size = max(map(cell_len, column))
            line += " " * (gap + size - cell_len(column[number])) + column[number]
        lines.append(line.rstrip())
    return lines


def _shortened(label: str, longest: int | None) -> str:
    """A label of at most so many columns, and never of fewer than those of the title."""
    if longest is None or cell_len(label) <= max(longest, LEAST_LABEL):
        return label
    return f"{set_cell_size(label, max(longest, LEAST_LABEL) - 1)}…"


def _text(cell: Cell | str, style: Style) -> str:
    return cell if isinstance(cell, str) else style(cell)


def _head(head: str, height: int) -> list[str]:
    """The lines of a head, at the bottom of so many."""
    lines = head.split("\n")
    return [*[""] * (height - len(lines)), *lines]


def _span(low: str, high: str) -> str:
    """An interval; the text alone where both ends are the same."""
    return low.strip() if low.strip() == high.strip() else f"{low} to {high}"


def _aligned(texts: Sequence[str]) -> list[str]:
    """Texts of one width with decimal points below one another, but for `NOT_REPORTED`.

    Where some have an error, all end at the right.
    """
    has_errors = any("±" in text for text in texts)
    found = [None if has_errors else _NUMBER.match(text) for text in texts]
    pairs = [*zip(texts, found, strict=True)]
    after = [len(text) - number.end() for text, number in pairs if number]
    padded = [
        text + " " * (max(after) - len(text) + number.end()) if number else text
        for text, number in pairs
    ]
    width = max((cell_len(text) for text in padded if text != NOT_REPORTED), default=0)
    return [" " * (width - cell_len(text)) + text for text in padded]


def _justified(texts: Sequence[str]) -> list[str]:
    """Texts of one width that end at the right."""
    width = max(map(cell_len, texts), default=0)
    return [" " * (width - cell_len(text)) + text for text in texts]


def _drivers(tables: Sequence[Table], errors: bool) -> list[Text]:
    """What moves the first number most, in a sentence."""
    lines = []
    for table in tables:
        if table.name != DRIVERS:
            continue
        style = _with_error if errors else _with_large_error
        parts = []
        for number, (label, (share, rise)) in enumerate(table.rows):
            of, higher = (" of its spread", "higher ") if number == 0 else ("", "")
            parts.append(f"{plain(label)} {_text(share, style)} %{of} ({higher}{rise})")
        head, _, _ = table.title.partition(" (")
        sentence = Text(f"{head}: ", "bold")
        sentence.append(f"{', '.join(parts)}.", "not bold")
        lines += _wrap(sentence, 2)
    return lines


def _odd(remarks: Sequence[str], most: int | None) -> list[Text]:
    """What is odd, in `most` lines at most, one of which counts what does not fit."""
    wrapped = [_wrap(Text.assemble(("Odd: ", "bold"), plain(text)), 2) for text in remarks]
    if most is None or sum(map(len, wrapped)) <= most:
        return [line for part in wrapped for line in part]
    lines: list[Text] = []
    left_out = 0
    for part in wrapped:
        if len(lines) + len(part) < most:
            lines += part
        else:
            left_out += 1
    return [*lines, Text(f"Odd: {left_out} more (table odd)")]
