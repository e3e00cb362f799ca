"""Correlation groups of files: named, merged by key, checked with their distributions."""

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
from sim.parameters.document import Document
from sim.parameters.locations import Locations

TABLE = "correlation"
FORMS = ("matrix", "pairs")  # one stands for the other


def name_groups(document: Document, faults: list[Fault]) -> None:
    """Turn a file's list of groups into a table by name.

    A group without a name is called after its inputs. Locations of keys move with them, and what is
    wrong is added to `faults`.
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
    document.locations = document.locations.copy()  # other documents of the text share them
    places = document.locations.drop((TABLE,)) or Locations()
    for i, group in enumerate(groups):
        own = places.below((str(i),)) or Locations()
        at = own.get(("name",)) or own.own or document.default
        name = _group_name(group, i)
        if "name" in group and (not isinstance(group["name"], str) or not group["name"].strip()):
            message = f"expected a name, got {shown(group['name'])}"
            faults.append(Fault(at, f"{TABLE}.name", message))
        elif name in named:
            faults.append(Fault(at, f"{TABLE}.{name}", "the file has two groups of this name"))
        else:
            named[name] = {key: value for key, value in group.items() if key != "name"}
            document.locations.add_below((TABLE, name), own)
    document.data[TABLE] = named


def _group_name(group: Mapping[str, Any], index: int) -> str:
    """The name of a group: its own, its inputs, or its index."""
    name, inputs = group.get("name"), group.get("inputs")
    if isinstance(name, str) and name:
        return name
    if isinstance(inputs, list) and inputs and all(isinstance(part, str) for part in inputs):
        return "+".join(sorted(inputs))
    return str(index)


def find_replaced_keys(overlay: Mapping[str, Any], group: Mapping[str, Any]) -> set[str]:
    """The keys of a group that an overlay of it replaces.

    A matrix and pairs replace each other; other inputs remove the matrix, whose rows were those of
    the old ones; another copula than t removes `nu`.
    """
    replaced = set(FORMS) if set(FORMS) & set(overlay) else set()
    if "inputs" in overlay and overlay["inputs"] != group.get("inputs"):
        replaced.add("matrix")
    if overlay.get("copula", "t") != "t":
        replaced.add("nu")
    if overlay.get("kind", "copula") != "copula":
        replaced |= {"nu", "copula"}
    return replaced & set(group)


def read_groups(
    document: Document,
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    faults: list[Fault],
) -> tuple[Group, ...]:
    """The correlation groups of merged files.

    Args:
        document: The files, with groups by name.
        distributions: The distribution of every input, by full name.
        loads: The loadings of every input on the common factors, by full name.
        faults: What is wrong is added to it, and the group left out.
    """
    tables = document.data.get(TABLE, {})
    groups = []
    taken: dict[str, str] = {}
    for name, table in tables.items() if isinstance(tables, dict) else ():
        key = (TABLE, name)
        wrong: list[tuple[str, str]]
        if not isinstance(table, dict):
            wrong = [("", f"expected a table, got {shown(table)}")]
        elif "name" in table:
            wrong = [("name", "is given where the group is, and cannot be changed")]
        else:
            try:
                groups.append(check_group({**table, "name": name}, distributions, loads, taken))
                continue
            except GroupError as error:
                wrong = error.faults
        for within, message in wrong:
            at = (*key, within) if within else key
            faults.append(Fault(document.location(at), ".".join(at), message))
    return tuple(groups)


def check_group(
    entry: Mapping[str, Any],
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    taken: dict[str, str],
) -> Group:
    """The group of an entry, whose members exist and may be tied.

    Args:
        entry: The group in plain data, as in a file.
        distributions: The distribution of every input, by name.
        loads: The loadings of inputs on the common factors, by name.
        taken: The name of the group of every input that is in one; the new members are added.

    Raises:
        GroupError: With everything that is wrong with it.
    """
    group = read_group(entry)
    wrong = list(_check_members(group, distributions, loads, taken))
    if wrong:
        raise GroupError(wrong)
    score_matrix(group, distributions)
    taken |= dict.fromkeys(group.members, group.name)
    return group


def _check_members(
    group: Group,
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    taken: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """Key and message for every member that cannot be in the group."""
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
