"""A stored run as a user makes it, for tests of the commands that read one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

ALTERED = "utilisation.duty_cycle_online_inference.median"
NARROW = ("--lab", "xai", "--landlord", "oracle", "--quarter", "2027Q2")


@dataclass(frozen=True)
class StoredRun:
    """Its folder, what was printed, and what it holds."""

    folder: Path
    printed: str
    ds: xr.Dataset


Sim = Callable[..., tuple[int, str, str]]
