"""Values and names in messages."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a formula begins


def words(name: str) -> str:
    """A name of the model in words."""
    return name.replace("_", " ").replace("hbm", "HBM").replace("electricity it", "electricity IT")


def nearest(word: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """A hint for an unknown word, to end a message.

    `; did you mean 'x'?` where a known word is similar, else `; known: x, y` where at most twelve
    words are known, else "".
    """
    import difflib

    candidates = list(known)
    similar = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    if similar:
        return f"; did you mean '{similar[0]}'?"
    if 0 < len(candidates) <= 12:
        return f"; known: {', '.join(candidates)}"
    return ""


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
    """A value of a file on one line of text."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(in_words(part) for part in value)}]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {in_words(entry)}" for key, entry in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


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
