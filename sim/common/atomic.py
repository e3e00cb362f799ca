"""Files that are whole when they have their names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class replaced:  # noqa: N801 (read as a verb)
    """A context in which a file is written under another name, and then takes its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f"{path.name}.new")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)


def synced(file: Any) -> None:
    """See that what was written to a file outlives a loss of power."""
    file.flush()
    os.fsync(file.fileno())
