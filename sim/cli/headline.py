"""The headline of a run as a page of at most thirty lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.text import Text

from sim.cli import terminal
from sim.cli.run_output import Description
from sim.common.text import paragraph, plain
from sim.tables.table import DRIVERS, LABS, Cell, Headline, Table

MOST_LINES = 30
MOST_LABS = 8  # lines of labs, unless some are chosen
WORDS_LINES = 2  # of the description
OVERRIDES = 3
GAP = 2
ENDS = ("p5", "p95")
INTERVAL = "5 to 95 %"
Style = Callable[[Cell], str]


def print_headline(
    headline: Headline, description: Description, folder: str, *notes: str, errors: bool = False
) -> None:
    """Print what a run is, its margins and labs, what moves them, what is odd, and its folder.

    It has at most thirty lines: what is odd and does not fit is counted, and so are more labs than
    eight. With `errors` every number has its own, and there may be more lines.
    """
    above = [*_about(headline, description), Text()]
    for table in headline.tables:
        if table.name != DRIVERS:
            above += [*_table(table, errors), Text()]
    above += _drivers(headline.tables, errors)
    left = MOST_LINES - len(above) - 1
    odd = [*headline.remarks, *map(plain, description.remarks)]
    for line in (*above, *_odd(odd, len(above) if errors else left, errors)):
        terminal.out.print(line, no_wrap=True, overflow="ignore", crop=False)
    if folder:
        terminal.say_headed(folder, "  ".join(filter(None, notes)), unbroken=True)
    else:
        terminal.say("  ".join(filter(None, notes)), "dim")


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
    overrides = [f"  {override}" for override in description.overrides]
    if len(overrides) > OVERRIDES:
        more = len(overrides) - OVERRIDES + 1
        overrides = [*overrides[: OVERRIDES - 1], f"  and {more} more changes (--json has them)"]
    for text in overrides:
        line = Text(text)
        line.truncate(terminal.out.width, overflow="ellipsis")
        lines.append(line)
    for target in headline.targets:
        lines += _wrap(Text(f"  {plain(target)}"))
    return lines


def _wrap(text: Text, indent: int = 0) -> list[Text]:
    """The lines of a text at the width of the terminal, all but the first indented."""
    wrapped = text.wrap(terminal.out, terminal.out.width - indent)
    return [line if i == 0 else Text(" " * indent) + line for i, line in enumerate(wrapped)]


def _table(table: Table, errors: bool) -> list[Text]:
    """A table as lines: its title stands in the head above the labels.

    Errors are shown as their size asks for. A table that is too wide for them shows its numbers
    rounded by their errors, which `--errors` shows.
    """
    rows = table.rows
    left_out = ""
    if table.name == LABS and len(rows) > MOST_LABS and not errors:
        left_out = f"and {len(rows) - MOST_LABS + 1} more labs (table labs)"
        rows = rows[: MOST_LABS - 1]
    styles: list[Style] = [_with_large_error, _rounded]
    if errors:
        styles.insert(0, _with_error)
    for gap, style in [(g, s) for s in styles for g in (GAP, 1)]:
        lines = _lay_out(table, rows, style, gap)
        if max(map(cell_len, lines)) <= terminal.out.width:
            break
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
    table: Table, rows: Sequence[tuple[str, list[Cell | str]]], style: Style, gap: int
) -> list[str]:
    """The lines of a table; columns of a 5 and a 95 % quantile become one."""
    titles = table.title.split("\n")
    texts = [[_text(cell, style) for cell in cells] for _, cells in rows]
    columns = []
    low: list[str] = []
    for i, head in enumerate(table.columns[1:]):
        column = _aligned([row[i] for row in texts])
        end = head.split("\n")[-1]
        if end == ENDS[0]:
            low = column
        elif end == ENDS[1]:
            pairs = zip(low, column, strict=True)
            spans = [a.strip() if a.strip() == b.strip() else f"{a} to {b}" for a, b in pairs]
            columns.append([*_head(INTERVAL, len(titles)), *_justified(spans)])
        else:
            columns.append([*_head(head, len(titles)), *column])
    labels = [*titles, *(plain(label) for label, _ in rows)]
    width = max(map(cell_len, labels))
    lines = []
    for number, label in enumerate(labels):
        line = label + " " * (width - cell_len(label))
        for column in columns:
            size = max(map(cell_len, column))
            line += " " * (gap + size - cell_len(column[number])) + column[number]
        lines.append(line.rstrip())
    return lines


def _text(cell: Cell | str, style: Style) -> str:
    return cell if isinstance(cell, str) else style(cell)


def _head(head: str, height: int) -> list[str]:
    """The lines of a head, at the bottom of so many."""
    lines = head.split("\n")
    return [*[""] * (height - len(lines)), *lines]


def _aligned(texts: Sequence[str]) -> list[str]:
    """Texts of one width with their decimal points below one another; words end at the right."""
    after = [
        len(text) - len(re.match(r"[-<> ]*\d*", text)[0]) if _is_number(text) else 0  # type: ignore[index]
        for text in texts
    ]
    most = max(after, default=0)
    padded = [
        text + " " * (most - size) if _is_number(text) else text
        for text, size in zip(texts, after, strict=True)
    ]
    return _justified(padded)


def _is_number(text: str) -> bool:
    return text[-1:].isdigit()


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


def _odd(remarks: Sequence[str], most: int, everything: bool) -> list[Text]:
    """What is odd, in as many lines as there are; the rest is counted."""
    if not remarks:
        return []
    wrapped = [_wrap(Text(f"- {plain(text)}"), 2) for text in remarks]
    head = Text("What is odd:", "bold")
    lines, shown = [head], 0
    for part in wrapped:
        room = most - len(lines) - (0 if shown == len(wrapped) - 1 else 1)
        if len(part) > room and not everything:
            break
        lines += part
        shown += 1
    if shown < len(wrapped):
        lines.append(Text(f"- and {len(wrapped) - shown} more (table odd)"))
    return lines
