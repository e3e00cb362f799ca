"""The merged files of a scenario while they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.common.errors import Fault, Location
from sim.parameters.document import Document
from sim.parameters.locations import Key


@dataclass
class MergedFiles:
    """Files laid over one another, and their faults so far.

    `parties` tells for every lab and landlord, by folder and id, whether its file could be read;
    `is_complete` whether all files could, so that what is missing is a fault. `sources` holds the
    entries of `sources.toml` by id.
    """

    document: Document
    faults: list[Fault]
    parties: Mapping[str, Mapping[str, bool]]
    is_complete: bool
    sources: Mapping[str, dict[str, str]]

    def add_fault(self, key: Key, message: str, location: Location | None = None) -> None:
        """Add a fault of a key, by default at its own location."""
        location = location or self.document.location(key)
        self.faults.append(Fault(location, ".".join(key), message))

    def is_set_alone(self, key: Key) -> bool:
        """Whether a table stands in no file, so that all of it comes from `--set`."""
        return self.document.location(key).file == "--set"

    def table(self, key: Key) -> dict[str, Any] | None:
        """The table of a key, empty if there is none.

        None if the key holds something else.
        """
        table: Any = self.document.data
        for part in key:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        return table if isinstance(table, dict) else None
