"""Blocks, tiles and replicates of draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # draws of a block: strata of a Latin hypercube, or one draw of each Sobol' sequence
REPLICATES = 32  # of the Monte Carlo error
TILE = BLOCK * REPLICATES
CHUNK = 8 * TILE  # draws that a thread evaluates at a time
SAMPLING_CHUNK = 512  # draws that are sampled at a time
GROUP = 8  # draws whose values stand side by side in memory, and numbers of a vector
GROUPS = BLOCK // GROUP  # of a block, in which draws are summed
HALF = GROUP // 2
SPAN = 32 * TILE  # draws whose moments are folded on their own, beyond those that are kept
KEPT_DRAWS = 13 * CHUNK  # draws whose values are kept: a run of 100,000 keeps all of its draws


def ends_span(draws: int, kept: int) -> bool:
    """Whether a span ends after this number of draws, of which at most `kept` are kept.

    The kept draws are one span, later draws make spans of 32,768. The moments of a span are folded
    tile by tile, and those of all draws span by span: so wherever a span is evaluated, the order of
    additions is the same.
    """
    return draws == kept or (draws > kept and (draws - kept) % SPAN == 0)


def replicate_of(numbers: NDArray[np.int64], sampler: str) -> NDArray[np.int64]:
    """The replicate, 0 to 31, of each draw number.

    The shape is that of `numbers`. Block b belongs to replicate b mod 32; under `sobol`, draw i
    belongs to sequence i mod 32.
    """
    by_block = sampler != "sobol"
    return np.asarray((numbers // BLOCK if by_block else numbers) % REPLICATES)
