"""Axes of a sweep: keys of parameters, and the values that each of them takes.

Values are a list of numbers or words, or in text `0.3:0.8:11` (from, to, how many: evenly spaced,
ends included) or `3,4,5` or `economic,accounting`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from sim.common.errors import Fault, Location
from sim.common.text import in_words, shown
from sim.parameters.document import Document, Key

TABLE = "sweep"
MOST_POINTS = 2_500
Value = int | float | str | bool
EXPECTED = "expected values such as 0.3:0.8:11 (from, to, how many), 3,4,5 or economic,accounting"
NOT_SWEPT = ("format", "extends", "description", "run", TABLE)


@dataclass(frozen=True, slots=True)
class Axis:
    """A key, the different values that it takes, and where that was said."""

    key: str
    values: tuple[Value, ...]
    location: Location

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, rather than words or flags."""
        return not isinstance(self.values[0], str | bool)

    @property
    def labels(self) -> list[float] | list[str]:
        """The values as a coordinate: numbers as floats, all else as a file has it."""
        if self.numeric:
            return [float(value) for value in self.values]
        return [in_words(value) for value in self.values]


def axis(key: str, said: Any, location: Location, faults: list[Fault]) -> Axis | None:
    """The axis of a key; what is wrong with it is added to `faults`, and then None comes back."""
    try:
        values = _values(key, said)
    except ValueError as error:
        faults.append(Fault(location, key, str(error)))
        return None
    return Axis(key, values, location)


def _values(key: str, said: Any) -> tuple[Value, ...]:
    """The values of a key; what is wrong with either is raised as ValueError."""
    if not re.fullmatch(r"[^\s.=]+(\.[^\s.=]+)*", key):
        raise ValueError("expected a key such as hardware.pue.median")
    if key.split(".")[0] in NOT_SWEPT:
        raise ValueError("is not a parameter of the model, and cannot be swept")
    values = tuple(_spaced(said) if isinstance(said, str) and ":" in said else _listed(said))
    if len({isinstance(value, str | bool) for value in values}) > 1:
        raise ValueError(f"expected numbers or words, not both; got {shown(said)}")
    again = next((value for i, value in enumerate(values) if value in values[:i]), None)
    if again is not None:
        raise ValueError(f"{shown(again)} is there twice")
    return values


def _spaced(text: str) -> Iterator[Value]:
    """Evenly spaced numbers, each the float nearest to the exact decimal."""
    parts = [part.strip() for part in text.split(":")]
    if len(parts) != 3:
        raise ValueError(f"{EXPECTED}; got {shown(text)}")
    ends = [_finite(part) for part in parts[:2]]
    if not parts[2].isdecimal() or not 2 <= int(parts[2]) <= MOST_POINTS:
        raise ValueError(f"expected how many values, from 2 to {MOST_POINTS:,}, got '{parts[2]}'")
    if ends[0] == ends[1]:
        raise ValueError(f"expected two different ends, got {shown(text)}")
    first, last = (Fraction(repr(end)) for end in ends)
    steps = int(parts[2]) - 1
    exact = [first + (last - first) * i / steps for i in range(steps + 1)]
    whole = all(isinstance(end, int) for end in ends) and all(x.denominator == 1 for x in exact)
    yield from ((int(x) if whole else float(x)) for x in exact)


def _finite(text: str) -> int | float:
    found = _value(text)
    if isinstance(found, str | bool):
        raise ValueError(f"expected a number, got '{text}'")
    return found


def _listed(said: Any) -> Iterator[Value]:
    """The values of a list, or of a text with commas; a single value is a list of one."""
    if isinstance(said, str):
        said = said.split(",")
    elif isinstance(said, np.ndarray):
        said = said.tolist()
    elif isinstance(said, Mapping) or not isinstance(said, Iterable):
        said = [said]
    said = list(said)
    if not said:
        raise ValueError(EXPECTED)
    for one in said:
        yield _value(one)


def _value(said: Any) -> Value:
    """A number, flag or word.

    Raises:
        ValueError: If it is none, or a number that is not finite.
    """
    said = said.item() if isinstance(said, np.generic) else said
    if isinstance(said, str):
        said = said.strip()
        for kind in (int, float):
            try:
                said = kind(said)
                break
            except ValueError:
                continue
    if isinstance(said, str):
        flags = {"true": True, "false": False}
        said = flags.get(said, re.sub(r"""^(["'])(.*)\1$""", r"\2", said))
    if not isinstance(said, int | float | str):
        raise ValueError(f"expected a number or a word, got {shown(said)}")
    if said == "":
        raise ValueError(EXPECTED)
    if isinstance(said, float) and not math.isfinite(said):
        raise ValueError(f"expected finite numbers, got {said}")
    return said


def of_texts(texts: Iterable[str], faults: list[Fault]) -> tuple[Axis, ...]:
    """The axes of `key=values` texts of the command line."""
    location = Location("--over")
    pairs = []
    for text in texts:
        key, equals, said = text.partition("=")
        if not equals or not key.strip() or not said.strip():
            faults.append(Fault(location, text, "expected group.name.key=values"))
        else:
            pairs.append((key.strip(), said, location))
    return _different(pairs, faults)


def of_mapping(over: Mapping[str, Any], faults: list[Fault]) -> tuple[Axis, ...]:
    """The axes of a mapping from keys to values."""
    location = Location("over")
    return _different([(str(key), said, location) for key, said in over.items()], faults)


def of_document(document: Document, faults: list[Fault]) -> tuple[Axis, ...]:
    """The axes of the table `[sweep]` of a file, with keys quoted or as tables."""
    table = document.data.get(TABLE, {})
    if not isinstance(table, dict):
        return ()
    pairs = [
        (".".join(key), said, document.location((TABLE, *key))) for key, said in _leaves(table)
    ]
    return _different(pairs, faults)


def _leaves(table: dict[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, what in table.items():
        if isinstance(what, dict):
            yield from _leaves(what, (*above, name))
        else:
            yield (*above, name), what


def _different(pairs: Iterable[tuple[str, Any, Location]], faults: list[Fault]) -> tuple[Axis, ...]:
    """The axes, each key once, and not too many points in all."""
    found: dict[str, Axis] = {}
    for key, said, location in pairs:
        if key in found:
            faults.append(Fault(location, key, "is swept twice"))
        elif (one := axis(key, said, location, faults)) is not None:
            found[key] = one
    points = math.prod(len(one.values) for one in found.values())
    if points > MOST_POINTS:
        first = next(iter(found.values()))
        message = f"{points:,} points are too many: a sweep has {MOST_POINTS:,} at most"
        faults.append(Fault(first.location, "", message))
    return tuple(found.values())
