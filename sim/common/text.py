"""Values and names as messages show them."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any


def words(name: str) -> str:
    """A name of the model in words."""
    return name.replace("_", " ").replace("hbm", "HBM").replace("electricity it", "electricity IT")


def nearest(word: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """` (did you mean ...?)` with the nearest known word, or the known words if few, or ""."""
    import difflib

    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    if 0 < len(words) <= 12:
        return f"; known: {', '.join(words)}"
    return ""


def shown(what: Any) -> str:
    """A value as messages show it: as TOML has it, shortened where it is long."""
    if isinstance(what, bool):
        return str(what).lower()
    if isinstance(what, datetime.date | datetime.time):
        return str(what)
    try:
        text = repr(what)
    except (RecursionError, ValueError):  # too deep; more digits than Python prints
        return f"a {type(what).__name__} too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def in_words(said: Any) -> str:
    """A value of a file in a line of text."""
    if said is None:
        return "nothing"
    if isinstance(said, bool):
        return str(said).lower()
    if isinstance(said, list):
        return f"[{', '.join(in_words(part) for part in said)}]"
    if isinstance(said, dict):
        return ", ".join(f"{key} {in_words(what)}" for key, what in said.items())
    return f"{said:g}" if isinstance(said, float) else str(said)


def finite(what: Any) -> float | None:
    """A number as a float; None for flags, texts, nan, infinities and what exceeds floats."""
    if isinstance(what, bool) or not isinstance(what, Real):  # NumPy's numbers are among them
        return None
    try:
        return float(what) if math.isfinite(what) else None
    except OverflowError:
        return None


def shorten(texts: Sequence[str], width: int, separator: str = ", ") -> str:
    """Texts in one line of at most this width, an ellipsis in place of those that do not fit."""
    line = separator.join(texts)
    if len(line) <= width:
        return line
    kept = list(texts)
    while len(kept) > 1 and len(separator.join([*kept, "..."])) > width:
        kept.pop()
    line = separator.join([*kept, "..."])
    return line if len(line) <= width else f"{kept[0][: width - 3]}..."
