"""Labs, landlords and hosting, from merged files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sim.common.text import finite, nearest, shown
from sim.distributions.landlord_capex import FISCAL_YEAR_END
from sim.parameters.fields import HOST_FIELDS
from sim.parameters.locations import Key
from sim.parameters.merged_files import MergedFiles
from sim.parameters.quantities import read_provenance
from sim.parameters.scenario import Hosting, Party


def read_parties(merged: MergedFiles, folder: str) -> tuple[Party, ...]:
    """The labs or landlords, by the order in their files, then id.

    Args:
        merged: The files; everything that is wrong is added to their faults.
        folder: "labs" or "landlords".
    """
    ordered = []
    known = merged.parties[folder]
    for name, table in (merged.table((folder,)) or {}).items():
        key = (folder, name)
        if name not in known:
            new = f"; a new {folder[:-1]} needs a name: [{folder}.{name}] name = ..."
            merged.add_fault(key, f"no such {folder[:-1]}{nearest(name, list(known))}{new}")
        elif not isinstance(table, dict):
            merged.add_fault(key, f"expected a table, got {shown(table)}")
        elif known[name]:
            order, party = _read_party(merged, key, table)
            ordered.append((order, name, party))
    parties = [party for _, _, party in sorted(ordered, key=lambda entry: entry[:2])]
    names = [party.name for party in parties]
    return tuple(
        party if names.count(party.name) == 1 else replace(party, name=f"{party.name} ({party.id})")
        for party in parties
    )


def _read_party(merged: MergedFiles, key: Key, table: Mapping[str, Any]) -> tuple[float, Party]:
    """The order of a lab or landlord, and the party itself.

    What is wrong is added to the faults, and a default stands in its place.
    """
    folder, name = key
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        message = "a lab's or landlord's file is named in lower case: a-z, 0-9 and _"
        merged.add_fault(key, message)
    title, order = table.get("name", name), table.get("order", math.inf)
    if not isinstance(title, str) or not title.strip():
        merged.add_fault((*key, "name"), f"expected a name, got {shown(title)}")
        title = name
    if "order" in table and finite(order) is None:
        expected = "a number" if not isinstance(order, float) else "a finite number"
        merged.add_fault((*key, "order"), f"expected {expected}, got {shown(order)}")
        order = math.inf
    month = table.get(FISCAL_YEAR_END, 12) if folder == "landlords" else 12
    if isinstance(month, bool) or not isinstance(month, int) or not 1 <= month <= 12:
        expected = "the month in which its fiscal years end, 1 to 12"
        merged.add_fault((*key, FISCAL_YEAR_END), f"expected {expected}, got {shown(month)}")
        month = 12
    return order, Party(name, title, month)


def read_hosts(
    merged: MergedFiles, labs: tuple[Party, ...], landlords: tuple[Party, ...]
) -> dict[tuple[str, str], Hosting]:
    """Hosting by the ids of lab and landlord.

    Pairs with faults, which are added to those of the files, and pairs that no lab names are left
    out.
    """
    hosts = {}
    known = list(merged.parties["landlords"])
    readable = [landlord.id for landlord in landlords]
    for lab in labs:
        tables = merged.document.data["labs"][lab.id].get("host", {})
        if not isinstance(tables, dict):
            merged.add_fault(("labs", lab.id, "host"), "expected tables [host.<landlord>]")
            continue
        for landlord, table in tables.items():
            key = ("labs", lab.id, "host", landlord)
            if landlord not in known:
                merged.add_fault(key, f"no such landlord{nearest(landlord, known)}")
            elif not isinstance(table, dict):
                merged.add_fault(key, f"expected a table, got {shown(table)}")
            else:
                host = _read_host(merged, key, table)
                if host is not None and landlord in readable:
                    hosts[lab.id, landlord] = host
    return hosts


def _read_host(merged: MergedFiles, key: Key, table: Mapping[str, Any]) -> Hosting | None:
    """What a landlord is to a lab, unless the table has faults.

    Shares are of 1; what the table leaves out is 0, and `share_2025` is then `share_2026`.
    """
    before = len(merged.faults)
    known = (*HOST_FIELDS, "unit", "source", "note", "as_of")
    for name in table:
        if name not in known:
            merged.add_fault((*key, name), f"unknown key{nearest(name, known)}")
    source, note, _ = read_provenance(merged, key, "1", table)
    numbers = {}
    for name, field in HOST_FIELDS.items():
        if name not in table:
            numbers[name] = float(field.default) if field.optional else 0.0
            continue
        value = table[name]
        if (isinstance(value, bool) and not field.flag) or not isinstance(value, int | float):
            expected = "true or false" if field.flag else "a number"
            merged.add_fault((*key, name), f"expected {expected}, got {shown(value)}")
            continue
        number = float(value) if isinstance(value, bool) else finite(value)
        message = (
            f"{shown(value)} is not a finite number ({field.meaning})"
            if number is None
            else field.fault(number)
        )
        if message:
            merged.add_fault((*key, name), message)
        numbers[name] = number or 0.0
    if len(merged.faults) > before:
        return None
    is_given = not math.isnan(numbers["share_2025"])
    return Hosting(
        share_2025=numbers["share_2025" if is_given else "share_2026"],
        share_2026=numbers["share_2026"],
        share_2027=numbers["share_2027"],
        captive=bool(numbers["captive"]),
        rpo_share=numbers["rpo_share"],
        equity_busd=numbers["equity_busd"],
        source=source,
        note=note,
    )
