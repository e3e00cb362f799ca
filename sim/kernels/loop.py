"""The loop over draws: sample, evaluate, keep values, add up moments.

Draws are cut into tiles of 1,024: 32 blocks of 32. A block of a tile is a replicate of the Monte
Carlo error; under Sobol' sequences a replicate is one of them, which has a draw of every block. The
numbers of a tile depend on the tile alone, so threads and chunks change no bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.formulas.records import WorldRecords
from sim.kernels.formulas.world import evaluate, questionable
from sim.kernels.jit import jit, jit_allocating
from sim.kernels.sampling.quantities import Sampling, Scores, sample
from sim.kernels.sampling.samplers import SOBOL
from sim.kernels.simd.functions import maximum
from sim.kernels.simd.memory import by_lane, put_lanes, take_lanes
from sim.kernels.simd.vectors import GROUP, LANES, add_deviations, sum_where, where
from sim.model.blocks import BLOCK, REPLICATES, TILE
from sim.model.inputs import Array

SAMPLING_CHUNK = 512  # draws that are sampled at a time
GROUPS = BLOCK // GROUP  # of draws whose values stand side by side, in which they are summed
HALF = GROUP // 2
QUESTIONABLE, BAD = 1, 2  # bits of a draw's status
ANYTHING, NUMBER, FINITE = range(3)  # the rule for a column's values; NUMBER excludes NaN only


class EvaluationPlan(NamedTuple):
    """What is sampled, how it is evaluated, and what is kept.

    The same for every draw.
    """

    sampling: Sampling
    market: bool  # rents are market prices, else cost plus markup
    accounting: bool  # the view of costs is that of the books, else the economic one
    columns: NDArray[np.uint64]  # columns of which there are only moments, then columns to keep
    moments: int  # number of `columns`, from the first on, of which there are moments
    rules: NDArray[np.int8]  # [entry of `columns`] ANYTHING, NUMBER or FINITE
    drop_bad: bool
    drop_questionable: bool


class Workspace(NamedTuple):
    """Working space of one thread: sampled inputs, and columns of draws."""

    inputs: Array  # [input column, draw]
    columns: Array  # [column, lane]
    world: WorldRecords  # the same memory as `columns`, by lane
    scores: Scores


@jit
def is_dropped(status: int, drop_bad: bool, drop_questionable: bool) -> bool:
    """Whether a draw counts in no statistic."""
    return (drop_bad and status & BAD != 0) or (drop_questionable and status & QUESTIONABLE != 0)


@jit
def evaluate_group(
    plan: EvaluationPlan, work: Workspace, first: int, values: Array, doubtful: Array
) -> None:
    """Evaluate the model in the `GROUP` draws of a group.

    Their sampled inputs begin at `first` of `work.inputs`. Writes the columns of the plan to
    `values` [column, draw], which is the memory of `work.columns` where there are as many lanes,
    and to `doubtful` [draw] 1 where a draw is questionable, else 0.
    """
    world = by_lane(work.world)
    for begin in range(0, GROUP, LANES):
        for column in range(work.inputs.shape[0]):
            put_lanes(take_lanes(work.inputs, (column, first + begin)), work.columns, (column, 0))
        evaluate(world, plan.market, plan.accounting)
        put_lanes(questionable(world), doubtful, begin)
        if LANES < GROUP:
            for column in plan.columns:
                put_lanes(take_lanes(work.columns, (column, 0)), values, (column, begin))


@jit
def check_columns(
    values: Array, columns: NDArray[np.uint64], rules: NDArray[np.int8], violation: Array
) -> None:
    """Make `violation` [draw] NaN where a value breaks its column's rule.

    `values` are [column, draw].
    """
    for begin in range(0, GROUP, LANES):
        total = take_lanes(violation, begin)
        for j in range(columns.size):
            value = take_lanes(values, (columns[j], begin))
            if rules[j] == FINITE:
                total = total + value * 0.0
            elif rules[j] == NUMBER:
                total = total + where(value == value, 0.0, np.nan)
        put_lanes(total, violation, begin)


@jit
def may_break_rules(mean: Array, rules: NDArray[np.int8]) -> bool:
    """Whether means [column] leave open that a value breaks a rule."""
    possible = False
    for j in range(mean.size):
        infinite = (rules[j] == FINITE) & (not abs(mean[j]) < np.inf)
        possible |= infinite | ((rules[j] == NUMBER) & (mean[j] != mean[j]))
    return possible


@jit
def has_candidates(violation: Array, doubtful: Array) -> bool:
    """Whether some draw of a group may be dropped."""
    some = False
    for i in range(GROUP):
        some |= (violation[i] != violation[i]) | (doubtful[i] != 0.0)
    return some


@jit
def write_status(
    violation: Array,
    doubtful: Array,
    n: int,
    plan: EvaluationPlan,
    status: NDArray[np.int8],
    counted: Array,
) -> float:
    """Write the status of a group's draws, and which of them count.

    Of its first n draws, that is. `violation` [draw] is NaN where a value breaks a rule, `doubtful`
    1 where the draw is questionable; `counted` gets 1 where it counts in statistics, else 0.

    Returns:
        Number of draws that count.
    """
    total = 0.0
    for i in range(GROUP):
        bits = QUESTIONABLE if doubtful[i] != 0.0 else 0
        bits |= BAD if np.isnan(violation[i]) else 0
        counted[i] = 0.0
        if i < n:
            status[i] = bits
            if not is_dropped(bits, plan.drop_bad, plan.drop_questionable):
                counted[i] = 1.0
                total += 1.0
    return total


@jit
def add_moments(
    values: Array,
    columns: NDArray[np.uint64],
    counted: Array,
    added: float,
    size: float,
    centre: Array,
    sums: Array,
    squares: Array,
) -> None:
    """Add a group's draws that count to the moments of a block.

    `added` draws count, after `size` of the block. `centre` [column] is the mean of the first
    group, `sums` and `squares` [column, HALF] are of deviations from it.
    """
    if size == 0.0:
        weight = 1.0 / added
        for j in range(centre.size):
            centre[j] = sum_where(values, columns[j], counted) * weight
        sums[:] = 0.0
        squares[:] = 0.0
    for j in range(centre.size):
        add_deviations(values, columns[j], counted, centre[j], sums[j], squares[j])


@jit
def finish_moments(
    centre: Array, sums: Array, squares: Array, size: float, mean: Array, m2: Array
) -> None:
    """Write means and sums of squared deviations [column] of a block.

    `size` draws count. The centre is the mean of some of them, so that next to nothing is lost in
    the difference.
    """
    weight = 1.0 / max(size, 1.0)
    for j in range(mean.size):
        total, total_of_squares = 0.0, 0.0
        for k in range(HALF):
            total += sums[j, k]
            total_of_squares += squares[j, k]
        around_mean = total_of_squares - total * total * weight
        mean[j] = 0.0 if size == 0.0 else centre[j] + total * weight
        m2[j] = 0.0 if size == 0.0 or around_mean < 0.0 else around_mean


@jit
def add_to_moments(
    values: Array,
    columns: NDArray[np.uint64],
    counted: Array,
    size: Array,
    mean: Array,
    m2: Array,
) -> None:
    """Add a group's draws to the moments of one sequence each.

    `mean` and `m2` are [column, sequence]; `size` [sequence] is the number of draws so far, and
    that after it when this returns. The method is Welford's (1962).
    """
    for begin in range(0, GROUP, LANES):
        counts = take_lanes(counted, begin)
        total = take_lanes(size, begin) + counts
        put_lanes(total, size, begin)
        weight = 1.0 / maximum(total, 1.0)
        for j in range(columns.size):
            value, before = take_lanes(values, (columns[j], begin)), take_lanes(mean, (j, begin))
            deviation = where(counts > 0.0, value - before, 0.0)
            after = before + deviation * weight
            put_lanes(after, mean, (j, begin))
            added = deviation * where(counts > 0.0, value - after, 0.0)
            put_lanes(take_lanes(m2, (j, begin)) + added, m2, (j, begin))


@jit
def copy_block(block: Array, n: int, kept: Array, first: int) -> None:
    """Copy n draws of a block [group, column, draw] to `kept` [column, draw], from `first` on.

    A block at a time: memory is written faster the more of a row is written.
    """
    if n == BLOCK:
        for j in range(kept.shape[0]):
            for group in range(GROUPS):
                for begin in range(0, GROUP, LANES):
                    value = take_lanes(block, (group, j, begin))
                    put_lanes(value, kept, (j, first + group * GROUP + begin))
        return
    for j in range(kept.shape[0]):
        for b in range(n):
            kept[j, first + b] = block[b // GROUP, j, b % GROUP]


@jit
def close_tile(
    sums: Array, means: Array, squares: Array, sizes: NDArray[np.int64], mean: Array, m2: Array
) -> None:
    """Write the moments [group, column, draw] of every sequence to its row, and reset them."""
    for b in range(BLOCK):
        group, i = b // GROUP, b % GROUP
        sizes[b] = np.int64(sums[group, i])
        for j in range(mean.shape[1]):
            mean[b, j] = means[group, j, i]
            m2[b, j] = squares[group, j, i]
    sums[:] = 0.0
    means[:] = 0.0
    squares[:] = 0.0


@jit_allocating
def run_blocks(
    plan: EvaluationPlan,
    work: Workspace,
    first: int,
    count: int,
    kept: Array,
    first_kept: int,
    sizes: NDArray[np.int64],
    mean: Array,
    m2: Array,
    status: NDArray[np.int8],
) -> None:
    """Evaluate draws `first` ... `first + count - 1`.

    `first` is a multiple of BLOCK. `kept` [column, draw] gets the draws of the columns to keep,
    from `first_kept` on; `sizes` [block], `mean` and `m2` [block, column] the moments of the draws
    that count in each block of 32, or under Sobol' sequences those of each sequence in each tile;
    `status` [draw from `first` on] whether a draw is questionable, and whether a value breaks the
    rule for its column.
    """
    by_sequence = plan.sampling.sampler == SOBOL
    not_kept = plan.columns.size - kept.shape[0]
    moment_columns, kept_columns = plan.columns[: plan.moments], plan.columns[not_kept:]
    values = work.columns if LANES == GROUP else np.empty((work.columns.shape[0], GROUP))
    block = np.empty((GROUPS, kept_columns.size, GROUP))
    violation, doubtful, counted = np.zeros((3, GROUP))
    centre, sums = np.empty(moment_columns.size), np.empty((2, moment_columns.size, HALF))
    sequence_columns = moment_columns.size if by_sequence else 0
    sequence_sizes = np.zeros((GROUPS, GROUP))
    sequence_mean, sequence_m2 = np.zeros((2, GROUPS, sequence_columns, GROUP))
    for begin in range(0, count, BLOCK):
        row, sampled = begin // BLOCK, begin % work.scores.own.size
        if sampled == 0:
            sample(plan.sampling, first + begin, work.scores, work.inputs, 0)
        check_all = by_sequence  # also the columns of which there are only moments
        while True:
            size = 0.0
            for group in range(GROUPS):
                at = begin + group * GROUP
                evaluate_group(plan, work, sampled + group * GROUP, values, doubtful)
                for j in range(kept_columns.size):
                    for lane in range(0, GROUP, LANES):
                        value = take_lanes(values, (kept_columns[j], lane))
                        put_lanes(value, block, (group, j, lane))
                violation[:] = 0.0
                check_columns(values, kept_columns, plan.rules[not_kept:], violation)
                if check_all or has_candidates(violation, doubtful):
                    check_columns(values, moment_columns, plan.rules, violation)
                n = min(max(count - at, 0), GROUP)
                added = write_status(violation, doubtful, n, plan, status[at : at + n], counted)
                if by_sequence:
                    add_to_moments(
                        values, moment_columns, counted, sequence_sizes[group],
                        sequence_mean[group], sequence_m2[group],
                    )  # fmt: skip
                elif added > 0.0:
                    add_moments(
                        values, moment_columns, counted, added, size, centre, sums[0], sums[1]
                    )
                size += added
            if by_sequence:
                break
            sizes[row] = size
            finish_moments(centre, sums[0], sums[1], size, mean[row], m2[row])
            if check_all or not may_break_rules(mean[row, :not_kept], plan.rules):
                break
            check_all = True  # again, since only single draws show which of them breaks a rule
        copy_block(block, min(BLOCK, count - begin), kept, first_kept + begin)
        end = begin + BLOCK
        if by_sequence and (end % TILE == 0 or end >= count):
            rows = slice(begin // TILE * REPLICATES, (begin // TILE + 1) * REPLICATES)
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
def fold_blocks(
    numbers: Array, block_mean: Array, block_m2: Array, sizes: NDArray[np.int64], mean: Array
) -> None:
    """Add the means [block, column] of more blocks to their spread so far.

    Blocks are weighted by the square of their number of draws, as in the variance of the mean of
    all draws. `numbers` are those of the blocks and the sum of their weights; `block_mean` and
    `block_m2` [column] the weighted mean, and the weighted sum of squared deviations from it.
    """
    for row in range(sizes.size):
        if sizes[row] == 0:
            continue
        added = np.float64(sizes[row]) ** 2
        before = numbers[1]
        numbers[0] += 1.0
        numbers[1] += added
        weight = added / numbers[1]
        for j in range(mean.shape[1]):
            delta = mean[row, j] - block_mean[j]
            block_mean[j] += delta * weight
            block_m2[j] += delta * delta * (before * weight)


@jit
def sample_tiles(sampling: Sampling, scores: Scores, first: int, count: int, values: Array) -> None:
    """Sample draws `first` ... `first + count - 1` of all quantities.

    They go to `values` [column, draw], at their numbers. `first` is a multiple of BLOCK. As many
    draws are sampled at a time as `scores` has room for; those that fill the last such chunk are
    written too, where `values` has room for them.
    """
    for begin in range(first, first + count, scores.own.size):
        sample(sampling, begin, scores, values, begin)
