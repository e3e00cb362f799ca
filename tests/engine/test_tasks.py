from __future__ import annotations

import pickle
from collections.abc import Generator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.engine import loop, tasks
from sim.engine.loop import EvaluatedDraws
from sim.engine.prepare import prepare
from sim.engine.state import Moments, SimulationState, Totals
from sim.model.blocks import CHUNK, SPAN, TILE, ends_span
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario

KEPT = CHUNK
TOTAL = KEPT + SPAN + 2 * TILE + 77  # a span beyond the kept draws, and some of the next
OPTIONS: dict[str, Any] = {"keep": ["gw", "inference_gross_margin"], "kept_draws": KEPT}


class Workers:
    """A `loop.Elsewhere` of this process: what it sends and receives is pickled."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.received = 0  # bytes

    def __call__(self, state: SimulationState, end: int) -> Generator[EvaluatedDraws, None, None]:
        totals = state.completed
        assert totals.draws >= KEPT
        assert totals.histograms is not None
        packed = tasks.share_out(totals, state.prepared)
        for first, last in tasks.cut(totals.draws, end, KEPT, self.threads):
            answer = pickle.dumps(tasks.evaluate(packed, first, last), protocol=5)
            self.received += len(answer)
            result: tasks.Result = pickle.loads(answer)
            yield result.unpack(totals.histograms.empty_part())


def run_on(
    workers: Workers | None, base: Scenario, draws: int, after: SimulationState | None = None
) -> SimulationState:
    """The state of a run evaluated by workers, or by threads."""
    prepared = prepare(base, run_options(base, draws, 1, **OPTIONS))
    return loop.run(SimulationState.empty(prepared), after=after, elsewhere=workers)


def arrays_of(totals: Totals) -> dict[str, Any]:
    """All numbers of totals, by name."""
    of_span = {f"span.{each.name}": getattr(totals.span, each.name) for each in fields(Moments)}
    numbers = {each.name: getattr(totals, each.name) for each in fields(Totals)}
    del numbers["span"], numbers["histograms"]
    assert totals.histograms is not None
    return numbers | of_span | totals.histograms.to_arrays()


def assert_same_bits(first: SimulationState, second: SimulationState) -> None:
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.status, second.status)
    for name in ("completed", "running"):
        expected = arrays_of(getattr(second, name))
        for key, value in arrays_of(getattr(first, name)).items():
            np.testing.assert_array_equal(value, expected[key], err_msg=f"{name}: {key}")


@pytest.fixture(scope="module")
def whole(base: Scenario) -> SimulationState:
    """A run by one thread, in chunks as large as may be."""
    return drawn(base, TOTAL, threads=1, **OPTIONS)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_workers_of_any_number_give_the_bits_of_threads(
    base: Scenario, whole: SimulationState, number: int
) -> None:
    assert_same_bits(run_on(Workers(number), base, TOTAL), whole)


def test_threads_and_chunks_change_no_bit_beyond_a_span(
    base: Scenario, whole: SimulationState
) -> None:
    assert_same_bits(drawn(base, TOTAL, threads=2, chunk=TILE, **OPTIONS), whole)


@pytest.mark.parametrize("draws", [KEPT - 5 * TILE, KEPT, KEPT + 3 * TILE, KEPT + SPAN])
@pytest.mark.parametrize("number", [None, 2], ids=["threads", "workers"])
def test_a_run_extended_from_within_a_span_has_the_bits_of_one_at_a_stretch(
    base: Scenario, whole: SimulationState, draws: int, number: int | None
) -> None:
    workers = None if number is None else Workers(number)
    before = drawn(base, draws + 500, **OPTIONS)
    assert before.completed.draws == draws
    assert_same_bits(run_on(workers, base, TOTAL, before), whole)


def test_moments_over_spans_are_those_of_all_draws(base: Scenario, whole: SimulationState) -> None:
    kept = drawn(base, TOTAL, **OPTIONS | {"kept_draws": 8 * CHUNK})
    assert kept.running.histograms is None
    for name in ("count", "mean", "m2", "block_numbers", "block_mean", "block_m2"):
        np.testing.assert_allclose(
            getattr(whole.running, name), getattr(kept.running, name), rtol=1e-11, err_msg=name
        )
    values = whole.prepared.moment_slices["gw"]
    replicate = np.arange(TOTAL) // 32 % 32
    for number in (0, 31):
        of_it = kept.kept("gw", replicate == number).reshape(-1, (replicate == number).sum())
        assert whole.running.count[number] == of_it.shape[1]
        np.testing.assert_allclose(
            whole.running.mean[number, values], of_it.mean(axis=1), rtol=1e-12
        )
        squares = ((of_it - of_it.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        np.testing.assert_allclose(whole.running.m2[number, values], squares, rtol=1e-11)


def test_at_most_200_bytes_travel_for_a_draw_that_is_not_kept(base: Scenario) -> None:
    """Of the base case, with the outputs that it keeps by default."""
    prepared = prepare(base, run_options(base, KEPT + SPAN, 1, kept_draws=KEPT))
    workers = Workers(8)  # tasks as small as they are with many workers
    loop.run(SimulationState.empty(prepared), elsewhere=workers)
    assert 40 < workers.received / SPAN < 200


def test_draws_are_cut_at_the_ends_of_spans_and_into_ever_smaller_tasks() -> None:
    begin, end = 3 * KEPT + 5 * TILE, KEPT + 40 * SPAN + 3 * TILE
    ranges = [*tasks.cut(begin, end, KEPT, threads=2)]
    firsts, lasts = zip(*ranges, strict=True)
    assert (firsts[0], lasts[-1]) == (begin, end)
    assert firsts[1:] == lasts[:-1]
    assert all(ends_span(last, KEPT) for last in lasts[:-1])
    sizes = [last - first for first, last in ranges[1:-1]]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (tasks.SPANS * SPAN, SPAN)


@given(arrays(np.int64, st.tuples(*2 * [st.integers(0, 9)]), elements=st.integers(0, 2**31 - 1)))
def test_packed_counts_are_unpacked_to_the_same(counts: np.ndarray) -> None:
    packed = tasks.PackedCounts.pack(counts)
    assert packed.low.itemsize == 1
    np.testing.assert_array_equal(packed.unpack(), counts)


def test_spans_end_with_the_kept_draws_and_every_32768_after_them() -> None:
    ends = [draws for draws in range(0, KEPT + 3 * SPAN, TILE) if ends_span(draws, KEPT)]
    assert ends == [KEPT, KEPT + 32_768, KEPT + 2 * 32_768]
