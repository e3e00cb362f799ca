"""Where numbers come from: `sources.toml`, and what sources state in `published.toml`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from sim import checks
from sim.fields import declared, nearest, parse_expression
from sim.files import Document, Fault
from sim.outputs import ENTITIES
from sim.scenario import Statement

SOURCE_KEYS = ("title", "publisher", "date", "url", "grade")
GRADES = ("A", "B", "C", "judgement")


def sources(document: Document | None, faults: list[Fault]) -> dict[str, dict[str, str]]:
    """Id -> title, publisher, date, url and grade of every source."""
    if document is None:
        return {}
    found: dict[str, dict[str, str]] = {}
    checks.format_number(document, (), faults)
    for name, said in document.data.items():
        if name == "format":
            continue
        if not isinstance(said, dict):
            faults.append(Fault(document.place((name,)), name, "expected a table"))
            continue
        for key, what in said.items():
            message = None
            if key not in SOURCE_KEYS:
                message = f"unknown key{nearest(key, SOURCE_KEYS)}"
            elif not isinstance(what, str | datetime.date):
                message = f"expected a text, got {what!r}"
            elif key == "grade" and what not in GRADES:
                message = f"expected one of {', '.join(GRADES)}, got {what!r}"
            if message:
                faults.append(Fault(document.place((name, key)), f"{name}.{key}", message))
        for key in ("title", "publisher", "grade"):
            if key not in said:
                faults.append(Fault(document.place((name,)), f"{name}.{key}", "missing"))
        found[name] = {key: str(what) for key, what in said.items()}
    return found


def statements(
    document: Document | None, known: Mapping[str, object], faults: list[Fault]
) -> tuple[Statement, ...]:
    """What sources state about outputs: `[[statement]]` tables."""
    if document is None:
        return ()
    outputs = sorted(name for entity in ENTITIES for name in declared(entity))
    checks.format_number(document, (), faults)
    found = []
    tables = document.data.get("statement", [])
    for name in document.data:
        if name not in ("format", "statement"):
            message = f"unknown key{nearest(name, ['statement'])}"
            faults.append(Fault(document.place((name,)), name, message))
    for index, said in enumerate(tables if isinstance(tables, list) else []):
        place = document.place(("statement", str(index)))
        if not isinstance(said, dict):
            faults.append(Fault(place, "statement", "expected tables [[statement]]"))
            continue
        expression, value = said.get("expression"), said.get("value")
        parsed = parse_expression(expression) if isinstance(expression, str) else None
        if parsed is None:
            message = f"expected output[label]@quarter, got {expression!r}"
            faults.append(Fault(place, "statement.expression", message))
        elif parsed[0] not in outputs:
            message = f"unknown output '{parsed[0]}'{nearest(parsed[0], outputs)}"
            faults.append(Fault(place, "statement.expression", message))
        elif isinstance(value, bool) or not isinstance(value, int | float):
            faults.append(Fault(place, "statement.value", f"expected a number, got {value!r}"))
        elif said.get("source") not in known:
            message = f"unknown source {said.get('source')!r}"
            faults.append(Fault(place, "statement.source", message))
        else:
            unit, note = str(said.get("unit", "")), str(said.get("note", ""))
            found.append(Statement(*parsed, float(value), unit, said["source"], note))
    return tuple(found)
