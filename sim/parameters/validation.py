"""Checks of merged parameters, all faults collected, and the scenario that comes of them."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.common.errors import Fault
from sim.common.text import finite, nearest, shown
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed
from sim.distributions.domain import probabilities_outside
from sim.distributions.families import find_class
from sim.distributions.landlord_capex import FISCAL_YEAR_END, FiscalYears, SharedSpread
from sim.distributions.normal import LogitNormal
from sim.model.declarations import Field, declared, subgroups
from sim.model.dims import FACTORS
from sim.model.inputs import (
    DERIVED_LAB_FIELDS,
    IN_FISCAL_YEARS,
    SPREAD_FROM,
    Host,
    Lab,
    Landlord,
    Scalars,
)
from sim.parameters import correlation_groups, published, rules, sweep_axes
from sim.parameters.distribution_errors import dotted, explained, unknown_family
from sim.parameters.document import Document, Key
from sim.parameters.scenario import Hosting, Override, Party, Quantity, Scenario

PROVENANCE = ("unit", "source", "note", "as_of", "loads")
TOP = (
    "format", "extends", "description", "run", "model", "factors", "correlation", "labs",
    "landlords", sweep_axes.TABLE,
)  # fmt: skip
GROUPS = {name: declared(group) for name, group in subgroups(Scalars).items()}
LAB_FIELDS = {n: f for n, f in declared(Lab).items() if n not in DERIVED_LAB_FIELDS}
LANDLORD_FIELDS = declared(Landlord)
HOST_FIELDS = declared(Host)
PARTY_KEYS = ("format", "name", "order")
JUDGEMENT = "judgement"


# Shares of a law outside of its quantity's domain that are remarked upon.
WORTH_A_REMARK = 0.001


class Resolver:
    """Checks a merged document and builds the scenario; faults are collected on the way."""

    def __init__(
        self,
        name: str,
        merged: Document,
        sources: Document | None,
        statements: Document | None,
        overrides: list[Override],
        faults: list[Fault],
        readable: bool,
        parties: Mapping[str, Mapping[str, bool]],
    ) -> None:
        self.name = name
        self.merged = merged
        self.overrides = overrides
        self.faults = faults
        self.readable = readable  # every file could be read, so what is missing is missing
        self.parties = parties  # folder -> file -> it could be read
        self.sources = published.sources(sources, faults)
        self.statements = statements

    def fault(self, key: Key, message: str) -> None:
        """Note what is wrong with a key of the merged files."""
        self.faults.append(Fault(self.merged.location(key), ".".join(key), message))

    def scenario(self, files: tuple[str, ...]) -> Scenario | None:
        """The scenario, or None if there are faults."""
        before = len(self.faults)
        self._top()
        settings = rules.settings(self.merged, self.faults)
        run = rules.run_defaults(self.merged, self.faults)
        factors = rules.factors(self.merged, self.faults)
        sweep = sweep_axes.of_document(self.merged, self.faults)
        labs, landlords = self._parties("labs"), self._parties("landlords")
        quantities: dict[str, Quantity] = {}
        for group, fields in GROUPS.items():
            self._table((group,), fields, {}, quantities)
        for lab in labs:
            self._table(("labs", lab.id), LAB_FIELDS, {"host": None}, quantities)
        for landlord in landlords:
            others = {FISCAL_YEAR_END: landlord.fiscal_year_end}
            self._table(("landlords", landlord.id), LANDLORD_FIELDS, others, quantities)
        hosts = self._hosts(labs, landlords)
        rules.domain_rules(self.merged, quantities, hosts, labs, landlords, self.faults)
        distributions = {name: quantity.distribution for name, quantity in quantities.items()}
        loads = {name: quantity.loads for name, quantity in quantities.items()}
        correlations = (
            correlation_groups.read(self.merged, distributions, loads, self.faults)
            if self.readable and len(self.faults) == before
            else ()  # what is tied may be what is faulty
        )
        statements = published.statements(self.statements, self.sources, self.faults)
        ids = [party.id for party in labs]
        remarks = [
            f"model.named_labs: '{lab}' is not in the run, so p_both_named is left out"
            f"{nearest(lab, ids)}"
            for lab in settings.named_labs
            if lab not in ids
        ]
        remarks += filter(None, map(_outside, quantities.values()))
        if len(self.faults) > before or not self.readable:
            return None
        return Scenario(
            name=self.name,
            description=str(self.merged.data.get("description", "")),
            settings=settings,
            run=run,
            factors=factors,
            quantities=quantities,
            hosts=hosts,
            labs=labs,
            landlords=landlords,
            sources=self.sources,
            correlations=correlations,
            published=statements,
            overrides=tuple(self.overrides),
            remarks=tuple(remarks),
            files=files,
            sweep=sweep,
        )

    def _top(self) -> None:
        known = (*TOP, *GROUPS)
        for name, what in self.merged.data.items():
            if name not in known:
                hint = nearest(name, known)
                self.fault((name,), f"unknown key{hint}")
                if "'extends'" in hint:
                    self.readable = False  # what it would have extended is not missing
            elif name == "description" and not isinstance(what, str):
                self.fault((name,), f"expected a text, got {shown(what)}")
            elif name not in ("format", "extends", "description") and not isinstance(what, dict):
                self.fault((name,), f"expected a table, got {shown(what)}")

    def _parties(self, folder: str) -> tuple[Party, ...]:
        tables = self.merged.data.get(folder, {})
        if not isinstance(tables, dict):
            return ()
        parties = []
        known = self.parties[folder]
        for name, table in tables.items():
            key = (folder, name)
            if name not in known:
                self.fault(key, f"no such {folder[:-1]}{nearest(name, list(known))}")
                continue
            if not isinstance(table, dict):
                self.fault(key, f"expected a table, got {shown(table)}")
                continue
            if not known[name]:
                continue
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                self.fault(key, "a lab's or landlord's file is named in lower case: a-z, 0-9 and _")
            title, order = table.get("name", name), table.get("order", math.inf)
            if not isinstance(title, str) or not title.strip():
                self.fault((*key, "name"), f"expected a name, got {shown(title)}")
                title = name
            if "order" in table and finite(order) is None:
                expected = "a number" if not isinstance(order, float) else "a finite number"
                self.fault((*key, "order"), f"expected {expected}, got {shown(order)}")
                order = math.inf
            end = table.get(FISCAL_YEAR_END, 12) if folder == "landlords" else 12
            if isinstance(end, bool) or not isinstance(end, int) or not 1 <= end <= 12:
                expected = "the month in which its fiscal years end, 1 to 12"
                self.fault((*key, FISCAL_YEAR_END), f"expected {expected}, got {shown(end)}")
                end = 12
            parties.append((order, name, Party(name, title, end)))
        found = [party for _, _, party in sorted(parties, key=lambda p: (p[0], p[1]))]
        names = [party.name for party in found]
        return tuple(
            party
            if names.count(party.name) == 1
            else replace(party, name=f"{party.name} ({party.id})")
            for party in found
        )

    def _table(
        self,
        key: Key,
        fields: Mapping[str, Field],
        others: Mapping[str, Any],
        quantities: dict[str, Quantity],
    ) -> None:
        table: Any = self.merged.data
        for part in key:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            return
        ignored = {*others, *(PARTY_KEYS if len(key) == 2 else ())}
        for name in table:
            if name not in fields and name not in ignored:
                known = [*fields, *others]
                self.fault((*key, name), f"unknown key{nearest(name, known)}")
        for name, declaration in fields.items():
            at = (*key, name)
            if name not in table:
                if self.readable and not declaration.optional:
                    self.fault(at, f"missing: {declaration.meaning} [{declaration.unit}]")
            elif not isinstance(table[name], dict):
                self.fault(
                    at,
                    "expected a table with value or family, unit and source, "
                    f"got {shown(table[name])} (did you mean {'.'.join(at)}.value?)",
                )
            else:
                end = others.get(FISCAL_YEAR_END, 12)
                quantity = self._quantity(at, declaration, table[name], end)
                if quantity is not None:
                    quantities[quantity.name] = quantity

    def _quantity(
        self, key: Key, declaration: Field, entry: dict[str, Any], fiscal_year_end: int
    ) -> Quantity | None:
        before = len(self.faults)
        source, note, as_of = self._provenance(key, declaration.unit, entry)
        loads = self._loads(key, entry.get("loads", {}))
        distribution = self._distribution(key, declaration, entry, fiscal_year_end)
        if distribution is None or len(self.faults) > before:
            return None
        given = {name: what for name, what in entry.items() if name not in PROVENANCE}
        mark = self.merged.marks.get(key)
        name = ".".join(key)
        return Quantity(name, declaration, distribution, loads, source, note, as_of, mark, given)

    def _provenance(
        self, key: Key, unit: str, entry: dict[str, Any]
    ) -> tuple[str, str | None, str | None]:
        if "unit" not in entry:
            self.fault(key, f'missing unit: expected unit = "{unit}"')
        elif entry["unit"] != unit:
            self.fault((*key, "unit"), f'expected "{unit}", got {shown(entry["unit"])}')
        source = entry.get("source")
        note = entry.get("note")
        if note is not None and not isinstance(note, str):
            self.fault((*key, "note"), f"expected a text, got {shown(note)}")
        if source is None:
            self.fault(
                key, "missing source: expected an id of sources.toml, or judgement with a note"
            )
        elif not isinstance(source, str):
            self.fault((*key, "source"), f"expected an id of sources.toml, got {shown(source)}")
        elif source != JUDGEMENT and self.sources and source not in self.sources:
            self.fault(
                (*key, "source"), f"unknown source '{source}'{nearest(source, list(self.sources))}"
            )
        elif source == JUDGEMENT and not note and key not in self.merged.marks:
            self.fault((*key, "source"), "judgement needs a note that says what it rests on")
        as_of = entry.get("as_of")
        if as_of is not None and not isinstance(as_of, datetime.date):
            self.fault((*key, "as_of"), f"expected a date such as 2026-05-31, got {shown(as_of)}")
        return (
            source if isinstance(source, str) else "",
            note,
            None if as_of is None else str(as_of),
        )

    def _loads(self, key: Key, loads: Any) -> dict[str, float]:
        at = (*key, "loads")
        good: dict[str, float] = {}
        for within, message in rules.loads_faults(loads, good):
            # What adds up to too much may have been changed by another file than the first.
            location = self.merged.location((*at, *within)) if within else self.merged.changed(at)
            self.faults.append(Fault(location, ".".join((*at, *within)), message))
        return {factor: good[factor] for factor in FACTORS if factor in good}

    def _distribution(
        self, key: Key, declaration: Field, entry: dict[str, Any], fiscal_year_end: int
    ) -> Distribution | None:
        shared = key[-1] in SPREAD_FROM and key[0] == "landlords"
        family = find_class(entry, shared, fiscal=shared and key[-1] in IN_FISCAL_YEARS)
        if family is None:
            said = entry.get("family")
            if "family" in entry:
                self.fault((*key, "family"), unknown_family(said))
            else:
                self.fault(key, "missing value or family")
            return None
        given = {k: v for k, v in entry.items() if k not in PROVENANCE}
        if family is LogitNormal and math.isfinite(declaration.hi - declaration.lo):
            given = {"min": declaration.lo, "max": declaration.hi, **given}
        if family is FiscalYears and FISCAL_YEAR_END not in given:
            given[FISCAL_YEAR_END] = fiscal_year_end
        elif family is FiscalYears:
            self.fault((*key, FISCAL_YEAR_END), "stands at the top of the landlord's file")
            return None
        if declaration.flag and isinstance(given.get("value"), bool):
            given["value"] = float(given["value"])
        try:
            distribution = family.model_validate(given, context=self._beside(key, entry))
        except ValidationError as error:
            median = finite(given.get("median"))
            outside = None if median is None else declaration.fault(median)
            if outside and [detail["type"] for detail in error.errors()] == ["value_error"]:
                self.fault((*key, "median"), outside)
            else:
                for within, message in explained(key[-1], family, given, error, PROVENANCE):
                    self._fault_of_distribution(key, within, message)
            return None
        before = len(self.faults)
        for name, number in (distribution.stated_values() or {"": distribution.point}).items():
            bound = replace(
                declaration,
                lo_open=declaration.lo_open and name not in ("min", "max"),
                whole=declaration.whole and isinstance(distribution, Fixed),
            )
            outside = bound.fault(number)
            if outside:
                self._fault_of_distribution(key, (name,) if name in entry else (), outside)
        if (declaration.whole or declaration.flag) and not isinstance(distribution, Fixed):
            what = "a flag" if declaration.flag else "a whole number"
            self.fault((*key, "family"), f"expected a fixed value: {what} cannot be sampled")
        return distribution if len(self.faults) == before else None

    def _fault_of_distribution(self, key: Key, within: Key, message: str) -> None:
        """Note a fault of a key of a law, or of all of it, where it was last changed."""
        location = self.merged.location((*key, *within)) if within else self.merged.changed(key)
        self.faults.append(
            Fault(location, f"{'.'.join(key[:-1])}.{dotted(key[-1:] + within)}", message)
        )

    def _beside(self, key: Key, entry: dict[str, Any]) -> Path:
        """The folder of the file that names a law's CSV files; the working one for --set."""
        named = [name for name in ("file", "components") if name in entry]
        return Path(self.merged.location((*key, named[0])).file).parent if named else Path()

    def _hosts(
        self, labs: tuple[Party, ...], landlords: tuple[Party, ...]
    ) -> dict[tuple[str, str], Hosting]:
        hosts = {}
        known = list(self.parties["landlords"])
        readable = [landlord.id for landlord in landlords]
        for lab in labs:
            tables = self.merged.data["labs"][lab.id].get("host", {})
            if not isinstance(tables, dict):
                self.fault(("labs", lab.id, "host"), "expected tables [host.<landlord>]")
                continue
            for landlord, table in tables.items():
                key = ("labs", lab.id, "host", landlord)
                if landlord not in known:
                    self.fault(key, f"no such landlord{nearest(landlord, known)}")
                elif not isinstance(table, dict):
                    self.fault(key, f"expected a table, got {shown(table)}")
                else:
                    host = self._host(key, table)
                    if host is not None and landlord in readable:
                        hosts[lab.id, landlord] = host
        return hosts

    def _host(self, key: Key, table: dict[str, Any]) -> Hosting | None:
        before = len(self.faults)
        known = (*HOST_FIELDS, *PROVENANCE[:-1])
        for name in table:
            if name not in known:
                self.fault((*key, name), f"unknown key{nearest(name, known)}")
        source, note, _ = self._provenance(key, "1", table)
        numbers = {}
        for name, declaration in HOST_FIELDS.items():
            said = table.get(name, 0)
            if (isinstance(said, bool) and not declaration.flag) or not isinstance(
                said, int | float
            ):
                expected = "true or false" if declaration.flag else "a number"
                self.fault((*key, name), f"expected {expected}, got {shown(said)}")
                continue
            number = float(said) if isinstance(said, bool) else finite(said)
            message = (
                f"{shown(said)} is not a finite number ({declaration.meaning})"
                if number is None
                else declaration.fault(number)
            )
            if message:
                self.fault((*key, name), message)
            numbers[name] = number or 0.0
        if len(self.faults) > before:
            return None
        return Hosting(
            numbers["share_2026"],
            numbers["share_2027"],
            bool(numbers["captive"]),
            numbers["rpo_share"],
            source,
            note,
        )


def _outside(quantity: Quantity) -> str | None:
    """A remark on a law of which more than a trifle lies where its quantity should not."""
    distribution, field = quantity.distribution, quantity.field
    if isinstance(distribution, Fixed | SharedSpread | FiscalYears):
        return None  # a spread that another quantity gives is not known here
    below, above = probabilities_outside(distribution, field.lo, field.hi)
    if not below + above > WORTH_A_REMARK:
        return None
    bounds = (
        [f"{'above' if field.lo_open else 'from'} {field.lo:g}"] if field.lo > -math.inf else []
    )
    bounds += [f"to {field.hi:g}"] if field.hi < math.inf else []
    keys = [key for key, share in (("min", below), ("max", above)) if share > WORTH_A_REMARK / 2]
    cut = f": give {' and '.join(keys)}" if "min" in type(distribution).model_fields else ""
    return (
        f"{quantity.name}: {100 * (below + above):.2g} % of its law lies outside its domain,"
        f" {' '.join(bounds)}, and is drawn all the same{cut}"
    )
