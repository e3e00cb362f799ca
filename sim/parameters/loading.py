"""Parameter files -> Scenario: chains of files, read, merged and checked."""

from __future__ import annotations

import copy
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.common.errors import Fault, InputError, Location
from sim.common.text import nearest, shown
from sim.parameters import correlation_groups, published, rules
from sim.parameters.document import Document, extended_file, read_toml
from sim.parameters.key_lines import MAX_DEPTH, find_too_deep, split_key, too_deep
from sim.parameters.merged_files import MergedFiles
from sim.parameters.merging import merge
from sim.parameters.override import Override
from sim.parameters.scenario import Scenario
from sim.parameters.validation import build_scenario
from sim.parameters.wildcards import expand_wildcards

PARTY_FOLDERS = ("labs", "landlords")
SOURCES, PUBLISHED, CLAIMS = "sources.toml", "published.toml", "claims.toml"  # beside the root
MOST_EXTENDED = 50  # files that extend one another


def load(path: str | Path, set: Mapping[str, Any] | None = None) -> Scenario:
    """Read a parameter file with all that belongs to it.

    That is everything it extends, and the labs, landlords, sources, published figures and claims
    beside the root.

    Args:
        path: A TOML file (see `params/base.toml`).
        set: Changes on top, by dotted key: `{"hardware.pue.median": 1.15}`. A part that is `*`
            stands for every table there: `labs.*.gw_2026q4.sigma`.

    Returns:
        The validated scenario.

    Raises:
        InputError: With all faults of all files, each with file, line and key.
    """
    faults: list[Fault] = []
    scenario = _load(Path(path), dict(set or {}), faults)
    if faults or scenario is None:
        raise InputError(faults)
    return scenario


def load_all(paths: Iterable[str | Path], set: Mapping[str, Any] | None = None) -> list[Scenario]:
    """Read several parameter files, as `load` does.

    Raises:
        InputError: With the faults of all of them.
    """
    faults: list[Fault] = []
    scenarios = [_load(Path(path), dict(set or {}), faults) for path in paths]
    if faults:
        raise InputError(faults)
    return [scenario for scenario in scenarios if scenario is not None]


def find_chain(path: str | Path) -> tuple[list[Path], bool]:
    """A file and all that it extends, the root last; and whether they can be read to the end.

    Otherwise the last one is missing or faulty, or extends a file of the chain.
    """
    chain = [Path(path)]
    try:
        while (extended := extended_file(chain[-1])) is not None:
            extended = Path(os.path.normpath(extended))
            if extended in chain or len(chain) == MOST_EXTENDED:
                return chain, False
            chain.append(extended)
    except (OSError, ValueError):
        return chain, False
    return chain, True


def find_files_beside(root: Path) -> list[Path]:
    """The files that are read with the root of a chain, whether they are there or not."""
    paths = [path for folder in PARTY_FOLDERS for path in (root.parent / folder).glob("*.toml")]
    parties = sorted(path for path in paths if not _is_hidden(path))
    return [*parties, *(root.parent / name for name in (SOURCES, PUBLISHED, CLAIMS))]


def parse_set(assignments: Iterable[str], faults: list[Fault]) -> dict[str, Any]:
    """Keys and values of `key=value` texts, read as TOML where possible.

    An assignment that cannot be read is added to `faults`.
    """
    changes: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            faults.append(Fault(Location("--set"), text, "expected group.name.key=value"))
            continue
        changes[key.strip()] = _parse_value(value)
    return changes


def _parse_value(text: str) -> Any:
    """A value of the command line, as TOML or as plain text."""
    try:
        table = tomllib.loads(f"x = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    return table["x"] if list(table) == ["x"] else text.strip()


def _load(path: Path, changes: dict[str, Any], faults: list[Fault]) -> Scenario | None:
    """Read, merge and check a file and all that belongs to it.

    Labs and landlords lie in folders beside the root of the chain, and below its overlays.

    Args:
        path: The file that is asked for.
        changes: Changes on top of it, by dotted key.
        faults: Everything that is wrong is added to it.

    Returns:
        The scenario, or None if it has faults.
    """
    chain, root = _read_chain(path, faults)
    for _, document in chain:
        rules.check_format(document, (), faults)
    merged = Document(default=Location(str(path)))
    files = [file for file, _ in chain]
    if chain:
        merge(merged, chain[0][1])
    parties = {
        folder: _merge_parties(merged, root.parent / folder, files, faults, bool(chain))
        for folder in PARTY_FOLDERS
    }
    overrides: list[Override] = []
    for _, document in chain[1:]:
        merge(merged, document, overrides)
    if chain:
        changes = expand_wildcards(changes, merged.data, faults)
    merge(merged, _document_of_changes(changes, faults), overrides)
    _add_and_remove(merged, parties, faults)
    if not chain:
        return None
    sources = read_toml(root.parent / SOURCES, faults)
    figures = root.parent / PUBLISHED
    statements = read_toml(figures, faults) if os.path.lexists(figures) else None
    claims = root.parent / CLAIMS
    claimed = read_toml(claims, faults) if os.path.lexists(claims) else None
    is_complete = sources is not None and all(all(known.values()) for known in parties.values())
    if _is_hidden(path):
        message = "a scenario's file cannot begin with a dot: its runs would be hidden too"
        faults.append(Fault(Location(str(path)), "", message))
    scenario = build_scenario(
        MergedFiles(merged, faults, parties, is_complete, published.read_sources(sources, faults)),
        path.stem,
        statements,
        tuple(overrides),
        tuple(str(file) for file in files),
        claimed,
    )
    if scenario is None:
        return None
    return replace(scenario, remarks=(*_remark_on_hidden_files(root), *scenario.remarks))


def _merge_parties(
    merged: Document, folder: Path, files: list[Path], faults: list[Fault], expected: bool
) -> dict[str, bool]:
    """Merge the files of a folder of labs or landlords.

    Each stands below a table of its own, named after the file.

    Args:
        merged: The document over which they are laid.
        folder: The folder; its name is the table of all of them.
        files: The paths of the files are added to it.
        faults: Everything that is wrong with them is added to it.
        expected: Whether a folder without files is a fault.

    Returns:
        The id of every party, and whether its file could be read.
    """
    paths = sorted(path for path in folder.glob("*.toml") if not _is_hidden(path))
    if expected and not paths:
        faults.append(Fault(Location(str(folder)), "", "no parameter files (*.toml) here"))
    is_read: dict[str, bool] = {}
    for path in paths:
        document = read_toml(path, faults)
        files.append(path)
        is_read[path.stem] = document is not None
        if document is not None:
            key = (folder.name, path.stem)
            moved = document.move_below(key)
            rules.check_format(moved, key, faults)
            merge(merged, moved, faults=faults)
    return is_read


def _add_and_remove(
    merged: Document, parties: dict[str, dict[str, bool]], faults: list[Fault]
) -> None:
    """Take up the labs and landlords that overlays add, and leave out those that they remove.

    A table with a `name` that no file has is a new one: `[labs.mistral]`. One with `remove = true`
    is left out, with all its keys. `parties` is changed in place.
    """
    for folder in PARTY_FOLDERS:
        tables = merged.data.get(folder)
        if not isinstance(tables, dict):
            continue
        for party, table in list(tables.items()):
            if not isinstance(table, dict):
                continue
            if "remove" not in table:
                if party not in parties[folder] and "name" in table:
                    parties[folder][party] = True
                continue
            key = (folder, party, "remove")
            if table["remove"] is not True:
                message = f"expected true, got {shown(table['remove'])}"
                faults.append(Fault(merged.location(key), ".".join(key), message))
            if party not in parties[folder]:
                message = f"no such {folder[:-1]}{nearest(party, list(parties[folder]))}"
                faults.append(Fault(merged.location(key), ".".join(key), message))
            tables.pop(party)
            parties[folder].pop(party, None)
            for lab in (merged.data.get("labs", {}) if folder == "landlords" else {}).values():
                hosts = lab.get("host") if isinstance(lab, dict) else None
                if isinstance(hosts, dict):
                    hosts.pop(party, None)


def _is_hidden(path: Path) -> bool:
    """Whether a name begins with a dot, as those of editors' and systems' own files do."""
    return path.name.startswith(".")


def _remark_on_hidden_files(root: Path) -> list[str]:
    """Remarks on files beside labs and landlords that are left out because they are hidden."""
    paths = [path for folder in PARTY_FOLDERS for path in (root.parent / folder).glob("*.toml")]
    return [
        f"{path}: is left out of the {path.parent.name}, because its name begins with a dot"
        for path in sorted(filter(_is_hidden, paths))
    ]


def _resolve(path: Path) -> Path:
    """The path without links; as it is where it cannot be resolved."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a name that cannot be
        return path


def _read_chain(path: Path, faults: list[Fault]) -> tuple[list[tuple[Path, Document]], Path]:
    """Read a file and all that it extends.

    Returns:
        Path and document of each, the root first, or none where one is faulty (which is added to
        `faults`); and the path of the last that was looked for, which then is the root.
    """
    chain: list[tuple[Path, Document]] = []
    seen: dict[Path, Path] = {}  # without links -> as it is named
    extended_at: Location | None = None
    while True:
        location = extended_at or Location(str(path))
        if _resolve(path) in seen:
            circle = " -> ".join(str(other) for other in [*seen.values(), path])
            faults.append(Fault(location, "extends", f"goes in a circle: {circle}"))
            return [], path
        if len(seen) == MOST_EXTENDED:
            message = f"expected a chain of at most {MOST_EXTENDED} files"
            faults.append(Fault(location, "extends", message))
            return [], path
        seen[_resolve(path)] = path
        count = len(faults)
        document = read_toml(path, faults, quotes=extended_at is None)
        if document is None:
            blame = ("no such file", "cannot be read")
            if extended_at is not None and faults[count].message.startswith(blame):
                message = f"{path}: {faults[count].message}"
                faults[count] = Fault(extended_at, "extends", message)
            return [], path
        correlation_groups.name_groups(document, faults)
        chain.insert(0, (path, document))
        extends = document.data.get("extends")
        if extends is None:
            return chain, path
        extended_at = document.location(("extends",))
        if not isinstance(extends, str):
            message = f"expected a file name, got {shown(extends)}"
            faults.append(Fault(extended_at, "extends", message))
            return [], path
        path = Path(os.path.normpath(path.parent / extends))


def _document_of_changes(changes: Mapping[str, Any], faults: list[Fault]) -> Document:
    """The changes of `--set` as a document with nested tables.

    Keys that no file could have are added to `faults`.
    """
    location = Location("--set")
    document = Document(default=location)
    for dotted, value in changes.items():
        if not isinstance(dotted, str):
            message = f"expected a key such as hardware.pue.median, got {shown(dotted)}"
            faults.append(Fault(location, "", message))
            continue
        try:
            key = split_key(dotted)
        except ValueError:
            key = tuple(dotted.split("."))
        if len(key) > MAX_DEPTH or find_too_deep(value) is not None:
            faults.append(Fault(location, ".".join(key[:3]), str(too_deep(0, key))))
            continue
        table = document.data
        for part in key[:-1]:
            within = table.setdefault(part, {})
            if not isinstance(within, dict):
                faults.append(Fault(location, dotted, "set twice, as a value and as a table"))
                within = {}
            table = within
        value = list(value) if isinstance(value, tuple) else copy.deepcopy(value)
        if isinstance(value, dict) and isinstance(table.get(key[-1]), dict):
            table[key[-1]] |= value
        else:
            table[key[-1]] = value
        document.locations[key] = location
    if "format" in document.data:
        rules.check_format(document, (), faults)
    if "extends" in document.data:
        faults.append(Fault(location, "extends", "is given in a file, and cannot be set"))
    return document
