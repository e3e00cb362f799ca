"""Correlation groups as files give them: named, merged key by key, and checked with their laws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.common.errors import Fault
from sim.common.text import nearest, shown
from sim.distributions.base import Distribution
from sim.distributions.copulas import score_matrix
from sim.distributions.discrete import Fixed
from sim.distributions.groups import Group, GroupError, read_group
from sim.distributions.landlord_capex import FiscalYears, SharedSpread
from sim.parameters.document import Document, Key

TABLE = "correlation"
FORMS = ("matrix", "pairs")  # one stands for the other


def by_name(document: Document, faults: list[Fault]) -> None:
    """Turn the list of groups of a file into a table by their names, with the places of keys.

    A group without a name is called after its inputs.
    """
    groups = document.data.get(TABLE)
    if groups is None:
        return
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        message = f"expected tables [[{TABLE}]], got {shown(groups)}"
        faults.append(Fault(document.location((TABLE,)), TABLE, message))
        del document.data[TABLE]
        return
    named: dict[str, Any] = {}
    locations = {
        key: location for key, location in document.locations.items() if key[:1] == (TABLE,)
    }
    for key in locations:
        del document.locations[key]
    for i, group in enumerate(groups):
        old: Key = (TABLE, str(i))
        name = _name(group, i)
        if "name" in group and (not isinstance(group["name"], str) or not group["name"].strip()):
            location = locations.get((*old, "name"), document.default)
            message = f"expected a name, got {shown(group['name'])}"
            faults.append(Fault(location, f"{TABLE}.name", message))
            continue
        if name in named:
            location = locations.get((*old, "name"), locations.get(old, document.default))
            faults.append(
                Fault(location, f"{TABLE}.{name}", "the file has two groups of this name")
            )
            continue
        named[name] = {key: what for key, what in group.items() if key != "name"}
        for key, location in locations.items():
            if key[:2] == old:
                document.locations[(TABLE, name, *key[2:])] = location
    document.data[TABLE] = named


def _name(group: Mapping[str, Any], location: int) -> str:
    name, inputs = group.get("name"), group.get("inputs")
    if isinstance(name, str) and name:
        return name
    if isinstance(inputs, list) and inputs and all(isinstance(part, str) for part in inputs):
        return "+".join(sorted(inputs))
    return str(location)


def replaced(table: Mapping[str, Any], below: Mapping[str, Any]) -> set[str]:
    """The keys of a group that go with what an overlay says of it.

    A matrix and pairs replace each other, a matrix goes with other inputs (its rows are those of
    the old ones), and `nu` goes with the t copula.
    """
    gone = set(FORMS) if set(FORMS) & set(table) else set()
    if "inputs" in table and table["inputs"] != below.get("inputs"):
        gone.add("matrix")
    if table.get("copula", "t") != "t":
        gone.add("nu")
    if table.get("kind", "copula") != "copula":
        gone |= {"nu", "copula"}
    return gone & set(below)


def read(
    document: Document,
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    faults: list[Fault],
) -> tuple[Group, ...]:
    """Correlation groups of merged files; `distributions` and `loads` are by full name."""
    tables = document.data.get(TABLE, {})
    found = []
    taken: dict[str, str] = {}
    for name, table in tables.items() if isinstance(tables, dict) else ():
        key = (TABLE, name)
        wrong: list[tuple[str, str]]
        if not isinstance(table, dict):
            wrong = [("", f"expected a table, got {shown(table)}")]
        elif "name" in table:
            wrong = [("name", "is said where the group is, and cannot be changed")]
        else:
            try:
                found.append(checked({**table, "name": name}, distributions, loads, taken))
                continue
            except GroupError as error:
                wrong = error.faults
        for within, message in wrong:
            at = (*key, within) if within else key
            faults.append(Fault(document.location(at), ".".join(at), message))
    return tuple(found)


def checked(
    said: Mapping[str, Any],
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    taken: dict[str, str],
) -> Group:
    """A group whose members there are and may be tied; `taken` maps them to their group.

    Raises:
        GroupError: With everything that is wrong with it.
    """
    group = read_group(said)
    wrong = list(_members(group, distributions, loads, taken))
    if wrong:
        raise GroupError(wrong)
    score_matrix(group, distributions)
    taken |= dict.fromkeys(group.members, group.name)
    return group


def _members(
    group: Group,
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    taken: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    for name in group.members:
        distribution = distributions.get(name)
        if distribution is None:
            yield "inputs", f"unknown input '{name}'{nearest(name, list(distributions))}"
        elif isinstance(distribution, Fixed):
            yield "inputs", f"{name} is a fixed value, which nothing can be tied to"
        elif loads.get(name):
            factors = ", ".join(loads[name])
            yield "inputs", f"{name} loads on {factors}: an input is tied by loads or in a group"
        elif name in taken:
            yield "inputs", f"{name} is in the group '{taken[name]}' already"
        elif group.kind == "pearson" and isinstance(distribution, SharedSpread | FiscalYears):
            yield "kind", f"the spread of {name} differs by draw: give its spearman correlation"
