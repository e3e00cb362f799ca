"""Values and names in messages."""

from __future__ import annotations

import datetime
import math
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a formula begins


def plain(text: Any) -> str:
    r"""A text as one line that is nothing but text: the one way from users' words to a screen.

    Characters that would act on a terminal or hide in it (control characters, line breaks, marks
    that turn the direction of writing, undecodable bytes) become escapes such as `\x1b`, `\n`
    and `\u202e`. All others, brackets and percent signs among them, stay as they are.
    """
    line = str(text)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or _is_space(c) else escape(c) for c in line)


def plain_lines(text: Any) -> str:
    """A text of which only line breaks act: each of its lines is plain."""
    return "\n".join(map(plain, str(text).split("\n")))


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs"  # such as that before a French percent sign


def escape(character: str) -> str:
    r"""A character as an escape in ASCII, as Python writes it: `\x1b`, `\u202e`."""
    return character.encode("unicode_escape").decode("ascii")


def paragraph(text: Any) -> str:
    """A text of several lines, such as a note, as one plain line: line breaks become spaces."""
    return plain(re.sub(r"[ \t]*[\t\r\n][ \t\r\n]*", " ", str(text).strip()))


def words(name: str) -> str:
    """A name of the model in words."""
    return name.replace("_", " ").replace("hbm", "HBM").replace("electricity it", "electricity IT")


def nearest(word: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """A hint for an unknown word, to end a message.

    `; did you mean 'x'?` where a known word is similar, else `; known: x, y` where at most twelve
    words are known, else "".
    """
    candidates = list(known)
    if similar := most_similar(word, candidates):
        return f"; did you mean '{similar}'?"
    if 0 < len(candidates) <= 12:
        return f"; known: {', '.join(candidates)}"
    return ""


def most_similar(word: str, known: Sequence[str]) -> str:
    """The known word that is most like an unknown one; "" where none is."""
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), "")


def shown(value: Any) -> str:
    """A value as in TOML, shortened to 80 characters, for a message."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # too deep; more digits than Python prints
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def in_words(value: Any) -> str:
    """A value of a file as one plain line of text."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(in_words(part) for part in value)}]"
    if isinstance(value, dict):
        return ", ".join(f"{plain(key)} {in_words(entry)}" for key, entry in value.items())
    return f"{value:g}" if isinstance(value, float) else plain(value)


def csv_cell(value: Any) -> Any:
    """A cell of a CSV file: a text that spreadsheets would take for a formula begins with '."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def finite(value: Any) -> float | None:
    """A finite number as a float; None for anything else.

    Booleans are no numbers here, and integers that exceed floats are not finite.
    """
    if isinstance(value, bool) or not isinstance(value, Real):  # NumPy's numbers are among them
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def shorten(texts: Sequence[str], width: int, separator: str = ", ") -> str:
    """Join texts to at most this width; an ellipsis replaces the rest."""
    line = separator.join(texts)
    if len(line) <= width:
        return line
    kept = list(texts)
    while len(kept) > 1 and len(separator.join([*kept, "..."])) > width:
        kept.pop()
    line = separator.join([*kept, "..."])
    return line if len(line) <= width else f"{kept[0][: width - 3]}..."


def distinct_labels(paths: Sequence[str | Path]) -> list[str]:
    """A label for each of some files, by which they can be told apart.

    The label is the name without its ending where no other file has it, else the shortest end of
    the path that no other has: `north/site` and `south/site`; with the ending where only that
    differs. A file that is given twice has one label.
    """
    absolute = [Path(os.path.normpath(Path(path).absolute())) for path in paths]
    return [_distinct_label(path, {*absolute} - {path}) for path in absolute]


def _distinct_label(path: Path, others: set[Path]) -> str:
    """The shortest end of a path that none of the others has."""
    for name, names in (
        (path.with_suffix(""), [other.with_suffix("") for other in others]),
        (path, others),
    ):
        for depth in range(1, len(name.parts) + 1):
            end = name.parts[-depth:]
            if all(other.parts[-depth:] != end for other in names):
                return str(Path(*end))
    return str(path)
