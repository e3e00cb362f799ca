"""Parameter files -> Scenario: chains of files, read and merged key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sim.distributions import LAW_KEYS
from sim.fields import declared
from sim.files import Document, Fault, InputError, Key, Place, read
from sim.inputs import Host
from sim.resolve import JUDGEMENT, Resolver
from sim.scenario import Override, Scenario


def load(path: str | Path, set: Mapping[str, Any] | None = None) -> Scenario:
    """Read a parameter file with everything it extends, its labs, landlords and sources.

    Args:
        path: A TOML file (see `params/base.toml`).
        set: Changes on top, by dotted key: `{"hardware.pue.median": 1.15}`.

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
    """`load` several files; the faults of all of them are raised together."""
    faults: list[Fault] = []
    found = [_load(Path(path), dict(set or {}), faults) for path in paths]
    if faults:
        raise InputError(faults)
    return [scenario for scenario in found if scenario is not None]


def parse_set(assignments: Iterable[str], faults: list[Fault]) -> dict[str, Any]:
    """`key=value` strings of the command line -> keys and values, read as TOML where possible.

    An assignment that cannot be read is added to `faults`.
    """
    changes: dict[str, Any] = {}
    for text in assignments:
        key, equals, raw = text.partition("=")
        if not equals or not key.strip() or not raw.strip():
            faults.append(Fault(Place("--set"), text, "expected group.name.key=value"))
            continue
        try:
            changes[key.strip()] = tomllib.loads(f"x = {raw}")["x"]
        except tomllib.TOMLDecodeError:
            changes[key.strip()] = raw.strip()
    return changes


def _load(path: Path, changes: dict[str, Any], faults: list[Fault]) -> Scenario | None:
    before = len(faults)
    chain = _chain(path, faults)
    root = chain[0][0].parent if chain else path.parent
    merged = Document(default=Place(str(path)))
    overrides: list[Override] = []
    if chain:
        merge(merged, chain[0][1])
    files = [file for file, _ in chain]
    for folder in ("labs", "landlords"):
        found = sorted((root / folder).glob("*.toml"))
        if chain and not found:
            faults.append(Fault(Place(str(root / folder)), "", "no parameter files (*.toml) here"))
        for file in found:
            document = read(file, faults)
            files.append(file)
            if document is not None:
                document.default = Place(str(file))
                merge(merged, document.under((folder, file.stem)))
    for _, document in chain[1:]:
        merge(merged, document, overrides)
    merge(merged, _from_set(changes, faults), overrides)
    sources = read(root / "sources.toml", faults)
    published = (
        read(root / "published.toml", faults) if (root / "published.toml").exists() else None
    )
    if len(faults) > before and (not chain or not merged.data):
        return None
    readable = len(faults) == before
    return Resolver(path.stem, merged, sources, published, overrides, faults, readable).scenario(
        tuple(str(file) for file in files)
    )


def _chain(path: Path, faults: list[Fault]) -> list[tuple[Path, Document]]:
    """The file and all that it extends, the root first; empty where one of them is faulty."""
    chain: list[tuple[Path, Document]] = []
    seen: list[Path] = []
    from_key: Place | None = None
    while True:
        if path.resolve() in [other.resolve() for other in seen]:
            circle = " -> ".join(str(other) for other in [*seen, path])
            faults.append(
                Fault(from_key or Place(str(path)), "extends", f"goes in a circle: {circle}")
            )
            return []
        seen.append(path)
        count = len(faults)
        document = read(path, faults)
        if document is None:
            if from_key is not None and "no such file" in faults[count].message:
                faults[count] = Fault(from_key, "extends", f"{path}: {faults[count].message}")
            return []
        chain.insert(0, (path, document))
        extends = document.data.get("extends")
        if extends is None:
            return chain
        from_key = document.place(("extends",))
        if not isinstance(extends, str):
            faults.append(Fault(from_key, "extends", f"expected a file name, got {extends!r}"))
            return []
        path = path.parent / extends


def _from_set(changes: Mapping[str, Any], faults: list[Fault]) -> Document:
    document = Document(default=Place("--set"))
    for dotted, what in changes.items():
        parts = tuple(dotted.split("."))
        tree = document.data
        for part in parts[:-1]:
            below = tree.setdefault(part, {})
            if not isinstance(below, dict):
                faults.append(Fault(Place("--set"), dotted, "set twice, as a value and as a table"))
                below = {}
            tree = below
        tree[parts[-1]] = list(what) if isinstance(what, tuple) else what
        document.places[parts] = Place("--set")
    return document


def merge(base: Document, over: Document, overrides: list[Override] | None = None) -> None:
    """Lay a document over another, key by key; `overrides` collects the numbers that change.

    A table that gives `family`, `value` or quantiles replaces the whole law below it and keeps
    unit, loads and note. A number changed without a new source is marked as judgement.
    """
    _merge_tables(base, over, (), base.data, over.data, overrides)
    if overrides is None:
        for key, place in over.places.items():
            base.places.setdefault(key, place)


def _merge_tables(
    base: Document,
    over: Document,
    key: Key,
    into: dict[str, Any],
    table: dict[str, Any],
    overrides: list[Override] | None,
) -> None:
    before = dict(into)
    if overrides is not None and {"family", "value"} & set(table) and LAW_KEYS & set(into):
        for stale in LAW_KEYS & set(into):
            del into[stale]
            base.places.pop((*key, stale), None)
    for name, what in table.items():
        at = (*key, name)
        if isinstance(what, dict) and isinstance(into.get(name), dict) and name != "loads":
            _merge_tables(base, over, at, into[name], what, overrides)
            continue
        into[name] = what
        base.places[at] = over.place(at)
        if isinstance(what, dict):
            base.places.update({k: p for k, p in over.places.items() if k[: len(at)] == at})
    numbers = (LAW_KEYS | set(declared(Host)) | {"loads"}) & set(table)
    if overrides is None or not numbers or "source" not in before:
        return
    changed = {n: what for n, what in into.items() if n in numbers and before.get(n) != what}
    for name in sorted(changed):
        by = str(over.place((*key, name)))
        overrides.append(Override(".".join((*key, name)), before.get(name), into[name], by))
    if changed and "source" not in table:
        into["overrides"] = before.get("overrides", before["source"])
        into["source"] = JUDGEMENT
        into.pop("as_of", None)
