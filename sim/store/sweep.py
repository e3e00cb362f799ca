"""Sweeps on disk: evaluated, read from their folder, or resumed."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from sim.common.atomic import atomic_file
from sim.common.errors import InputError
from sim.common.text import csv_cell
from sim.simulation.sweep import SweepPlan
from sim.statistics.tidy import COLUMNS, tidy_rows
from sim.store import folders, locks, manifest, netcdf, reader, run_files
from sim.store.run import check_folder

DATA, TABLE, FIGURES = folders.SWEPT, "sweep.csv", "figures"


@dataclass(frozen=True, slots=True)
class Sweep:
    """A finished sweep: its folder, Dataset, and duration in seconds.

    `from_disk` is the number of points that were stored before; `undrawn` holds the figures that
    failed, each with the reason.
    """

    folder: Path
    ds: xr.Dataset
    seconds: float
    from_disk: int
    undrawn: dict[str, str] = field(default_factory=dict)


def run(
    plan: SweepPlan,
    out: Path,
    *,
    figures: bool = True,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
    stage: Callable[[str], None] = lambda name: None,
) -> Sweep:
    """Evaluate a sweep and store it in `out/<scenario>-sweep-<digest>/`.

    Finished points are stored in a hidden folder next to it, from which an interrupted sweep is
    resumed, to the same files. A stored sweep is read; `force` evaluates it again. `progress` is
    called with numbers of draws done, `stage` with the name of each later stage.

    Raises:
        InputError: If `out` cannot be written to.
        RunError: As `simulate`, or if the result cannot be stored.
    """
    check_folder(out)
    started = time.time()
    folder = out / f"{plan.grid.scenarios[0].name}-sweep-{plan.digest()}"
    points_folder = locks.hidden_sibling(folder, "points")
    count = len(plan.grid.scenarios)
    with locks.exclusive_lock(folder, stage):
        if force:
            shutil.rmtree(points_folder, ignore_errors=True)
        elif (ds := _read_stored(folder)) is not None:
            undrawn = {}
            if figures and not (folder / FIGURES).is_dir():
                stage("pictures")
                with locks.atomic_subdirectory(folder, FIGURES) as pictures_folder:
                    undrawn = _draw_figures(ds, pictures_folder)
            return Sweep(folder, ds, time.time() - started, count, undrawn)
        points = []
        from_disk = 0
        for number in range(count):
            path = points_folder / f"{number}.npz"
            point = _read_point(path)
            if point is None:
                point = plan.point(number, progress)
                try:
                    _store_point(point, path)
                except OSError as error:
                    raise locks.write_error(folder, error) from error
            else:
                from_disk += 1
                if progress is not None:
                    progress(plan.options.draws)
            points.append(point)
        ds = plan.assemble(points)
        undrawn = _store(plan, ds, folder, figures, started, stage)
        shutil.rmtree(points_folder, ignore_errors=True)
    return Sweep(folder, ds, time.time() - started, from_disk, undrawn)


def _store(
    plan: SweepPlan,
    ds: xr.Dataset,
    folder: Path,
    figures: bool,
    started: float,
    stage: Callable[[str], None],
) -> dict[str, str]:
    """Write all files of a sweep, and replace its folder by them.

    Returns:
        The figures that failed, each with the reason.
    """
    undrawn: dict[str, str] = {}
    with locks.atomic_directory(folder) as staging:
        stage("files")
        run_files.write_netcdf(ds, staging / DATA, threads=plan.options.threads)
        _write_csv(plan, ds, staging / TABLE)
        manifest.write(run_files.sweep_manifest(plan, ds, started), staging, DATA)
        if figures:
            stage("pictures")
            undrawn = _draw_figures(ds, staging / FIGURES)
    return undrawn


def _read_stored(folder: Path) -> xr.Dataset | None:
    """The sweep in a folder; None if it is missing or damaged."""
    try:
        _, data = reader.open_verified(folder, DATA)
        with data, h5py.File(data, "r") as file:
            return netcdf.dataset(file).load()
    except (InputError, OSError, ValueError, KeyError):
        return None


def _store_point(point: xr.Dataset, path: Path) -> None:
    """Store a point: arrays, and JSON text of dims and attributes.

    netCDF would take seconds for this number of variables. A file that exists is complete: it is
    written under another name and renamed.
    """
    about = {
        "attrs": point.attrs,
        "coords": list(map(str, point.coords)),
        "variables": {
            str(name): [list(variable.dims), variable.attrs]
            for name, variable in point.variables.items()
        },
    }
    arrays: dict[str, Any] = {
        f"{i}": variable.values for i, variable in enumerate(point.variables.values())
    }
    image = io.BytesIO()
    np.savez(image, about=np.array(json.dumps(about)), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def _read_point(path: Path) -> xr.Dataset | None:
    """Read a stored point; None where none can be read."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            variables = {
                name: (dims, arrays[f"{i}"], attrs)
                for i, (name, (dims, attrs)) in enumerate(about["variables"].items())
            }
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    coords = {name: variables.pop(name) for name in about["coords"]}
    return xr.Dataset(variables, coords, about["attrs"])


def _draw_figures(ds: xr.Dataset, folder: Path) -> dict[str, str]:
    """Draw all figures in a new folder; return reasons of failed ones."""
    from sim.plots import save
    from sim.plots.sweep import draw, figure_groups

    folder.mkdir(parents=True)
    undrawn = {}
    for name, expressions in figure_groups(ds).items():
        try:
            save(draw(ds, expressions), folder / f"{name}.png")
        except OSError:
            raise
        except Exception as error:  # a figure that fails must not lose the sweep
            undrawn[name] = f"{type(error).__name__}: {error}"
    return undrawn


def _write_csv(plan: SweepPlan, ds: xr.Dataset, path: Path) -> None:
    """Write a tidy table, one row per number: point, then `COLUMNS`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(axis.key for axis in plan.grid.axes), *COLUMNS])
        for point in np.ndindex(*plan.grid.shape):
            pairs = zip(plan.grid.axes, point, strict=True)
            values = [csv_cell(axis.values[i]) for axis, i in pairs]
            writer.writerows([*values, *row] for row in tidy_rows(ds, point))
