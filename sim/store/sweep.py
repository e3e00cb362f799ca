"""Sweeps on disk: finished points are kept on the way, and the whole in a folder of its own."""

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
from sim.simulation.sweep import SweepPlan
from sim.statistics.tidy import COLUMNS, tidy_rows
from sim.store import folders, locks, manifest, netcdf, reader, run_files
from sim.store.run import check_folder

DATA, TABLE, FIGURES = folders.SWEPT, "sweep.csv", "figures"


@dataclass(frozen=True, slots=True)
class Sweep:
    """A finished sweep: its folder, what `sim.sweep` gives, and how long it took.

    `from_disk` counts the points that were there already; `undrawn` says which pictures could not
    be drawn, and why.
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
    """Draw every point of a sweep, and store the results in `out/<scenario>-sweep-<digest>/`.

    Every finished point is kept in a hidden folder beside it, so that a sweep that was broken off
    goes on from there; the files that come of it are the same. One that is in its folder already
    is read from there, unless it is to be drawn anew by `force`.

    Raises:
        InputError: If `out` cannot be written to.
        RunError: As `simulate`, or if the result cannot be stored.
    """
    check_folder(out)
    started = time.time()
    folder = out / f"{plan.grid.scenarios[0].name}-sweep-{plan.digest()}"
    parts = locks.beside(folder, "points")
    count = len(plan.grid.scenarios)
    with locks.exclusive_lock(folder, stage):
        if force:
            shutil.rmtree(parts, ignore_errors=True)
        elif (ds := _stored(folder)) is not None:
            undrawn = {}
            if figures and not (folder / FIGURES).is_dir():
                stage("pictures")
                with locks.atomic_subdirectory(folder, FIGURES) as pictures_folder:
                    undrawn = _draw_figures(ds, pictures_folder)
            return Sweep(folder, ds, time.time() - started, count, undrawn)
        points = []
        from_disk = 0
        for number in range(count):
            path = parts / f"{number}.npz"
            point = _read_point(path)
            if point is None:
                point = plan.point(number, progress)
                try:
                    _store_point(point, path)
                except OSError as error:
                    raise locks.unwritten(folder, error) from error
            else:
                from_disk += 1
                if progress is not None:
                    progress(plan.options.draws)
            points.append(point)
        ds = plan.assembled(points)
        undrawn = _store(plan, ds, folder, figures, started, stage)
        shutil.rmtree(parts, ignore_errors=True)
    return Sweep(folder, ds, time.time() - started, from_disk, undrawn)


def _store(
    plan: SweepPlan,
    ds: xr.Dataset,
    folder: Path,
    figures: bool,
    started: float,
    stage: Callable[[str], None],
) -> dict[str, str]:
    """Write all files of a sweep, and put them in place together; the figures that failed."""
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


def _stored(folder: Path) -> xr.Dataset | None:
    """The sweep in a folder, or None where there is none that is whole and made by this code."""
    try:
        _, data = reader.open_verified(folder, DATA)
        with data, h5py.File(data, "r") as file:
            return netcdf.dataset(file).load()
    except (InputError, OSError, ValueError, KeyError):
        return None


def _store_point(point: xr.Dataset, path: Path) -> None:
    """Store a point: arrays, and what they are. It takes netCDF seconds to hold so many.

    The file is written under another name and renamed, so that one that exists is whole.
    """
    about = {
        "attrs": point.attrs,
        "coords": list(map(str, point.coords)),
        "variables": {str(n): [list(v.dims), v.attrs] for n, v in point.variables.items()},
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
    """A stored point, or None where there is none that can be read."""
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
    """Draw every figure to a new folder; those that failed, each with the reason."""
    from sim.plots import save
    from sim.plots.sweep import draw, figure_groups

    folder.mkdir(parents=True)
    undrawn = {}
    for name, expressions in figure_groups(ds).items():
        try:
            save(draw(ds, expressions), folder / f"{name}.png")
        except OSError:
            raise
        except Exception as error:  # a figure is not worth the sweep
            undrawn[name] = f"{type(error).__name__}: {error}"
    return undrawn


def _write_csv(plan: SweepPlan, ds: xr.Dataset, path: Path) -> None:
    """Write a sweep as a tidy table, a number a row: its point, what it is, value and error."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(axis.key for axis in plan.grid.axes), *COLUMNS])
        for point in np.ndindex(*plan.grid.shape):
            at = [axis.values[i] for axis, i in zip(plan.grid.axes, point, strict=True)]
            writer.writerows([*at, *row] for row in tidy_rows(ds, point))
