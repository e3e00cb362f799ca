"""Runs of more draws than are kept, stored in several rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr
from drawing import stored

import sim
from sim.parameters.scenario import Scenario
from sim.store import run as store_run

KEPT = 8_192
TOTAL = 3 * KEPT + 1_234  # more than the kept draws, and no multiple of a tile
STORED = 1_024 * (TOTAL // 1_024) - KEPT  # draws of complete tiles beyond those that are kept


def store_long_run(base: Scenario, out: Path, draws: int = TOTAL, **options: Any) -> store_run.Run:
    """Simulate and store a run of which the first `KEPT` draws are kept, without figures."""
    return stored(base, out, draws=draws, seed=4, kept_draws=KEPT, figures=False, **options)


def assert_same_files(first: store_run.Run, second: store_run.Run) -> None:
    """Data, table and parameters are the same bytes; the manifest holds times."""
    for name in ("run.nc", "summary.csv", "parameters.toml"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name
    xr.testing.assert_identical(sim.redraw(first.ds), sim.redraw(second.ds))
    xr.testing.assert_identical(first.summary, second.summary)


def assert_same_draws(first: store_run.Run, second: store_run.Run) -> None:
    """Draws and summaries are equal; attributes may differ."""
    xr.testing.assert_equal(sim.redraw(first.ds), sim.redraw(second.ds))
    xr.testing.assert_equal(first.summary, second.summary)


def unfinished(out: Path) -> list[Path]:
    """Hidden folders of checkpoints."""
    return list(out.glob(".*.unfinished"))
