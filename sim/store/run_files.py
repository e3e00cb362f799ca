"""The files of a run: its data, a tidy table of its summary, parameters, pictures, a manifest."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from sim.common.environment import commit, versions
from sim.parameters import consistency
from sim.parameters.rules import FORMAT
from sim.parameters.scenario import Scenario
from sim.store import netcdf

CSV_COLUMNS = (
    "output", "lab", "landlord", "regime", "layer", "quarter",
    "statistic", "value", "error", "unit",
)  # fmt: skip
KINDS = ("mean", "sd", "quantile", "cvar", "finite")  # of statistics, as ends of their names


def write_parameters(scenario: Scenario, path: Path) -> None:
    """All parameters as used, nested as in parameter files."""
    resolved = scenario.resolved()
    tree: dict[str, Any] = {"format": FORMAT, "model": resolved["model"]}
    if resolved["factors"]:
        tree["factors"] = resolved["factors"]
    for parties in ("labs", "landlords"):
        tree[parties] = {party: {"name": name} for party, name in resolved[parties].items()}
    for landlord, month in resolved["fiscal_year_ends"].items():
        tree["landlords"][landlord]["fiscal_year_end"] = month
    for name, said in [*resolved["quantities"].items(), *resolved["hosts"].items()]:
        table = tree
        for part in name.split("."):
            table = table.setdefault(part, {})
        table.update(said)
    if resolved["correlation"]:
        tree["correlation"] = resolved["correlation"]
    path.write_text(tomli_w.dumps(tree), encoding="utf-8")


def write_netcdf(ds: xr.Dataset, summary: xr.Dataset, path: Path) -> None:
    """The draws in the root group and the summary in the group `summary`, netCDF-4, compressed.

    Raises:
        OSError: If the file cannot be written.
    """
    path.write_bytes(netcdf.image(ds, summary=summary))


def write_csv(summary: xr.Dataset, path: Path) -> None:
    """The summary as a tidy table, a number a row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for name in summary.data_vars:
            if not str(name).endswith("_error"):
                writer.writerows(_csv_rows(summary, str(name)))


def statistic(kind: str, at: Mapping[Any, Any]) -> str:
    """What a table calls a statistic of some kind at the labels of its dims."""
    if kind == "quantile":
        return f"p{100 * at['quantile']:g}"
    if kind == "cvar":
        return f"cvar{100 * at['tail']:g}"
    if kind == "finite":
        return "P(finite)"
    return f"P(> {at['threshold']:g} GW)" if "threshold" in at else kind


def _csv_rows(summary: xr.Dataset, name: str) -> list[list[Any]]:
    variable = summary.variables[name]
    values, errors = variable.values, summary.variables[f"{name}_error"].values
    output, _, kind = name.rpartition("_")
    if kind not in KINDS:
        output, kind = name, "probability"
    labels = {dim: summary.variables[dim].values for dim in variable.dims}
    rows = []
    for place in np.ndindex(values.shape):
        at = {dim: labels[dim][i] for dim, i in zip(variable.dims, place, strict=True)}
        rows.append(
            [
                output,
                *(at.get(dim, "") for dim in CSV_COLUMNS[1:6]),
                statistic(kind, at),
                repr(float(values[place])),
                repr(float(errors[place])),
                variable.attrs["units"],
            ]
        )
    return rows


def manifest(scenario: Scenario, ds: xr.Dataset, started: float) -> dict[str, Any]:
    """What a run rests on."""
    return {
        "scenario": scenario.name,
        "description": scenario.description,
        "digest": ds.attrs["digest"],
        "draws": int(ds.attrs["draws"]),
        "seed": int(ds.attrs["seed"]),
        "sampler": ds.attrs["sampler"],
        "bad_draws": ds.attrs["bad_draws"],
        "draws_not_finite": int(ds.attrs["draws_not_finite"]),
        "draws_not_finite_why": ds.attrs["draws_not_finite_why"],
        "drop_questionable": bool(ds.attrs["drop_questionable"]),
        "draws_questionable": int(ds.attrs["draws_questionable"]),
        **({"until": json.loads(ds.attrs["until"])} if "until" in ds.attrs else {}),
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "duration_s": round(time.time() - started, 3),
        "command": sys.argv,
        "commit": commit(),
        "versions": versions(),
        "files": list(scenario.files),
        "remarks": [*scenario.remarks, *consistency.remarks(scenario)],
        "overrides": [asdict(override) for override in scenario.overrides],
        "parameters": scenario.resolved(),
        "correlation": json.loads(ds.attrs.get("correlation", "[]")),
        "sources": scenario.sources_used(),
    }
