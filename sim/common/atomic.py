"""Atomic files: a file that has its name is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path that replaces `path` when the block ends.

    If the block raises, the temporary file is removed and `path` stays as it was.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)


def sync_to_disk(file: Any) -> None:
    """Flush a file to disk, to survive a loss of power."""
    file.flush()
    os.fsync(file.fileno())
