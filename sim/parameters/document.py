"""Parameter files as text: TOML with the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.common.errors import Fault, Location
from sim.common.regular_files import read_regular
from sim.common.text import most_similar
from sim.parameters.key_lines import LimitError, find_key_lines, find_too_deep, too_deep
from sim.parameters.locations import Key, Locations

MOST_BYTES = 32 * 2**20  # of a parameter file
MOST_CACHED = 64 * 2**10  # characters of a text that is kept, parsed, for the next scenario
NOWHERE = Location("")
SCENARIO_FOLDERS = (Path("params"), Path("params/scenarios"))  # in which `bear` is bear.toml
NO_SCENARIOS = ("sources", "published", "claims")  # files beside base.toml that are none


@dataclass
class Document:
    """A parsed file, or several merged, with the location of every key.

    `default` is the location of keys that have none. Of a merged document, `overridden_sources`
    holds the source of every table of which a number was changed without a new source, and
    `replaced_keys` the keys of every distribution that parameters, quantiles or moments replaced.
    """

    data: dict[str, Any] = field(default_factory=dict)
    locations: Locations = field(default_factory=Locations)
    default: Location = NOWHERE
    overridden_sources: dict[Key, str] = field(default_factory=dict)
    replaced_keys: dict[Key, tuple[str, ...]] = field(default_factory=dict)

    def location(self, key: Key) -> Location:
        """The location of a key, of the first one below it, or of its table."""
        below = self.locations.below(key) if key else None
        first = next(iter(below), None) if below is not None else None
        return first or self.table_location(key)

    def table_location(self, key: Key) -> Location:
        """The location of a key, or of the innermost table around it."""
        return self.locations.innermost(key) or self.default

    def change_location(self, key: Key) -> Location:
        """The location of the last change of a table by another file.

        Its own location if there is none.
        """
        own = self.location(key)
        others = [place for place in self.locations.below(key) or () if place.file != own.file]
        return others[-1] if others else own

    def move_below(self, prefix: Key) -> Document:
        """The same document with its keys moved below a prefix."""
        data: dict[str, Any] = self.data
        for part in reversed(prefix):
            data = {part: data}
        locations = Locations([(prefix, self.default)])
        if (node := locations.below(prefix)) is not None:
            node.children = self.locations.children  # shared: merging copies them
        return Document(data, locations, self.default)


def read_toml(path: Path, faults: list[Fault], quotes: bool = False) -> Document | None:
    """Parse a TOML file.

    Args:
        path: A regular file of at most `MOST_BYTES`.
        faults: Why the file cannot be read is added to it.
        quotes: Whether faults quote lines of the file. A file that another one names may be any
            that the user can read, and is not quoted.

    Returns:
        The document, or None if the file cannot be read.
    """
    name = str(path)
    try:
        text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        faults.append(Fault(Location(name), "", _describe_missing(path)))
        return None
    except UnicodeDecodeError:
        faults.append(Fault(Location(name), "", "not a text file (expected TOML in UTF-8)"))
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        faults.append(Fault(Location(name), "", f"cannot be read: {reason}"))
        return None
    try:
        if len(text) > MOST_CACHED:
            data, lines = _parse(text)
            locations = _locate(name, lines)
        else:
            cached, _ = _parse_cached(text)
            data, locations = _copy(cached), _locate_cached(name, text)
    except LimitError as error:
        faults.append(Fault(Location(name, error.line), ".".join(error.key), str(error)))
        return None
    except tomllib.TOMLDecodeError as error:
        faults.append(_syntax_fault(name, text, error, quotes))
        return None
    except ValueError:  # int() of more digits than it takes
        faults.append(Fault(Location(name), "", "not valid TOML: a number has too many digits"))
        return None
    return Document(data, locations, Location(name))


def _describe_missing(path: Path) -> str:
    """The message for a file that is not there, with the nearest name."""
    if path.is_symlink():
        return "no such file: a link that leads nowhere"
    known = known_files(path)
    stem = path.stem if path.stem in known else most_similar(path.stem, list(known))
    return f"no such file; did you mean '{known[stem]}'?" if stem else "no such file"


def known_files(path: Path) -> dict[str, str]:
    """Parameter files that could have been meant by one that is not there: stem -> how to name it.

    Those beside it, and those of `params/` here, of which the last two folders come second.
    """
    known: dict[str, str] = {}
    for folder in (path.parent, *SCENARIO_FOLDERS):
        for file in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
            if file.stem not in NO_SCENARIOS:
                known.setdefault(file.stem, file.name if folder == path.parent else str(file))
    return known


def _parse(text: str) -> tuple[dict[str, Any], list[tuple[Key, int]]]:
    """The tables of a text, and the line of every key.

    Raises:
        LimitError: If the text is nested too deeply, or has too many keys.
        ValueError: If it is not valid TOML.
    """
    lines = list(find_key_lines(text))  # first: it refuses what a parser takes without end
    data = tomllib.loads(text)
    if path := find_too_deep(data):
        line = max((line for key, line in lines if key == path[: len(key)]), default=1)
        raise too_deep(line, path)
    return data, lines


def _locate(name: str, lines: Iterable[tuple[Key, int]]) -> Locations:
    """The locations of keys at lines of a file."""
    return Locations((key, Location(name, line)) for key, line in lines)


# The points of a sweep are made of the same files.
_parse_cached = lru_cache(maxsize=64)(_parse)


@lru_cache(maxsize=64)
def _locate_cached(name: str, text: str) -> Locations:
    """The locations of the keys of a text; many documents share them, and none changes them."""
    return _locate(name, _parse_cached(text)[1])


def _copy(value: Any) -> Any:
    """A copy of parsed TOML, in a small part of the time of `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: _copy(of) for key, of in value.items()}
    return [_copy(of) for of in value] if isinstance(value, list) else value


def extended_file(path: Path) -> Path | None:
    """The file that a file extends; None where it extends none.

    Raises:
        OSError, ValueError: If it cannot be read.
    """
    text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
    data, _ = _parse(text) if len(text) > MOST_CACHED else _parse_cached(text)
    extends = data.get("extends")
    return path.parent / extends if isinstance(extends, str) else None


def _syntax_fault(name: str, text: str, error: tomllib.TOMLDecodeError, quotes: bool) -> Fault:
    """The fault of invalid TOML, with line, perhaps key, and the text if `quotes`."""
    message = str(error)
    match = re.search(r"\s*\(at line (\d+), column \d+\)", message)
    line = int(match[1]) if match else text.count("\n") + 1
    if match:
        message = message.replace(match[0], "")
    message = re.sub(r"\s*\(at end of document\)", " at the end of the file", message)
    source = text.split("\n", line)[line - 1].strip() if quotes else ""
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
