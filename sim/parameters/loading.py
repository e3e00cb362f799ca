"""Parameter files -> Scenario: chains of files, read and merged key by key."""

from __future__ import annotations

import copy
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sim.common.errors import Fault, InputError, Location
from sim.common.text import shown
from sim.distributions.file_keys import find_replaced_keys, is_distribution_key
from sim.distributions.landlord_capex import FISCAL_KEYS, FISCAL_YEAR_END
from sim.model.declarations import declared
from sim.model.inputs import IN_FISCAL_YEARS, Host
from sim.parameters import correlation_groups, rules, sweep_axes
from sim.parameters.document import Document, Key, read
from sim.parameters.scenario import Override, Scenario
from sim.parameters.validation import GROUPS, JUDGEMENT, Resolver

HOST_KEYS = frozenset(declared(Host))


# Keys that change no number.
TEXTS = frozenset({"format", "extends", "description", "unit", "source", "note", "as_of"})


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
            faults.append(Fault(Location("--set"), text, "expected group.name.key=value"))
            continue
        changes[key.strip()] = _value(raw)
    return changes


def _value(text: str) -> Any:
    """A value of the command line: TOML where it reads as one value, else the text itself."""
    try:
        read_as = tomllib.loads(f"x = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    return read_as["x"] if list(read_as) == ["x"] else text.strip()


def _load(path: Path, changes: dict[str, Any], faults: list[Fault]) -> Scenario | None:
    chain, bottom = _chain(path, faults)
    root = bottom.parent
    for _, document in chain:
        rules.format_number(document, (), faults)
    merged = Document(default=Location(str(path)))
    overrides: list[Override] = []
    if chain:
        merge(merged, chain[0][1])
    files = [file for file, _ in chain]
    parties: dict[str, dict[str, bool]] = {}
    for folder in ("labs", "landlords"):
        found = sorted((root / folder).glob("*.toml"))
        parties[folder] = {file.stem: False for file in found}
        if chain and not found:
            faults.append(
                Fault(Location(str(root / folder)), "", "no parameter files (*.toml) here")
            )
        for file in found:
            found_in = read(file, faults)
            files.append(file)
            if found_in is not None:
                below = found_in.under((folder, file.stem))
                rules.format_number(below, (folder, file.stem), faults)
                merge(merged, below, faults=faults)
                parties[folder][file.stem] = True
    for _, document in chain[1:]:
        merge(merged, document, overrides)
    changed = _from_set(changes, faults)
    if "format" in changed.data:
        rules.format_number(changed, (), faults)
    if "extends" in changed.data:
        faults.append(Fault(Location("--set"), "extends", "is said in a file, and cannot be set"))
    merge(merged, changed, overrides)
    if not chain:
        return None
    sources = read(root / "sources.toml", faults)
    published = (
        read(root / "published.toml", faults) if (root / "published.toml").exists() else None
    )
    readable = sources is not None and all(all(files.values()) for files in parties.values())
    return Resolver(
        path.stem, merged, sources, published, overrides, faults, readable, parties
    ).scenario(tuple(str(file) for file in files))


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a name that cannot be
        return path


def _chain(path: Path, faults: list[Fault]) -> tuple[list[tuple[Path, Document]], Path]:
    """The file and all that it extends, the root first, and the path of the root.

    The list is empty where one of them is faulty.
    """
    chain: list[tuple[Path, Document]] = []
    seen: list[Path] = []
    from_key: Location | None = None
    while True:
        if _resolved(path) in [_resolved(other) for other in seen]:
            circle = " -> ".join(str(other) for other in [*seen, path])
            faults.append(
                Fault(from_key or Location(str(path)), "extends", f"goes in a circle: {circle}")
            )
            return [], path
        seen.append(path)
        count = len(faults)
        document = read(path, faults)
        if document is not None:
            correlation_groups.by_name(document, faults)
        else:
            blame = ("no such file", "cannot be read")
            if from_key is not None and faults[count].message.startswith(blame):
                faults[count] = Fault(from_key, "extends", f"{path}: {faults[count].message}")
            return [], path
        chain.insert(0, (path, document))
        extends = document.data.get("extends")
        if extends is None:
            return chain, path
        from_key = document.location(("extends",))
        if not isinstance(extends, str):
            faults.append(Fault(from_key, "extends", f"expected a file name, got {shown(extends)}"))
            return [], path
        path = Path(os.path.normpath(path.parent / extends))


def _from_set(changes: Mapping[str, Any], faults: list[Fault]) -> Document:
    document = Document(default=Location("--set"))
    for dotted, what in changes.items():
        if not isinstance(dotted, str):
            message = f"expected a key such as hardware.pue.median, got {shown(dotted)}"
            faults.append(Fault(Location("--set"), "", message))
            continue
        parts = tuple(dotted.split("."))
        tree = document.data
        for part in parts[:-1]:
            below = tree.setdefault(part, {})
            if not isinstance(below, dict):
                faults.append(
                    Fault(Location("--set"), dotted, "set twice, as a value and as a table")
                )
                below = {}
            tree = below
        what = list(what) if isinstance(what, tuple) else copy.deepcopy(what)
        if isinstance(what, dict) and isinstance(tree.get(parts[-1]), dict):
            tree[parts[-1]] |= what
        else:
            tree[parts[-1]] = what
        document.locations[parts] = Location("--set")
    return document


def merge(
    base: Document,
    over: Document,
    overrides: list[Override] | None = None,
    faults: list[Fault] | None = None,
) -> None:
    """Lay a document over another, key by key; `overrides` collects the numbers that change.

    A table that gives `family` or `value` replaces the whole law below it and keeps unit, loads and
    note; one that gives quantiles, or mean and sd, replaces the parameters for which they stand
    (and the other way round). A number changed without a new source is marked as judgement.
    """
    _merge_tables(base, over, (), base.data, over.data, overrides, faults)
    if overrides is None:
        for key, location in over.locations.items():
            base.locations.setdefault(key, location)


def _merge_tables(
    base: Document,
    over: Document,
    key: Key,
    into: dict[str, Any],
    table: dict[str, Any],
    overrides: list[Override] | None,
    faults: list[Fault] | None,
) -> None:
    before = {n: dict(w) if isinstance(w, dict) else w for n, w in into.items()}
    distribution: dict[str, Any] = {}
    stale: set[str] = set()
    if overrides is not None and _is_quantity(key):
        distribution = {
            name: what for name, what in before.items() if is_distribution_key(name, before)
        }
        stale = find_replaced_keys(table, distribution, fiscal=key[-1] in IN_FISCAL_YEARS)
    elif key[:-1] == (correlation_groups.TABLE,):
        stale = correlation_groups.replaced(table, before)
    for name in stale:
        del into[name]
        base.drop((*key, name))
    opening = (
        next((name for name in table if is_distribution_key(name, table)), None) if stale else None
    )
    changed = False
    for name, what in table.items():
        at = (*key, name)
        whole = name == "loads" and at in over.locations  # rather than one loading of several
        if isinstance(what, dict) and isinstance(into.get(name), dict) and not whole:
            loads = dict(into[name]) if name == "loads" else None
            _merge_tables(base, over, at, into[name], what, overrides, faults)
            changed |= loads is not None and loads != into[name]
            continue
        if faults is not None and name in into:
            message = f"expected a table, got {shown(into[name])}"
            if isinstance(into[name], dict):
                message = f"is said in {over.default} too: labs and landlords have their own files"
            faults.append(Fault(base.location(at), ".".join(at), message))
        into[name] = what
        if at in over.locations or not isinstance(what, dict):
            if isinstance(before.get(name), dict | list):
                base.drop(at)
            base.locations[at] = over.holder(at)
        else:
            base.locations.pop(at, None)
        if isinstance(what, dict | list):
            base.locations.update({k: p for k, p in over.locations.items() if k[: len(at)] == at})
        said = name not in TEXTS and at[0] != sweep_axes.TABLE
        if overrides is not None and said and before.get(name) != what:
            old = distribution if name == opening else before.get(name)
            # A copy: what is laid on top later changes tables and lists where they are.
            before_and_after = copy.deepcopy((old, what))
            overrides.append(Override(".".join(at), *before_and_after, str(over.location(at))))
            changed |= name == "loads" or name in HOST_KEYS or is_distribution_key(name, into)
    if overrides is not None and table.get(FISCAL_YEAR_END) != before.get(FISCAL_YEAR_END):
        for name in IN_FISCAL_YEARS if FISCAL_YEAR_END in table else ():
            _mark_fiscal(base, (*key, name), into.get(name))
    if "source" in table:
        base.marks.pop(key, None)
    if changed and "source" in before:
        if "source" not in table:
            base.marks.setdefault(key, str(before["source"]))
            into["source"] = JUDGEMENT
        if "as_of" not in table:
            into.pop("as_of", None)


def _is_quantity(key: Key) -> bool:
    """Whether a key is that of a quantity's table: `hardware.pue`, `labs.openai.gw_2026q4`."""
    parties = len(key) == 3 and key[0] in ("labs", "landlords") and key[2] != "host"
    return parties or (len(key) == 2 and key[0] in GROUPS)


def _mark_fiscal(base: Document, key: Key, entry: Any) -> None:
    """Mark capex in fiscal years of which an overlay moves the year's end."""
    if isinstance(entry, dict) and FISCAL_KEYS & set(entry) and "source" in entry:
        base.marks.setdefault(key, str(entry["source"]))
        entry["source"] = JUDGEMENT
