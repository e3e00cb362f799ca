"""Runs that are old: which of a folder go when the others shall stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sim.store import folders
from sim.store.locks import ignore

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_MOST = {"h": 10**6, "d": 10**5, "w": 10**4}


def parse_age(text: str) -> timedelta | None:
    """The time that a text such as 12h, 7d or 2w means; None for any other text."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([hdw])\s*", text)
    if match is None or float(match[1]) > _MOST[match[2]]:
        return None
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def old_runs(
    out: Path,
    older_than: timedelta | None = None,
    keep_last: int = 0,
    now: datetime | None = None,
    note: Callable[[str], None] = ignore,
) -> tuple[list[Path], list[str]]:
    """Folders of the runs and sweeps that are older than a time, beside those started last.

    Args:
        out: The folder that holds them.
        older_than: Runs that were started since then stay.
        keep_last: This many stay in any case, those that were started last.
        now: The present time unless given.
        note: Called with what stood in the way.

    Returns:
        The folders, oldest first, and the names that `sim run --name` gave to runs that stay for
        that alone.

    Raises:
        InputError: If there is no such folder.
    """
    now = datetime.now(UTC) if now is None else now
    rows = [row for row in folders.listed(out, note) if row["state"] != "unfinished"]
    rows.sort(key=_started)
    rows = rows[: max(len(rows) - keep_last, 0)]
    if older_than is not None:
        rows = [row for row in rows if now - _started(row) > older_than]
    return (
        [Path(row["folder"]) for row in rows if not row["name"]],
        [str(row["name"]) for row in rows if row["name"]],
    )


def _started(row: dict[str, Any]) -> datetime:
    """When a run was started, by its manifest, else when its folder was changed."""
    try:
        started = datetime.fromisoformat(str(row["started"]))
    except ValueError:
        return datetime.fromtimestamp(Path(row["folder"]).stat().st_mtime, UTC)
    return started if started.tzinfo else started.replace(tzinfo=UTC)
