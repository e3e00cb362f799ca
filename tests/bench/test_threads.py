"""Two threads against one, alternating in the same run.

    pytest tests/bench/test_threads.py -m long -n 0 --benchmark-enable -s

Wall-clock time depends on the load of the machine. Processor seconds do not: threads that do not
hinder one another use as many as one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import sim
from sim.common.threads import available_threads
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.simulation.simulate import run_engine

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works

RUNS = 10


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock time and processor time of a call, in seconds; what it makes is freed after it."""
    wall, processor = time.perf_counter(), time.process_time()
    made = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    del made
    return wall, processor


@pytest.mark.parametrize("what", ["engine", "engine, beyond the kept draws", "sim.simulate"])
def test_two_threads_against_one(benchmark: BenchmarkFixture, base: Scenario, what: str) -> None:
    draws, kept = (278_528, 8_192) if "beyond" in what else (100_000, 106_496)
    draws = draws if benchmark.enabled else 2_048

    def run(threads: int) -> tuple[float, float]:
        if what == "sim.simulate":
            return seconds(lambda: sim.simulate(base, draws, threads=threads, kept_draws=kept))
        options = run_options(base, draws, threads=threads, kept_draws=kept)
        return seconds(lambda: run_engine(base, options))

    if benchmark.enabled:
        run_engine(base, run_options(base, 20_000, kept_draws=8_192))  # compile
        run(1), run(2)  # memory that the system has given before is given faster
    pairs = benchmark.pedantic(
        lambda: [(run(1), run(2)) for _ in range(RUNS if benchmark.enabled else 1)]
    )
    ratios = sorted(one[0] / two[0] for one, two in pairs)
    assert ratios[0] > 0
    used = statistics.median(two[1] / one[1] for one, two in pairs)
    print(
        f"\n{what}, {draws:,} draws, {available_threads()} processors: 2 threads"
        f" {statistics.median(ratios):.2f} times as fast as 1 (median of {len(ratios)};"
        f" {ratios[0]:.2f} to {ratios[-1]:.2f}; target: 1.85 at least), with {used:.2f} times the"
        " processor seconds"
    )
