"""Distributions from plain data, and their faults in words of parameter files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.common.text import nearest, shown
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed
from sim.distributions.elicitation import QUANTILE_KEY, spell_quantile
from sim.distributions.families import FAMILIES, find_class
from sim.distributions.file_keys import is_distribution_key
from sim.distributions.from_scipy import PREFIX, Scipy
from sim.distributions.landlord_capex import FiscalYears, SharedSpread
from sim.model.inputs import SPREAD_FROM
from sim.parameters.locations import Key


def read_named_distribution(entry: Any, name: str, beside: Path | None = None) -> Distribution:
    """The distribution that an entry of plain data gives.

    Args:
        entry: A table, or a number, which is a fixed value; a distribution comes back as it is.
        name: What messages call it.
        beside: The folder in which CSV files are looked for; the working folder by default.

    Raises:
        ValueError: With the name, and everything that is wrong with it.
    """
    if isinstance(entry, Distribution):
        return entry
    if isinstance(entry, int | float) and not isinstance(entry, bool):
        entry = {"value": entry}
    if not isinstance(entry, dict):
        raise ValueError(f"{name}: expected {_expected('dict_type', {})}, got {shown(entry)}")
    family = find_class(entry)
    if family is None:
        word = entry.get("family")
        fault = "missing value or family" if word is None else describe_unknown_family(word)
        raise ValueError(f"{name}: {fault}")
    try:
        return family.model_validate(entry, context=beside)
    except ValidationError as error:
        faults = explain_faults(name, family, entry, error, ())
        messages = [f"{join_key((name, *key))}: {message}" for key, message in faults]
        raise ValueError("; ".join(messages)) from None


def describe_unknown_family(word: Any) -> str:
    """The message for an unknown family, with the nearest known one."""
    known = [*FAMILIES, f"{PREFIX}<name>"]
    text = shown(word)
    hint = nearest(text.strip("'"), known) or f"; known: {', '.join(known)}"
    return f"unknown family {text}{hint}"


def join_key(key: Key) -> str:
    """A key as text: dots between parts, indices of lists in brackets."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in key)[1:]


def explain_faults(
    name: str,
    family: type[Distribution],
    entry: Mapping[str, Any],
    error: ValidationError,
    others: Sequence[str],
    replaced: Sequence[str] = (),
) -> Iterator[tuple[Key, str]]:
    """Key and message of every fault of a distribution.

    Args:
        name: The name of the quantity.
        family: The class that refused the entry.
        entry: The entry.
        error: What pydantic says of it.
        others: Further keys that may stand beside those of the distribution.
        replaced: The keys that those of an overlay replaced.

    Yields:
        The key within the entry, () for the entry as a whole, and the message.
    """
    for detail in error.errors():
        key: Key = tuple(map(str, detail["loc"]))
        part, part_entry, part_others, part_replaced = family, entry, others, replaced
        within: Key = ()
        while len(key) >= 2 and key[0] == "components":
            part_entry, part_others = part_entry["components"][int(key[1])], ()
            part_replaced = ()
            within, key = (*within, *key[:2]), key[2:]
            known = find_class(part_entry) if isinstance(part_entry, Mapping) else None
            part = known or Fixed
        for end, message in _explain_fault(
            name, part, part_entry, detail, key, part_others, part_replaced
        ):
            yield (*within, *end), message


def _explain_fault(
    name: str,
    family: type[Distribution],
    entry: Mapping[str, Any],
    detail: Any,
    key: Key,
    others: Sequence[str],
    replaced: Sequence[str],
) -> Iterator[tuple[Key, str]]:
    """Key and message of a fault, unless other faults tell it.

    Arguments are those of `explain_faults`, for the distribution itself or a component of it;
    `detail` is one of pydantic's errors and `key` where in the entry it is.
    """
    kind, value = detail["type"], detail.get("input")
    last = key[-1] if key else ""
    spelling = spell_quantile(last, value)
    if kind == "too_short" and value:
        return  # all that it holds has faults of its own
    if kind == "literal_error":
        yield key, describe_unknown_family(value)
    elif kind == "missing" and last == "family":
        yield key[:-1], "missing value or family"
    elif kind == "missing":
        reason = _describe_replaced(replaced)
        yield (), f"missing {last}{reason} ({_describe_keys(family, entry)})"
    elif kind == "value_error":
        yield key, detail["msg"].removeprefix("Value error, ")
    elif spelling:
        yield key, spelling
    elif kind != "extra_forbidden":
        plain = list(value) if isinstance(value, tuple) else value
        yield key, f"expected {_expected(kind, detail.get('ctx', {}))}, got {shown(plain)}"
    elif family is Fixed and is_distribution_key(last, entry):
        yield key, "the quantity is a fixed value: give its value, or a family"
    elif last == "quantiles" or QUANTILE_KEY.match(last):
        yield key, f"{_family_name(family, entry)} cannot be given by quantiles"
    elif last in ("mean", "sd"):
        yield key, f"{_family_name(family, entry)} cannot be given by mean and sd"
    else:
        kind_of_entry = _family_name(family, entry)
        if family is SharedSpread:
            kind_of_entry = f"a median, whose spread is {'.'.join(SPREAD_FROM[name])}"
        known = ["family", *family.keys(entry), *others]
        yield key, f"unknown key for {kind_of_entry}{nearest(last, known)}"


def _expected(kind: str, context: dict[str, Any]) -> str:
    """What pydantic expected, in words, from its error type and context."""
    relations = {
        "greater_than": "above",
        "greater_than_equal": "at or above",
        "less_than_equal": "at or below",
    }
    if kind in relations:
        return f"a number {relations[kind]} {next(iter(context.values()), 0):g}"
    words = {
        "finite_number": "a finite number",
        "string_type": "a text",
        "tuple_type": "a list",
        "dict_type": "a number, or a table with value or family",
        "too_short": "a list that is not empty",
        "too_long": f"a list of at most {context.get('max_length', 0):,}",
    }
    return words.get(kind, "a number")


def _describe_replaced(replaced: Sequence[str]) -> str:
    """Why parameters are needed: they replace quantiles or moments; else ""."""
    quantiles = [key for key in replaced if QUANTILE_KEY.match(key)]
    if quantiles or "quantiles" in replaced:
        return f", as parameters replace {' '.join(['quantiles', ', '.join(quantiles)]).strip()}"
    moments = [key for key in replaced if key in ("mean", "sd")]
    return f", as parameters replace {' and '.join(moments)}" if moments else ""


def _describe_keys(family: type[Distribution], entry: Mapping[str, Any]) -> str:
    """The keys of a family and their alternatives, in words."""
    instead = {
        "quantiles": family.quantile_parameters,
        "mean and sd": family.moment_parameters,
    }
    also = "".join(f"; or {words}" for words, parameters in instead.items() if parameters)
    return f"{_family_name(family, entry)} takes {', '.join(family.keys(entry))}{also}"


def _family_name(family: type[Distribution], entry: Mapping[str, Any]) -> str:
    """The name of a family in files, or words for it."""
    if family is Scipy:
        return str(entry["family"])
    others = {FiscalYears: "capex in fiscal years", SharedSpread: "a landlord's capex"}
    names = {known: name for name, known in FAMILIES.items()}
    return names.get(family) or others.get(family, "a fixed value")
