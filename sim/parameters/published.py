"""Sources of numbers (`sources.toml`), and what they state (`published.toml`)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from sim.common.errors import Fault
from sim.common.text import finite, nearest, shown
from sim.expressions.parser import split_reference
from sim.model.catalogue import BY_QUARTER, OTHER_DIMS, hint, quantities
from sim.model.dims import COORDS, QUARTERS, REFERENCE_QUARTER, YEARS
from sim.parameters import rules
from sim.parameters.document import Document
from sim.parameters.fields import JUDGEMENT
from sim.parameters.scenario import Statement

SOURCE_KEYS = ("title", "publisher", "date", "url", "grade")
STATEMENT_KEYS = (
    "expression", "total_of", "less", "times", "per", "value", "low", "high", "unit", "source",
    "as_of", "note",
)  # fmt: skip
GRADES = ("A", "B", "C", JUDGEMENT)


def read_sources(document: Document | None, faults: list[Fault]) -> dict[str, dict[str, str]]:
    """Title, publisher, date, url and grade of every source, by its id.

    What is wrong is added to `faults`; None stands for a file that cannot be read.
    """
    if document is None:
        return {}
    sources: dict[str, dict[str, str]] = {}
    rules.check_format(document, (), faults)
    for name, entry in document.data.items():
        if name == "format":
            continue
        if not isinstance(entry, dict):
            faults.append(Fault(document.location((name,)), name, "expected a table"))
            continue
        for key, value in entry.items():
            message = None
            if key not in SOURCE_KEYS:
                message = f"unknown key{nearest(key, SOURCE_KEYS)}"
            elif not isinstance(value, str | datetime.date):
                message = f"expected a text, got {shown(value)}"
            elif key == "grade" and value not in GRADES:
                message = f"expected one of {', '.join(GRADES)}, got {value!r}"
            if message:
                faults.append(Fault(document.location((name, key)), f"{name}.{key}", message))
        for key in ("title", "publisher", "grade"):
            if key not in entry:
                faults.append(Fault(document.location((name,)), f"{name}.{key}", "missing"))
        texts = {k: value for k, value in entry.items() if isinstance(value, str | datetime.date)}
        sources[name] = {key: str(value) for key, value in texts.items()}
    if JUDGEMENT not in sources:
        faults.append(Fault(document.default, JUDGEMENT, "missing: the id of our own judgement"))
    return sources


def read_statements(
    document: Document | None, sources: Mapping[str, object], faults: list[Fault]
) -> tuple[Statement, ...]:
    """What sources state about quantities of the model: the tables `[[statement]]`.

    Args:
        document: The file, or None if there is none, or it cannot be read.
        sources: The known sources, by id.
        faults: What is wrong is added to it, and the statement left out.
    """
    if document is None:
        return ()
    rules.check_format(document, (), faults)
    tables = document.data.get("statement", [])
    for name in document.data:
        if name not in ("format", "statement"):
            message = f"unknown key{nearest(name, ['statement'])}"
            faults.append(Fault(document.location((name,)), name, message))
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        location = document.location(("statement",))
        faults.append(Fault(location, "statement", "expected tables [[statement]]"))
        return ()
    readers = [_StatementReader(document, i, table, faults) for i, table in enumerate(tables)]
    statements = [reader.read(sources) for reader in readers]
    return tuple(statement for statement in statements if statement is not None)


class _StatementReader:
    """Reads a `[[statement]]`; what is wrong is added to `faults`."""

    def __init__(
        self, document: Document, index: int, table: dict[str, Any], faults: list[Fault]
    ) -> None:
        self.document, self.faults, self.table = document, faults, table
        self.at = ("statement", str(index))
        self.quantities = quantities()

    def add_fault(self, key: str, message: str) -> None:
        """Add a fault of a key of the statement."""
        location = self.document.location((*self.at, key))
        self.faults.append(Fault(location, f"statement.{key}", message))

    def read(self, sources: Mapping[str, object]) -> Statement | None:
        """The statement, or None if it has faults."""
        before, table = len(self.faults), self.table
        for key in table:
            if key not in STATEMENT_KEYS:
                self.add_fault(key, f"unknown key{nearest(key, STATEMENT_KEYS)}")
        total_of = self._read_total_of()
        parsed = self._read_expression("expression")
        less, times, per = (
            self._read_expression(key) if key in table else None for key in ("less", "times", "per")
        )
        if parsed is not None:
            self._check_units(parsed[0], less and less[0], per and per[0])
        if times is not None and self.quantities[times[0]][0] != "1":
            self.add_fault("times", f"expected a ratio, got one in {self.quantities[times[0]][0]}")
        value, low, high = self._read_range()
        source, note, as_of = table.get("source"), table.get("note", ""), table.get("as_of")
        if "source" not in table:
            self.add_fault("source", "missing: expected an id of sources.toml")
        elif not isinstance(source, str) or (sources and source not in sources):
            near = nearest(source, list(map(str, sources))) if isinstance(source, str) else ""
            self.add_fault("source", f"unknown source {shown(source)}{near}")
        if not isinstance(note, str):
            self.add_fault("note", f"expected a text, got {shown(note)}")
        if as_of is not None and not isinstance(as_of, datetime.date):
            self.add_fault("as_of", f"expected a date such as 2026-05-31, got {shown(as_of)}")
        if parsed is None or len(self.faults) > before:
            return None
        return Statement(
            *parsed,
            value=value,
            unit=str(table["unit"]),
            source=str(source),
            note=note,
            low=low,
            high=high,
            as_of=None if as_of is None else str(as_of),
            total_of=total_of,
            less=table.get("less"),
            times=table.get("times"),
            per=table.get("per"),
        )

    def _check_units(self, name: str, less: str | None, per: str | None) -> None:
        """Check the units of a quantity, its subtrahend and its divisor.

        All are names of inputs or outputs; None stands for none.
        """
        unit, dims, _ = self.quantities[name]
        if per is not None:
            unit = f"{unit}/{self.quantities[per][0]}"
        if "unit" not in self.table:
            self.add_fault("unit", f'missing: expected unit = "{unit}"')
        elif self.table["unit"] != unit and ("per" in self.table) == (per is not None):
            self.add_fault("unit", f'expected "{unit}", got {shown(self.table["unit"])}')
        if less is not None and self.quantities[less][0] != self.quantities[name][0]:
            self.add_fault("less", "has another unit than the expression")
        for key, other in (("less", less), ("per", per)):
            if "total_of" in self.table and other and self.quantities[other][1] != dims:
                self.add_fault(key, f"'{other}' has other rows to add up than '{name}'")

    def _read_expression(self, key: str) -> tuple[str, tuple[str, ...], str | None] | None:
        """Name, labels and quarter of an expression, unless it has faults."""
        is_total, before = "total_of" in self.table, len(self.faults)
        text = self.table.get(key)
        if key not in self.table:
            self.add_fault(key, "missing: expected output[label]@quarter")
            return None
        parsed = split_reference(text) if isinstance(text, str) else None
        if parsed is None:
            self.add_fault(key, f"expected output[label]@quarter, got {shown(text)}")
            return None
        name, labels, quarter = parsed
        if name not in self.quantities:
            self.add_fault(
                key, f"unknown output or input '{name}'{hint(name, list(self.quantities))}"
            )
            return None
        _, dims, table = self.quantities[name]
        others = OTHER_DIMS.get(name, ())
        if is_total and (len(dims) != 1 or others):
            self.add_fault(key, f"'{name}' has no single row of labs or landlords to add up")
        self._check_labels(key, name, labels, () if is_total else (*dims, *others))
        if quarter is not None and table:
            self.add_fault(key, f"'{name}' is an input, which has no quarter")
        elif quarter is not None and name not in BY_QUARTER:
            self.add_fault(key, f"'{name}' has no quarter")
        elif quarter is not None and quarter not in (*QUARTERS, *YEARS):
            self.add_fault(key, f"unknown quarter '{quarter}'{nearest(quarter, QUARTERS)}")
        elif quarter is None and name in BY_QUARTER:
            self.add_fault(key, f"expected a quarter, such as {text}@{REFERENCE_QUARTER}")
        return parsed if len(self.faults) == before else None

    def _check_labels(
        self, key: str, name: str, labels: tuple[str, ...], dims: tuple[str, ...]
    ) -> None:
        """Check that an expression has a label for each of the dims.

        Which labs and landlords there are is known later.
        """
        if len(labels) != len(dims):
            example = ", ".join(f"<{dim}>" for dim in dims)
            expected = f"{name}[{example}]" if dims else f"{name} without [...]"
            self.add_fault(key, f"expected {expected}, got {shown(self.table[key])}")
            return
        for dim, label in zip(dims, labels, strict=True):
            if dim in COORDS and label not in COORDS[dim]:
                self.add_fault(key, f"unknown {dim} '{label}'{nearest(label, COORDS[dim])}")

    def _read_total_of(self) -> tuple[str, ...]:
        """The labels of a total; () if the statement is none."""
        if "total_of" not in self.table:
            return ()
        labels = self.table["total_of"]
        are_names = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        if not are_names or len(labels) < 2 or len(set(labels)) < len(labels):
            self.add_fault("total_of", f"expected a list of different labels, got {shown(labels)}")
            return ()
        return tuple(labels)

    def _read_range(self) -> tuple[float | None, float | None, float | None]:
        """Value, low and high, each perhaps None, in the statement's unit."""
        numbers: dict[str, float | None] = {}
        for key in ("value", "low", "high"):
            numbers[key] = finite(self.table.get(key))
            if key in self.table and numbers[key] is None:
                self.add_fault(key, f"expected a number, got {shown(self.table[key])}")
        if not {"value", "low", "high"} & set(self.table):
            self.add_fault("value", "missing: expected a value, or low, high or both")
        if numbers["value"] is not None and (numbers["low"] is None) != (numbers["high"] is None):
            self.add_fault("value", "expected low and high both beside a value, or neither")
        given = [number for key in ("low", "value", "high") if (number := numbers[key]) is not None]
        if given != sorted(given):
            self.add_fault("low", f"expected low <= value <= high, got {shown(given)}")
        return numbers["value"], numbers["low"], numbers["high"]
