"""Runs on disk: a folder that holds one Dataset, its summary, pictures and provenance."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sim.files import Fault, InputError, Place
from sim.results import commit, simulate, versions
from sim.scenario import Scenario
from sim.statistics import summarise

CSV_COLUMNS = (
    "output", "lab", "landlord", "regime", "layer", "quarter",
    "statistic", "value", "error", "unit",
)  # fmt: skip
DRAWS_PER_CHUNK = 8192


class RunError(RuntimeError):
    """A run could not be stored; nothing half-written is left."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its folder, the draws, their summary, and how long it took."""

    folder: Path
    ds: xr.Dataset
    summary: xr.Dataset
    seconds: float


def check_folder(out: Path) -> None:
    """Make the folder for runs, and see that it can be written to.

    Raises:
        InputError: If it cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        message = f"{out}: cannot be written to: {error.strerror or error}"
        raise InputError([Fault(Place("--out"), "", message)]) from error


def run(
    scenario: Scenario,
    out: Path,
    *,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    threads: int | None = None,
    figures: bool = True,
    progress: Callable[[int], None] | None = None,
    stage: Callable[[str], None] = lambda what: None,
) -> Run:
    """Simulate a scenario and store it in `out/<scenario>-<digest>/`.

    Files are made in a hidden folder beside and moved into place whole, the manifest last.
    `progress` hears of draws done, `stage` of what comes after them.

    Raises:
        InputError: For impossible options, or a folder that cannot be written to.
        RunError: If the result cannot be stored.
    """
    check_folder(out)
    started = time.time()
    ds = simulate(scenario, draws, seed, sampler, threads=threads, progress=progress)
    stage("summary")
    summary = summarise(ds)
    folder = out / f"{scenario.name}-{ds.attrs['digest']}"
    staging = out / f".{folder.name}.{os.getpid()}.partial"
    _remove_abandoned(out)
    try:
        staging.mkdir()
        if figures:
            stage("pictures")
            _draw(ds, staging / "figures")
        stage("files")
        write_netcdf(ds, summary, staging / "run.nc")
        write_csv(summary, staging / "summary.csv")
        manifest = _manifest(scenario, ds, started)
        (staging / "manifest.json").write_text(json.dumps(manifest, indent=1, default=str) + "\n")
        _move(staging, folder)
    except OSError as error:
        raise RunError(f"{folder} could not be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Run(folder, ds, summary, time.time() - started)


def _remove_abandoned(out: Path) -> None:
    """Remove what killed processes left behind."""
    for partial in out.glob(".*.partial"):
        owner = partial.name.split(".")[-2]
        if not owner.isdigit() or int(owner) == os.getpid():
            continue
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(partial, ignore_errors=True)
        except OSError:
            continue


def _move(staging: Path, folder: Path) -> None:
    """Move every file into place; the manifest last, so that it speaks of what is there."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    files = [path for path in staging.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.name == "manifest.json"):
        path.replace(folder / path.relative_to(staging))
    with suppress(OSError):
        (folder / "figures").rmdir()  # empty where no figures were asked for


def _draw(ds: xr.Dataset, folder: Path) -> None:
    from sim import plots

    folder.mkdir()
    for name in plots.FIGURES:
        plots.save(plots.draw(name, ds), folder / f"{name}.png")


def _encoding(ds: xr.Dataset) -> dict[str, dict[str, Any]]:
    encoding = {}
    for name, variable in ds.variables.items():
        how: dict[str, Any] = {}
        if variable.dtype.kind == "f":
            how["_FillValue"] = None  # NaN is a value here
        if "draw" in variable.dims:
            sizes = zip(variable.dims, variable.shape, strict=True)
            chunks = tuple(min(n, DRAWS_PER_CHUNK) if dim == "draw" else n for dim, n in sizes)
            how |= {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": chunks}
        encoding[str(name)] = how
    return encoding


def write_netcdf(ds: xr.Dataset, summary: xr.Dataset, path: Path) -> None:
    """The draws in the root group and the summary in the group `summary`, netCDF-4, compressed.

    The file is made in memory: the HDF5 library crashes the process where a disk is full.

    Raises:
        OSError: If the file cannot be written.
    """
    image = io.BytesIO()
    ds.to_netcdf(image, engine="h5netcdf", encoding=_encoding(ds))
    summary.to_netcdf(
        image, mode="a", group="summary", engine="h5netcdf", encoding=_encoding(summary)
    )
    path.write_bytes(image.getbuffer())


def write_csv(summary: xr.Dataset, path: Path) -> None:
    """The summary as a tidy table, a number a row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for name in summary.data_vars:
            if not str(name).endswith("_error"):
                writer.writerows(_csv_rows(summary, str(name)))


def _csv_rows(summary: xr.Dataset, name: str) -> list[list[Any]]:
    variable = summary[name]
    values, errors = variable.values, summary[f"{name}_error"].values
    output, _, kind = name.rpartition("_")
    if kind not in ("mean", "sd", "quantile", "cvar"):
        output, kind = name, "probability"
    labels = {dim: summary[dim].values for dim in variable.dims}
    rows = []
    for place in np.ndindex(values.shape):
        at = {dim: labels[dim][i] for dim, i in zip(variable.dims, place, strict=True)}
        statistic = kind
        if kind == "quantile":
            statistic = f"p{100 * at['quantile']:g}"
        elif kind == "cvar":
            statistic = f"cvar{100 * at['tail']:g}"
        elif "threshold" in at:
            statistic = f"P(> {at['threshold']:g} GW)"
        rows.append(
            [
                output,
                *(at.get(dim, "") for dim in CSV_COLUMNS[1:6]),
                statistic,
                repr(float(values[place])),
                repr(float(errors[place])),
                variable.attrs["units"],
            ]
        )
    return rows


def _manifest(scenario: Scenario, ds: xr.Dataset, started: float) -> dict[str, Any]:
    """What a run rests on."""
    return {
        "scenario": scenario.name,
        "description": scenario.description,
        "digest": ds.attrs["digest"],
        "draws": int(ds.attrs["draws"]),
        "seed": int(ds.attrs["seed"]),
        "sampler": ds.attrs["sampler"],
        "draws_not_finite": int(ds.attrs["draws_not_finite"]),
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "duration_s": round(time.time() - started, 3),
        "command": sys.argv,
        "commit": commit(),
        "versions": versions(),
        "files": list(scenario.files),
        "overrides": [asdict(override) for override in scenario.overrides],
        "parameters": scenario.resolved(),
        "sources": scenario.sources_used(),
    }
