"""Running: what is to be drawn, and the loop over chunks of draws.

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
from sim.engine.state import CHUNK, Array, Draws, Integers, Mask, Tile, Totals, counted, make_room
from sim.kernels.histograms import moments_by_replicate
from sim.kernels.loop import ANYTHING, EvaluationPlan, Workspace, run_blocks
from sim.model.blocks import BLOCK, REPLICATES, TILE

ROUND = 32 * CHUNK  # draws after which results may be stored
COUNTED = CHUNK // 2  # draws that are counted at a time: more do not stay in the cache till then


class Piece(NamedTuple):
    """What some draws add, evaluated elsewhere: values [column, draw] to be kept, or a part."""

    tiles: list[Tile]
    values: Array | None
    part: HistogramPart | None


# Evaluates draws of a result, from one number up to another, elsewhere than in threads of this
# process. Beyond the draws that are kept it is given an empty part of the sketch. What comes back
# is in the order of the draws, of whole tiles.
Elsewhere = Callable[["Draws", int, int, HistogramPart | None], Generator[Piece, None, None]]


def run(
    result: Draws,
    draws: int,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    after: Draws | None = None,
    chunk: int = CHUNK,
    finished: Callable[[Draws], None] = lambda done: None,
    elsewhere: Elsewhere | None = None,
) -> Draws:
    """Evaluate the model in `draws` draws of a prepared result, which comes back.

    The first draws of the variables that are kept are stored, all of them; draws that are bad or
    questionable do not count in the totals if they are to be dropped (`check_draws`). Beyond,
    kept variables are summarised as they come.
    `after` is an earlier result of the same question: its whole tiles are taken over rather than
    drawn anew, and the bits are those of one run. `threads` and `chunk` change how long it takes,
    and no bit of the result; `elsewhere` evaluates draws in place of threads, to the same bits.
    `progress` is called with the number of draws done since it was last called, `finished` now and
    then with the result so far, of whole tiles.

    Raises:
        InputError: If what is kept does not fit in memory.
        ValueError: If `after` cannot be extended to this result.
    """
    kept_draws = result.kept_draws
    if after is not None:
        _take_over(result, after, draws)
    make_room(result, draws)
    whole = result.completed
    last = draws // TILE * TILE
    rounds = range(kept_draws + ROUND, last, ROUND) if elsewhere is None else ()
    ends = [min(last, kept_draws), *rounds, last]
    if draws <= kept_draws and elsewhere is None:
        ends = [draws]
    for end in ends:
        if end > kept_draws and whole.histograms is None:
            _begin_histograms(result, threads)
        if end > whole.draws:
            if elsewhere is None:
                _evaluate(result, whole, end, threads, progress, chunk)
            else:
                _gather(result, whole, end, progress, elsewhere, finished)
            finished(result)
    if draws > result.running.draws:
        if draws > kept_draws and whole.histograms is None:
            _begin_histograms(result, threads)
        result.running = whole.copy()
        _evaluate(result, result.running, draws, threads, progress, chunk)  # less than a tile
    return result


def _take_over(result: Draws, after: Draws, draws: int) -> None:
    """Take over the whole tiles of an earlier result of fewer draws, on which later ones follow.

    The memory of kept draws may be shared: what is drawn anew are the same bits.
    """

    def question(done: Draws) -> tuple[object, ...]:
        of = done.plan
        asked = (done.scenario, done.seed, done.sampler, done.uncertainty, done.kept_draws)
        return *asked, done.moments, done.slices, of.drop_bad, of.drop_questionable

    if question(after) != question(result):
        raise ValueError("after: expected a result of the same scenario, options and variables")
    if after.completed.draws > draws:
        raise ValueError(f"after: expected at most {draws} draws, got {after.completed.draws}")
    kept = min(after.completed.draws, result.kept_draws)
    if after.store.shape[1] < kept:
        raise ValueError("after: expected all its draws, and some are left out")
    result.store, result.status = after.store, after.status
    result.completed = result.running = after.completed.copy()
    result.checkpoints = list(after.checkpoints)


def _evaluate(
    result: Draws,
    totals: Totals,
    end: int,
    threads: int | None,
    progress: Callable[[int], None] | None,
    size: int,
) -> None:
    """Add the draws up to `end`, all of them kept or none, to what is known of those before."""
    begin = totals.draws
    tiles = math.ceil((end - begin) / TILE)
    share = tiles // (4 * (threads or available_threads()))
    size = min(size, max(1, share) * TILE)  # so that no thread waits long for the others
    keeps = begin < result.kept_draws
    if not keeps:
        size = min(size, COUNTED)
    plan = result.plan if keeps else result.plan_beyond()
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
                _fold(result, totals, waiting.pop(folded))
                folded += 1

    def worker() -> Callable[[int], None]:
        space = result.workspace()
        values, status = result.store, result.status
        part: HistogramPart | None = None
        if not keeps:
            values, status = np.empty((len(result.store), size)), np.empty(size, np.int8)
            assert totals.histograms is not None
            part = totals.histograms.part()
            with lock:
                parts.append(part)

        def evaluate(chunk: int) -> None:
            first = begin + chunk * size
            count = min(size, end - first)
            at = first if keeps else 0
            here = slice(at, at + count)
            finish(chunk, tiles_of(plan, space, first, values, at, status[here], part))
            if progress is not None:
                progress(count)

        return evaluate

    in_chunks(math.ceil((end - begin) / size), threads, worker)
    if totals.histograms is not None:
        for part in parts:
            totals.histograms.merge(part)


def _gather(
    result: Draws,
    totals: Totals,
    end: int,
    progress: Callable[[int], None] | None,
    elsewhere: Elsewhere,
    finished: Callable[[Draws], None],
) -> None:
    """As `_evaluate`, of draws that are evaluated elsewhere."""
    begin = totals.draws
    keeps = begin < result.kept_draws
    empty = None if keeps or totals.histograms is None else totals.histograms.part()
    with closing(elsewhere(result, begin, end, empty)) as pieces:
        for piece in pieces:
            first = totals.draws
            _fold(result, totals, piece.tiles)
            here = slice(first, totals.draws)
            if piece.values is not None:
                result.store[:, here] = piece.values
                result.status[here] = np.concatenate([tile.status for tile in piece.tiles])
            if piece.part is not None and totals.histograms is not None:
                totals.histograms.merge(piece.part)
            if progress is not None:
                progress(totals.draws - first)
            if not keeps:
                finished(result)


def _fold(result: Draws, totals: Totals, tiles: Sequence[Tile]) -> None:
    """Add the next tiles, and remember where chunks of kept draws end.

    What is less than a tile, the last of a run, is no part of what the run may go on from.
    """
    keeps = totals.draws < result.kept_draws
    for tile in tiles:
        if tile.status.size < TILE and totals is result.completed:
            result.running = totals = totals.copy()
        totals.fold(tile, result.plan.drop_bad)
        if keeps and totals is result.completed and totals.draws % CHUNK == 0:
            result.checkpoints.append(totals.copy())


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

    Kept variables go to `values` [column, draw] from `at` on, and to `part` of a sketch.
    """
    count = status.size
    rows = math.ceil(count / TILE) * REPLICATES
    sizes = np.zeros(rows, np.int64)
    mean, m2 = np.empty((2, rows, plan.moments))
    mean[-(-count // BLOCK) :], m2[-(-count // BLOCK) :] = 0.0, 0.0  # blocks that are not begun
    with np.errstate(all="ignore"):  # as compiled; what is not finite is told by status
        run_blocks(plan, space, first, count, values, at, sizes, mean, m2, status)
    ends = None
    if part is not None:
        ends = part.add(values[:, at : at + count], counted(status, plan), first)
    tiles = []
    for tile in range(math.ceil(count / TILE)):
        here = slice(tile * REPLICATES, (tile + 1) * REPLICATES)
        draws = status[tile * TILE : (tile + 1) * TILE].copy()
        sums = None if ends is None else ends[tile]
        tiles.append(Tile(sizes[here], mean[here], m2[here], draws, sums))
    return tiles


def _begin_histograms(result: Draws, threads: int | None) -> None:
    """Summarise what is kept, since what follows is not."""
    whole, there = result.completed, result.counted
    mean, m2 = _moments_of(result.store, there, result.sampler, threads)
    whole.mean = np.concatenate([whole.mean, mean], axis=1)
    whole.m2 = np.concatenate([whole.m2, m2], axis=1)
    whole.histograms = Histograms.begin(
        result.store, there, result.sampler, declared(result), threads
    )


def declared(result: Draws) -> IndicatorSet:
    """The probabilities that the variables which are kept can give."""
    known = {**result.layout.inputs, **result.layout.outputs}
    columns = {
        name: np.arange(place.start, place.stop).reshape(known[name].columns.shape)
        for name, place in result.slices.items()
    }
    settings = result.scenario.settings
    labs = [party.id for party in result.scenario.labs]
    return indicator_set(columns, result.fixed, labs, settings.named_labs, settings.thresholds_gw)


def indicator_counts(
    result: Draws, threads: int | None = None
) -> tuple[IndicatorSet, Integers, Integers]:
    """The declared probabilities, and in how many draws each happens, and is not NaN.

    Both are by replicate [event, replicate], of all draws that count. `threads` change no number.
    """
    histograms = result.running.histograms
    if histograms is not None:
        return histograms.declared, histograms.happens, histograms.valid
    events = declared(result)
    unknown = (result.plan.rules[result.plan.moments :] == ANYTHING) | (not result.plan.drop_bad)
    counts = count_indicators(
        result.store, result.counted, result.sampler, events.events, unknown, threads
    )
    return events, *counts


def _moments_of(
    store: Array, there: Mask, sampler: str, threads: int | None
) -> tuple[Array, Array]:
    """Moments by replicate of draws [column, draw] of whole tiles, of those that count."""
    mean, m2 = np.empty((2, REPLICATES, len(store)))

    def worker() -> Callable[[int], None]:
        def find(column: int) -> None:
            some = slice(column, column + 1)
            moments_by_replicate(store[some], there, sampler == "sobol", mean[:, some], m2[:, some])

        return find

    in_chunks(len(store), threads, worker)
    return mean, m2
