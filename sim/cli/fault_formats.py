"""Faults for machines: JSON, annotations of GitHub, and SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from sim.common.errors import Fault
from sim.common.text import plain
from sim.parameters.fault_codes import CODES, code_of, suggestion_of

FORMATS = ("text", "json", "github", "sarif")
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_entry(fault: Fault) -> dict[str, Any]:
    """A fault as plain data."""
    code = code_of(fault)
    return {
        "code": code.code,
        "kind": code.name,
        "file": fault.location.file,
        "line": fault.location.line or None,
        "key": fault.key,
        "message": fault.message,
        "suggestion": suggestion_of(fault) or None,
    }


def as_json(faults: Sequence[Fault]) -> str:
    """A versioned object with all faults."""
    return json.dumps({"version": 1, "faults": [as_entry(fault) for fault in faults]}, indent=1)


def as_github(faults: Sequence[Fault]) -> str:
    """A line for each fault, which GitHub shows beside the line of the file."""
    return "\n".join(map(_annotation, faults))


def _annotation(fault: Fault) -> str:
    code, place = code_of(fault), fault.location
    line = f",line={place.line}" if place.line else ""
    title = f"{code.code} {code.name}"
    text = f"{fault.key}: {fault.message}" if fault.key else fault.message
    file = _escape(place.file, ":,")
    return f"::error file={file}{line},title={_escape(title, ':,')}::{_escape(plain(text))}"


def _escape(text: str, more: str = "") -> str:
    """Text in which what has a meaning in a workflow command is percent-encoded."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def as_sarif(faults: Sequence[Fault]) -> str:
    """A SARIF log, with a rule for each kind of fault; suggestions are properties."""
    driver = {
        "name": "sim check",
        "version": version("token-economics-sim"),
        "rules": [
            {
                "id": code.code,
                "name": code.name,
                "shortDescription": {"text": code.explanation},
            }
            for code in CODES.values()
        ],
    }
    run = {"tool": {"driver": driver}, "results": [_result(fault) for fault in faults]}
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1)


def _result(fault: Fault) -> dict[str, Any]:
    artifact = {"uri": PurePath(fault.location.file).as_posix()}
    region = {"region": {"startLine": fault.location.line}} if fault.location.line else {}
    place = {"physicalLocation": {"artifactLocation": artifact, **region}}
    text = f"{fault.key}: {fault.message}" if fault.key else fault.message
    result: dict[str, Any] = {
        "ruleId": code_of(fault).code,
        "level": "error",
        "message": {"text": plain(text)},
        "locations": [place],
    }
    if name := suggestion_of(fault):
        result["properties"] = {"suggestion": name}
    return result
