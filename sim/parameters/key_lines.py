"""The lines on which the keys of a TOML text stand, found before the text is parsed.

Texts that a parser would take without end, or that nobody writes, are refused here: one pass over
the text in bounded memory comes before the tables that a parser makes of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from sim.parameters.locations import Key

MAX_DEPTH = 50  # parts of a key, and tables and lists within one another
MOST_ENTRIES = 20_000  # keys, tables and lists of a file: each takes up to 1.5 kB when parsed

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*(=|\]\]?)")
# A key of too many parts, wherever it stands; the look-behind makes the search linear.
_LONG_KEY = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]++\s*+\.\s*+){{{MAX_DEPTH}}}")
_BRACKET = re.compile(r"[\[\]{}]")
_HOLDERS = (dict, list, tuple)
_SPECIAL = re.compile(r"[\"'#\n]")
# Repeats are possessive, so that a long string takes no memory for ways back.
_STRING = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}|\'{3}(?:[^']++|'(?!''))*+'{3,5}'''
    r"""|"(?:[^"\\\n]++|\\[^\n])*+"|'[^'\n]*+'""",
    re.DOTALL,
)


class LimitError(ValueError):
    """A text beyond a limit, with the line and the key that are beyond it."""

    def __init__(self, line: int, key: Key, message: str) -> None:
        super().__init__(message)
        self.line, self.key = line, key


def too_deep(line: int, key: Key) -> LimitError:
    """The error of a key, or of what it holds, that is nested too deeply."""
    message = f"nested too deeply: expected at most {MAX_DEPTH} tables and lists in one another"
    return LimitError(line, key[:3], message)


def find_key_lines(text: str) -> Iterator[tuple[Key, int]]:
    """Key and line of every key and table of a TOML text.

    Array tables are counted "0", "1", ...; keys of inline tables are left out.

    Raises:
        LimitError: If the text is nested beyond `MAX_DEPTH`, or has more than `MOST_ENTRIES`.
    """
    table: Key = ()
    counts: dict[Key, int] = {}
    key: Key = ()
    depth = entries = 0
    for number, start, mask in _masked_lines(text):
        if mask.count(".") >= MAX_DEPTH and _LONG_KEY.search(mask):
            raise too_deep(number, key)
        brackets = len(mask) - len(mask.lstrip().lstrip("["))
        brackets = brackets if mask.lstrip().startswith("[") else 0
        match = _KEY.match(mask, brackets) if depth == 0 else None
        stated = text[start + match.start(1) : start + match.end(1)] if match else ""
        entries += mask.count("=") + mask.count("[") + mask.count("{")
        entries += (mask if "{" in mask else stated).count(".")  # a table for each part of a key
        if entries > MOST_ENTRIES:
            message = f"too large: expected at most {MOST_ENTRIES:,} keys, tables and lists"
            raise LimitError(number, (), message)
        if match and brackets:
            table = ()
            *above, last = split_key(stated)
            for part in above:
                table = (*table, part)
                if table in counts:
                    table = (*table, str(counts[table]))
            key = table = (*table, last)
            if mask.lstrip().startswith("[["):
                counts[table] = counts.get(table, -1) + 1
            if table in counts:
                key = table = (*table, str(counts[table]))
        elif match and match[2] == "=":
            key = table + split_key(stated)
        if match and (brackets or match[2] == "="):
            if len(key) > MAX_DEPTH:
                raise too_deep(number, key)
            yield key, number
        if not (match and brackets):
            for bracket in _BRACKET.finditer(mask):
                depth += 1 if bracket[0] in "[{" else -1
                if depth > MAX_DEPTH:
                    raise too_deep(number, key)


def _masked_lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Number, offset and text of each line, without comments and the content of strings.

    A mask stands for the content of a string, so no bracket or key within it counts; a line on
    which a string begins goes on to the end of the line on which that string ends.
    """
    position, number = 0, 1
    while position <= len(text):
        start, first = position, number
        pieces: list[str] = []
        while True:
            special = _SPECIAL.search(text, position)
            stop = special.start() if special else len(text)
            pieces.append(text[position:stop])
            position = stop + 1
            if special is None:
                break
            if special[0] == "\n":
                number += 1
                break
            if special[0] == "#":
                end = text.find("\n", stop)
                position = end if end >= 0 else len(text)
            elif string := _STRING.match(text, stop):
                position = string.end()
                number += text.count("\n", stop, position)
                pieces.append(special[0] + "x" * (position - stop - 2) + special[0])
            else:  # a string without an end, which no parser takes
                pieces.append(special[0])
        yield first, start, "".join(pieces)


def split_key(dotted: str) -> Key:
    """The parts of a dotted TOML key, without quotes.

    Raises:
        ValueError: If quotes in it are not those of a TOML key.
    """
    if '"' not in dotted and "'" not in dotted:
        return tuple(part.strip() for part in dotted.split("."))
    parts: Key = ()
    table: Any = tomllib.loads(f"{dotted} = 0")
    while isinstance(table, dict):
        ((name, table),) = table.items()
        parts = (*parts, name)
    return parts


def find_too_deep(value: Any) -> Key | None:
    """The path to a table or list within a value that lies beyond `MAX_DEPTH`, if there is one.

    More than `MOST_ENTRIES` on one level count as too deep: a table that holds itself has no end.
    """
    level: list[tuple[Key, Any]] = [((), value)] if isinstance(value, _HOLDERS) else []
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return None
        if len(level) > MOST_ENTRIES:
            break
        level = [
            ((*path, str(name)), inner)
            for path, outer in level
            for name, inner in (outer.items() if isinstance(outer, dict) else enumerate(outer))
            if isinstance(inner, _HOLDERS)
        ]
    return level[0][0] if level else None
