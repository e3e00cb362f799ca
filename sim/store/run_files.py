"""Files of a run: data, tidy table of the summary, parameters, manifest."""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
import xarray as xr

from sim.common.environment import commit, versions
from sim.parameters import consistency
from sim.parameters.options import RunOptions
from sim.parameters.resolved import as_tables
from sim.parameters.scenario import Scenario
from sim.simulation.sweep import SweepPlan
from sim.statistics.datasets import PRECISION, json_attribute
from sim.statistics.tidy import COLUMNS, tidy_rows
from sim.store import netcdf, rounding


def write_parameters(scenario: Scenario, path: Path) -> None:
    """Write all parameters as used, nested as in parameter files."""
    path.write_text(tomli_w.dumps(as_tables(scenario.resolved())), encoding="utf-8")


def write_netcdf(
    ds: xr.Dataset, path: Path, *, summary: xr.Dataset | None = None, threads: int | None = None
) -> str:
    """Write a Dataset as netCDF-4, and a summary in the group `summary`.

    Draws are rounded to float32, and left out where they are NaN or copies.

    Returns:
        The precision of draws in words; "" where none are rounded.

    Raises:
        OSError: If the file cannot be written.
    """
    groups = {} if summary is None else {"summary": summary}
    stored = rounding.without_copies(rounding.rounded(ds))
    path.write_bytes(netcdf.image(stored, threads, **groups))
    return str(stored.attrs.get(PRECISION, ""))


def write_csv(summary: xr.Dataset, path: Path) -> None:
    """Write a summary as a tidy table, one row per number."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(tidy_rows(summary))


def run_manifest(
    scenario: Scenario, options: RunOptions, ds: xr.Dataset, started: float
) -> dict[str, Any]:
    """Provenance of a run; `started` is in seconds since the epoch."""
    return _common(scenario, options, ds, started) | {
        "draws": int(ds.attrs["draws"]),
        "draws_not_finite": int(ds.attrs["draws_not_finite"]),
        "kept": options.kept_names,
        "draws_not_finite_why": ds.attrs["draws_not_finite_why"],
        "draws_questionable": int(ds.attrs["draws_questionable"]),
        **({"until": json_attribute(ds, "until")} if "until" in ds.attrs else {}),
        "remarks": [*scenario.remarks, *consistency.remarks(scenario)],
        "overrides": [asdict(override) for override in scenario.overrides],
        "parameters": scenario.resolved(),
        "correlation": json_attribute(ds, "correlation", []),
    }


def sweep_manifest(plan: SweepPlan, ds: xr.Dataset, started: float) -> dict[str, Any]:
    """Provenance of a sweep; `started` is in seconds since the epoch."""
    grid = plan.grid
    first = grid.scenarios[0]
    swept = {axis.key for axis in grid.axes}
    return _common(first, plan.options, ds, started) | {
        "over": {axis.key: {**grid.about(axis), "values": axis.values} for axis in grid.axes},
        "points": len(grid.scenarios),
        "outputs": list(plan.names),
        "expressions": [expression.text for expression in plan.expressions],
        "draws_not_finite": int(ds["draws_not_finite"].sum()),
        "draws_questionable": int(ds["draws_questionable"].sum()),
        "overrides": [
            asdict(override) for override in first.overrides if override.key not in swept
        ],
        "parameters_of_the_first_point": first.resolved(),
    }


def _common(
    scenario: Scenario, options: RunOptions, ds: xr.Dataset, started: float
) -> dict[str, Any]:
    """Shared provenance; `started` is in seconds since the epoch."""
    return {
        "scenario": scenario.name,
        "description": scenario.description,
        "digest": ds.attrs["digest"],
        "draws": options.draws,
        "seed": options.seed,
        "sampler": options.sampler,
        "bad_draws": options.bad_draws,
        "drop_questionable": options.drop_questionable,
        "started": iso_time(started),
        "duration_s": round(time.time() - started, 3),
        "command": sys.argv,
        "commit": commit(),
        "versions": versions(),
        "files": list(scenario.files),
        "sources": scenario.sources_used(),
    }


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 text in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
