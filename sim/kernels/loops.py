"""The loop over draws: sample a block, evaluate its draws, keep what was asked for.

Work is cut into tiles of 1,024 draws: 32 blocks of 32, one for each replicate of the Monte Carlo
error. A tile's numbers depend on the tile alone, so threads and chunks change no bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.fields import Records
from sim.inputs import Array, Draw, Host, Lab, Landlord
from sim.kernels.buildout import Ledger
from sim.kernels.jit import jit
from sim.kernels.philox import Word
from sim.kernels.samplers import BLOCK, Factor, Quantity, sample_block
from sim.kernels.world import evaluate
from sim.outputs import HostOutputs, LabOutputs, LandlordOutputs, World

REPLICATES = 32
TILE = BLOCK * REPLICATES


class Plan(NamedTuple):
    """What is to be drawn, the same for every draw."""

    seed: Word
    uncertainty: float
    market: bool
    accounting: bool
    factors: Records[Factor]
    quantities: Records[Quantity]
    hosts: Records[Host]
    kept_columns: NDArray[np.int64]
    moment_columns: NDArray[np.int64]


class Workspace(NamedTuple):
    """One thread's working space: a block of rows, and the same memory seen as records."""

    rows: Array  # [BLOCK, column]
    draws: Records[Draw]
    labs: Records[Records[Lab]]
    landlords: Records[Records[Landlord]]
    out: Records[World]
    lab_out: Records[Records[LabOutputs]]
    landlord_out: Records[Records[LandlordOutputs]]
    host_out: Records[Records[HostOutputs]]
    factor_scores: Array  # [factor, BLOCK]
    scores: Array  # [BLOCK]
    ledger: Ledger


@jit
def block_moments(rows: Array, columns: NDArray[np.int64], n: int, mean: Array, m2: Array) -> None:
    """Mean and sum of squared deviations of the first n rows, in two passes."""
    for j in range(columns.size):
        mean[j] = 0.0
        m2[j] = 0.0
    for b in range(n):
        for j in range(columns.size):
            mean[j] += rows[b, columns[j]]
    for j in range(columns.size):
        mean[j] /= n
    for b in range(n):
        for j in range(columns.size):
            deviation = rows[b, columns[j]] - mean[j]
            m2[j] += deviation * deviation


@jit
def run_blocks(
    plan: Plan, w: Workspace, first: int, count: int, kept: Array, mean: Array, m2: Array
) -> None:
    """Evaluate draws `first` ... `first + count - 1`; `first` is a multiple of BLOCK.

    `kept` [column, draw] gets the draws of the kept columns, all of them from draw 0 on; `mean`
    and `m2` [block, column] the moments of each block of 32 draws.
    """
    for block in range((count + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        n = min(BLOCK, count - start)
        sample_block(
            plan.seed,
            first + start,
            plan.uncertainty,
            plan.factors,
            plan.quantities,
            w.factor_scores,
            w.scores,
            w.rows,
        )
        for b in range(n):
            evaluate(
                w.draws[b],
                w.labs[b],
                w.landlords[b],
                plan.hosts,
                plan.market,
                plan.accounting,
                w.out[b],
                w.lab_out[b],
                w.landlord_out[b],
                w.host_out[b],
                w.ledger,
            )
        for j in range(plan.kept_columns.size):
            column = plan.kept_columns[j]
            for b in range(n):
                kept[j, first + start + b] = w.rows[b, column]
        block_moments(w.rows, plan.moment_columns, n, mean[block], m2[block])
