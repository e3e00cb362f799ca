"""Why a draw stands where it does in the distribution of a value: its causes, by their weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.regression import fit_slopes
from sim.analysis.targets import normal_scores
from sim.simulation.scores import draw_causes

FITTED = 20_000  # draws from which slopes are estimated
DRAWS_PER_CAUSE = 4  # at least, or slopes would be noise


@dataclass(frozen=True)
class Reason:
    """A cause of a draw's place: its `score`, in standard deviations, and its `part`.

    Parts are in standard deviations of the value's normal score; they sum to what is linear in it.
    """

    cause: str
    score: float
    part: float


def find_reasons(
    ds: xr.Dataset, values: NDArray[np.float64], number: int, threads: int | None = None
) -> tuple[Reason, ...]:
    """The causes of the place of a draw, the weightiest first: scores times regression slopes.

    Args:
        ds: What `simulate` or `open_run` gives.
        values: Of its draws, [draw].
        number: The number of the draw.
        threads: All processors unless given.

    Returns:
        All independent causes; none where there are too few draws to tell them apart.
    """
    draws = min(FITTED, values.size)
    causes = draw_causes(ds, threads, draws)
    if draws < DRAWS_PER_CAUSE * len(causes.names):
        return ()
    target = normal_scores(values[:draws])
    scores = draw_causes(ds, threads, number=number).values[:, 0]
    parts = fit_slopes(causes.values, target) * scores
    order = np.argsort(-np.abs(parts), kind="stable")
    return tuple(Reason(causes.names[i], float(scores[i]), float(parts[i])) for i in order)
