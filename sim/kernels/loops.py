"""The loop over draws: sample some, evaluate them, keep what was asked for.

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
from sim.kernels.lanes import LANES, by_lane, sum_of_lanes, where
from sim.kernels.mathematics import maximum
from sim.kernels.quantities import Sampling, Scores, sample
from sim.kernels.samplers import BLOCK, SOBOL
from sim.kernels.world import evaluate, questionable
from sim.outputs import HostOutputs, LabOutputs, LandlordOutputs, World

REPLICATES = 32
TILE = BLOCK * REPLICATES
RUN = 256  # draws that are sampled at a time
GROUPS = BLOCK // LANES
QUESTIONABLE, BAD = 1, 2  # what a draw may be: one, both, or neither
ANYTHING, NUMBER, FINITE = range(3)  # what a column may hold: NUMBER is anything but NaN


class Plan(NamedTuple):
    """What is to be drawn, the same for every draw."""

    sampling: Sampling
    market: bool
    accounting: bool
    hosts: Records[Host]
    columns: NDArray[np.int64]  # those of which only moments are told, then those that are kept
    moments: int  # of how many there are moments, from the first on
    rules: NDArray[np.int8]  # what they may hold
    drop_bad: bool
    drop_questionable: bool


class RecordsByLane(NamedTuple):
    """The columns of some draws as records: their inputs, and what kernels write."""

    draw: Records[Draw]  # one
    labs: Records[Lab]
    landlords: Records[Landlord]
    out: Records[World]  # one
    lab_out: Records[LabOutputs]
    landlord_out: Records[LandlordOutputs]
    host_out: Records[HostOutputs]
    ledger: Ledger


class Workspace(NamedTuple):
    """One thread's working space: the inputs of a run of draws, and all columns of a few."""

    inputs: Array  # [input column, draw]
    columns: Array  # [column, lane]
    records: RecordsByLane  # the same memory as `columns`
    scores: Scores


@jit
def collect(
    columns: Array, chosen: NDArray[np.int64], rules: NDArray[np.int8], copies: Array
) -> float:
    """Copy chosen columns to `copies` [column].

    Returns:
        NaN where a column holds what it may not, else 0.
    """
    wrong = columns[0] * 0.0
    for j in range(chosen.size):
        number = columns[chosen[j]]
        copies[j] = number
        if rules[j] == FINITE:
            wrong = wrong + number * 0.0
        elif rules[j] == NUMBER:
            wrong = wrong + where(number == number, 0.0, np.nan)
    return wrong


@jit
def left_out(status: int, drop_bad: bool, drop_questionable: bool) -> bool:
    """Whether a draw counts in no statistic."""
    return (drop_bad and status & BAD != 0) or (drop_questionable and status & QUESTIONABLE != 0)


@jit
def block_moments(block: Array, counts: Array, total: float, mean: Array, m2: Array) -> None:
    """Means and sums of squared deviations [column] of numbers [group, column], in two passes.

    `counts` [group] is 1 where a draw counts, else 0; `total` is their sum.
    """
    a, b, c, d = counts[0] > 0.0, counts[1] > 0.0, counts[2] > 0.0, counts[3] > 0.0
    per = 1.0 / max(total, 1.0)
    for j in range(mean.size):
        sums = (where(a, block[0, j], 0.0) + where(b, block[1, j], 0.0)) + (
            where(c, block[2, j], 0.0) + where(d, block[3, j], 0.0)
        )
        centre = sum_of_lanes(sums) * per
        in_a, in_b = where(a, block[0, j] - centre, 0.0), where(b, block[1, j] - centre, 0.0)
        in_c, in_d = where(c, block[2, j] - centre, 0.0), where(d, block[3, j] - centre, 0.0)
        mean[j] = centre
        m2[j] = sum_of_lanes((in_a * in_a + in_b * in_b) + (in_c * in_c + in_d * in_d))


@jit
def add_to_moments(block: Array, counts: Array, sizes: Array, mean: Array, m2: Array) -> None:
    """Add the numbers of a block that count to sizes [group] and moments [group, column].

    The method is Welford's (1962).
    """
    for group in range(GROUPS):
        sizes[group] = sizes[group] + counts[group]
        counted = counts[group] > 0.0
        weight = 1.0 / maximum(sizes[group], 1.0)
        for j in range(mean.shape[1]):
            number = block[group, j]
            deviation = where(counted, number - mean[group, j], 0.0)
            centre = mean[group, j] + deviation * weight
            mean[group, j] = centre
            m2[group, j] = m2[group, j] + deviation * where(counted, number - centre, 0.0)


@jit
def judge(
    wrong: Array, doubtful: Array, n: int, plan: Plan, status: NDArray[np.int8], counts: Array
) -> int:
    """Write which of the first n draws of a block are bad or questionable, and which count.

    `wrong` [group, lane] is NaN where a column holds what it may not, `doubtful` 1 where the draw
    is questionable; `counts` gets 1 where it counts.

    Returns:
        How many draws count.
    """
    total = 0
    for b in range(BLOCK):
        group, lane = b // LANES, b % LANES
        state = QUESTIONABLE if doubtful[group, lane] != 0.0 else 0
        state |= BAD if np.isnan(wrong[group, lane]) else 0
        counts[group, lane] = 0.0
        if b < n:
            status[b] = state
            if not left_out(state, plan.drop_bad, plan.drop_questionable):
                counts[group, lane] = 1.0
                total += 1
    return total


@jit
def keep(block: Array, n: int, kept: Array, at: int) -> None:
    """Copy the last columns of a block [group, column, lane], n draws, to `kept` [column, draw]."""
    before = block.shape[1] - kept.shape[0]
    for j in range(kept.shape[0]):
        for group in range(GROUPS):
            first = at + group * LANES
            for lane in range(min(LANES, n - group * LANES)):
                kept[j, first + lane] = block[group, before + j, lane]


@jit
def close_tile(
    sums: Array, means: Array, squares: Array, sizes: NDArray[np.int64], mean: Array, m2: Array
) -> None:
    """Write the moments of every sequence [group, column, lane] to its row, and begin anew."""
    for b in range(BLOCK):
        group, lane = b // LANES, b % LANES
        sizes[b] = np.int64(sums[group, lane])
        for j in range(mean.shape[1]):
            mean[b, j] = means[group, j, lane]
            m2[b, j] = squares[group, j, lane]
    sums[:] = 0.0
    means[:] = 0.0
    squares[:] = 0.0


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
    and `m2` [block, column] the moments of the draws that count in each block of 32, or under
    Sobol' sequences those of each sequence in each tile; `status` [draw from `first` on] whether
    a draw is questionable, and whether a column holds what it may not.
    """
    by_sequence = plan.sampling.sampler == SOBOL
    block = np.empty((GROUPS, plan.columns.size, LANES))
    wrong, doubtful, counts = np.zeros((3, GROUPS, LANES))
    of_sequences = plan.moments if by_sequence else 0
    sequence_sizes = np.zeros((GROUPS, LANES))
    sequence_mean, sequence_m2 = np.zeros((2, GROUPS, of_sequences, LANES))
    records, columns, numbers = by_lane(w.records), by_lane(w.columns), by_lane(block)
    wrong_lanes, doubtful_lanes = by_lane(wrong), by_lane(doubtful)
    for start in range(0, count, BLOCK):
        n = min(BLOCK, count - start)
        within = start % w.inputs.shape[1]
        if within == 0:
            sample(plan.sampling, first + start, w.scores, w.inputs, 0)
        for group in range(GROUPS):
            for column in range(w.inputs.shape[0]):
                for lane in range(LANES):
                    w.columns[column, lane] = w.inputs[column, within + group * LANES + lane]
            evaluate(
                records.draw[0],
                records.labs,
                records.landlords,
                plan.hosts,
                plan.market,
                plan.accounting,
                records.out[0],
                records.lab_out,
                records.landlord_out,
                records.host_out,
                records.ledger,
            )
            doubtful_lanes[group] = questionable(records.out[0])
            wrong_lanes[group] = collect(columns, plan.columns, plan.rules, numbers[group])
        total = judge(wrong, doubtful, n, plan, status[start : start + n], counts)
        keep(block, n, kept, at + start)
        if not by_sequence:
            row = start // BLOCK
            sizes[row] = total
            block_moments(numbers, by_lane(counts), total, mean[row], m2[row])
            continue
        add_to_moments(
            numbers,
            by_lane(counts),
            by_lane(sequence_sizes),
            by_lane(sequence_mean),
            by_lane(sequence_m2),
        )
        done = start + n
        if done % TILE == 0 or done == count:
            rows = slice(start // TILE * REPLICATES, (start // TILE + 1) * REPLICATES)
            close_tile(
                sequence_sizes, sequence_mean, sequence_m2, sizes[rows], mean[rows], m2[rows]
            )


@jit
def fold_moments(
    sizes: NDArray[np.int64],
    mean: Array,
    m2: Array,
    more: NDArray[np.int64],
    more_mean: Array,
    more_m2: Array,
) -> None:
    """Add the moments [replicate, column] of more draws to those before (Chan et al. 1979)."""
    for row in range(sizes.size):
        before = sizes[row]
        sizes[row] += more[row]
        if more[row] == 0:
            continue
        weight = more[row] / sizes[row]
        for j in range(mean.shape[1]):
            delta = more_mean[row, j] - mean[row, j]
            mean[row, j] += delta * weight
            m2[row, j] += more_m2[row, j] + delta * delta * (before * weight)


@jit
def sample_tiles(sampling: Sampling, scores: Scores, first: int, count: int, store: Array) -> None:
    """Write draws `first` ... `first + count - 1` of all quantities to `store` [column, draw].

    `first` is a multiple of BLOCK. As many draws as there is working space for are made at a time;
    what makes the last of them whole is written as well, where there is room.
    """
    for start in range(first, first + count, scores.own.size):
        sample(sampling, start, scores, store, start)
