"""Errors that give a user the location, the key and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.common.text import plain


@dataclass(frozen=True, order=True, slots=True)
class Location:
    """The origin of an input: a file and its line.

    `file` may also be an option such as `--set`, or the name of the function that was called.
    `line` counts from 1; it is 0 where there are no lines.
    """

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One fault of an input: its location, its key and a message.

    `key` is the full name of the entry, such as `hardware.pue.median`; "" for the input as a
    whole. Faults are sorted by location, then key, then message.
    """

    location: Location
    key: str
    message: str

    def __str__(self) -> str:
        return plain(": ".join(filter(None, (str(self.location), self.key, self.message))))


MOST_TOLD = 50  # faults of a message


class InputError(ValueError):
    """All faults of an input, reported together.

    The message has the first `MOST_TOLD` of them, a line each, and how many more there are;
    `faults` holds all.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(set(faults))
        lines = [str(fault) for fault in self.faults[:MOST_TOLD]]
        if more := len(self.faults) - len(lines):
            lines.append(f"... and {more:,} more fault{'s' if more > 1 else ''}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return InputError, (self.faults,)


class RunError(RuntimeError):
    """A run that failed or could not be stored.

    No partial files are left.
    """
