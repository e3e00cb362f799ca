"""Parameter files to be spoiled by tests, and what is then said about them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import sim

SHIPPED = Path(__file__).parent.parent / "params"
PUE, RENT, POWER = "hardware.pue", "hardware.rented_share", "hardware.power_price_usd_per_kwh"
XAI, QWEN, ORACLE = "labs.xai", "labs.alibaba_qwen", "landlords.oracle"
ROW = f"{XAI}.host.oracle"
XAI_FILE, ORACLE_FILE = "labs/xai.toml", "landlords/oracle.toml"
STATEMENT = """
[[statement]]
expression = "gw[openai]@2026Q4"
value = 7
unit = "GW"
source = "source-document"
"""


class Told(NamedTuple):
    """A fault, with its file relative to the folder of the test."""

    file: str
    line: int
    key: str
    message: str


def located(key: str) -> tuple[str, str, str]:
    """File, table and key of a key as messages say it."""
    file, _, key = key.rpartition(":")
    file = f"{file or 'base'}.toml"
    header = key.startswith("[")
    parts = key.strip("[]").split(".")
    if parts[0] in ("labs", "landlords") and len(parts) > 1:
        file, parts = f"{parts[0]}/{parts[1]}.toml", parts[2:]
    table = parts if header else parts[:-1]
    return file, ".".join(table), "[]" if header else parts[-1]


class Folder:
    """A copy of the shipped parameter files, to be spoiled."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, file: str, text: str | bytes) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def overlay(self, body: str, file: str = "overlay.toml", extends: str = "base.toml") -> str:
        """Write a file that extends another; its body begins in line 3."""
        self.write(file, f'format = 1\nextends = "{extends}"\n{body}')
        return file

    def change(self, key: str, new: str) -> tuple[str, int, int]:
        """Put `new` in place of the line of a full key, and tell the file and where that was.

        The key is as in messages (`labs.xai.gw_2025q4.value`); a key that is not there is added
        at the head of its table. `[key]` stands for the header of a table, `key.*` for its body,
        `name:key` for a key of `name.toml`. Back come the file and the lines of the change and
        of the header. So tests do not repeat numbers of the shipped files, which may be revised.
        """
        file, table, key = located(key)
        lines = (self.root / file).read_text().split("\n")
        top = lines.index(f"[{table}]") if table else -1
        tables = (i for i in range(top + 1, len(lines)) if lines[i].startswith("["))
        bottom = next(tables, len(lines))
        first, last = top + 1, top + 1
        if key == "[]":
            first, last = top, top + 1
        elif key == "*":
            last = bottom
        for i in range(top + 1, bottom):
            if re.match(rf"{re.escape(key)}\s*=", lines[i]):
                first, last = i, i + 1
        lines[first:last] = new.split("\n") if new else []
        self.write(file, "\n".join(lines))
        return file, first + 1, top + 1

    def load(self, file: str = "base.toml", set: Mapping[str, Any] | None = None) -> sim.Scenario:
        return sim.load(self.root / file, set=set)

    def faults(self, file: str = "base.toml", set: Mapping[str, Any] | None = None) -> list[Told]:
        """The faults for which a file is refused."""
        with pytest.raises(sim.InputError) as caught:
            self.load(file, set)
        return [
            Told(os.path.relpath(location.file, self.root), location.line, fault.key, fault.message)
            if (location := fault.location).file != "--set"
            else Told(location.file, location.line, fault.key, fault.message)
            for fault in caught.value.faults
        ]

    def fault(self, file: str = "base.toml", set: Mapping[str, Any] | None = None) -> Told:
        """The only fault for which a file is refused."""
        faults = self.faults(file, set)
        assert len(faults) == 1, faults
        return faults[0]
