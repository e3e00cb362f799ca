"""Sweeps on disk: evaluated, read from their folder, or resumed."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from sim.common.errors import InputError
from sim.common.text import csv_cell
from sim.simulation.sweep import SweepPlan
from sim.statistics.tidy import COLUMNS, tidy_rows
from sim.store import leftovers, locks, manifest, netcdf, reader, run_files
from sim.store.arrays import read_arrays, save_arrays
from sim.store.run import check_folder

DATA, TABLE, FIGURES = manifest.SWEPT, "sweep.csv", manifest.FIGURES
MOST_POINT_BYTES = 1 << 32


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
    note: Callable[[str], None] = locks.ignore,
) -> Sweep:
    """Evaluate a sweep and store it in `out/<scenario>-sweep-<digest>/`.

    Finished points are stored in a hidden folder next to it, from which an interrupted sweep is
    resumed, to the same files. A stored sweep is read, and files of it that are damaged are made
    anew; `force` evaluates it again. `progress` is called with numbers of draws done, `stage` with
    the name of each later stage, `note` with what was wrong in the folder.

    Raises:
        InputError: For a name that begins with a dot, or if `out` cannot be written to, unless the
            sweep is stored.
        RunError: As `simulate`, or if the result cannot be stored.
    """
    first = plan.grid.scenarios[0]
    started = time.time()
    folder = out / f"{first.name}-sweep-{plan.digest()}"
    count = len(plan.grid.scenarios)
    try:
        check_folder(out)
    except InputError:
        if force or (ds := _read_stored(plan, folder, locks.ignore)) is None:
            raise
        return Sweep(folder, ds, time.time() - started, count)
    with locks.exclusive_lock(folder, stage):
        try:
            leftovers.settle(folder, note)
        except OSError as error:
            raise locks.write_error(folder, error) from error
        points_folder = locks.hidden_sibling(folder, "points")
        ds, from_disk = None, count
        if force:
            shutil.rmtree(points_folder, ignore_errors=True)
        else:
            ds = _read_stored(plan, folder, note)
        if ds is not None and not _damage(folder, note):
            undrawn: dict[str, str] = {}
            if figures and not (folder / FIGURES).is_dir():
                stage("pictures")
                with locks.atomic_update(folder, note) as staging:
                    undrawn = _draw_figures(ds, staging / FIGURES)
                    manifest.bind_figures(manifest.read(folder), staging)
            return Sweep(folder, ds, time.time() - started, count, undrawn)
        data = None if ds is None else folder / DATA
        if ds is None:
            ds, from_disk = _evaluate(plan, folder, points_folder, progress, note)
        undrawn = _store(plan, ds, data, folder, figures, started, stage, note)
        shutil.rmtree(points_folder, ignore_errors=True)
    return Sweep(folder, ds, time.time() - started, from_disk, undrawn)


def _evaluate(
    plan: SweepPlan,
    folder: Path,
    points_folder: Path,
    progress: Callable[[int], None] | None,
    note: Callable[[str], None],
) -> tuple[xr.Dataset, int]:
    """Evaluate the points that are not stored, and store each.

    Returns:
        The Dataset of all points, and the number of points that were stored.
    """
    points = []
    from_disk = 0
    digest = plan.digest()
    for number in range(len(plan.grid.scenarios)):
        path = points_folder / f"{number}.npz"
        point = _read_point(path, digest, number, note)
        if point is None:
            point = plan.point(number, progress)
            try:
                _store_point(point, path, digest, number)
            except OSError as error:
                raise locks.write_error(folder, error) from error
        else:
            from_disk += 1
            if progress is not None:
                progress(plan.options.draws)
        points.append(point)
    return plan.assemble(points), from_disk


def _store(
    plan: SweepPlan,
    ds: xr.Dataset,
    data: Path | None,
    folder: Path,
    figures: bool,
    started: float,
    stage: Callable[[str], None],
    note: Callable[[str], None],
) -> dict[str, str]:
    """Write all files of a sweep, and replace its folder by them.

    `data` is the file that holds `ds` already, if there is one.

    Returns:
        The figures that failed, each with the reason.
    """
    undrawn: dict[str, str] = {}
    with locks.atomic_directory(folder, note) as staging:
        stage("files")
        if data is not None:
            locks.link(data, staging / DATA)
        else:
            run_files.write_netcdf(ds, staging / DATA, threads=plan.options.threads)
        _write_csv(plan, ds, staging / TABLE)
        if figures:
            stage("pictures")
            undrawn = _draw_figures(ds, staging / FIGURES)
        manifest.write(run_files.sweep_manifest(plan, ds, started), staging)
    return undrawn


def _read_stored(plan: SweepPlan, folder: Path, note: Callable[[str], None]) -> xr.Dataset | None:
    """The sweep in a folder; None, with a note, if it is damaged; None if it is missing."""
    if not folder.exists():
        return None
    try:
        about, data = reader.open_verified(folder, DATA)
        with data, h5py.File(data, "r") as file:
            ds = netcdf.dataset(file).load()
        if about["digest"] == ds.attrs["digest"] == plan.digest():
            return ds
        note(f"{folder}: it is of another sweep: made anew")
    except Exception as error:  # HDF5 raises various errors for bytes it cannot read
        note(f"{error}: made anew")
    return None


def _damage(folder: Path, note: Callable[[str], None]) -> bool:
    """Whether files of a sweep other than its data are damaged, which is noted."""
    damage = manifest.damage(folder, manifest.read(folder), leave_out=(DATA,))
    for name, reason in damage.items():
        note(f"{folder / name}: {reason}: made anew")
    return bool(damage)


def _store_point(point: xr.Dataset, path: Path, digest: str, number: int) -> None:
    """Store a point: arrays, and JSON text of dims and attributes.

    netCDF would take seconds for this number of variables. A file that exists is complete, and says
    of which sweep and point it is.
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
    arrays |= {"digest": np.array(digest), "number": np.array(number)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_arrays(path, arrays | {"about": np.array(json.dumps(about))})


def _read_point(
    path: Path, digest: str, number: int, note: Callable[[str], None]
) -> xr.Dataset | None:
    """Read a stored point; None, with a note, where it is damaged or of another sweep."""
    try:
        arrays = read_arrays(path, most=MOST_POINT_BYTES)
        if str(arrays["digest"]) != digest or int(arrays["number"]) != number:
            raise ValueError("it is of another sweep or point")
        about = json.loads(str(arrays["about"]))
        variables = {
            name: (dims, arrays[f"{i}"], attrs)
            for i, (name, (dims, attrs)) in enumerate(about["variables"].items())
        }
        coords = {name: variables.pop(name) for name in about["coords"]}
        return xr.Dataset(variables, coords, about["attrs"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        note(f"{path}: {error}: evaluated again")
    return None


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
