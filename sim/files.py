"""Parameter files as text: TOML with the line of every key, faults with file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.fields import nearest

Key = tuple[str, ...]
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*(=|\]\]?)")


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where something was said: a file (or `--set`) and a line (0 if it has none)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One thing that is wrong with what a user gave."""

    place: Place
    key: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.place}: {self.key}: {self.message}"
            if self.key
            else f"{self.place}: {self.message}"
        )


class InputError(ValueError):
    """Everything that is wrong with what a user gave, together."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass
class Document:
    """A parsed file, or several merged: nested tables, and the place of every key."""

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    default: Place = Place("")

    def place(self, key: Key) -> Place:
        """The place of a key, or of the nearest table that holds it."""
        while key:
            if key in self.places:
                return self.places[key]
            key = key[:-1]
        return self.default

    def under(self, prefix: Key) -> Document:
        """The same document with its keys moved below a prefix."""
        data: dict[str, Any] = self.data
        for part in reversed(prefix):
            data = {part: data}
        places = {prefix + key: place for key, place in self.places.items()}
        return Document(data, {prefix: self.default, **places}, self.default)


def read(path: Path, faults: list[Fault]) -> Document | None:
    """Parse a TOML file; what is wrong with it is added to `faults`, and then None comes back."""
    shown = str(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        siblings = [str(p) for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        faults.append(Fault(Place(shown), "", f"no such file{nearest(shown, siblings)}"))
        return None
    except UnicodeDecodeError:
        faults.append(Fault(Place(shown), "", "not a text file (expected TOML in UTF-8)"))
        return None
    except OSError as error:
        faults.append(Fault(Place(shown), "", f"cannot be read: {error.strerror}"))
        return None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(_syntax_fault(shown, text, error))
        return None
    except RecursionError:
        faults.append(Fault(Place(shown), "", "TOML nested too deeply"))
        return None
    return Document(data, {key: Place(shown, line) for key, line in key_lines(text)}, Place(shown))


def _syntax_fault(shown: str, text: str, error: tomllib.TOMLDecodeError) -> Fault:
    message = str(error)
    match = re.search(r"\s*\(at line (\d+), column \d+\)", message)
    line = int(match[1]) if match else text.count("\n") + 1
    if match:
        message = message.replace(match[0], "")
    message = re.sub(r"\s*\(at end of document\)", " at the end of the file", message)
    lines = text.splitlines()
    source = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    key = ""
    if re.match(r"Cannot (overwrite|declare|mutate)", message):
        found = _KEY.match(source.lstrip("["))
        key = found[1] if found else ""
        message = "duplicate key: it was given before"
    else:
        message = f"not valid TOML: {message[:1].lower()}{message[1:]}"
        message += f" in `{source[:60]}`" if source else ""
    return Fault(Place(shown, line), key, message)


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"' \t") for part in re.findall(_PART, dotted))


def _without_strings(line: str) -> str:
    line = re.sub(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'', '""', line)
    return line.split("#", 1)[0]


def key_lines(text: str) -> Iterator[tuple[Key, int]]:
    """Key and line of everything a valid TOML text says; array tables are counted "0", "1", ..."""
    table: Key = ()
    counts: dict[Key, int] = {}
    depth = 0
    closing: str | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw
        if closing is not None:  # inside a multi-line string
            if closing not in line:
                continue
            line, closing = line.split(closing, 1)[1], None
        elif depth == 0:
            stripped = line.lstrip()
            match = _KEY.match(stripped.lstrip("["))
            if match and stripped.startswith("["):
                table = _parts(match[1])
                if stripped.startswith("[["):
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, str(counts[table]))
                yield table, number
                continue
            if match and match[2] == "=":
                yield table + _parts(match[1]), number
        for quotes in ('"""', "'''"):
            while closing is None and quotes in line:
                before, after = line.split(quotes, 1)
                if quotes in after:
                    line = before + after.split(quotes, 1)[1]
                else:
                    line, closing = before, quotes
        plain = _without_strings(line)
        depth += sum(plain.count(c) for c in "[{") - sum(plain.count(c) for c in "]}")
