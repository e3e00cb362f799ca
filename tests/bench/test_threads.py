"""Evaluation of draws with two threads against one, alternating in the same run.

    pytest tests/bench/test_threads.py -m long -n 0 --benchmark-enable -s

Wall-clock time depends on the load of the machine. Processor seconds do not: threads that do not
hinder one another use as many as one thread.
"""

from __future__ import annotations

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sim.common.threads import available_threads
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.selftest.speed import shortest_times
from sim.simulation.simulate import run_engine

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


@pytest.mark.parametrize("kept", ["draws kept", "beyond those kept"])
def test_two_threads_against_one(benchmark: BenchmarkFixture, base: Scenario, kept: str) -> None:
    all_kept = kept == "draws kept"
    draws, times = (131_072 if all_kept else 278_528, 9) if benchmark.enabled else (2_048, 1)
    kept_draws = draws if all_kept and benchmark.enabled else 8_192
    used = dict.fromkeys((1, 2), 0.0)

    def run(threads: int) -> None:
        options = run_options(base, draws, threads=threads, kept_draws=kept_draws)
        started = time.process_time()
        run_engine(base, options)
        used[threads] += time.process_time() - started

    if benchmark.enabled:
        run_engine(base, run_options(base, 20_000, kept_draws=8_192))  # compile
    one, two = benchmark.pedantic(
        shortest_times, (lambda: run(1), lambda: run(2)), {"times": times}
    )
    assert min(one, two) > 0
    print(
        f"\n{draws:,} draws, {kept}, {available_threads()} processors, best of {times}: 1 thread"
        f" {one:.2f} s, 2 threads {two:.2f} s: {one / two:.2f} times as fast (target: 1.85 at"
        f" least), with {used[2] / used[1]:.2f} times the processor seconds"
    )
