"""Chunks of work in threads: each is done once, side by side, and none after a failure."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from threadpoolctl import threadpool_limits

import sim
from sim.common.threads import ever_smaller, in_chunks, map_in_threads


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_every_chunk_is_done_once(threads: int) -> None:
    done: list[int] = []
    in_chunks(5, threads, lambda: done.append)
    assert sorted(done) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_ranges_cover_all_items_and_become_smaller_until_they_are_single(threads: int) -> None:
    for items in (1, 2, 98, 1_000):
        ranges = [*ever_smaller(items, 8, threads)]
        assert [item for first, last in ranges for item in range(first, last)] == [*range(items)]
        sizes = [last - first for first, last in ranges]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] <= 8
        assert sizes[-1] == 1
    assert [*ever_smaller(0, 8, threads)] == []


def test_chunks_of_two_threads_are_done_side_by_side() -> None:
    both = threading.Barrier(2, timeout=30)  # each chunk waits for the other
    workers: list[int] = []
    waited: list[int] = []

    def worker() -> Callable[[int], None]:
        workers.append(threading.get_ident())
        return lambda chunk: waited.append(both.wait())

    in_chunks(2, 2, worker)
    assert (len(set(workers)), sorted(waited)) == (2, [0, 1])


@pytest.mark.parametrize("threads", [1, 3])
def test_no_chunk_begins_after_one_has_failed(threads: int) -> None:
    done: list[int] = []

    def do_chunk(chunk: int) -> None:
        done.append(chunk)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_chunks(1000, threads, lambda: do_chunk)
    assert len(done) <= threads


def test_results_come_in_order_and_one_thread_is_that_of_the_caller() -> None:
    results = map_in_threads(lambda item: (item, threading.get_ident()), range(3), 1)
    assert results == [(item, threading.get_ident()) for item in range(3)]
    assert map_in_threads(abs, [-3, 2, -1], 2) == [3, 2, 1]


def test_the_bits_of_an_analysis_do_not_depend_on_the_threads_of_blas(base: sim.Scenario) -> None:
    ds = sim.simulate(base, draws=4096, seed=1)

    def numbers(threads: int, **options: object) -> bytes:
        with threadpool_limits(limits=threads, user_api="blas"):
            result = sim.sensitivity(ds, "inference_gross_margin@2026Q4", **options)  # type: ignore[arg-type]
        values = (result[name].values for name in sorted(result.data_vars))
        return b"".join(of.tobytes() for of in values if of.dtype == float)

    for options in ({}, {"method": "dependent"}):
        assert numbers(1, **options) == numbers(2, **options)
