"""The loop over chunks of draws.

Numbers are added up tile by tile (1,024 draws) in the order of the draws, so a result does not
depend on threads, on chunks, or on how often it was extended.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import available_threads, in_chunks
from sim.engine.events import IndicatorSet, indicator_set
from sim.engine.histograms import HistogramPart, Histograms, count_indicators
from sim.engine.state import (
    Array,
    Integers,
    Mask,
    Prepared,
    SimulationState,
    Tile,
    Totals,
    counted,
    make_room,
)
from sim.kernels.histograms import moments_by_replicate
from sim.kernels.loop import ANYTHING, Workspace, run_blocks
from sim.kernels.loop import Plan as EvaluationPlan
from sim.model.blocks import BLOCK, CHUNK, REPLICATES, TILE

ROUND = 32 * CHUNK  # draws after which results may be stored
COUNTED = CHUNK // 2  # draws that are counted at a time: more do not stay in the cache till then


class Piece(NamedTuple):
    """What draws add that were evaluated elsewhere: values [column, draw], or histograms."""

    tiles: list[Tile]
    values: Array | None
    part: HistogramPart | None


# Evaluates draws of a state, from one number up to another, elsewhere than in threads of this
# process. Beyond the draws that are kept it is given empty histograms to add to. What comes back
# is in the order of the draws, of whole tiles.
Elsewhere = Callable[
    ["SimulationState", int, int, HistogramPart | None], Generator[Piece, None, None]
]
Progress = Callable[[int], None]


def run(
    state: SimulationState,
    progress: Progress | None = None,
    after: SimulationState | None = None,
    chunk: int = CHUNK,
    finished: Callable[[SimulationState], None] = lambda state: None,
    elsewhere: Elsewhere | None = None,
) -> SimulationState:
    """Evaluate the model in as many draws as the options of a state say; the state comes back.

    The first draws of the variables that are kept are stored, all of them; draws that are bad or
    questionable do not count in the totals if they are to be dropped (`check_draws`). Beyond,
    kept variables are summarised as they come.
    `after` is an earlier state of the same scenario, options and variables: its whole tiles are
    taken over rather than drawn anew, and the bits are those of one run. Threads and `chunk` change
    how long it takes, and no bit of the result; `elsewhere` evaluates draws in place of threads, to
    the same bits. `progress` is called with the number of draws done since it was last called,
    `finished` now and then with the state so far, of whole tiles.

    Raises:
        InputError: If what is kept does not fit in memory.
        ValueError: If `after` cannot be extended to this state.
    """
    options = state.prepared.options
    draws, kept_draws, threads = options.draws, options.kept_draws, options.threads
    if after is not None:
        _take_over(state, after)
    make_room(state, draws)
    completed = state.completed
    last = draws // TILE * TILE
    rounds = range(kept_draws + ROUND, last, ROUND) if elsewhere is None else ()
    ends = [min(last, kept_draws), *rounds, last]
    if draws <= kept_draws and elsewhere is None:
        ends = [draws]
    for end in ends:
        if end > kept_draws and completed.histograms is None:
            _begin_histograms(state, threads)
        if end > completed.draws:
            if elsewhere is None:
                _evaluate(state, completed, end, progress, chunk)
            else:
                _gather(state, completed, end, progress, elsewhere, finished)
            finished(state)
    if draws > state.running.draws:
        if draws > kept_draws and completed.histograms is None:
            _begin_histograms(state, threads)
        state.running = completed.copy()
        _evaluate(state, state.running, draws, progress, chunk)  # less than a tile
    return state


def _take_over(state: SimulationState, after: SimulationState) -> None:
    """Take over the whole tiles of an earlier state of fewer draws, on which later ones follow.

    The memory of kept draws may be shared: what is drawn anew are the same bits.
    """
    draws, kept_draws = state.prepared.options.draws, state.prepared.options.kept_draws
    if not state.prepared.gives_same_draws(after.prepared):
        raise ValueError("after: expected a result of the same scenario, options and variables")
    if after.completed.draws > draws:
        raise ValueError(f"after: expected at most {draws} draws, got {after.completed.draws}")
    if after.values.shape[1] < min(after.completed.draws, kept_draws):
        raise ValueError("after: expected all its draws, and some are left out")
    state.values, state.status = after.values, after.status
    state.completed = state.running = after.completed.copy()
    state.checkpoints = list(after.checkpoints)


def _evaluate(
    state: SimulationState, totals: Totals, end: int, progress: Progress | None, size: int
) -> None:
    """Add the draws up to `end`, all of them kept or none, to the totals of those before.

    `size` is the most draws that a thread evaluates at a time.
    """
    prepared = state.prepared
    threads = prepared.options.threads
    begin = totals.draws
    tiles = math.ceil((end - begin) / TILE)
    share = tiles // (4 * (threads or available_threads()))
    size = min(size, max(1, share) * TILE)  # so that no thread waits long for the others
    keeps = begin < prepared.options.kept_draws
    if not keeps:
        size = min(size, COUNTED)
    plan = prepared.evaluation if keeps else prepared.evaluation_beyond
    lock = threading.Lock()
    waiting: dict[int, list[Tile]] = {}
    parts: list[HistogramPart] = []
    folded = 0

    def finish(chunk: int, tiles: list[Tile]) -> None:
        """Fold tiles in the order of the draws, whichever thread is first."""
        nonlocal folded
        with lock:
            waiting[chunk] = tiles
            while folded in waiting:
                _fold(state, totals, waiting.pop(folded))
                folded += 1

    def worker() -> Callable[[int], None]:
        space = prepared.workspace()
        values, status = state.values, state.status
        part: HistogramPart | None = None
        if not keeps:
            values, status = np.empty((len(state.values), size)), np.empty(size, np.int8)
            assert totals.histograms is not None
            part = totals.histograms.part()
            with lock:
                parts.append(part)

        def evaluate(chunk: int) -> None:
            first = begin + chunk * size
            count = min(size, end - first)
            at = first if keeps else 0
            finish(chunk, tiles_of(plan, space, first, values, at, status[at : at + count], part))
            if progress is not None:
                progress(count)

        return evaluate

    in_chunks(math.ceil((end - begin) / size), threads, worker)
    if totals.histograms is not None:
        for part in parts:
            totals.histograms.merge(part)


def _gather(
    state: SimulationState,
    totals: Totals,
    end: int,
    progress: Progress | None,
    elsewhere: Elsewhere,
    finished: Callable[[SimulationState], None],
) -> None:
    """As `_evaluate`, of draws that are evaluated elsewhere."""
    begin = totals.draws
    keeps = begin < state.prepared.options.kept_draws
    empty = None if keeps or totals.histograms is None else totals.histograms.part()
    with closing(elsewhere(state, begin, end, empty)) as pieces:
        for piece in pieces:
            first = totals.draws
            _fold(state, totals, piece.tiles)
            added = slice(first, totals.draws)
            if piece.values is not None:
                state.values[:, added] = piece.values
                state.status[added] = np.concatenate([tile.status for tile in piece.tiles])
            if piece.part is not None and totals.histograms is not None:
                totals.histograms.merge(piece.part)
            if progress is not None:
                progress(totals.draws - first)
            if not keeps:
                finished(state)


def _fold(state: SimulationState, totals: Totals, tiles: Sequence[Tile]) -> None:
    """Add the next tiles, and make a checkpoint where a chunk of kept draws ends.

    What is less than a tile, the last of a run, is no part of what the run may go on from.
    """
    options = state.prepared.options
    keeps = totals.draws < options.kept_draws
    for tile in tiles:
        if tile.status.size < TILE and totals is state.completed:
            state.running = totals = totals.copy()
        totals.fold(tile, options.drop_bad)
        if keeps and totals is state.completed and totals.draws % CHUNK == 0:
            state.checkpoints.append(totals.copy())


def tiles_of(
    plan: EvaluationPlan,
    space: Workspace,
    first: int,
    values: Array,
    at: int,
    status: NDArray[np.int8],
    part: HistogramPart | None,
) -> list[Tile]:
    """Evaluate as many draws as `status` holds, from draw `first` on, which begins a tile.

    Kept variables go to `values` [column, draw] from `at` on, and to `part` of histograms.
    """
    count = status.size
    rows = math.ceil(count / TILE) * REPLICATES
    sizes = np.zeros(rows, np.int64)
    mean, m2 = np.empty((2, rows, plan.moments))
    mean[-(-count // BLOCK) :], m2[-(-count // BLOCK) :] = 0.0, 0.0  # blocks that are not begun
    with np.errstate(all="ignore"):  # as compiled; `status` says what is not finite
        run_blocks(plan, space, first, count, values, at, sizes, mean, m2, status)
    ends = None
    if part is not None:
        ends = part.add(values[:, at : at + count], counted(status, plan), first)
    tiles = []
    for tile in range(math.ceil(count / TILE)):
        own = slice(tile * REPLICATES, (tile + 1) * REPLICATES)
        draws = status[tile * TILE : (tile + 1) * TILE].copy()
        sums = None if ends is None else ends[tile]
        tiles.append(Tile(sizes[own], mean[own], m2[own], draws, sums))
    return tiles


def _begin_histograms(state: SimulationState, threads: int | None) -> None:
    """Summarise what is kept, since what follows is not."""
    totals, counts, sampler = state.completed, state.counted, state.prepared.options.sampler
    mean, m2 = _moments_of(state.values, counts, sampler, threads)
    totals.mean = np.concatenate([totals.mean, mean], axis=1)
    totals.m2 = np.concatenate([totals.m2, m2], axis=1)
    totals.histograms = Histograms.begin(
        state.values, counts, sampler, available_indicators(state.prepared), threads
    )


def available_indicators(prepared: Prepared) -> IndicatorSet:
    """Declared probabilities that the variables which are kept can give."""
    columns = {
        name: np.arange(part.start, part.stop).reshape(prepared.variables[name].columns.shape)
        for name, part in prepared.slices.items()
    }
    settings = prepared.scenario.settings
    labs = [party.id for party in prepared.scenario.labs]
    return indicator_set(columns, prepared.fixed, labs, settings.named_labs, settings.thresholds_gw)


def indicator_counts(state: SimulationState) -> tuple[IndicatorSet, Integers, Integers]:
    """Counts of the draws in which each declared event happens, and of those that can tell.

    Both are by replicate [event, replicate], of all draws that count.
    """
    histograms = state.running.histograms
    if histograms is not None:
        return histograms.declared, histograms.happens, histograms.valid
    prepared = state.prepared
    plan, options = prepared.evaluation, prepared.options
    declared = available_indicators(prepared)
    unknown = (plan.rules[plan.moments :] == ANYTHING) | (not plan.drop_bad)
    counts = count_indicators(
        state.values, state.counted, options.sampler, declared.events, unknown, options.threads
    )
    return declared, *counts


def _moments_of(
    values: Array, counts: Mask, sampler: str, threads: int | None
) -> tuple[Array, Array]:
    """Means and sums of squared deviations [replicate, column] of draws [column, draw] that count.

    The draws are those of whole tiles.
    """
    mean, m2 = np.empty((2, REPLICATES, len(values)))

    def worker() -> Callable[[int], None]:
        def find(column: int) -> None:
            own = slice(column, column + 1)
            moments_by_replicate(values[own], counts, sampler == "sobol", mean[:, own], m2[:, own])

        return find

    in_chunks(len(values), threads, worker)
    return mean, m2
