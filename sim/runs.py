"""Runs on disk: a folder that holds one Dataset, its summary, pictures and provenance."""

from __future__ import annotations

import csv
import errno
import glob
import io
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from sim.checks import FORMAT
from sim.files import Fault, InputError, Place, RunError
from sim.results import commit, simulate, versions
from sim.scenario import Scenario
from sim.statistics import summarise
from sim.until import MAX_DRAWS, Target, simulate_until

CSV_COLUMNS = (
    "output", "lab", "landlord", "regime", "layer", "quarter",
    "statistic", "value", "error", "unit",
)  # fmt: skip
DRAWS_PER_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its folder, the draws, their summary, and how long it took.

    `stored` is false where the folder keeps a run of more draws; `undrawn` says which pictures
    could not be drawn, and why.
    """

    folder: Path
    ds: xr.Dataset
    summary: xr.Dataset
    seconds: float
    stored: bool = True
    undrawn: dict[str, str] = field(default_factory=dict)


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
    bad_draws: str = "fail",
    drop_questionable: bool = False,
    until: Sequence[Target] = (),
    max_draws: int = MAX_DRAWS,
    figures: bool = True,
    progress: Callable[[int], None] | None = None,
    sized: Callable[[int], None] = lambda draws: None,
    stage: Callable[[str], None] = lambda what: None,
) -> Run:
    """Simulate a scenario and store it in `out/<scenario>-<digest>/`.

    Files are made in a hidden folder beside it, which then takes its place whole. A stored run of
    more draws is left as it is: its first draws are these. With targets in `until`, draws are
    added until they are met, `max_draws` at most. `progress` hears of draws done, `sized` of how
    many there will be in all, `stage` of what comes after them.

    Raises:
        InputError: For impossible options, or a folder that cannot be written to.
        RunError: If too many draws are bad, or the result cannot be stored.
    """
    check_folder(out)
    started = time.time()
    options: dict[str, Any] = {
        "draws": draws,
        "seed": seed,
        "sampler": sampler,
        "threads": threads,
        "progress": progress,
        "bad_draws": bad_draws,
        "drop_questionable": drop_questionable,
    }
    if until:
        ds = simulate_until(scenario, until, max_draws, sized=sized, **options)
    else:
        ds = simulate(scenario, **options)
    stage("summary")
    summary = _without_repetition(summarise(ds))
    folder = out / f"{scenario.name}-{ds.attrs['digest']}"
    _tidy(folder)
    if stored_draws(folder) > int(ds.attrs["draws"]):
        return Run(folder, ds, summary, time.time() - started, stored=False)
    staging = _beside(folder, "partial")
    undrawn: dict[str, str] = {}
    try:
        staging.mkdir()
        stage("files")
        write_netcdf(ds, summary, staging / "run.nc")
        write_csv(summary, staging / "summary.csv")
        _write_parameters(scenario, staging / "parameters.toml")
        manifest = _manifest(scenario, ds, started)
        (staging / "manifest.json").write_text(json.dumps(manifest, indent=1, default=str) + "\n")
        if figures:
            stage("pictures")
            undrawn = _draw(ds, staging / "figures")
        elif stored_draws(folder) == int(ds.attrs["draws"]) and (folder / "figures").is_dir():
            shutil.copytree(folder / "figures", staging / "figures")  # of the same draws
        _swap(staging, folder)
    except OSError as error:
        raise RunError(f"{folder} could not be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Run(folder, ds, summary, time.time() - started, undrawn=undrawn)


def _without_repetition(summary: xr.Dataset) -> xr.Dataset:
    """A summary without the values at risk, which are quantiles that it holds already."""
    return summary.drop_vars([n for n in summary if str(n).endswith(("_var", "_var_error"))])


def stored_draws(folder: Path) -> int:
    """The number of draws of the run in a folder; 0 if there is none, or none that is whole."""
    try:
        return int(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["draws"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _beside(folder: Path, what: str) -> Path:
    """A hidden folder of this process beside a run's folder, on the same file system."""
    return folder.with_name(f".{folder.name}.{socket.gethostname()}.{os.getpid()}.{what}")


def _swap(staging: Path, folder: Path) -> None:
    """Put a finished run in place of an older one, whole."""
    older = _beside(folder, "older")
    while staging.exists():
        with suppress(FileNotFoundError):
            folder.rename(older)
        try:
            staging.rename(folder)
        except OSError as error:
            # Another process has put the same run there in between: that one is older now.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        shutil.rmtree(older, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Clear up what processes of this machine that were killed left of this very run."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        host, _, rest = (
            left.name.removeprefix(f".{folder.name}.").rpartition(".")[0].rpartition(".")
        )
        if host != socket.gethostname() or not rest.isdigit() or _is_alive(int(rest)):
            continue
        if left.suffix == ".older" and not folder.exists():
            left.rename(folder)  # killed between taking the older run away and putting the new
        elif left.suffix in (".older", ".partial"):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _write_parameters(scenario: Scenario, path: Path) -> None:
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


def _draw(ds: xr.Dataset, folder: Path) -> dict[str, str]:
    """Draw every picture; those that fail are told and lose nothing else."""
    from sim import plots

    folder.mkdir()
    undrawn = {}
    for name in plots.FIGURES:
        try:
            plots.save(plots.draw(name, ds), folder / f"{name}.png")
        except OSError:
            raise
        except Exception as error:  # a picture is not worth the run
            undrawn[name] = f"{type(error).__name__}: {error}"
    return undrawn


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
    variable = summary.variables[name]
    values, errors = variable.values, summary.variables[f"{name}_error"].values
    output, _, kind = name.rpartition("_")
    if kind not in ("mean", "sd", "quantile", "cvar", "finite"):
        output, kind = name, "probability"
    labels = {dim: summary.variables[dim].values for dim in variable.dims}
    rows = []
    for place in np.ndindex(values.shape):
        at = {dim: labels[dim][i] for dim, i in zip(variable.dims, place, strict=True)}
        statistic = kind
        if kind == "quantile":
            statistic = f"p{100 * at['quantile']:g}"
        elif kind == "cvar":
            statistic = f"cvar{100 * at['tail']:g}"
        elif kind == "finite":
            statistic = "P(finite)"
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
        "overrides": [asdict(override) for override in scenario.overrides],
        "parameters": scenario.resolved(),
        "correlation": json.loads(ds.attrs.get("correlation", "[]")),
        "sources": scenario.sources_used(),
    }
