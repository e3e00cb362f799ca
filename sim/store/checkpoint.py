"""Totals of a run on disk, from which another process goes on.

They are of more draws than are kept: fewer are evaluated again in a moment. So are the kept draws
themselves, which a run stores rounded. A run that goes on ends in the same bits as one that was not
interrupted.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.common.fingerprint import source_hash
from sim.engine.histograms import Histograms
from sim.engine.prepare import digest
from sim.engine.state import Moments, Prepared, SimulationState, Totals
from sim.store.arrays import read_arrays, save_arrays
from sim.store.manifest import STATE

_MOMENTS = ("count", "mean", "m2", "block_numbers", "block_mean", "block_m2")
_NUMBERS = ("draws", "bad", "questionable")
_HISTOGRAM_PREFIX = "histograms."
_SPAN_PREFIX = "span."
_QUESTION = ("digest", "source", "kept_draws", "keep")


def save(state: SimulationState, folder: Path) -> bool:
    """Store the totals of complete tiles in a folder, if they are of more draws than are kept.

    A file that exists is complete: it is replaced at once.

    Returns:
        Whether there are such totals.

    Raises:
        OSError: If the file cannot be written.
    """
    completed = state.completed
    if completed.histograms is None:
        return False
    histograms = completed.histograms.to_arrays()
    arrays: dict[str, NDArray[Any]] = {
        **_question(state.prepared),
        **{name: np.array(getattr(completed, name)) for name in (*_NUMBERS, *_MOMENTS)},
        **{_SPAN_PREFIX + name: getattr(completed.span, name) for name in _MOMENTS},
        "bad_numbers": completed.bad_numbers,
        **{_HISTOGRAM_PREFIX + name: part for name, part in histograms.items()},
    }
    folder.mkdir(exist_ok=True)
    save_arrays(folder / STATE, arrays)
    return True


def _question(prepared: Prepared) -> dict[str, NDArray[Any]]:
    """What determines the totals of a run: its digest, the model's code, and what is kept."""
    options = prepared.options
    kept = (options.kept_draws, json.dumps(options.kept_names))
    values = (digest(prepared.scenario, options), source_hash(), *kept)
    return dict(zip(_QUESTION, map(np.array, values), strict=True))


def restore(prepared: Prepared, folder: Path) -> Totals | None:
    """Read the stored totals of a run; None without complete and undamaged ones of the same run."""
    try:
        arrays = read_arrays(folder / STATE)
        if any(str(arrays[name]) != str(value) for name, value in _question(prepared).items()):
            return None
        totals = _read_totals(arrays)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return totals if totals.mean.shape[-1:] == (prepared.evaluation.moments,) else None


def _read_totals(arrays: dict[str, NDArray[Any]]) -> Totals:
    """The totals of completed tiles."""
    moments: dict[str, Any] = {name: arrays[name] for name in _MOMENTS}
    span: dict[str, Any] = {name: arrays[_SPAN_PREFIX + name] for name in _MOMENTS}
    numbers: dict[str, Any] = {name: int(arrays[name]) for name in _NUMBERS}
    histograms = {
        name.removeprefix(_HISTOGRAM_PREFIX): part
        for name, part in arrays.items()
        if name.startswith(_HISTOGRAM_PREFIX)
    }
    return Totals(
        **moments, **numbers, span=Moments(**span), bad_numbers=arrays["bad_numbers"],
        histograms=Histograms.from_arrays(histograms),
    )  # fmt: skip


def forget(folder: Path) -> None:
    """Remove the stored totals of a run."""
    shutil.rmtree(folder, ignore_errors=True)
