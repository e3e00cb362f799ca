"""Where numbers come from: `sources.toml`, and what sources state in `published.toml`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from sim.common.errors import Fault
from sim.common.text import finite, nearest, shown
from sim.model.catalogue import BY_QUARTER, OTHER_DIMS, parse_expression, quantities
from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.parameters import rules
from sim.parameters.document import Document
from sim.parameters.scenario import Statement

SOURCE_KEYS = ("title", "publisher", "date", "url", "grade")
STATEMENT_KEYS = (
    "expression", "total_of", "less", "per", "value", "low", "high", "unit", "source", "as_of",
    "note",
)  # fmt: skip
GRADES = ("A", "B", "C", "judgement")


def sources(document: Document | None, faults: list[Fault]) -> dict[str, dict[str, str]]:
    """Id -> title, publisher, date, url and grade of every source."""
    if document is None:
        return {}
    found: dict[str, dict[str, str]] = {}
    rules.format_number(document, (), faults)
    for name, said in document.data.items():
        if name == "format":
            continue
        if not isinstance(said, dict):
            faults.append(Fault(document.location((name,)), name, "expected a table"))
            continue
        for key, what in said.items():
            message = None
            if key not in SOURCE_KEYS:
                message = f"unknown key{nearest(key, SOURCE_KEYS)}"
            elif not isinstance(what, str | datetime.date):
                message = f"expected a text, got {shown(what)}"
            elif key == "grade" and what not in GRADES:
                message = f"expected one of {', '.join(GRADES)}, got {what!r}"
            if message:
                faults.append(Fault(document.location((name, key)), f"{name}.{key}", message))
        for key in ("title", "publisher", "grade"):
            if key not in said:
                faults.append(Fault(document.location((name,)), f"{name}.{key}", "missing"))
        texts = {key: what for key, what in said.items() if isinstance(what, str | datetime.date)}
        found[name] = {key: str(what) for key, what in texts.items()}
    if "judgement" not in found:
        faults.append(Fault(document.default, "judgement", "missing: the id of our own judgement"))
    return found


def statements(
    document: Document | None, known: Mapping[str, object], faults: list[Fault]
) -> tuple[Statement, ...]:
    """What sources state about quantities of the model: `[[statement]]` tables."""
    if document is None:
        return ()
    rules.format_number(document, (), faults)
    tables = document.data.get("statement", [])
    for name in document.data:
        if name not in ("format", "statement"):
            message = f"unknown key{nearest(name, ['statement'])}"
            faults.append(Fault(document.location((name,)), name, message))
    if not isinstance(tables, list) or not all(isinstance(said, dict) for said in tables):
        location = document.location(("statement",))
        faults.append(Fault(location, "statement", "expected tables [[statement]]"))
        return ()
    readers = [_StatementReader(document, i, said, faults) for i, said in enumerate(tables)]
    found = [reader.statement(known) for reader in readers]
    return tuple(statement for statement in found if statement is not None)


class _StatementReader:
    """Checks one `[[statement]]`."""

    def __init__(
        self, document: Document, index: int, said: dict[str, Any], faults: list[Fault]
    ) -> None:
        self.document, self.faults, self.said = document, faults, said
        self.at = ("statement", str(index))
        self.quantities = quantities()

    def fault(self, key: str, message: str) -> None:
        location = self.document.location((*self.at, key))
        self.faults.append(Fault(location, f"statement.{key}", message))

    def statement(self, sources: Mapping[str, object]) -> Statement | None:
        """The statement, or None if there are faults."""
        before, said = len(self.faults), self.said
        for key in said:
            if key not in STATEMENT_KEYS:
                self.fault(key, f"unknown key{nearest(key, STATEMENT_KEYS)}")
        total_of = self._total_of()
        parsed = self._expression("expression")
        minus, over = (self._expression(key) if key in said else None for key in ("less", "per"))
        if parsed is not None:
            self._match(parsed[0], minus and minus[0], over and over[0])
        value, low, high = self._range()
        source, note, as_of = said.get("source"), said.get("note", ""), said.get("as_of")
        if "source" not in said:
            self.fault("source", "missing: expected an id of sources.toml")
        elif not isinstance(source, str) or (sources and source not in sources):
            hint = nearest(source, list(map(str, sources))) if isinstance(source, str) else ""
            self.fault("source", f"unknown source {shown(source)}{hint}")
        if not isinstance(note, str):
            self.fault("note", f"expected a text, got {shown(note)}")
        if as_of is not None and not isinstance(as_of, datetime.date):
            self.fault("as_of", f"expected a date such as 2026-05-31, got {shown(as_of)}")
        if parsed is None or len(self.faults) > before:
            return None
        return Statement(
            *parsed,
            value,
            str(said["unit"]),
            str(source),
            note,
            low,
            high,
            None if as_of is None else str(as_of),
            total_of,
            said.get("less"),
            said.get("per"),
        )

    def _match(self, name: str, less: str | None, per: str | None) -> None:
        """The unit that the expression has, and what may be taken from it or divide it."""
        unit, dims, _ = self.quantities[name]
        if per is not None:
            unit = f"{unit}/{self.quantities[per][0]}"
        if "unit" not in self.said:
            self.fault("unit", f'missing: expected unit = "{unit}"')
        elif self.said["unit"] != unit and ("per" in self.said) == (per is not None):
            self.fault("unit", f'expected "{unit}", got {shown(self.said["unit"])}')
        if less is not None and self.quantities[less][0] != self.quantities[name][0]:
            self.fault("less", "has another unit than the expression")
        for key, other in (("less", less), ("per", per)):
            if "total_of" in self.said and other and self.quantities[other][1] != dims:
                self.fault(key, f"'{other}' has other rows to add up than '{name}'")

    def _expression(self, key: str) -> tuple[str, tuple[str, ...], str | None] | None:
        total, before = "total_of" in self.said, len(self.faults)
        text = self.said.get(key)
        if key not in self.said:
            self.fault(key, "missing: expected output[label]@quarter")
            return None
        parsed = parse_expression(text) if isinstance(text, str) else None
        if parsed is None:
            self.fault(key, f"expected output[label]@quarter, got {shown(text)}")
            return None
        name, labels, quarter = parsed
        if name not in self.quantities:
            hint = nearest(name, list(self.quantities))
            self.fault(key, f"unknown output or input '{name}'{hint}")
            return None
        _, dims, table = self.quantities[name]
        wanted = 0 if total else len(dims)
        if len(labels) != wanted:
            example = ", ".join(f"<{dim}>" for dim in dims)
            expected = f"{name}[{example}]" if wanted else f"{name} without [...]"
            self.fault(key, f"expected {expected}, got {shown(text)}")
        if total and len(dims) != 1:
            self.fault(key, f"'{name}' has no single row of labs or landlords to add up")
        if beyond := OTHER_DIMS.get(name):
            self.fault(key, f"'{name}' differs by {beyond}, which an expression cannot name")
        if quarter is not None and table:
            self.fault(key, f"'{name}' is an input, which has no quarter")
        elif quarter is not None and name not in BY_QUARTER:
            self.fault(key, f"'{name}' has no quarter")
        elif quarter is not None and quarter not in QUARTERS:
            self.fault(key, f"unknown quarter '{quarter}'{nearest(quarter, QUARTERS)}")
        elif quarter is None and name in BY_QUARTER:
            self.fault(key, f"expected a quarter, such as {text}@{REFERENCE_QUARTER}")
        return parsed if len(self.faults) == before else None

    def _total_of(self) -> tuple[str, ...]:
        if "total_of" not in self.said:
            return ()
        labels = self.said["total_of"]
        names = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        if not names or len(labels) < 2 or len(set(labels)) < len(labels):
            self.fault("total_of", f"expected a list of different labels, got {shown(labels)}")
            return ()
        return tuple(labels)

    def _range(self) -> tuple[float | None, float | None, float | None]:
        numbers: dict[str, float | None] = {}
        for key in ("value", "low", "high"):
            numbers[key] = finite(self.said.get(key))
            if key in self.said and numbers[key] is None:
                self.fault(key, f"expected a number, got {shown(self.said[key])}")
        if not {"value", "low", "high"} & set(self.said):
            self.fault("value", "missing: expected a value, or low, high or both")
        if numbers["value"] is not None and (numbers["low"] is None) != (numbers["high"] is None):
            self.fault("value", "expected low and high both beside a value, or neither")
        given = [number for key in ("low", "value", "high") if (number := numbers[key]) is not None]
        if given != sorted(given):
            self.fault("low", f"expected low <= value <= high, got {shown(given)}")
        return numbers["value"], numbers["low"], numbers["high"]
