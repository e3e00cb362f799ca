"""Blocks, tiles and replicates of draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # draws of a block: strata of a Latin hypercube, and sequences under Sobol'
REPLICATES = 32
TILE = BLOCK * REPLICATES
CHUNK = 8 * TILE  # draws that a thread evaluates at a time
KEPT_DRAWS = 13 * CHUNK  # the first draws, whose values are kept: those of a usual run, 100,000


def replicate_of(numbers: NDArray[np.int64], sampler: str) -> NDArray[np.int64]:
    """The replicate of the Monte Carlo error to which draws belong, by their numbers."""
    by_block = sampler != "sobol"
    return np.asarray((numbers // BLOCK if by_block else numbers) % REPLICATES)
