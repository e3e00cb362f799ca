"""Keys with wildcards: `labs.*.gw_2026q4.sigma` stands for that of every lab that has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.common.errors import Fault, Location
from sim.common.text import most_similar
from sim.parameters.key_lines import MAX_DEPTH

ANY = "*"


def expand_wildcards(
    changes: Mapping[str, Any], data: Mapping[str, Any], faults: list[Fault]
) -> dict[str, Any]:
    """Changes by dotted key, of which those with `*` stand for every key that the files have.

    A part that is `*` stands for each table at its place in which the rest of the key leads to a
    table; the last part may be new there. Of changes to one key the last one counts. Keys that
    stand for nothing are added to `faults`.
    """
    expanded: dict[str, Any] = {}
    for key, value in changes.items():
        parts = key.split(".") if isinstance(key, str) else []
        if ANY not in parts:
            expanded.pop(key, None)  # its place is that of the last change
            expanded[key] = value
            continue
        matches = [] if len(parts) > MAX_DEPTH else list(_matches(parts, data))
        if not matches:
            faults.append(Fault(Location("--set"), key, f"matches no key{_hint(parts, data)}"))
        for match in matches:
            found = ".".join(_quoted(part) for part in match)
            expanded.pop(found, None)
            expanded[found] = value
    return expanded


def _matches(parts: list[str], data: Any) -> Iterator[tuple[str, ...]]:
    """The keys of a table that a key with wildcards stands for."""
    if not isinstance(data, Mapping):
        return
    head, *rest = parts
    for name in [name for name in data if head in (ANY, name)] if rest or head == ANY else [head]:
        if not rest:
            yield (name,)
        else:
            yield from ((name, *match) for match in _matches(rest, data[name]))


def _hint(parts: list[str], data: Mapping[str, Any]) -> str:
    """The nearest name to the first part after which nothing matches any more."""
    tables: list[Mapping[str, Any]] = [data]
    for part in parts[:-1]:
        names = [name for table in tables for name in table]
        if part != ANY and part not in names:
            similar = most_similar(part, sorted(set(names)))
            return f"; did you mean '{similar}'?" if similar else ""
        below = [table[name] for table in tables for name in table if part in (ANY, name)]
        tables = [table for table in below if isinstance(table, Mapping)]
    return ""


def _quoted(part: str) -> str:
    """A part of a key as TOML has it: in quotes where it holds a dot."""
    return f'"{part}"' if "." in part else part
