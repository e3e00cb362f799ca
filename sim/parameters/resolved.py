"""Resolved parameters as the tables of a parameter file, and a scenario made of them again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from sim.common.errors import Fault, InputError, Location
from sim.parameters import correlation_groups
from sim.parameters.document import Document
from sim.parameters.merged_files import MergedFiles
from sim.parameters.rules import FORMAT
from sim.parameters.scenario import Scenario
from sim.parameters.validation import build_scenario

PARTIES = ("labs", "landlords")


def as_tables(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Resolved parameters (`Scenario.resolved`) nested as in parameter files."""
    tree: dict[str, Any] = {"format": FORMAT, "model": dict(resolved["model"])}
    if resolved["factors"]:
        tree["factors"] = dict(resolved["factors"])
    for parties in PARTIES:
        tree[parties] = {party: {"name": name} for party, name in resolved[parties].items()}
    for landlord, month in resolved["fiscal_year_ends"].items():
        tree["landlords"][landlord]["fiscal_year_end"] = month
    for name, entry in [*resolved["quantities"].items(), *resolved["hosts"].items()]:
        table = tree
        for part in name.split("."):
            table = table.setdefault(part, {})
        table.update(entry)
    if resolved["correlation"]:
        tree["correlation"] = list(resolved["correlation"])
    return tree


def _as_read(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with what files have and resolved parameters lack, or have as texts."""
    tables = copy.deepcopy(dict(resolved))
    for entry in tables["quantities"].values():
        entry.pop("overrides", None)
        if "as_of" in entry:
            entry["as_of"] = date.fromisoformat(entry["as_of"])
    for entry in tables["hosts"].values():
        entry.update(unit="1", note="not among resolved parameters")
    return tables


def scenario_of(
    resolved: Mapping[str, Any], sources: Mapping[str, dict[str, str]], name: str
) -> Scenario:
    """The scenario that has these resolved parameters, with the same draws.

    It lacks what no draw depends on: description, published figures, overrides and `[run]`.

    Raises:
        InputError: If they are no parameters of this version.
    """
    origin = f"parameters of {name}"
    overridden = {
        tuple(key.split(".")): entry["overrides"]
        for key, entry in resolved["quantities"].items()
        if "overrides" in entry
    }
    document = Document(
        as_tables(_as_read(resolved)), default=Location(origin), overridden_sources=overridden
    )
    faults: list[Fault] = []
    correlation_groups.name_groups(document, faults)
    parties = {kind: dict.fromkeys(resolved[kind], True) for kind in PARTIES}
    merged = MergedFiles(document, faults, parties, True, dict(sources))
    scenario = build_scenario(merged, name, None, (), ())
    if scenario is None:
        raise InputError(faults or [Fault(Location(origin), "", "cannot be read")])
    by_id = {party.id: party for party in scenario.labs}
    labs = tuple(by_id[party] for party in resolved["labs"])  # files may give another order
    by_id = {party.id: party for party in scenario.landlords}
    landlords = tuple(by_id[party] for party in resolved["landlords"])
    return replace(scenario, labs=labs, landlords=landlords)


def differing(first: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What resolved parameters have in place of the first ones, by group; None where they lack it.

    A group that is no table, such as `correlation`, is whole.
    """
    changes: dict[str, Any] = {}
    for group, entries in other.items():
        if entries == first[group]:
            continue
        if not isinstance(entries, dict):
            changes[group] = entries
            continue
        names = dict.fromkeys([*first[group], *entries])
        changed = {n: entries.get(n) for n in names if entries.get(n) != first[group].get(n)}
        changes[group] = changed
    return changes


def with_changes(first: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Resolved parameters from the first ones and what differs (`differing`)."""
    tables = copy.deepcopy(dict(first))
    for group, entries in changes.items():
        if not isinstance(entries, dict):
            tables[group] = entries
            continue
        tables[group] |= entries
        tables[group] = {name: of for name, of in tables[group].items() if of is not None}
    return tables
