"""The loop over chunks of draws.

Tiles of 1,024 draws are added to the totals in the order of the draws: to those of their span, and
complete spans to those of all (`model.blocks`). So a result does not depend on threads, on chunks,
on who folds a span, or on how often the run was extended.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.threads import available_threads, ever_smaller, in_chunks
from sim.engine.events import IndicatorSet, indicator_set
from sim.engine.histograms import HistogramPart, Histograms, count_indicators
from sim.engine.state import (
    Array,
    FoldedDraws,
    Integers,
    Prepared,
    SimulationState,
    Tile,
    Totals,
    counted_draws,
    make_room,
)
from sim.kernels.shipped.entries import run_blocks
from sim.model.blocks import BLOCK, CHUNK, REPLICATES, TILE
from sim.model.evaluation_records import ANYTHING, EvaluationPlan, Workspace

ROUND = 32 * CHUNK  # draws after which results may be stored
COUNTED = CHUNK // 2  # draws that histograms count at a time: more do not stay in the cache


class EvaluatedDraws(NamedTuple):
    """Draws evaluated outside this process: each of their spans up to the last, and histograms."""

    folded: Sequence[FoldedDraws]
    part: HistogramPart


# Evaluates the next draws of a state outside this process, up to a number that ends a tile, after
# those that are kept; yields them in order.
Elsewhere = Callable[["SimulationState", int], Generator[EvaluatedDraws, None, None]]
Progress = Callable[[int], None]


def run(
    state: SimulationState,
    progress: Progress | None = None,
    after: SimulationState | None = None,
    chunk: int = CHUNK,
    finished: Callable[[SimulationState], None] = lambda state: None,
    elsewhere: Elsewhere | None = None,
) -> SimulationState:
    """Evaluate the draws of a run and add them to its state.

    The first `kept_draws` draws of the kept variables are stored; a run of more draws counts all of
    them in histograms. Bad and questionable draws that the options drop do not count in the totals.

    Args:
        state: The state to add to; its options give the number of draws.
        progress: Called with the number of draws evaluated since its last call.
        after: An earlier state of the same scenario, options and variables. Its complete tiles are
            taken over, and the bits are those of a single run.
        chunk: Draws that a thread evaluates at a time; it changes no bit, and neither do threads.
        finished: Called from time to time with the state so far, of complete tiles.
        elsewhere: Evaluates draws in place of threads, to the same bits, after those that are kept:
            these would take longer to come here than they take to evaluate.

    Returns:
        `state`.

    Raises:
        InputError: If the kept draws do not fit in memory.
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
    if draws <= kept_draws:
        ends = [draws]
    for end in ends:
        if end > kept_draws and completed.histograms is None:
            _begin_histograms(state, threads)
        if end > completed.draws:
            if elsewhere is None or end <= kept_draws:
                _evaluate(state, completed, end, progress, chunk)
            else:
                _gather(state, completed, end, progress, elsewhere, finished)
            finished(state)
    if draws > state.running.draws:
        if draws > kept_draws and completed.histograms is None:
            _begin_histograms(state, threads)
        state.running = completed.copy()
        _evaluate(state, state.running, draws, progress, chunk)  # less than a tile
    elif state.running is completed:
        state.running = completed.copy()
    state.running.close_span()
    return state


def rebuild(
    prepared: Prepared, completed: Totals, progress: Progress | None = None
) -> SimulationState:
    """The state of a run of which the totals of complete tiles are stored.

    Its kept draws are evaluated again: a run stores them rounded, and they take a moment.
    """
    kept = min(completed.draws, prepared.options.kept_draws)
    options = replace(prepared.options, draws=kept)
    state = run(SimulationState.empty(replace(prepared, options=options)), progress)
    state.prepared, state.completed, state.running = prepared, completed, completed.copy()
    state.running.close_span()
    return state


def _take_over(state: SimulationState, after: SimulationState) -> None:
    """Take over the complete tiles of an earlier state with fewer draws.

    The memory of kept draws is shared: draws that are evaluated again have the same bits.

    Raises:
        ValueError: If the state gives other draws, has more of them, or lacks some.
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


def _evaluate(
    state: SimulationState, totals: Totals, end: int, progress: Progress | None, size: int
) -> None:
    """Evaluate draws in threads, and add them to totals.

    The draws are `totals.draws` ... `end - 1`: either all of them are kept, or none. `size` is the
    largest number of draws that a thread evaluates at a time.
    """
    prepared = state.prepared
    threads = prepared.options.threads
    begin = totals.draws
    keeps = begin < prepared.options.kept_draws
    if not keeps:
        size = min(size, COUNTED)
    tiles = math.ceil((end - begin) / TILE)
    ranges = [*ever_smaller(tiles, size // TILE, threads or available_threads())]
    size = (ranges[0][1] - ranges[0][0]) * TILE  # the first is the largest
    plan = prepared.evaluation
    lock = threading.Lock()
    waiting: dict[int, list[Tile]] = {}
    parts: list[HistogramPart] = []
    folded = 0

    def finish(chunk: int, tiles: list[Tile]) -> None:
        """Fold the tiles of a chunk after those of earlier chunks."""
        nonlocal folded
        with lock:
            waiting[chunk] = tiles
            while folded in waiting:
                _fold(state, totals, waiting.pop(folded))
                folded += 1

    def worker() -> Callable[[int], None]:
        """Working space of a thread, and the function that evaluates a chunk."""
        space = prepared.workspace()
        values, status = state.values, state.status
        part: HistogramPart | None = None
        if not keeps:
            values, status = np.empty((len(state.values), size)), np.empty(size, np.int8)
            assert totals.histograms is not None
            part = totals.histograms.empty_part()
            with lock:
                parts.append(part)

        def evaluate(chunk: int) -> None:
            first, last = (begin + tile * TILE for tile in ranges[chunk])
            count = min(last, end) - first
            offset = first if keeps else 0
            own_status = status[offset : offset + count]
            tiles = evaluate_tiles(plan, space, first, values, offset, own_status, part)
            finish(chunk, tiles)
            if progress is not None:
                progress(count)

        return evaluate

    in_chunks(len(ranges), threads, worker)
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
    """Add draws `totals.draws` ... `end - 1` that `elsewhere` evaluates; see `_evaluate`."""
    assert totals.histograms is not None
    with closing(elsewhere(state, end)) as results:
        for evaluated in results:
            first = totals.draws
            for folded in evaluated.folded:
                totals.take(folded, state.prepared.options)
            totals.histograms.merge(evaluated.part)
            if progress is not None:
                progress(totals.draws - first)
            finished(state)


def _fold(state: SimulationState, totals: Totals, tiles: Sequence[Tile]) -> None:
    """Add the next tiles.

    An incomplete tile, the last of a run, is added to the running totals only: a longer run goes on
    from complete tiles.
    """
    for tile in tiles:
        if tile.status.size < TILE and totals is state.completed:
            state.running = totals = totals.copy()
        totals.fold(tile, state.prepared.options)


def evaluate_tiles(
    plan: EvaluationPlan,
    space: Workspace,
    first: int,
    values: Array,
    offset: int,
    status: NDArray[np.int8],
    part: HistogramPart | None,
) -> list[Tile]:
    """Evaluate draws from number `first` on, which begins a tile.

    Writes the `status` [draw] of each of the draws, and kept variables to `values` [column, draw]
    from position `offset` on. Where there is a `part`, its histograms count them.

    Returns:
        The tiles of the draws; the last may be incomplete.
    """
    count = status.size
    rows = math.ceil(count / TILE) * REPLICATES
    sizes = np.zeros(rows, np.int64)
    mean, m2 = np.empty((2, rows, plan.moments))
    mean[-(-count // BLOCK) :], m2[-(-count // BLOCK) :] = 0.0, 0.0  # blocks without draws
    with np.errstate(all="ignore"):  # as compiled; `status` says what is not finite
        run_blocks(plan, space, first, count, values, offset, sizes, mean, m2, status)
    ends = None
    if part is not None:
        ends = part.add(values[:, offset : offset + count], counted_draws(status, plan), first)
    tiles = []
    for tile in range(math.ceil(count / TILE)):
        own = slice(tile * REPLICATES, (tile + 1) * REPLICATES)
        draws = status[tile * TILE : (tile + 1) * TILE].copy()
        sums = None if ends is None else ends[tile]
        tiles.append(Tile(sizes[own], mean[own], m2[own], draws, sums))
    return tiles


def _begin_histograms(state: SimulationState, threads: int | None) -> None:
    """Make histograms of the kept draws, before later ones."""
    prepared = state.prepared
    others = [rows for name, rows in prepared.slices.items() if name not in prepared.kept]
    state.completed.histograms = Histograms.begin(
        state.values, state.counted, prepared.options.sampler, available_indicators(prepared),
        threads, sum(rows.stop - rows.start for rows in others),
    )  # fmt: skip


def available_indicators(prepared: Prepared) -> IndicatorSet:
    """The declared probabilities that follow from the variables whose draws are in memory."""
    columns = {
        name: np.arange(rows.start, rows.stop).reshape(prepared.variables[name].columns.shape)
        for name, rows in prepared.slices.items()
        if name not in prepared.in_cells
    }
    settings = prepared.scenario.settings
    labs = [party.id for party in prepared.scenario.labs]
    return indicator_set(columns, prepared.fixed, labs, settings.named_labs, settings.thresholds_gw)


def indicator_counts(state: SimulationState) -> tuple[IndicatorSet, Integers, Integers]:
    """Count the draws in which events of declared probabilities happen.

    Returns:
        The events, and [event, replicate] of all draws that count: the numbers of draws in which an
        event happens, and in which its values are not NaN.
    """
    histograms = state.running.histograms
    if histograms is not None:
        return histograms.indicators, histograms.happens, histograms.valid
    prepared = state.prepared
    plan, options = prepared.evaluation, prepared.options
    indicators = available_indicators(prepared)
    rules = plan.rules[plan.rules.size - prepared.rows :]
    unknown = (rules == ANYTHING) | (not plan.drop_bad)
    counts = count_indicators(
        state.values, state.counted, options.sampler, indicators.events, unknown, options.threads
    )
    return indicators, *counts
