"""Edits between two scenarios, and a scenario with some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from scipy.special import ndtri

from sim.common.errors import Fault, InputError, Location
from sim.common.text import in_words, nearest
from sim.distributions.text_density import format_number
from sim.parameters.scenario import Quantity, Scenario

SETTINGS = ("view", "rental_mode", "uncertainty", "named_labs", "thresholds_gw")
PARTIES = ("labs", "landlords")
DIGITS = (3, 4, 6, 9, 15)  # significant ones, as many as tell two numbers apart
NAMED_BY_GROUP = ("factors", "correlation")
_MARKED = ndtri(np.array([0.05, 0.5, 0.95]))


@dataclass(frozen=True, slots=True)
class Edit:
    """What differs between two scenarios in one place, which changes as a whole.

    `name` is a quantity's (`hardware.pue`), a setting's (`model.view`), a held factor's
    (`factors.demand`), `correlation.NAME`, `labs.openai.host`, a lab or landlord that only one of
    them has (`labs.mistral`), or that of a group of edits. `keys` are the names of the edits that
    a group is made of. `before` and `after` are texts.
    """

    name: str
    keys: tuple[str, ...]
    before: str = ""
    after: str = ""


def find_edits(first: Scenario, second: Scenario) -> list[Edit]:
    """What differs between two scenarios and can move a draw, in the order of the files.

    Sources, notes and dates do not: a quantity with the same distribution and loadings is no edit.
    """
    before, after = _parts(first), _parts(second)
    names = list(dict.fromkeys([*after, *before]))
    different = [name for name in names if before.get(name) != after.get(name)]
    parties = {
        f"{kind}.{party}": ("absent", "added") if party in new else ("present", "left out")
        for kind in PARTIES
        for old, new in [(_ids(first, kind), _ids(second, kind))]
        for party in old ^ new
    }
    edits = []
    for name in different:
        if not _belongs(name, parties):
            edits.append(Edit(name, (name,), *_texts(first, second, name)))
    edits += [Edit(name, (name,), *texts) for name, texts in sorted(parties.items())]
    return _joined(edits)


def _joined(edits: list[Edit]) -> list[Edit]:
    """Edits of landlords that come or go, and of who houses whom, as one: shares sum to 1."""
    landlords = [edit for edit in edits if edit.name.startswith("landlords.") and edit.before in
                 ("absent", "present")]  # fmt: skip
    if not landlords:
        return edits
    hosts = [edit for edit in edits if edit.name.endswith(".host")]
    together = [*landlords, *hosts]
    rest = [edit for edit in edits if edit not in together]
    keys = tuple(edit.name for edit in together)
    name = landlords[0].name if len(together) == 1 else f"{landlords[0].name} and hosts"
    return [*rest, Edit(name, keys, landlords[0].before, landlords[0].after)]


def group_edits(edits: Sequence[Edit], groups: Mapping[str, Collection[str]]) -> list[Edit]:
    """Edits of which some are joined to groups, by patterns of keys such as `labs.*`.

    Raises:
        InputError: For a pattern that is of no edit, or an edit that is in two groups.
    """
    taken: dict[str, str] = {}
    faults = []
    for group, patterns in groups.items():
        for pattern in patterns:
            found = [edit.name for edit in edits if _matches(edit.name, pattern)]
            if not found:
                hint = nearest(pattern, [edit.name for edit in edits])
                faults.append(Fault(Location("--group"), group, f"no edit '{pattern}'{hint}"))
            for name in found:
                if taken.setdefault(name, group) != group:
                    message = f"'{name}' is in the groups {taken[name]} and {group}"
                    faults.append(Fault(Location("--group"), group, message))
    for edit in edits:
        if edit.name in groups and taken.get(edit.name) != edit.name:
            message = f"'{edit.name}' is an edit: expected another name"
            faults.append(Fault(Location("--group"), edit.name, message))
    if faults:
        raise InputError(faults)
    result: dict[str, Edit] = {}
    for edit in edits:
        name = taken.get(edit.name, edit.name)
        known = result.get(name)
        keys = (*(known.keys if known else ()), *edit.keys)
        result[name] = Edit(name, keys) if known else replace(edit, name=name)
    return list(result.values())


def apply_edits(first: Scenario, second: Scenario, edits: Iterable[Edit]) -> Scenario:
    """The first scenario with some of the edits that lead to the second.

    With all of them it draws what the second draws.
    """
    keys = {key for edit in edits for key in edit.keys}
    if not keys:
        return first
    parties = {kind: _merged_parties(first, second, kind, keys) for kind in PARTIES}
    present = {f"{kind}.{party.id}" for kind, of in parties.items() for party in of}

    def chosen(name: str) -> Scenario:
        return second if name in keys or _belongs(name, keys) else first

    names = dict.fromkeys([*first.quantities, *second.quantities])
    quantities = {}
    for name in names:
        party = ".".join(name.split(".")[:2])
        source = chosen(name)
        if name.split(".")[0] in PARTIES and party not in present:
            continue
        if name in source.quantities:
            quantities[name] = source.quantities[name]
    hosts = {}
    for pair in dict.fromkeys([*first.hosts, *second.hosts]):
        lab, landlord = pair
        source = chosen(f"labs.{lab}.host")
        if {f"labs.{lab}", f"landlords.{landlord}"} <= present and pair in source.hosts:
            hosts[pair] = source.hosts[pair]
    settings = {key: getattr(chosen(f"model.{key}").settings, key) for key in SETTINGS}
    factors = {
        factor: of.factors[factor]
        for factor in dict.fromkeys([*first.factors, *second.factors])
        for of in [chosen(f"factors.{factor}")]
        if factor in of.factors
    }
    groups = dict.fromkeys(g.name for g in (*first.correlations, *second.correlations))
    correlations = [
        group
        for name in groups
        for group in chosen(f"correlation.{name}").correlations
        if group.name == name
    ]
    return replace(
        first,
        quantities=quantities,
        hosts=hosts,
        settings=replace(first.settings, **settings),
        factors=factors,
        correlations=tuple(correlations),
        labs=parties["labs"],
        landlords=parties["landlords"],
    )


def short_name(edit: str) -> str:
    """The name of an edit without its group, where that is not needed to tell it."""
    group, _, rest = edit.partition(".")
    told = "." in rest if group in PARTIES else group not in NAMED_BY_GROUP
    return rest if rest and told and " " not in edit else edit


def _parts(scenario: Scenario) -> dict[str, Any]:
    """Everything on which a draw depends, by the name of an edit."""
    parts: dict[str, Any] = {f"model.{key}": getattr(scenario.settings, key) for key in SETTINGS}
    parts |= {f"factors.{name}": score for name, score in scenario.factors.items()}
    parts |= {
        name: (quantity.distribution, quantity.loads)
        for name, quantity in scenario.quantities.items()
    }
    for lab in scenario.labs:
        parts[f"labs.{lab.id}.host"] = {
            landlord: (h.share_2025, h.share_2026, h.share_2027, h.captive, h.rpo_share,
                       h.equity_busd)
            for (of, landlord), h in scenario.hosts.items() if of == lab.id
        }  # fmt: skip
    parts |= {f"correlation.{group.name}": group for group in scenario.correlations}
    return parts


def _merged_parties(
    first: Scenario, second: Scenario, kind: str, keys: Collection[str]
) -> tuple[Any, ...]:
    """The labs or landlords of the first scenario, with those of the edits added or left out."""
    old, new = getattr(first, kind), getattr(second, kind)
    ids = {party.id for party in old}, {party.id for party in new}
    kept = [p for p in old if p.id in ids[1] or f"{kind}.{p.id}" not in keys]
    added = [p for p in new if p.id not in ids[0] and f"{kind}.{p.id}" in keys]
    return (*kept, *added)


def _ids(scenario: Scenario, kind: str) -> set[str]:
    return {party.id for party in getattr(scenario, kind)}


def _belongs(name: str, parties: Collection[str]) -> bool:
    """Whether an edit is of a lab or landlord among these."""
    return ".".join(name.split(".")[:2]) in parties and name.split(".")[0] in PARTIES


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)


def _texts(first: Scenario, second: Scenario, name: str) -> tuple[str, str]:
    """What two scenarios have in the place of an edit, in words that differ.

    Numbers have as many digits as it takes to tell them apart.
    """
    for digits in DIGITS:
        before, after = (_text(of, name, digits) for of in (first, second))
        if before != after:
            return before, after
    quantities = [of.quantities.get(name) for of in (first, second)]
    has_other_loads = all(quantities) and quantities[0].loads != quantities[1].loads  # type: ignore[union-attr]
    what = "other loads" if has_other_loads else "other in another part"
    return before, f"{after}, {what}"


def _text(scenario: Scenario, name: str, digits: int) -> str:
    """What a scenario has in the place of an edit, in words."""
    group, _, key = name.partition(".")
    if group == "model":
        return in_words(getattr(scenario.settings, key))
    if group == "factors":
        return f"{scenario.factors[key]:g}" if key in scenario.factors else "drawn"
    if group == "correlation":
        found = [g for g in scenario.correlations if g.name == key]
        return f"{len(found[0].members)} inputs" if found else "none"
    if name.endswith(".host"):
        lab = key.removesuffix(".host")
        shares = {of[1]: h.share_2026 for of, h in scenario.hosts.items() if of[0] == lab}
        return ", ".join(f"{landlord} {share:g}" for landlord, share in shares.items())
    quantity = scenario.quantities.get(name)
    return _describe(quantity, digits) if quantity else "none"


def _describe(quantity: Quantity, digits: int) -> str:
    """Median, and the range from p5 to p95, to so many significant digits."""
    try:
        with np.errstate(all="ignore"):
            low, middle, high = quantity.distribution.quantile(_MARKED)
    except NotImplementedError:  # its parameters are in other inputs
        return in_words(quantity.given)
    if low == high:
        return format_number(float(middle), digits)
    low, middle, high = (format_number(float(x), digits) for x in (low, middle, high))
    return f"{middle} ({low} to {high})"
