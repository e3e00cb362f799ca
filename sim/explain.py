"""What is wrong with a law, in the words of a parameter file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from sim.distributions import FAMILIES, LAW_KEYS, FiscalYears, Fixed, Law, SharedSpread
from sim.fields import nearest
from sim.files import shown
from sim.inputs import SPREAD_FROM

FISCAL_YEAR_END = "fiscal_year_end"  # said of a landlord, not of its capex


def explained(
    name: str, family: type[Law], error: ValidationError, others: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Key ("" for the table as a whole) and message of every fault of a quantity's law.

    `others` are the keys that may stand beside those of the law.
    """
    known = [key for key in family.model_fields if key != FISCAL_YEAR_END]
    for detail in error.errors():
        key = str(detail["loc"][0]) if detail["loc"] else ""
        kind, given = detail["type"], detail.get("input")
        if kind == "missing":
            takes = ", ".join(key for key in known if key != "family")
            yield "", f"missing {key} ({_called(family)} takes {takes})"
        elif kind == "value_error":
            yield "", detail["msg"].removeprefix("Value error, ")
        elif kind == "extra_forbidden" and family is Fixed and key in LAW_KEYS:
            yield key, "the quantity is a fixed value: give its value, or a family"
        elif kind == "extra_forbidden":
            what = _called(family)
            if family is SharedSpread:
                what = f"a median, whose spread is {'.'.join(SPREAD_FROM[name])}"
            yield key, f"unknown key for {what}{nearest(key, [*known, *others])}"
        else:
            yield key, f"expected {_expected(kind, detail.get('ctx', {}))}, got {shown(given)}"


def _expected(kind: str, context: dict[str, Any]) -> str:
    """What pydantic wanted instead, in words."""
    if kind == "finite_number":
        return "a finite number"
    if kind in ("greater_than", "greater_than_equal"):
        bound = "above" if kind == "greater_than" else "at or above"
        return f"a number {bound} {next(iter(context.values()), 0):g}"
    return "a number"


def _called(family: type[Law]) -> str:
    """The word by which files call a family."""
    others = {FiscalYears: "capex in fiscal years", SharedSpread: "a landlord's capex"}
    words = {law: key for key, law in FAMILIES.items()}
    return words.get(family) or others.get(family, "a fixed value")
