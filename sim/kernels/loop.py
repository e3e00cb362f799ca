"""The loop over draws: sample some, evaluate them, keep what was asked for.

Work is cut into tiles of 1,024 draws: 32 blocks of 32. A block of a tile is a replicate of the
Monte Carlo error; under Sobol' sequences a replicate is one of them, which has a draw of every
block. A tile's numbers depend on the tile alone, so threads and chunks change no bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.formulas.records import WorldRecords
from sim.kernels.formulas.world import evaluate, questionable
from sim.kernels.jit import jit
from sim.kernels.sampling.quantities import Sampling, Scores, sample
from sim.kernels.sampling.samplers import SOBOL
from sim.kernels.simd.functions import maximum
from sim.kernels.simd.memory import FOLDED, add_folded, by_lane, put_lanes, take_lanes
from sim.kernels.simd.vectors import LANES, in_any_lane, sum_of_lanes, where
from sim.model.blocks import BLOCK, REPLICATES, TILE
from sim.model.inputs import Array

RUN = 256  # draws that are sampled at a time
GROUPS = BLOCK // LANES
QUESTIONABLE, BAD = 1, 2  # what a draw may be: one, both, or neither
ANYTHING, NUMBER, FINITE = range(3)  # what a column may hold: NUMBER is anything but NaN


class Plan(NamedTuple):
    """What is to be drawn, the same for every draw."""

    sampling: Sampling
    market: bool
    accounting: bool
    columns: NDArray[np.uint64]  # those of which only moments are told, then those that are kept
    moments: int  # of how many there are moments, from the first on
    rules: NDArray[np.int8]  # what they may hold
    drop_bad: bool
    drop_questionable: bool


class Workspace(NamedTuple):
    """One thread's working space: the inputs of a run of draws, and all columns of a few."""

    inputs: Array  # [input column, draw]
    columns: Array  # [column, lane]
    world: WorldRecords  # the same memory as `columns`, by lane
    scores: Scores


@jit
def unfit(columns: Array, chosen: NDArray[np.uint64], rules: NDArray[np.int8]) -> float:
    """NaN where a chosen column holds what it may not, else 0."""
    wrong = 0.0
    for j in range(chosen.size):
        number = columns[chosen[j]]
        if rules[j] == FINITE:
            wrong = wrong + number * 0.0
        elif rules[j] == NUMBER:
            wrong = wrong + where(number == number, 0.0, np.nan)
    return wrong


@jit
def may_be_unfit(mean: Array, rules: NDArray[np.int8]) -> bool:
    """Whether means [column] leave it open that all numbers are what they may be."""
    open_ = False
    for j in range(mean.size):
        number = mean[j]
        infinite = (rules[j] == FINITE) & (not abs(number) < np.inf)
        open_ |= infinite | ((rules[j] == NUMBER) & (number != number))
    return open_


@jit
def left_out(status: int, drop_bad: bool, drop_questionable: bool) -> bool:
    """Whether a draw counts in no statistic."""
    return (drop_bad and status & BAD != 0) or (drop_questionable and status & QUESTIONABLE != 0)


@jit
def add_moments(
    columns: Array,
    chosen: NDArray[np.uint64],
    counted: bool,
    more: float,
    size: float,
    centre: Array,
    sums: Array,
    squares: Array,
) -> None:
    """Add the lanes that count, `more` of them, to the moments of a block with `size` so far.

    `centre` [column] is the mean of the first, `sums` and `squares` [column, folded lane] are of
    deviations from it.
    """
    if size == 0.0:
        per = 1.0 / more
        for j in range(centre.size):
            centre[j] = sum_of_lanes(where(counted, columns[chosen[j]], 0.0)) * per
        sums[:] = 0.0
        squares[:] = 0.0
    for j in range(centre.size):
        away = where(counted, columns[chosen[j]] - centre[j], 0.0)
        add_folded(away, sums[j])
        add_folded(away * away, squares[j])


@jit
def end_moments(
    centre: Array, sums: Array, squares: Array, size: float, mean: Array, m2: Array
) -> None:
    """Write means and sums of squared deviations [column] of the draws of a block, `size` of them.

    The centre is the mean of some of them, so that next to nothing is lost in the difference.
    """
    per = 1.0 / max(size, 1.0)
    for j in range(mean.size):
        total, of_squares = 0.0, 0.0
        for k in range(FOLDED):
            total += sums[j, k]
            of_squares += squares[j, k]
        around_mean = of_squares - total * total * per
        mean[j] = 0.0 if size == 0.0 else centre[j] + total * per
        m2[j] = 0.0 if size == 0.0 or around_mean < 0.0 else around_mean


@jit
def add_to_moments(
    columns: Array,
    chosen: NDArray[np.uint64],
    counted: bool,
    size: float,
    mean: Array,
    m2: Array,
) -> None:
    """Add numbers to the moments [column] of each lane where they count, as the last of `size`.

    The method is Welford's (1962).
    """
    weight = 1.0 / maximum(size, 1.0)
    for j in range(mean.size):
        number = columns[chosen[j]]
        deviation = where(counted, number - mean[j], 0.0)
        centre = mean[j] + deviation * weight
        mean[j] = centre
        m2[j] = m2[j] + deviation * where(counted, number - centre, 0.0)


@jit
def judge(
    wrong: Array, doubtful: Array, n: int, plan: Plan, status: NDArray[np.int8], counts: Array
) -> float:
    """Write which of n draws side by side are bad or questionable, and which count.

    `wrong` [lane] is NaN where a column holds what it may not, `doubtful` 1 where the draw is
    questionable; `counts` gets 1 where it counts, else 0.

    Returns:
        How many draws count.
    """
    total = 0.0
    for lane in range(LANES):
        state = QUESTIONABLE if doubtful[lane] != 0.0 else 0
        state |= BAD if np.isnan(wrong[lane]) else 0
        counts[lane] = 0.0
        if lane < n:
            status[lane] = state
            if not left_out(state, plan.drop_bad, plan.drop_questionable):
                counts[lane] = 1.0
                total += 1.0
    return total


@jit
def keep(block: Array, n: int, kept: Array, at: int) -> None:
    """Copy n draws of a block [group, column, lane] to `kept` [column, draw], from `at` on.

    A block at a time: memory is written faster the more of a row there is.
    """
    numbers = by_lane(block)
    if n == BLOCK:
        for j in range(kept.shape[0]):
            for group in range(GROUPS):
                put_lanes(numbers[group, j], kept[j], at + group * LANES)
        return
    for j in range(kept.shape[0]):
        for b in range(n):
            kept[j, at + b] = block[b // LANES, j, b % LANES]


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
    first_kept: int,
    sizes: NDArray[np.int64],
    mean: Array,
    m2: Array,
    status: NDArray[np.int8],
) -> None:
    """Evaluate draws `first` ... `first + count - 1`; `first` is a multiple of BLOCK.

    `kept` [column, draw] gets the draws of the kept columns, from `first_kept` on; `sizes`
    [block], `mean` and `m2` [block, column] the moments of the draws that count in each block of
    32, or under Sobol' sequences those of each sequence in each tile; `status` [draw from `first`
    on] whether a draw is questionable, and whether a column holds what it may not.
    """
    by_sequence = plan.sampling.sampler == SOBOL
    before = plan.columns.size - kept.shape[0]
    told, held = plan.columns[: plan.moments], plan.columns[before:]
    world, columns = by_lane(w.world), by_lane(w.columns)
    block = np.empty((GROUPS, held.size, LANES))
    wrong, doubtful, counts = np.zeros((3, GROUPS, LANES))
    held_lanes, count_lanes = by_lane(block), by_lane(counts)
    wrong_lanes, doubtful_lanes = by_lane(wrong), by_lane(doubtful)
    centre, sums = np.empty(told.size), np.empty((2, told.size, FOLDED))
    of_sequences = told.size if by_sequence else 0
    sequence_sizes = np.zeros((GROUPS, LANES))
    sequence_mean, sequence_m2 = np.zeros((2, GROUPS, of_sequences, LANES))
    sizes_by_lane = by_lane(sequence_sizes)
    mean_by_lane, m2_by_lane = by_lane(sequence_mean), by_lane(sequence_m2)
    for start in range(0, count, BLOCK):
        row, within = start // BLOCK, start % w.scores.own.size
        if within == 0:
            sample(plan.sampling, first + start, w.scores, w.inputs, 0)
        each = by_sequence  # whether all columns are looked at draw by draw
        while True:
            size = 0.0
            for group in range(GROUPS):
                for column in range(w.inputs.shape[0]):
                    columns[column] = take_lanes(w.inputs[column], within + group * LANES)
                evaluate(world, plan.market, plan.accounting)
                for j in range(held.size):
                    held_lanes[group, j] = columns[held[j]]
                odd, doubt = unfit(columns, held, plan.rules[before:]), questionable(world.outputs)
                if each or in_any_lane((odd != odd) | (doubt != 0.0)):  # what may be left out
                    odd = odd + unfit(columns, told, plan.rules)
                wrong_lanes[group], doubtful_lanes[group] = odd, doubt
                at = start + group * LANES
                n = min(max(count - at, 0), LANES)
                more = judge(
                    wrong[group], doubtful[group], n, plan, status[at : at + n], counts[group]
                )
                counted = count_lanes[group] > 0.0
                if by_sequence:
                    sizes_by_lane[group] = sizes_by_lane[group] + count_lanes[group]
                    add_to_moments(
                        columns, told, counted, sizes_by_lane[group],
                        mean_by_lane[group], m2_by_lane[group],
                    )  # fmt: skip
                elif more == LANES:
                    add_moments(columns, told, True, more, size, centre, sums[0], sums[1])
                elif more > 0.0:
                    add_moments(columns, told, counted, more, size, centre, sums[0], sums[1])
                size += more
            if by_sequence:
                break
            sizes[row] = size
            end_moments(centre, sums[0], sums[1], size, mean[row], m2[row])
            if each or not may_be_unfit(mean[row, :before], plan.rules):
                break
            each = True  # anew, since only single draws tell which of them it is
        keep(block, min(BLOCK, count - start), kept, first_kept + start)
        done = start + BLOCK
        if by_sequence and (done % TILE == 0 or done >= count):
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
