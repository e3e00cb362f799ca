"""The tables of a run on disk, printed from there as they were made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sim.common.fingerprint import files_hash
from sim.common.regular_files import read_regular
from sim.store import manifest
from sim.tables.table import Headline, headline_of

MOST_BYTES = 1 << 25  # usual ones have 0.2 MB


def write(headline: Headline, folder: Path) -> None:
    """Write the headline of a run to its folder.

    Raises:
        OSError: If it cannot be written.
    """
    path = folder / manifest.TABLES
    path.write_text(json.dumps(headline.data(), indent=0), encoding="utf-8")


def read(folder: Path, about: dict[str, Any]) -> tuple[Headline | None, str]:
    """Read the headline of a run with this manifest, if this version of the code made it.

    Returns:
        None without one, and the reason if that is damage, else "".
    """
    recorded = about["checksums"].get(manifest.TABLES)
    if recorded is None or about.get("code") != files_hash():
        return None, ""
    path = folder / manifest.TABLES
    if reason := manifest.damage_of(path, recorded):
        return None, reason
    try:
        return headline_of(json.loads(read_regular(path, MOST_BYTES))), ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return None, f"cannot be read: {type(error).__name__}"
