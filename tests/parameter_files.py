"""Parameter files that tests spoil, and the faults for which they are refused."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import sim
from sim.distributions.base import Distribution

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


OBSERVED = "place,tokens\nOhio,100\nTexas,300\nOhio,100\nIowa,200\n"  # a CSV file

# Keys beside those of a host or of a fixed value.
HOST = 'unit = "1"\nsource = "judgement"\nnote = "n"\n'
FIXED = f"value = {{}}\n{HOST}"


@dataclass(frozen=True)
class BadChange:
    """A change of a shipped file (see `Folder.change`), and the one fault to which it leads.

    The key of the fault is the one that is changed unless `key` is another. `at` is the line of
    the fault: lines below the change, "header" (that of the table) or "file" (line 0).
    """

    change: str
    new: str
    message: str
    key: str = ""
    at: int | str = 0


class LocatedFault(NamedTuple):
    """A fault, with its file relative to the folder of the test."""

    file: str
    line: int
    key: str
    message: str


def split_key(key: str) -> tuple[str, str, str]:
    """File, table and last part of a key as messages have it."""
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
        """Put `new` in place of the line of a full key.

        Tests thus do not repeat numbers of the shipped files, which may be revised.

        Args:
            key: As in messages (`labs.xai.gw_2025q4.value`); one that the file lacks is added at
                the head of its table. `[key]` stands for the header of a table, `key.*` for its
                body, `name:key` for a key of `name.toml`.
            new: The new line or lines; "" removes the old ones.

        Returns:
            The file, and the lines of the change and of the header of the table.
        """
        file, table, key = split_key(key)
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

    def distribution(self, name: str, entry: str) -> Distribution:
        """The distribution of a quantity under an overlay of its table."""
        scenario = self.load(self.overlay(f"[{name}]\n{entry}\n"))
        return scenario.quantities[name].distribution

    def load(self, file: str = "base.toml", set: Mapping[str, Any] | None = None) -> sim.Scenario:
        return sim.load(self.root / file, set=set)

    def faults(
        self, file: str = "base.toml", set: Mapping[str, Any] | None = None
    ) -> list[LocatedFault]:
        """The faults for which a file is refused."""
        with pytest.raises(sim.InputError) as caught:
            self.load(file, set)
        return [
            LocatedFault(
                os.path.relpath(location.file, self.root), location.line, fault.key, fault.message
            )
            if (location := fault.location).file != "--set"
            else LocatedFault(location.file, location.line, fault.key, fault.message)
            for fault in caught.value.faults
        ]

    def fault(self, file: str = "base.toml", set: Mapping[str, Any] | None = None) -> LocatedFault:
        """The only fault for which a file is refused."""
        faults = self.faults(file, set)
        assert len(faults) == 1, faults
        return faults[0]

    def assert_refuses(self, bad: BadChange) -> None:
        """The change leads to its fault, at its line and key, and to no other."""
        file, change, header = self.change(bad.change, bad.new)
        line = {"header": header, "file": 0}[bad.at] if isinstance(bad.at, str) else change + bad.at
        fault = self.fault()
        assert (fault.file, fault.line) == (file, line)
        assert fault.key == (bad.key or bad.change.rpartition(":")[2])
        assert bad.message in fault.message


def changed_names(scenario: sim.Scenario, base: sim.Scenario) -> set[str]:
    """The names of quantities and hosts that differ."""
    names = {n for n, q in scenario.quantities.items() if q != base.quantities.get(n)}
    pairs = {".".join(p) for p, host in scenario.hosts.items() if host != base.hosts.get(p)}
    return names | pairs
