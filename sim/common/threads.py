"""Chunks of work in threads.

Compiled kernels release the interpreter's lock, so threads run side by side.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Item = TypeVar("Item")
Result = TypeVar("Result")


def with_one_blas_thread(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Give a function one thread of BLAS, whose sums differ in the last bits with their number."""

    @functools.wraps(function)
    def limited(*arguments: Given.args, **options: Given.kwargs) -> Result:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="blas"):
            return function(*arguments, **options)

    return limited


def available_threads() -> int:
    """The number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        return os.cpu_count() or 1


def ever_smaller(items: int, most: int, threads: int) -> Iterator[tuple[int, int]]:
    """Cut items into ranges [first, last), ever smaller, so that all `threads` end together.

    A range has at most `most` items.
    """
    first = 0
    while first < items:
        last = first + min(max((items - first) // (2 * max(threads, 1)), 1), most)
        yield first, last
        first = last


def in_chunks(
    chunks: int, threads: int | None, worker: Callable[[], Callable[[int], None]]
) -> None:
    """Do chunks 0 ... `chunks` - 1, each once, in any order.

    Every thread calls `worker` once: it returns the function that does a chunk, with working space
    of its own. After a chunk has failed, or an interruption, no other chunk begins. `threads` is
    None for all processors.
    """
    todo = itertools.count()
    stop = threading.Event()

    def work() -> None:
        do_chunk = worker()
        while not stop.is_set():
            chunk = next(todo)
            if chunk >= chunks:
                return
            do_chunk(chunk)

    workers = max(1, min(threads or available_threads(), chunks))
    if workers == 1:
        work()
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work) for _ in range(workers)]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            stop.set()


class InlineExecutor(Executor):
    """An executor that uses the thread of its caller."""

    def submit(
        self, function: Callable[..., Result], /, *args: Any, **kwargs: Any
    ) -> Future[Result]:
        """Call a function at once; its future holds the result or exception."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def executor(threads: int | None) -> Executor:
    """An executor of this number of threads; None for all processors.

    A single thread is that of the caller.
    """
    workers = threads or available_threads()
    return InlineExecutor() if workers == 1 else ThreadPoolExecutor(workers)


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None
) -> list[Result]:
    """Results of a function for every item, in order; see `executor`."""
    with executor(threads) as pool:
        return list(pool.map(function, items))
