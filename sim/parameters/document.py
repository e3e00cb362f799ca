"""Parameter files as text: TOML with the line of every key, faults with file, line and key."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.common.errors import Fault, Location
from sim.common.text import nearest

Key = tuple[str, ...]
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
MAX_DEPTH = 20
NOWHERE = Location("")
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*(=|\]\]?)")


@dataclass
class Document:
    """A parsed file, or several merged: nested tables, and the place of every key."""

    data: dict[str, Any] = field(default_factory=dict)
    locations: dict[Key, Location] = field(default_factory=dict)
    default: Location = NOWHERE
    marks: dict[Key, str] = field(default_factory=dict)  # tables overridden -> their old source

    def location(self, key: Key) -> Location:
        """The place of a key, of the first key below it, or of the nearest table that holds it."""
        below = (p for k, p in self.locations.items() if k[: len(key)] == key)
        if key and key not in self.locations and (first := next(below, None)) is not None:
            return first
        return self.holder(key)

    def holder(self, key: Key) -> Location:
        """The place of a key, or of the nearest table that holds it."""
        while key:
            if key in self.locations:
                return self.locations[key]
            key = key[:-1]
        return self.default

    def changed(self, key: Key) -> Location:
        """Where a table was changed by another file than its own, else its own place."""
        own = self.location(key)
        others = [
            p for k, p in self.locations.items() if k[: len(key)] == key and p.file != own.file
        ]
        return others[-1] if others else own

    def drop(self, key: Key) -> None:
        """Forget the places of a key and of all below it."""
        for known in [known for known in self.locations if known[: len(key)] == key]:
            del self.locations[known]

    def under(self, prefix: Key) -> Document:
        """The same document with its keys moved below a prefix."""
        data: dict[str, Any] = self.data
        for part in reversed(prefix):
            data = {part: data}
        locations = {prefix + key: location for key, location in self.locations.items()}
        return Document(data, {prefix: self.default, **locations}, self.default)


def read(path: Path, faults: list[Fault]) -> Document | None:
    """Parse a TOML file; what is wrong with it is added to `faults`, and then None comes back."""
    name = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        siblings = [p.stem for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        hint = nearest(path.stem, siblings)
        hint = hint.replace("'?", ".toml'?") if "did you mean" in hint else ""
        faults.append(Fault(Location(name), "", f"no such file{hint}"))
        return None
    except UnicodeDecodeError:
        faults.append(Fault(Location(name), "", "not a text file (expected TOML in UTF-8)"))
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        faults.append(Fault(Location(name), "", f"cannot be read: {reason}"))
        return None
    try:
        known, lines = _parsed(text)
        data = copy.deepcopy(known)
    except tomllib.TOMLDecodeError as error:
        faults.append(_syntax_fault(name, text, error))
        return None
    except ValueError:  # int() of more digits than it takes
        faults.append(Fault(Location(name), "", "not valid TOML: a number has too many digits"))
        return None
    except RecursionError:
        faults.append(Fault(Location(name), "", "TOML nested too deeply"))
        return None
    locations = {key: Location(name, line) for key, line in lines}
    for key, location in locations.items():
        if len(key) > MAX_DEPTH:
            faults.append(Fault(location, ".".join(key[:3]), "nested too deeply"))
            return None
    return Document(data, locations, Location(name))


@lru_cache(maxsize=64)  # the points of a sweep are made of the same files
def _parsed(text: str) -> tuple[dict[str, Any], list[tuple[Key, int]]]:
    """The tables of a text, and the line of every key."""
    return tomllib.loads(text), list(key_lines(text))


def _syntax_fault(name: str, text: str, error: tomllib.TOMLDecodeError) -> Fault:
    message = str(error)
    match = re.search(r"\s*\(at line (\d+), column \d+\)", message)
    line = int(match[1]) if match else text.count("\n") + 1
    if match:
        message = message.replace(match[0], "")
    message = re.sub(r"\s*\(at end of document\)", " at the end of the file", message)
    lines = text.splitlines()
    source = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    key, first = "", line
    if re.match(r"Cannot (overwrite|declare|mutate)", message):
        # The error is at the end of the value; the key is the last one that begins before.
        for parts, start in key_lines(text):
            if start > line:
                break
            key, first = ".".join(parts), start
        line = first if key else line
        message = "duplicate key: it was given before"
    else:
        message = f"not valid TOML: {message[:1].lower()}{message[1:]}"
        message += f" in `{source[:60]}`" if source else ""
    return Fault(Location(name, line), key, message)


# Strings and comments, in which brackets and keys mean nothing.
_STRING = re.compile(
    r"""\"{3}(?:[^\\]|\\.)*?\"{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*""",
    re.DOTALL,
)


def _masked(found: re.Match[str]) -> str:
    """A string or comment of the same length and lines that holds nothing but filling."""
    text = found[0]
    if text.startswith("#"):
        return " " * len(text)
    return text[0] + re.sub(r"[^\n]", "x", text[1:-1]) + text[-1]


def _parts(dotted: str) -> Key:
    if '"' not in dotted and "'" not in dotted:
        return tuple(part.strip() for part in dotted.split("."))
    parts: Key = ()
    table: Any = tomllib.loads(f"{dotted} = 0")
    while isinstance(table, dict):
        ((name, table),) = table.items()
        parts = (*parts, name)
    return parts


def key_lines(text: str) -> Iterator[tuple[Key, int]]:
    """Key and line of everything a valid TOML text says; array tables are counted "0", "1", ..."""
    table: Key = ()
    counts: dict[Key, int] = {}
    depth = 0
    plain = _STRING.sub(_masked, text)
    for number, (line, mask) in enumerate(
        zip(text.split("\n"), plain.split("\n"), strict=True), start=1
    ):
        header = mask.lstrip().startswith("[")
        brackets = len(mask) - len(mask.lstrip().lstrip("[")) if header else 0
        match = _KEY.match(mask, brackets) if depth == 0 else None
        if match and header:
            table = ()
            *above, last = _parts(line[match.start(1) : match.end(1)])
            for part in above:
                table = (*table, part)
                if table in counts:
                    table = (*table, str(counts[table]))
            table = (*table, last)
            if mask.lstrip().startswith("[["):
                counts[table] = counts.get(table, -1) + 1
            if table in counts:
                table = (*table, str(counts[table]))
            yield table, number
            continue
        if match and match[2] == "=":
            yield table + _parts(line[match.start(1) : match.end(1)]), number
        depth += sum(mask.count(c) for c in "[{") - sum(mask.count(c) for c in "]}")
