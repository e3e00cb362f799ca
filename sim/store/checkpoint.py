"""Checkpoints of a run on disk, from which another process resumes.

A resumed run ends in the same bits as one that was not interrupted.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.atomic import atomic_file, sync_to_disk
from sim.common.fingerprint import source_hash
from sim.engine.histograms import Histograms
from sim.engine.state import Prepared, SimulationState, Totals, make_room

STATE, DRAWS = "state.npz", "draws.npy"
_MOMENTS = ("count", "mean", "m2", "block_numbers", "block_mean", "block_m2")
_NUMBERS = ("draws", "bad", "questionable")
_HISTOGRAM_PREFIX = "histograms."


def save(state: SimulationState, folder: Path) -> None:
    """Store the state of a run in a folder.

    Kept draws have a file of their own. A file that exists is complete: it is replaced at once.

    Raises:
        OSError: If a file cannot be written.
    """
    folder.mkdir(exist_ok=True)
    kept = min(state.completed.draws, state.prepared.options.kept_draws)
    path = folder / DRAWS
    if _count_draws(path) != kept:  # the same number of draws are the same draws
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, state.values[:, :kept])
            sync_to_disk(file)
    save_state(state, folder / STATE)


def _count_draws(path: Path) -> int:
    """Number of draws in a file of kept draws; 0 if unreadable."""
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[1])
    except (OSError, ValueError, EOFError):
        return 0


def save_state(state: SimulationState, path: Path) -> None:
    """Store the part of a state that the Dataset does not hold.

    That is totals, checkpoints, the status of kept draws, and kept draws that do not count.

    Raises:
        OSError: If it cannot be written.
    """
    completed, checkpoints = state.completed, state.checkpoints
    kept = min(completed.draws, state.prepared.options.kept_draws)
    left_out = np.flatnonzero(~state.counted[:kept])
    numbers = [[getattr(totals, name) for name in _NUMBERS] for totals in checkpoints]
    arrays: dict[str, NDArray[Any]] = {
        "code": np.array(source_hash()),
        "numbers": np.array([getattr(completed, name) for name in _NUMBERS]),
        "bad_numbers": completed.bad_numbers,
        "status": state.status[:kept],
        "left_out": state.values[:, left_out],
        "checkpoints": np.array(numbers, np.int64),
    }
    for name in _MOMENTS:
        arrays[name] = getattr(completed, name)
        if checkpoints:
            parts = [getattr(totals, name) for totals in checkpoints]
            arrays[f"checkpoints.{name}"] = np.stack(parts)
    if completed.histograms is not None:
        histograms = completed.histograms.to_arrays()
        arrays |= {_HISTOGRAM_PREFIX + name: part for name, part in histograms.items()}
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        sync_to_disk(file)


def restore(
    prepared: Prepared, folder: Path, most: int, ds: xr.Dataset | None = None
) -> SimulationState | None:
    """Read the stored state, or a checkpoint of fewer draws.

    It has at most `most` draws. Kept draws are read from `ds`, a Dataset of the run, if given,
    otherwise from the folder. None without a complete state of this version of the model, or with
    too many draws.
    """
    try:
        with (folder / STATE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if str(arrays["code"]) != source_hash():
            return None
        completed, checkpoints = _read_totals(arrays)
        status = arrays["status"]
        if ds is None:
            values = np.load(folder / DRAWS, mmap_mode="r", allow_pickle=False)
        else:
            values = _kept_draws(prepared, ds, status, arrays["left_out"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if completed.draws > most:
        checkpoints = [totals for totals in checkpoints if totals.draws <= most]
        if not checkpoints:
            return None
        completed = checkpoints[-1].copy()
    state = SimulationState.empty(prepared)
    kept = min(completed.draws, prepared.options.kept_draws)
    if len(values) != len(state.values) or values.shape[1] < kept or status.size < kept:
        return None
    make_room(state, kept)
    state.values[:], state.status[:] = values[:, :kept], status[:kept]
    state.completed = state.running = completed
    state.checkpoints = checkpoints
    return state


def _read_totals(arrays: dict[str, NDArray[Any]]) -> tuple[Totals, list[Totals]]:
    """The totals of completed tiles, and the checkpoints at ends of chunks."""

    def make_totals(numbers: NDArray[np.int64], *moments: NDArray[Any]) -> Totals:
        """Totals from draws, bad draws and questionable draws, and from `_MOMENTS`."""
        draws, bad, questionable = (int(number) for number in numbers)
        bad_numbers = arrays["bad_numbers"]
        of_moments: dict[str, Any] = dict(zip(_MOMENTS, moments, strict=True))
        return Totals(
            **of_moments,
            draws=draws, bad=bad, questionable=questionable,
            bad_numbers=bad_numbers[bad_numbers < draws],
        )  # fmt: skip

    completed = make_totals(arrays["numbers"], *(arrays[name] for name in _MOMENTS))
    histograms = {
        name.removeprefix(_HISTOGRAM_PREFIX): part
        for name, part in arrays.items()
        if name.startswith(_HISTOGRAM_PREFIX)
    }
    if histograms:
        completed.histograms = Histograms.from_arrays(histograms)
    checkpoints = [
        make_totals(numbers, *(arrays[f"checkpoints.{name}"][i] for name in _MOMENTS))
        for i, numbers in enumerate(arrays["checkpoints"])
    ]
    return completed, checkpoints


def _kept_draws(
    prepared: Prepared, ds: xr.Dataset, status: NDArray[np.int8], left_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Kept draws [column, draw], from a Dataset and those left out.

    `status` [draw] is that of all kept draws; `left_out` [column, draw] do not count.
    """
    counted = np.zeros(status.size, bool)
    numbers = ds["draw"].values
    numbers = numbers[numbers < status.size]  # later draws are in no complete tile
    counted[numbers] = True
    columns = sum(part.stop - part.start for part in prepared.slices.values())
    values = np.empty((columns, status.size))
    for name, part in prepared.slices.items():
        draws = np.moveaxis(ds[name].values[: numbers.size], 0, -1)
        values[part, counted] = draws.reshape(-1, numbers.size)
    values[:, ~counted] = left_out
    return values


def forget(folder: Path) -> None:
    """Remove the stored state of a run."""
    shutil.rmtree(folder, ignore_errors=True)
