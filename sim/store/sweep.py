"""Sweeps on disk: finished points are kept on the way, and the whole in a folder of its own."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from sim.common.atomic import replaced
from sim.common.environment import commit, versions
from sim.common.errors import InputError
from sim.simulation.sweep import COUNTS, SweepPlan
from sim.store import locks, netcdf, reader
from sim.store.run import check_folder
from sim.store.run_files import KINDS, statistic

DATA, TABLE, MANIFEST, FIGURES = reader.SWEPT, "sweep.csv", "manifest.json", "figures"
DIMS = ("lab", "landlord", "regime", "layer", "quarter")


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
    question: SweepPlan,
    out: Path,
    *,
    figures: bool = True,
    force: bool = False,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    stage: Callable[[str], None] = lambda what: None,
) -> Sweep:
    """Ask a question at every point, and store the answers in `out/<scenario>-sweep-<digest>/`.

    Every finished point is kept in a hidden folder beside it, so that a sweep that was broken off
    goes on from there; the files that come of it are the same. A question that is answered in its
    folder already is read from there, unless it is to be asked again by `force`.

    Raises:
        InputError: If `out` cannot be written to.
        RunError: As `simulate`, or if the result cannot be stored.
    """
    check_folder(out)
    started = time.time()
    folder = out / f"{question.grid.scenarios[0].name}-sweep-{question.digest()}"
    parts = locks.beside(folder, "points")
    count = len(question.grid.scenarios)
    with locks.exclusive_lock(folder, stage):
        if force:
            shutil.rmtree(parts, ignore_errors=True)
        elif (ds := _stored(folder)) is not None:
            undrawn = {}
            if figures and not (folder / FIGURES).is_dir():
                stage("pictures")
                with locks.atomic_subdirectory(folder, FIGURES) as pictures:
                    undrawn = _draw(ds, pictures)
            return Sweep(folder, ds, time.time() - started, count, undrawn)
        points = []
        from_disk = 0
        for number in range(count):
            path = parts / f"{number}.npz"
            point = _part(path)
            if point is None:
                point = question.point(number, threads, progress)
                try:
                    _keep(point, path)
                except OSError as error:
                    raise locks.unwritten(folder, error) from error
            else:
                from_disk += 1
                if progress is not None:
                    progress(question.draws)
            points.append(point)
        ds = question.assembled(points)
        undrawn = _store(question, ds, folder, figures, started, stage)
        shutil.rmtree(parts, ignore_errors=True)
    return Sweep(folder, ds, time.time() - started, from_disk, undrawn)


def _store(
    question: SweepPlan,
    ds: xr.Dataset,
    folder: Path,
    figures: bool,
    started: float,
    stage: Callable[[str], None],
) -> dict[str, str]:
    """Write all files of a sweep, and put them in place whole; the pictures that failed."""
    undrawn: dict[str, str] = {}
    with locks.atomic_directory(folder) as staging:
        stage("files")
        (staging / DATA).write_bytes(netcdf.image(ds))
        _write_csv(question, ds, staging / TABLE)
        manifest = _manifest(question, ds, started) | reader.marks(staging / DATA)
        text = json.dumps(manifest, indent=1, default=str) + "\n"
        (staging / MANIFEST).write_text(text, encoding="utf-8")
        if figures:
            stage("pictures")
            undrawn = _draw(ds, staging / FIGURES)
    return undrawn


def _stored(folder: Path) -> xr.Dataset | None:
    """The sweep in a folder, or None where there is none that is whole."""
    try:
        _, data = reader.open_verified(folder, DATA)
        with data, h5py.File(data, "r") as file:
            return netcdf.dataset(file).load()
    except (InputError, OSError, ValueError, KeyError):
        return None


def _keep(point: xr.Dataset, path: Path) -> None:
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
    with replaced(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def _part(path: Path) -> xr.Dataset | None:
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


def _draw(ds: xr.Dataset, folder: Path) -> dict[str, str]:
    """Draw every picture; those that fail are told and lose nothing else."""
    from sim.plots import save
    from sim.plots.sweep import draw, figure_groups

    folder.mkdir(parents=True)
    undrawn = {}
    for name, asked in figure_groups(ds).items():
        try:
            save(draw(ds, asked), folder / f"{name}.png")
        except OSError:
            raise
        except Exception as error:  # a picture is not worth the sweep
            undrawn[name] = f"{type(error).__name__}: {error}"
    return undrawn


def _write_csv(question: SweepPlan, ds: xr.Dataset, path: Path) -> None:
    """The sweep as a tidy table, a number a row: its point, what it is, value and error."""
    keys = [axis.key for axis in question.grid.axes]
    asked = [expression.text for expression in question.expressions]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*keys, "output", *DIMS, "statistic", "value", "error", "unit"])
        values = [axis.values for axis in question.grid.axes]
        for point in np.ndindex(*question.grid.shape):
            at = [v[i] for v, i in zip(values, point, strict=True)]
            for name in map(str, ds.data_vars):
                if name.endswith("_error") or name in COUNTS:
                    continue
                for row in _rows(ds, name, point, name in asked):
                    writer.writerow([*at, *row])


def _rows(
    ds: xr.Dataset, name: str, point: tuple[int, ...], is_expression: bool
) -> Iterator[list[Any]]:
    variable = ds.variables[name]
    values, errors = variable.values[point], ds.variables[f"{name}_error"].values[point]
    dims = [str(dim) for dim in variable.dims[len(point) :]]
    output, _, kind = name.rpartition("_")
    if is_expression:
        output, kind = name, "expression"
    elif kind not in KINDS:
        output, kind = name, "probability"
    labels = {dim: ds.variables[dim].values for dim in dims}
    for place in np.ndindex(values.shape):
        at = {dim: labels[dim][i] for dim, i in zip(dims, place, strict=True)}
        where = [at.get(dim, "") for dim in DIMS]
        numbers = [repr(float(values[place])), repr(float(errors[place]))]
        yield [output, *where, statistic(kind, at), *numbers, variable.attrs["units"]]


def _manifest(question: SweepPlan, ds: xr.Dataset, started: float) -> dict[str, Any]:
    """What a sweep rests on."""
    grid = question.grid
    first = grid.scenarios[0]
    swept = {axis.key for axis in grid.axes}
    return {
        "scenario": first.name,
        "description": first.description,
        "digest": ds.attrs["digest"],
        "over": {axis.key: {**grid.about(axis), "values": axis.values} for axis in grid.axes},
        "points": len(grid.scenarios),
        "outputs": list(question.names),
        "expressions": [expression.text for expression in question.expressions],
        "draws": question.draws,
        "seed": question.seed,
        "sampler": question.sampler,
        "bad_draws": question.bad_draws,
        "drop_questionable": question.drop_questionable,
        "draws_not_finite": int(ds["draws_not_finite"].sum()),
        "draws_questionable": int(ds["draws_questionable"].sum()),
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "duration_s": round(time.time() - started, 3),
        "command": sys.argv,
        "commit": commit(),
        "versions": versions(),
        "files": list(first.files),
        "overrides": [asdict(one) for one in first.overrides if one.key not in swept],
        "parameters_of_the_first_point": first.resolved(),
        "sources": first.sources_used(),
    }
