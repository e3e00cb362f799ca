"""Where numbers come from: `sources.toml`, and what sources state in `published.toml`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from sim import checks
from sim.fields import QUARTERS, declared, nearest, parse_expression
from sim.files import Document, Fault, finite, shown
from sim.outputs import ENTITIES
from sim.scenario import Statement

SOURCE_KEYS = ("title", "publisher", "date", "url", "grade")
STATEMENT_KEYS = ("expression", "value", "unit", "source", "as_of", "note")
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
                message = f"expected a text, got {shown(what)}"
            elif key == "grade" and what not in GRADES:
                message = f"expected one of {', '.join(GRADES)}, got {what!r}"
            if message:
                faults.append(Fault(document.place((name, key)), f"{name}.{key}", message))
        for key in ("title", "publisher", "grade"):
            if key not in said:
                faults.append(Fault(document.place((name,)), f"{name}.{key}", "missing"))
        texts = {key: what for key, what in said.items() if isinstance(what, str | datetime.date)}
        found[name] = {key: str(what) for key, what in texts.items()}
    if "judgement" not in found:
        faults.append(Fault(document.default, "judgement", "missing: the id of our own judgement"))
    return found


def statements(
    document: Document | None, known: Mapping[str, object], faults: list[Fault]
) -> tuple[Statement, ...]:
    """What sources state about outputs: `[[statement]]` tables."""
    if document is None:
        return ()
    outputs = {name: out for entity in ENTITIES for name, out in declared(entity).items()}
    checks.format_number(document, (), faults)
    found = []
    tables = document.data.get("statement", [])
    for name in document.data:
        if name not in ("format", "statement"):
            message = f"unknown key{nearest(name, ['statement'])}"
            faults.append(Fault(document.place((name,)), name, message))
    if not isinstance(tables, list) or not all(isinstance(said, dict) for said in tables):
        place = document.place(("statement",))
        faults.append(Fault(place, "statement", "expected tables [[statement]]"))
        return ()
    for index, said in enumerate(tables):
        at, before = ("statement", str(index)), len(faults)

        def fault(key: str, message: str, at: tuple[str, str] = at) -> None:
            faults.append(Fault(document.place((*at, key)), f"statement.{key}", message))

        for key in said:
            if key not in STATEMENT_KEYS:
                fault(key, f"unknown key{nearest(key, STATEMENT_KEYS)}")
        expression, value = said.get("expression"), finite(said.get("value"))
        source, unit, note = said.get("source"), said.get("unit"), said.get("note", "")
        parsed = parse_expression(expression) if isinstance(expression, str) else None
        if parsed is None:
            fault("expression", f"expected output[label]@quarter, got {shown(expression)}")
        elif parsed[0] not in outputs:
            hint = nearest(parsed[0], list(outputs))
            fault("expression", f"unknown output '{parsed[0]}'{hint}")
        else:
            if parsed[2] is not None and parsed[2] not in QUARTERS:
                fault("expression", f"unknown quarter '{parsed[2]}'{nearest(parsed[2], QUARTERS)}")
            expected = outputs[parsed[0]].unit
            if unit != expected:
                fault("unit", f'expected "{expected}", got {shown(unit)}')
        if value is None:
            fault("value", f"expected a number, got {shown(said.get('value'))}")
        if not isinstance(source, str) or (known and source not in known):
            fault("source", f"unknown source {shown(source)}")
        if not isinstance(note, str):
            fault("note", f"expected a text, got {shown(note)}")
        if parsed is not None and value is not None and len(faults) == before:
            found.append(Statement(*parsed, value, str(unit), str(source), note))
    return tuple(found)
