"""Errors that tell a user where, what and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True, slots=True)
class Location:
    """Where something was said: a file (or `--set`) and a line (0 if it has none)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One thing that is wrong with what a user gave."""

    location: Location
    key: str
    message: str

    def __str__(self) -> str:
        text = ": ".join(filter(None, (str(self.location), self.key, self.message)))
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)  # one line


class InputError(ValueError):
    """Everything that is wrong with what a user gave, together."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[Any, ...]:
        return InputError, (self.faults,)


class RunError(RuntimeError):
    """A run has failed or could not be stored; nothing half-written is left."""
