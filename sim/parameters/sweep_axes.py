"""Axes of a sweep: keys of parameters and their values.

Values are a list of numbers or words, or in text `0.3:0.8:11` (from, to, how many: evenly spaced,
ends included) or `3,4,5` or `economic,accounting`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from sim.common.errors import Fault, Location
from sim.common.text import finite, in_words, shown
from sim.parameters.document import Document
from sim.parameters.locations import Key

TABLE = "sweep"
MOST_POINTS = 2_500
Value = int | float | str | bool
EXPECTED = "expected values such as 0.3:0.8:11 (from, to, how many), 3,4,5 or economic,accounting"
NOT_SWEPT = ("format", "extends", "description", "run", TABLE)
# Last parts of keys that change no number of the model.
WITHOUT_NUMBERS = (
    "format",
    "extends",
    "description",
    "unit",
    "source",
    "note",
    "as_of",
    "name",
    "order",
)
MOST_KEY = 500  # characters


@dataclass(frozen=True, slots=True)
class Axis:
    """A key, its different values, and where they were given."""

    key: str
    values: tuple[Value, ...]
    location: Location

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, rather than words or flags."""
        return not isinstance(self.values[0], str | bool)

    @property
    def labels(self) -> list[float] | list[str]:
        """The values as a coordinate: floats, or words of files."""
        if self.numeric:
            return [float(value) for value in self.values]
        return [in_words(value) for value in self.values]


def read_axis(key: str, given: Any, location: Location, faults: list[Fault]) -> Axis | None:
    """The axis of a key, from values as a user gives them.

    Where something is wrong it is added to `faults`, and None comes back.
    """
    try:
        values = _read_values(key, given)
    except ValueError as error:
        faults.append(Fault(location, key, str(error)))
        return None
    return Axis(key, values, location)


def _read_values(key: str, given: Any) -> tuple[Value, ...]:
    """The values of a key, each once.

    Raises:
        ValueError: With what is wrong with the key or the values.
    """
    if len(key) > MOST_KEY or not re.fullmatch(r"[^\s.=]+(\.[^\s.=]+)*", key):
        raise ValueError("expected a key such as hardware.pue.median")
    if key.split(".")[0] in NOT_SWEPT:
        raise ValueError("is not a parameter of the model, and cannot be swept")
    if key.split(".")[-1] in WITHOUT_NUMBERS:
        raise ValueError("changes no number of the model, and cannot be swept")
    is_spaced = isinstance(given, str) and ":" in given
    values = tuple(_spaced_values(given) if is_spaced else _listed_values(given))
    if len({isinstance(value, str | bool) for value in values}) > 1:
        raise ValueError(f"expected numbers or words, not both; got {shown(given)}")
    again = next((value for i, value in enumerate(values) if value in values[:i]), None)
    if again is not None:
        raise ValueError(f"{shown(again)} is there twice")
    return values


def _spaced_values(text: str) -> Iterator[Value]:
    """Evenly spaced numbers, each the float nearest to the exact decimal.

    Raises:
        ValueError: If the text is not of the form from:to:how many.
    """
    parts = [part.strip() for part in text.split(":")]
    if len(parts) != 3:
        raise ValueError(f"{EXPECTED}; got {shown(text)}")
    ends = [_read_number(part) for part in parts[:2]]
    count = _read_number(parts[2])
    if not isinstance(count, int) or not 2 <= count <= MOST_POINTS:
        got = shown(parts[2])
        raise ValueError(f"expected how many values, from 2 to {MOST_POINTS:,}, got {got}")
    if ends[0] == ends[1]:
        raise ValueError(f"expected two different ends, got {shown(text)}")
    first, last = (Fraction(repr(end)) for end in ends)
    steps = count - 1
    exact = [first + (last - first) * i / steps for i in range(steps + 1)]
    is_whole = all(isinstance(end, int) for end in ends) and all(x.denominator == 1 for x in exact)
    yield from ((int(x) if is_whole else float(x)) for x in exact)


def _read_number(text: str) -> int | float:
    number = _read_value(text)
    if isinstance(number, str | bool):
        raise ValueError(f"expected a number, got {shown(text)}")
    return number


def _listed_values(given: Any) -> Iterator[Value]:
    """The values of a list, of a text with commas, or one alone.

    Raises:
        ValueError: If there are none, or one is no number, flag or word.
    """
    if isinstance(given, str):
        given = given.split(",")
    elif isinstance(given, np.ndarray):
        given = given.tolist()
    elif isinstance(given, Mapping) or not isinstance(given, Iterable):
        given = [given]
    entries = list(itertools.islice(given, MOST_POINTS + 1))
    if not entries:
        raise ValueError(EXPECTED)
    if len(entries) > MOST_POINTS:
        raise ValueError(f"expected at most {MOST_POINTS:,} values")
    yield from map(_read_value, entries)


def _read_value(given: Any) -> Value:
    """A number, flag or word, from one or from its text.

    Raises:
        ValueError: If it is none, or a number that is not finite.
    """
    value = given.item() if isinstance(given, np.generic) else given
    if isinstance(value, str):
        value = value.strip()
        for kind in (int, float):
            try:
                value = kind(value)
                break
            except ValueError:
                continue
    if isinstance(value, str):
        flags = {"true": True, "false": False}
        value = flags.get(value, re.sub(r"""^(["'])(.*)\1$""", r"\2", value))
    if not isinstance(value, int | float | str):
        raise ValueError(f"expected a number or a word, got {shown(value)}")
    if value == "":
        raise ValueError(EXPECTED)
    if not isinstance(value, str | bool) and finite(value) is None:
        raise ValueError(f"expected finite numbers, got {shown(value)}")
    return value


def of_texts(texts: Iterable[str], faults: list[Fault]) -> tuple[Axis, ...]:
    """The axes of `key=values` texts; what is wrong goes to `faults`."""
    location = Location("--over")
    triples = []
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or not key.strip() or not values.strip():
            faults.append(Fault(location, text, "expected group.name.key=values"))
        else:
            triples.append((key.strip(), values, location))
    return _read_axes(triples, faults)


def of_mapping(over: Mapping[str, Any], faults: list[Fault]) -> tuple[Axis, ...]:
    """The axes of a mapping; what is wrong goes to `faults`."""
    location = Location("over")
    return _read_axes([(str(key), values, location) for key, values in over.items()], faults)


def of_document(document: Document, faults: list[Fault]) -> tuple[Axis, ...]:
    """The axes of the table `[sweep]`; what is wrong goes to `faults`.

    Keys are quoted, or written as tables.
    """
    table = document.data.get(TABLE, {})
    if not isinstance(table, dict):
        return ()
    triples = [
        (".".join(key), values, document.location((TABLE, *key))) for key, values in _leaves(table)
    ]
    return _read_axes(triples, faults)


def _leaves(table: dict[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Key and value of everything in nested tables that is no table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _read_axes(
    triples: Iterable[tuple[str, Any, Location]], faults: list[Fault]
) -> tuple[Axis, ...]:
    """The axes of triples of key, values and location.

    A key that is there twice, and more points than a sweep may have, are added to `faults`.
    """
    axes: dict[str, Axis] = {}
    for key, values, location in triples:
        if key in axes:
            faults.append(Fault(location, key, "is swept twice"))
        elif (axis := read_axis(key, values, location, faults)) is not None:
            axes[key] = axis
    points = math.prod(len(axis.values) for axis in axes.values())
    if points > MOST_POINTS:
        first = next(iter(axes.values()))
        message = f"{points:,} points are too many: a sweep has {MOST_POINTS:,} at most"
        faults.append(Fault(first.location, "", message))
    return tuple(axes.values())
