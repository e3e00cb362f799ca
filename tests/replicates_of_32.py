"""The 32 replicates of which moments and histograms are kept, as replicates of draws."""

from __future__ import annotations

import numpy as np

from sim.model.blocks import replicate_of
from sim.statistics.replicates import Replicates


def replicates_of_32(numbers: np.ndarray, sampler: str = "stratified") -> Replicates:
    """Block b of the draws of these numbers belongs to replicate b mod 32."""
    held, replicate = np.unique(replicate_of(numbers, sampler), return_inverse=True)
    order = np.argsort(replicate, kind="stable")
    return Replicates(np.bincount(replicate, minlength=held.size), sampler, order)
