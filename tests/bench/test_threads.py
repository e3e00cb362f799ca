"""Evaluation of draws with two threads against one, alternating in the same run.

    pytest tests/bench/test_threads.py -m long -n 0 --benchmark-enable -s

Wall-clock time depends on the load of the machine. Processor seconds do not: threads that do not
hinder one another use as many as one thread.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest
from bench.processes import costs_of
from pytest_benchmark.fixture import BenchmarkFixture

from sim.common.threads import available_threads
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.simulation.simulate import run_engine

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


@pytest.mark.parametrize("kept", ["draws kept", "beyond those kept"])
def test_two_threads_against_one(benchmark: BenchmarkFixture, base: Scenario, kept: str) -> None:
    all_kept = kept == "draws kept"
    draws, times = (131_072 if all_kept else 278_528, 10) if benchmark.enabled else (2_048, 1)
    kept_draws = draws if all_kept and benchmark.enabled else 8_192

    def work(threads: int) -> Callable[[], object]:
        options = run_options(base, draws, threads=threads, kept_draws=kept_draws)
        return lambda: run_engine(base, options)

    if benchmark.enabled:
        run_engine(base, run_options(base, 20_000, kept_draws=8_192))  # compile
    one, two = benchmark.pedantic(costs_of, (work(1), work(2)), {"times": times})
    # Each run with two threads against the one with one thread just before it.
    faster = sorted(a.clock / b.clock for a, b in zip(one, two, strict=True))
    used = statistics.median(
        b.processor / a.processor for a, b in zip(one, two, strict=True) if a.processor
    )
    assert faster[0] > 0
    print(
        f"\n{draws:,} draws, {kept}, {available_threads()} processors: 2 threads"
        f" {statistics.median(faster):.2f} times as fast as 1 in the median of {times} pairs, from"
        f" {faster[0]:.2f} to {faster[-1]:.2f} (target: 1.85 at least), with {used:.2f} times the"
        f" processor seconds; 1 thread {statistics.median(cost.clock for cost in one):.2f} s"
    )
