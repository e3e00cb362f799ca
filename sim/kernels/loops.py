"""The loop over draws: sample a block, evaluate its draws, keep what was asked for.

Work is cut into tiles of 1,024 draws: 32 blocks of 32. A block of a tile is a replicate of the
Monte Carlo error; under Sobol' sequences a replicate is one of them, which has a draw of every
block. A tile's numbers depend on the tile alone, so threads and chunks change no bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.fields import Records
from sim.inputs import Array, Draw, Host, Lab, Landlord
from sim.kernels.buildout import Ledger
from sim.kernels.jit import jit
from sim.kernels.quantities import Sampling, Scores, sample
from sim.kernels.samplers import BLOCK, SOBOL
from sim.kernels.world import evaluate, questionable
from sim.outputs import HostOutputs, LabOutputs, LandlordOutputs, World

REPLICATES = 32
TILE = BLOCK * REPLICATES
QUESTIONABLE, BAD = 1, 2  # what a draw may be: one, both, or neither
ANYTHING, NUMBER, FINITE = range(3)  # what a column may hold: NUMBER is anything but NaN


class Plan(NamedTuple):
    """What is to be drawn, the same for every draw."""

    sampling: Sampling
    market: bool
    accounting: bool
    hosts: Records[Host]
    kept_columns: NDArray[np.int64]
    kept_rules: NDArray[np.int8]
    moment_columns: NDArray[np.int64]
    moment_rules: NDArray[np.int8]
    drop_bad: bool
    drop_questionable: bool


class Workspace(NamedTuple):
    """One thread's working space: a block of rows, and the same memory seen as records."""

    rows: Array  # [BLOCK, column]
    columns: Array  # [column, BLOCK], the same memory
    draws: Records[Draw]
    labs: Records[Records[Lab]]
    landlords: Records[Records[Landlord]]
    out: Records[World]
    lab_out: Records[Records[LabOutputs]]
    landlord_out: Records[Records[LandlordOutputs]]
    host_out: Records[Records[HostOutputs]]
    scores: Scores
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
        mean[j] /= max(n, 1)
    for b in range(n):
        for j in range(columns.size):
            deviation = rows[b, columns[j]] - mean[j]
            m2[j] += deviation * deviation


@jit
def add_to_moments(row: Array, columns: NDArray[np.int64], n: int, mean: Array, m2: Array) -> None:
    """Add a draw, the n-th, to means and sums of squared deviations (Welford 1962)."""
    for j in range(columns.size):
        number = row[columns[j]]
        deviation = number - mean[j]
        mean[j] += deviation / n
        m2[j] += deviation * (number - mean[j])


@jit
def forbidden(rule: int, number: float) -> bool:
    """Whether a column of that rule may not hold this number."""
    return (rule != ANYTHING and np.isnan(number)) or (rule == FINITE and np.isinf(number))


@jit
def mark_bad(
    rows: Array,
    columns: NDArray[np.int64],
    rules: NDArray[np.int8],
    n: int,
    status: NDArray[np.int8],
) -> None:
    """Mark those of the first n draws that hold a number which their column may not hold."""
    for b in range(n):
        for j in range(columns.size):
            if forbidden(rules[j], rows[b, columns[j]]):
                status[b] |= BAD


@jit
def left_out(status: int, drop_bad: bool, drop_questionable: bool) -> bool:
    """Whether a draw counts in no statistic."""
    return (drop_bad and status & BAD != 0) or (drop_questionable and status & QUESTIONABLE != 0)


@jit
def close_ranks(rows: Array, n: int, status: NDArray[np.int8], plan: Plan) -> int:
    """Move the rows of draws that count to the front, in their order; how many they are."""
    counted = 0
    for b in range(n):
        if left_out(status[b], plan.drop_bad, plan.drop_questionable):
            continue
        if counted < b:
            for column in range(rows.shape[1]):
                rows[counted, column] = rows[b, column]
        counted += 1
    return counted


@jit
def run_blocks(
    plan: Plan,
    w: Workspace,
    first: int,
    count: int,
    kept: Array,
    at: int,
    sizes: NDArray[np.int64],
    mean: Array,
    m2: Array,
    status: NDArray[np.int8],
) -> None:
    """Evaluate draws `first` ... `first + count - 1`; `first` is a multiple of BLOCK.

    `kept` [column, draw] gets the draws of the kept columns, from `at` on; `sizes` [block], `mean`
    and `m2` [block, column], zero before, the moments of the draws that count in each block of 32,
    or under Sobol' sequences those of each sequence in each tile; `status` [draw from `first` on]
    whether a draw is questionable, and whether a column holds what it may not.
    """
    by_sequence = plan.sampling.sampler == SOBOL
    for block in range((count + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        n = min(BLOCK, count - start)
        sample(plan.sampling, first + start, w.scores, w.columns, 0)
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
            status[start + b] = QUESTIONABLE if questionable(w.out[b]) else 0
        # A block is looked at draw by draw only where a column holds something odd.
        suspect = False
        for j in range(plan.kept_columns.size):
            column, rule = plan.kept_columns[j], plan.kept_rules[j]
            missing, infinite = False, False
            for b in range(n):
                number = w.rows[b, column]
                kept[j, at + start + b] = number
                missing |= np.isnan(number)
                infinite |= np.isinf(number)
            suspect |= (rule != ANYTHING and missing) or (rule == FINITE and infinite)
        states = status[start : start + n]
        if by_sequence:
            for j in range(plan.moment_columns.size):
                column, rule = plan.moment_columns[j], plan.moment_rules[j]
                for b in range(n):
                    suspect |= forbidden(rule, w.rows[b, column])
        else:
            block_moments(w.rows, plan.moment_columns, n, mean[block], m2[block])
            for j in range(plan.moment_columns.size):
                suspect |= forbidden(plan.moment_rules[j], mean[block, j])
        if suspect:
            mark_bad(w.rows, plan.kept_columns, plan.kept_rules, n, states)
            mark_bad(w.rows, plan.moment_columns, plan.moment_rules, n, states)
        if by_sequence:
            tile = block - block % REPLICATES
            for b in range(n):
                if not left_out(states[b], plan.drop_bad, plan.drop_questionable):
                    row = tile + b
                    sizes[row] += 1
                    add_to_moments(w.rows[b], plan.moment_columns, sizes[row], mean[row], m2[row])
            continue
        counted = close_ranks(w.rows, n, states, plan)
        sizes[block] = counted
        if counted < n:
            block_moments(w.rows, plan.moment_columns, counted, mean[block], m2[block])


@jit
def sample_tiles(sampling: Sampling, scores: Scores, first: int, count: int, store: Array) -> None:
    """Write draws `first` ... `first + count - 1` of all quantities to `store` [column, draw].

    `first` is a multiple of BLOCK. As many draws as there is working space for are made at a time;
    what makes the last of them whole is written as well, where there is room.
    """
    for start in range(first, first + count, scores.own.size):
        sample(sampling, start, scores, store, start)
