"""A law from what is said of it, or what is wrong with it, in the words of a parameter file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.common.text import nearest, shown
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed
from sim.distributions.elicitation import QUANTILE_KEY
from sim.distributions.families import FAMILIES, find_class
from sim.distributions.file_keys import is_distribution_key
from sim.distributions.from_scipy import PREFIX, Scipy
from sim.distributions.landlord_capex import FiscalYears, SharedSpread
from sim.model.inputs import SPREAD_FROM
from sim.parameters.document import Key


def read_named_distribution(entry: Any, name: str, beside: Path | None = None) -> Distribution:
    """The law that an entry of plain data gives, as in a file: a table, or a number.

    `beside` is the folder in which the CSV file of an empirical law is looked for.

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
        said = entry.get("family")
        what = "missing value or family" if said is None else unknown_family(said)
        raise ValueError(f"{name}: {what}")
    try:
        return family.model_validate(entry, context=beside)
    except ValidationError as error:
        faults = explained(name, family, entry, error, ())
        told = [f"{dotted((name, *key))}: {message}" for key, message in faults]
        raise ValueError("; ".join(told)) from None


def unknown_family(said: Any) -> str:
    """What is wrong with a word for a family that there is none of."""
    known = [*FAMILIES, f"{PREFIX}<name>"]
    word = shown(said)
    hint = nearest(word.strip("'"), known) or f"; known: {', '.join(known)}"
    return f"unknown family {word}{hint}"


def dotted(key: Key) -> str:
    """A key as messages have it; places in lists stand in brackets."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in key)[1:]


def explained(
    name: str,
    family: type[Distribution],
    entry: Mapping[str, Any],
    error: ValidationError,
    others: Sequence[str],
) -> Iterator[tuple[Key, str]]:
    """Key within the entry (() for the table as a whole) and message of every fault of a law.

    `name` is that of the quantity; `others` are the keys that may stand beside those of the law.
    """
    for detail in error.errors():
        distribution, given, beside, key = family, entry, others, tuple(map(str, detail["loc"]))
        within: Key = ()
        while len(key) >= 2 and key[0] == "components":
            given, beside = given["components"][int(key[1])], ()
            within, key = (*within, *key[:2]), key[2:]
            distribution = (find_class(given) if isinstance(given, Mapping) else None) or Fixed
        for last, message in _told(name, distribution, given, detail, key, beside):
            yield (*within, *last), message


def _told(
    name: str,
    distribution: type[Distribution],
    entry: Mapping[str, Any],
    detail: Any,
    key: Key,
    others: Sequence[str],
) -> Iterator[tuple[Key, str]]:
    kind, said = detail["type"], detail.get("input")
    last = key[-1] if key else ""
    if kind == "too_short" and said:
        return  # all that it holds is wrong, and told
    if kind == "literal_error":
        yield key, unknown_family(said)
    elif kind == "missing" and last == "family":
        yield key[:-1], "missing value or family"
    elif kind == "missing":
        yield (), f"missing {last} ({_takes(distribution, entry)})"
    elif kind == "value_error":
        yield key, detail["msg"].removeprefix("Value error, ")
    elif kind != "extra_forbidden":
        plain = list(said) if isinstance(said, tuple) else said
        yield key, f"expected {_expected(kind, detail.get('ctx', {}))}, got {shown(plain)}"
    elif distribution is Fixed and is_distribution_key(last, entry):
        yield key, "the quantity is a fixed value: give its value, or a family"
    elif last == "quantiles" or QUANTILE_KEY.match(last):
        yield key, f"{_called(distribution, entry)} cannot be given by quantiles"
    elif last in ("mean", "sd"):
        yield key, f"{_called(distribution, entry)} cannot be given by mean and sd"
    else:
        what = _called(distribution, entry)
        if distribution is SharedSpread:
            what = f"a median, whose spread is {'.'.join(SPREAD_FROM[name])}"
        known = ["family", *distribution.keys(entry), *others]
        yield key, f"unknown key for {what}{nearest(last, known)}"


def _expected(kind: str, context: dict[str, Any]) -> str:
    """What pydantic wanted instead, in words."""
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
    }
    return words.get(kind, "a number")


def _takes(distribution: type[Distribution], entry: Mapping[str, Any]) -> str:
    """The keys of a family, and what may stand for them."""
    instead = {
        "quantiles": distribution.quantile_parameters,
        "mean and sd": distribution.moment_parameters,
    }
    also = "".join(f"; or {words}" for words, free in instead.items() if free)
    return f"{_called(distribution, entry)} takes {', '.join(distribution.keys(entry))}{also}"


def _called(distribution: type[Distribution], entry: Mapping[str, Any]) -> str:
    """The word by which files call a family."""
    if distribution is Scipy:
        return str(entry["family"])
    others = {FiscalYears: "capex in fiscal years", SharedSpread: "a landlord's capex"}
    words = {distribution: key for key, distribution in FAMILIES.items()}
    return words.get(distribution) or others.get(distribution, "a fixed value")
