"""Checkpoints of a run on disk, from which another process resumes.

A resumed run ends in the same bits as one that was not interrupted.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.fingerprint import source_hash
from sim.engine.histograms import Histograms
from sim.engine.prepare import digest
from sim.engine.state import Prepared, SimulationState, Totals
from sim.store.arrays import read_arrays, save_arrays
from sim.store.manifest import STATE

DRAWS = "draws.npz"
_MOMENTS = ("count", "mean", "m2", "block_numbers", "block_mean", "block_m2")
_NUMBERS = ("draws", "bad", "questionable")
_HISTOGRAM_PREFIX = "histograms."
_QUESTION = ("digest", "source", "kept_draws")


def save(state: SimulationState, folder: Path) -> None:
    """Store the state of a run in a folder.

    Kept draws have a file of their own. A file that exists is complete: it is replaced at once.

    Raises:
        OSError: If a file cannot be written.
    """
    folder.mkdir(exist_ok=True)
    kept = min(state.completed.draws, state.prepared.options.kept_draws)
    question = _question(state.prepared)
    path = folder / DRAWS
    if _count_draws(path, question) != kept:  # the same number of draws are the same draws
        count = {"count": np.array(kept), "values": state.values[:, :kept]}
        save_arrays(path, question | count)
    save_state(state, folder / STATE)


def _question(prepared: Prepared) -> dict[str, NDArray[Any]]:
    """What determines the draws of a run: its digest, the model's code, how many are kept."""
    values = (digest(prepared.scenario, prepared.options), source_hash())
    return dict(zip(_QUESTION, map(np.array, (*values, prepared.options.kept_draws)), strict=True))


def _is_of(arrays: dict[str, NDArray[Any]], question: dict[str, NDArray[Any]]) -> bool:
    """Whether arrays that were read are of a run."""
    return all(str(arrays[name]) == str(value) for name, value in question.items())


def _count_draws(path: Path, question: dict[str, NDArray[Any]]) -> int:
    """Number of draws in a file of kept draws of a run; 0 if there are none."""
    try:
        arrays = read_arrays(path, [*_QUESTION, "count"])
        return int(arrays["count"]) if _is_of(arrays, question) else 0
    except (OSError, ValueError, TypeError):
        return 0


def save_state(state: SimulationState, path: Path) -> None:
    """Store the part of a state that the Dataset does not hold.

    That is totals, the status of kept draws, and kept draws that do not count.

    Raises:
        OSError: If it cannot be written.
    """
    completed = state.completed
    kept = min(completed.draws, state.prepared.options.kept_draws)
    left_out = np.flatnonzero(~state.counted[:kept])
    arrays: dict[str, NDArray[Any]] = {
        **_question(state.prepared),
        **{name: np.array(getattr(completed, name)) for name in (*_NUMBERS, *_MOMENTS)},
        "bad_numbers": completed.bad_numbers,
        "status": state.status[:kept],
        "left_out": state.values[:, left_out],
    }
    if completed.histograms is not None:
        histograms = completed.histograms.to_arrays()
        arrays |= {_HISTOGRAM_PREFIX + name: part for name, part in histograms.items()}
    save_arrays(path, arrays)


def restore(
    prepared: Prepared, folder: Path, ds: xr.Dataset | None = None
) -> SimulationState | None:
    """Read the stored state of a run.

    Kept draws are read from `ds`, a Dataset of the run, if given, otherwise from the folder. None
    without a complete and undamaged state of the same run.
    """
    question = _question(prepared)
    try:
        arrays = read_arrays(folder / STATE)
        if not _is_of(arrays, question):
            return None
        completed = _read_totals(arrays)
        status = arrays["status"]
        if ds is None:
            stored = read_arrays(folder / DRAWS)
            if not _is_of(stored, question):
                return None
            values = stored["values"]
        else:
            values = _kept_draws(prepared, ds, status, arrays["left_out"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    state = SimulationState.empty(prepared)
    kept = min(completed.draws, prepared.options.kept_draws)
    if values.ndim != 2 or len(values) != len(state.values) or status.ndim != 1:
        return None
    if values.shape[1] < kept or status.size < kept:
        return None
    state.values, state.status = np.ascontiguousarray(values[:, :kept]), status[:kept].copy()
    state.completed = state.running = completed
    return state


def _read_totals(arrays: dict[str, NDArray[Any]]) -> Totals:
    """The totals of completed tiles."""
    moments: dict[str, Any] = {name: arrays[name] for name in _MOMENTS}
    draws, bad, questionable = (int(arrays[name]) for name in _NUMBERS)
    totals = Totals(
        **moments, draws=draws, bad=bad, questionable=questionable,
        bad_numbers=arrays["bad_numbers"],
    )  # fmt: skip
    histograms = {
        name.removeprefix(_HISTOGRAM_PREFIX): part
        for name, part in arrays.items()
        if name.startswith(_HISTOGRAM_PREFIX)
    }
    if histograms:
        totals.histograms = Histograms.from_arrays(histograms)
    return totals


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
