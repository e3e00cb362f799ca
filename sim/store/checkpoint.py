"""How far a run has come, on disk: what another process goes on from, to the same bits."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.atomic import replaced, synced
from sim.common.fingerprint import source_hash
from sim.engine.histograms import Histograms
from sim.engine.state import Draws, Totals, make_room

STATE, DRAWS = "state.npz", "draws.npy"
_MOMENTS = ("count", "mean", "m2")
_NUMBERS = ("draws", "bad", "questionable")
_OF_HISTOGRAMS = "sketch."


def save(done: Draws, folder: Path) -> None:
    """Store how far a run has come in a folder of its own: draws that are kept, and the rest.

    Files are whole when they have their names: what was there before stays until then.

    Raises:
        OSError: If they cannot be written.
    """
    folder.mkdir(exist_ok=True)
    store = done.store[:, : min(done.completed.draws, done.kept_draws)]
    path = folder / DRAWS
    if _width(path) != store.shape[1]:  # draws of the same numbers are the same
        with replaced(path) as temporary, temporary.open("wb") as file:
            np.save(file, store)
            synced(file)
    save_state(done, folder / STATE)


def _width(path: Path) -> int:
    """How many draws a file holds; 0 where there is none that can be read."""
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[1])
    except (OSError, ValueError, EOFError):
        return 0


def save_state(done: Draws, path: Path) -> None:
    """Store all but the draws that a Dataset of the run holds.

    Raises:
        OSError: If it cannot be written.
    """
    whole = done.completed
    kept = min(whole.draws, done.kept_draws)
    left_out = np.flatnonzero(~done.counted[:kept])
    arrays: dict[str, NDArray[Any]] = {
        "code": np.array(source_hash()),
        "numbers": np.array([getattr(whole, name) for name in _NUMBERS]),
        "bad_numbers": whole.bad_numbers,
        "status": done.status[:kept],
        "left_out": done.store[:, left_out],
        "marks": np.array(
            [[getattr(mark, n) for n in _NUMBERS] for mark in done.checkpoints], np.int64
        ),
    }
    for name in _MOMENTS:
        arrays[name] = getattr(whole, name)
        if done.checkpoints:
            arrays[f"marks.{name}"] = np.stack([getattr(mark, name) for mark in done.checkpoints])
    if whole.histograms is not None:
        arrays |= {_OF_HISTOGRAMS + name: part for name, part in whole.histograms.arrays().items()}
    with replaced(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        synced(file)


def restored(nothing: Draws, folder: Path, most: int, ds: xr.Dataset | None = None) -> bool:
    """Bring a result of no draws as far as a folder has come, `most` draws at most.

    Kept draws are those of `ds`, a Dataset of the run, or else of the folder. Comes back whether
    that went well; where the folder holds nothing that is whole and of this very version,
    `nothing` is left as it is.
    """
    try:
        with (folder / STATE).open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        if str(arrays["code"]) != source_hash():
            return False
        whole, marks = _totals(arrays)
        status = arrays["status"]
        if ds is None:
            store = np.load(folder / DRAWS, mmap_mode="r", allow_pickle=False)
        else:
            store = _store(nothing, ds, status, arrays["left_out"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False
    if whole.draws > most:
        marks = [mark for mark in marks if mark.draws <= most]
        if not marks:
            return False
        whole = marks[-1].copy()
    kept = min(whole.draws, nothing.kept_draws)
    columns = len(nothing.store)
    if store.shape[0] != columns or store.shape[1] < kept or status.size < kept:
        return False
    make_room(nothing, kept)
    nothing.store[:], nothing.status[:] = store[:, :kept], status[:kept]
    nothing.completed = nothing.running = whole
    nothing.checkpoints = marks
    return True


def _totals(arrays: dict[str, NDArray[Any]]) -> tuple[Totals, list[Totals]]:
    """The totals of whole tiles, and where chunks end."""

    def totals(numbers: NDArray[np.int64], *moments: NDArray[Any]) -> Totals:
        draws, bad, questionable = (int(number) for number in numbers)
        first = arrays["bad_numbers"]
        count, mean, m2 = moments
        return Totals(count, mean, m2, draws, bad, questionable, first[first < draws])

    whole = totals(arrays["numbers"], *(arrays[name] for name in _MOMENTS))
    of_sketch = {
        name.removeprefix(_OF_HISTOGRAMS): part
        for name, part in arrays.items()
        if name.startswith(_OF_HISTOGRAMS)
    }
    if of_sketch:
        whole.histograms = Histograms.of_arrays(of_sketch)
    marks = [
        totals(numbers, *(arrays[f"marks.{name}"][i] for name in _MOMENTS))
        for i, numbers in enumerate(arrays["marks"])
    ]
    return whole, marks


def _store(
    nothing: Draws, ds: xr.Dataset, status: NDArray[np.int8], left_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The draws that are kept [column, draw], of a Dataset and of those that it leaves out."""
    there = np.zeros(status.size, bool)
    numbers = ds["draw"].values
    numbers = numbers[numbers < status.size]  # later ones do not fill a tile
    there[numbers] = True
    store = np.empty((len(nothing.store), status.size))
    for name, place in nothing.slices.items():
        draws = np.moveaxis(ds[name].values[: numbers.size], 0, -1)
        store[place, there] = draws.reshape(-1, numbers.size)
    store[:, ~there] = left_out
    return store


def forget(folder: Path) -> None:
    """Remove what a run had come to."""
    shutil.rmtree(folder, ignore_errors=True)
