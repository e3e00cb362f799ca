"""Parameter files as text: TOML with the line of every key."""

from __future__ import annotations

import copy
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.common.errors import Fault, Location
from sim.common.text import nearest

Key = tuple[str, ...]
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
MAX_DEPTH = 20  # parts of a key
MAX_LEVELS = 64  # of tables and lists within one another
TOO_DEEP = f"tables or lists are nested too deeply (at most {MAX_LEVELS} levels)"
NOWHERE = Location("")
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*(=|\]\]?)")


@dataclass
class Document:
    """A parsed file, or several merged, with the location of every key.

    `default` is the location of keys that have none. Of a merged document, `overridden_sources`
    holds the source of every table of which a number was changed without a new source, and
    `replaced_keys` the keys of every distribution that parameters, quantiles or moments replaced.
    """

    data: dict[str, Any] = field(default_factory=dict)
    locations: dict[Key, Location] = field(default_factory=dict)
    default: Location = NOWHERE
    overridden_sources: dict[Key, str] = field(default_factory=dict)
    replaced_keys: dict[Key, tuple[str, ...]] = field(default_factory=dict)

    def location(self, key: Key) -> Location:
        """The location of a key, of one below it, or of its table."""
        below = (p for k, p in self.locations.items() if k[: len(key)] == key)
        if key and key not in self.locations and (first := next(below, None)) is not None:
            return first
        return self.table_location(key)

    def table_location(self, key: Key) -> Location:
        """The location of a key, or of the innermost table around it."""
        while key:
            if key in self.locations:
                return self.locations[key]
            key = key[:-1]
        return self.default

    def change_location(self, key: Key) -> Location:
        """The location of the last change of a table by another file.

        Its own location if there is none.
        """
        own = self.location(key)
        others = [
            p for k, p in self.locations.items() if k[: len(key)] == key and p.file != own.file
        ]
        return others[-1] if others else own

    def drop_locations(self, key: Key) -> None:
        """Forget the locations of a key and of all keys below it."""
        for known in [known for known in self.locations if known[: len(key)] == key]:
            del self.locations[known]

    def move_below(self, prefix: Key) -> Document:
        """The same document with its keys moved below a prefix."""
        data: dict[str, Any] = self.data
        for part in reversed(prefix):
            data = {part: data}
        locations = {prefix + key: location for key, location in self.locations.items()}
        return Document(data, {prefix: self.default, **locations}, self.default)


def read_toml(path: Path, faults: list[Fault]) -> Document | None:
    """Parse a TOML file.

    Returns:
        The document, or None if the file cannot be read; the fault is then added to `faults`.
    """
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
        cached, lines = _parse(text)
        data = copy.deepcopy(cached)
    except tomllib.TOMLDecodeError as error:
        faults.append(_syntax_fault(name, text, error))
        return None
    except ValueError:  # int() of more digits than it takes
        faults.append(Fault(Location(name), "", "not valid TOML: a number has too many digits"))
        return None
    except RecursionError:
        named, line = _find_deepest(text)
        faults.append(Fault(Location(name, line), named, TOO_DEEP))
        return None
    locations = {key: Location(name, line) for key, line in lines}
    for key, location in locations.items():
        if len(key) > MAX_DEPTH:
            faults.append(Fault(location, ".".join(key[:3]), "nested too deeply"))
            return None
    return Document(data, locations, Location(name))


@lru_cache(maxsize=64)  # the points of a sweep are made of the same files
def _parse(text: str) -> tuple[dict[str, Any], list[tuple[Key, int]]]:
    """The tables of a text, and the line of every key.

    Raises:
        RecursionError: If tables or lists are nested too deeply, for tomllib or for `MAX_LEVELS`.
    """
    data = tomllib.loads(text)
    if is_nested_too_deeply(data):
        raise RecursionError
    return data, list(find_key_lines(text))


def is_nested_too_deeply(value: Any) -> bool:
    """Whether a value holds tables or lists within one another beyond `MAX_LEVELS`."""
    level = [value]
    for _ in range(MAX_LEVELS + 1):
        tables = {id(x): x for x in level if isinstance(x, Mapping | list | tuple)}
        children = (x.values() if isinstance(x, Mapping) else x for x in tables.values())
        level = [x for inner in children for x in inner]
    return bool(level)


def _find_deepest(text: str) -> tuple[str, int]:
    """The key, cut short, and the line of the deepest nesting of a text."""
    depth, deepest, line, key = 0, -1, 0, ""
    plain = _STRING.sub(_mask, text)
    for number, mask in enumerate(plain.split("\n"), start=1):
        steps = ((c in "[{") - (c in "]}") for c in mask)
        heights = list(itertools.accumulate(steps, initial=depth))
        depth = heights[-1]
        if max(heights) + mask.count(".") > deepest:  # dots of a key make tables as well
            deepest, line = max(heights) + mask.count("."), number
    for parts, first in find_key_lines(text):
        if first <= line:
            key = ".".join(parts[:3])
    return key, line


def _syntax_fault(name: str, text: str, error: tomllib.TOMLDecodeError) -> Fault:
    """The fault of invalid TOML, with line, text and perhaps key."""
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
        for parts, key_line in find_key_lines(text):
            if key_line > line:
                break
            key, first = ".".join(parts), key_line
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


def _mask(match: re.Match[str]) -> str:
    """A string or comment with its content masked, of the same length.

    So no bracket or key within it counts.
    """
    text = match[0]
    if text.startswith("#"):
        return " " * len(text)
    return text[0] + re.sub(r"[^\n]", "x", text[1:-1]) + text[-1]


def _split_key(dotted: str) -> Key:
    """The parts of a dotted TOML key, without quotes."""
    if '"' not in dotted and "'" not in dotted:
        return tuple(part.strip() for part in dotted.split("."))
    parts: Key = ()
    table: Any = tomllib.loads(f"{dotted} = 0")
    while isinstance(table, dict):
        ((name, table),) = table.items()
        parts = (*parts, name)
    return parts


def find_key_lines(text: str) -> Iterator[tuple[Key, int]]:
    """Key and line of every key and table of a TOML text.

    Array tables are counted "0", "1", ...; keys of inline tables are left out.
    """
    table: Key = ()
    counts: dict[Key, int] = {}
    depth = 0
    plain = _STRING.sub(_mask, text)
    for number, (line, mask) in enumerate(
        zip(text.split("\n"), plain.split("\n"), strict=True), start=1
    ):
        header = mask.lstrip().startswith("[")
        brackets = len(mask) - len(mask.lstrip().lstrip("[")) if header else 0
        match = _KEY.match(mask, brackets) if depth == 0 else None
        if match and header:
            table = ()
            *above, last = _split_key(line[match.start(1) : match.end(1)])
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
            yield table + _split_key(line[match.start(1) : match.end(1)]), number
        depth += sum(mask.count(c) for c in "[{") - sum(mask.count(c) for c in "]}")
