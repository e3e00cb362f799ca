"""The quantities of merged files: distribution, loadings and provenance, checked."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.common.text import finite, nearest, shown
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed
from sim.distributions.families import find_class
from sim.distributions.landlord_capex import FISCAL_YEAR_END, FiscalYears
from sim.distributions.normal import LogitNormal
from sim.model.catalogue import hint
from sim.model.declarations import Field
from sim.model.dims import FACTORS, LOADINGS
from sim.model.inputs import IN_FISCAL_YEARS, SPREAD_FROM
from sim.parameters import rules
from sim.parameters.distribution_errors import describe_unknown_family, explain_faults, join_key
from sim.parameters.fields import JUDGEMENT, PARTY_KEYS, PROVENANCE_KEYS
from sim.parameters.locations import Key
from sim.parameters.merged_files import MergedFiles
from sim.parameters.scenario import Quantity

SET_ALONE = "In no file: given by --set"


def read_quantities(
    merged: MergedFiles, key: Key, fields: Mapping[str, Field], others: Mapping[str, Any]
) -> dict[str, Quantity]:
    """The quantities of a group, a lab or a landlord.

    Args:
        merged: The files; everything that is wrong is added to their faults.
        key: The table that holds the quantities.
        fields: Declarations of the quantities, by name.
        others: Further keys that the table may have, with values where quantities depend on them.

    Returns:
        The quantities without faults, by full name.
    """
    table = merged.table(key)
    if table is None:
        return {}
    ignored = {*others, *(PARTY_KEYS if len(key) == 2 else ())}
    for name in table:
        if name not in fields and name not in ignored:
            merged.add_fault((*key, name), f"unknown key{hint(name, [*fields, *others])}")
    quantities: dict[str, Quantity] = {}
    for name, field in fields.items():
        at = (*key, name)
        if name not in table:
            if merged.is_complete and not field.optional:
                merged.add_fault(at, f"missing: {field.meaning} [{field.unit}]")
        elif not isinstance(table[name], dict):
            message = (
                "expected a table with value or family, unit and source, "
                f"got {shown(table[name])} (did you mean {'.'.join(at)}.value?)"
            )
            merged.add_fault(at, message)
        else:
            fiscal_year_end = others.get(FISCAL_YEAR_END, 12)
            quantity = _read_quantity(merged, at, field, table[name], fiscal_year_end)
            if quantity is not None:
                quantities[quantity.name] = quantity
    return quantities


def _read_quantity(
    merged: MergedFiles, key: Key, field: Field, entry: dict[str, Any], fiscal_year_end: int
) -> Quantity | None:
    """The quantity of an entry, or None if it has faults."""
    before = len(merged.faults)
    if merged.is_set_alone(key):
        entry = {"unit": field.unit, "source": JUDGEMENT, "note": SET_ALONE} | entry
    source, note, as_of = read_provenance(merged, key, field.unit, entry)
    loads = _read_loads(merged, key, entry.get("loads", {}))
    distribution = _read_distribution(merged, key, field, entry, fiscal_year_end)
    if distribution is None or len(merged.faults) > before:
        return None
    return Quantity(
        name=".".join(key),
        field=field,
        distribution=distribution,
        loads=loads,
        source=source,
        note=note,
        as_of=as_of,
        overrides=merged.document.overridden_sources.get(key),
        given={name: value for name, value in entry.items() if name not in PROVENANCE_KEYS},
    )


def read_provenance(
    merged: MergedFiles, key: Key, unit: str, entry: Mapping[str, Any]
) -> tuple[str, str | None, str | None]:
    """Check unit, source, note and date of an entry.

    Args:
        merged: The files; everything that is wrong is added to their faults.
        key: The key of the entry.
        unit: The unit that the entry must give.
        entry: The table of a quantity or of a host.

    Returns:
        The id of the source ("" if it is none), the note and the date, perhaps None.
    """
    if "unit" not in entry:
        merged.add_fault(key, f'missing unit: expected unit = "{unit}"')
    elif entry["unit"] != unit:
        merged.add_fault((*key, "unit"), f'expected "{unit}", got {shown(entry["unit"])}')
    source, note, as_of = entry.get("source"), entry.get("note"), entry.get("as_of")
    if note is not None and not isinstance(note, str):
        merged.add_fault((*key, "note"), f"expected a text, got {shown(note)}")
    if source is None:
        message = "missing source: expected an id of sources.toml, or judgement with a note"
        merged.add_fault(key, message)
    elif not isinstance(source, str):
        message = f"expected an id of sources.toml, got {shown(source)}"
        merged.add_fault((*key, "source"), message)
    elif source != JUDGEMENT and merged.sources and source not in merged.sources:
        message = f"unknown source '{source}'{nearest(source, list(merged.sources))}"
        merged.add_fault((*key, "source"), message)
    elif source == JUDGEMENT and not note and key not in merged.document.overridden_sources:
        merged.add_fault((*key, "source"), "judgement needs a note that says what it rests on")
    if as_of is not None and not isinstance(as_of, datetime.date):
        message = f"expected a date such as 2026-05-31, got {shown(as_of)}"
        merged.add_fault((*key, "as_of"), message)
    date = None if as_of is None else str(as_of)
    return source if isinstance(source, str) else "", note, date


def _read_loads(merged: MergedFiles, key: Key, loads: Any) -> dict[str, float]:
    """The loadings of a quantity on its factors, in model order."""
    at = (*key, "loads")
    known = LOADINGS if key[0] == "labs" else FACTORS
    good: dict[str, float] = {}
    for within, message in rules.loads_faults(loads, good, known):
        # A sum that is too large may be due to another file than the first.
        location = None if within else merged.document.change_location(at)
        merged.add_fault((*at, *within), message, location)
    return {factor: good[factor] for factor in LOADINGS if factor in good}


def _read_distribution(
    merged: MergedFiles, key: Key, field: Field, entry: dict[str, Any], fiscal_year_end: int
) -> Distribution | None:
    """The distribution of a quantity, checked against its domain.

    Args:
        merged: The files; everything that is wrong is added to their faults.
        key: The key of the quantity.
        field: Its declaration.
        entry: Its table.
        fiscal_year_end: The month in which the fiscal years of its landlord end.

    Returns:
        The distribution, or None if it has faults.
    """
    is_shared = key[-1] in SPREAD_FROM and key[0] == "landlords"
    family = find_class(entry, is_shared, fiscal=is_shared and key[-1] in IN_FISCAL_YEARS)
    if family is None:
        if "family" in entry:
            merged.add_fault((*key, "family"), describe_unknown_family(entry["family"]))
        else:
            merged.add_fault(key, "missing value or family")
        return None
    given = {name: value for name, value in entry.items() if name not in PROVENANCE_KEYS}
    if family is LogitNormal and math.isfinite(field.hi - field.lo):
        given = {"min": field.lo, "max": field.hi, **given}
    if family is FiscalYears and FISCAL_YEAR_END not in given:
        given[FISCAL_YEAR_END] = fiscal_year_end
    elif family is FiscalYears:
        merged.add_fault((*key, FISCAL_YEAR_END), "stands at the top of the landlord's file")
        return None
    if field.flag and isinstance(given.get("value"), bool):
        given["value"] = float(given["value"])
    try:
        distribution = family.model_validate(given, context=_csv_folder(merged, key, entry))
    except ValidationError as error:
        _add_validation_faults(merged, key, field, family, given, error)
        return None
    before = len(merged.faults)
    _check_domain(merged, key, field, entry, distribution)
    return distribution if len(merged.faults) == before else None


def _add_validation_faults(
    merged: MergedFiles,
    key: Key,
    field: Field,
    family: type[Distribution],
    given: dict[str, Any],
    error: ValidationError,
) -> None:
    """Add the faults of a distribution's parameters, in words of parameter files.

    A median beyond the quantity's domain is the fault rather than the family's own bounds, which
    may be those of the domain.
    """
    median = finite(given.get("median"))
    outside = None if median is None else field.fault(median)
    if outside and [detail["type"] for detail in error.errors()] == ["value_error"]:
        merged.add_fault((*key, "median"), outside)
        return
    replaced = merged.document.replaced_keys.get(key, ())
    for within, message in explain_faults(key[-1], family, given, error, PROVENANCE_KEYS, replaced):
        _add_distribution_fault(merged, key, within, message)


def _check_domain(
    merged: MergedFiles,
    key: Key,
    field: Field,
    entry: Mapping[str, Any],
    distribution: Distribution,
) -> None:
    """Add the faults of a distribution that its quantity cannot have.

    The values that the file states must lie in the domain; draws beyond it are remarked upon.
    """
    for name, number in (distribution.stated_values() or {"": distribution.point}).items():
        domain = replace(
            field,
            lo_open=field.lo_open and name not in ("min", "max"),
            whole=field.whole and isinstance(distribution, Fixed),
        )
        outside = domain.fault(number)
        if outside:
            within = (name,) if name in entry else ()
            _add_distribution_fault(merged, key, within, outside)
    if (field.whole or field.flag) and not isinstance(distribution, Fixed):
        kind = "a flag" if field.flag else "a whole number"
        merged.add_fault((*key, "family"), f"expected a fixed value: {kind} cannot be sampled")


def _add_distribution_fault(merged: MergedFiles, key: Key, within: Key, message: str) -> None:
    """Add a fault of a key within a distribution.

    That of the distribution as a whole, (), is located at its last change.
    """
    document = merged.document
    location = document.location((*key, *within)) if within else document.change_location(key)
    merged.add_fault((*key[:-1], join_key(key[-1:] + within)), message, location)


def _csv_folder(merged: MergedFiles, key: Key, entry: Mapping[str, Any]) -> Path:
    """The folder of an entry's CSV files: that of its own file.

    For --set it is the working folder.
    """
    named = [name for name in ("file", "components") if name in entry]
    return Path(merged.document.location((*key, named[0])).file).parent if named else Path()
