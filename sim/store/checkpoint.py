"""Checkpoints of a run on disk, from which another process goes on to the same bits."""

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
_MOMENTS = ("count", "mean", "m2")
_NUMBERS = ("draws", "bad", "questionable")
_OF_HISTOGRAMS = "sketch."


def save(state: SimulationState, folder: Path) -> None:
    """Store how far a run has come in a folder of its own: draws that are kept, and the rest.

    A file that exists is complete: what was there before stays until it is replaced.

    Raises:
        OSError: If they cannot be written.
    """
    folder.mkdir(exist_ok=True)
    kept = min(state.completed.draws, state.prepared.options.kept_draws)
    path = folder / DRAWS
    if _draws_in(path) != kept:  # draws of the same numbers are the same
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, state.values[:, :kept])
            sync_to_disk(file)
    save_state(state, folder / STATE)


def _draws_in(path: Path) -> int:
    """How many draws a file holds; 0 where there is none that can be read."""
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[1])
    except (OSError, ValueError, EOFError):
        return 0


def save_state(state: SimulationState, path: Path) -> None:
    """Store all but the draws that a Dataset of the run holds.

    Raises:
        OSError: If it cannot be written.
    """
    totals, checkpoints = state.completed, state.checkpoints
    kept = min(totals.draws, state.prepared.options.kept_draws)
    left_out = np.flatnonzero(~state.counted[:kept])
    numbers = [[getattr(one, name) for name in _NUMBERS] for one in checkpoints]
    arrays: dict[str, NDArray[Any]] = {
        "code": np.array(source_hash()),
        "numbers": np.array([getattr(totals, name) for name in _NUMBERS]),
        "bad_numbers": totals.bad_numbers,
        "status": state.status[:kept],
        "left_out": state.values[:, left_out],
        "checkpoints": np.array(numbers, np.int64),
    }
    for name in _MOMENTS:
        arrays[name] = getattr(totals, name)
        if checkpoints:
            arrays[f"checkpoints.{name}"] = np.stack([getattr(one, name) for one in checkpoints])
    if totals.histograms is not None:
        arrays |= {
            _OF_HISTOGRAMS + name: part for name, part in totals.histograms.to_arrays().items()
        }
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        sync_to_disk(file)


def restore(
    prepared: Prepared, folder: Path, most: int, ds: xr.Dataset | None = None
) -> SimulationState | None:
    """The state that a folder holds, brought back to `most` draws where it has more.

    Kept draws are those of `ds`, a Dataset of the run, or else of the folder. None where the folder
    holds nothing that is complete and of this very version, or only states of more draws.
    """
    try:
        with (folder / STATE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if str(arrays["code"]) != source_hash():
            return None
        completed, checkpoints = _totals(arrays)
        status = arrays["status"]
        if ds is None:
            values = np.load(folder / DRAWS, mmap_mode="r", allow_pickle=False)
        else:
            values = _values_of(prepared, ds, status, arrays["left_out"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if completed.draws > most:
        checkpoints = [one for one in checkpoints if one.draws <= most]
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


def _totals(arrays: dict[str, NDArray[Any]]) -> tuple[Totals, list[Totals]]:
    """The totals of whole tiles, and those where chunks end."""

    def totals(numbers: NDArray[np.int64], *moments: NDArray[Any]) -> Totals:
        draws, bad, questionable = (int(number) for number in numbers)
        first = arrays["bad_numbers"]
        count, mean, m2 = moments
        return Totals(count, mean, m2, draws, bad, questionable, first[first < draws])

    completed = totals(arrays["numbers"], *(arrays[name] for name in _MOMENTS))
    histograms = {
        name.removeprefix(_OF_HISTOGRAMS): part
        for name, part in arrays.items()
        if name.startswith(_OF_HISTOGRAMS)
    }
    if histograms:
        completed.histograms = Histograms.from_arrays(histograms)
    checkpoints = [
        totals(numbers, *(arrays[f"checkpoints.{name}"][i] for name in _MOMENTS))
        for i, numbers in enumerate(arrays["checkpoints"])
    ]
    return completed, checkpoints


def _values_of(
    prepared: Prepared, ds: xr.Dataset, status: NDArray[np.int8], left_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The draws that are kept [column, draw], of a Dataset and of those that it leaves out."""
    counted = np.zeros(status.size, bool)
    numbers = ds["draw"].values
    numbers = numbers[numbers < status.size]  # later ones do not fill a tile
    counted[numbers] = True
    columns = sum(part.stop - part.start for part in prepared.slices.values())
    values = np.empty((columns, status.size))
    for name, part in prepared.slices.items():
        draws = np.moveaxis(ds[name].values[: numbers.size], 0, -1)
        values[part, counted] = draws.reshape(-1, numbers.size)
    values[:, ~counted] = left_out
    return values


def forget(folder: Path) -> None:
    """Remove what a run had come to."""
    shutil.rmtree(folder, ignore_errors=True)
