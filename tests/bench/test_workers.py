"""Two workers of a local cluster against two threads, alternating in the same run.

    pytest tests/bench/test_workers.py -m long -n 0 --benchmark-enable -s

Wall-clock time depends on the load of the machine, so processor seconds are reported, too.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sim.engine.dask_backend import Cluster, connected
from sim.model.blocks import CHUNK, KEPT_DRAWS, SPAN, TILE
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.simulation.simulate import run_engine

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works

pytest.importorskip("distributed")


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock duration of a call in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_two_workers_against_two_threads(benchmark: BenchmarkFixture, base: Scenario) -> None:
    draws, kept, times = (1_000_000, KEPT_DRAWS, 3) if benchmark.enabled else (10_000, CHUNK, 1)
    options = run_options(base, draws, threads=2, kept_draws=kept)
    with connected("local:2") as cluster:
        assert cluster is not None
        client = cluster.client

        def processor_seconds() -> float:
            return time.process_time() + sum(client.run(time.process_time).values())

        def used(elsewhere: Cluster | None) -> tuple[float, float]:
            """Wall-clock and processor seconds of a run."""
            before = processor_seconds()
            wall = seconds(lambda: run_engine(base, options, elsewhere=elsewhere))
            return wall, processor_seconds() - before

        # Compile first, also for histograms, on both workers.
        few_draws = CHUNK + (8 * SPAN if benchmark.enabled else TILE)
        few = run_options(base, few_draws, kept_draws=CHUNK)
        run_engine(base, few, elsewhere=cluster)
        pairs = benchmark.pedantic(lambda: [(used(None), used(cluster)) for _ in range(times)])
    walls, processors = zip(
        *((workers[0] / threads[0], workers[1] / threads[1]) for threads, workers in pairs),
        strict=True,
    )
    assert min(walls) > 0
    print(
        f"\n{draws:,} draws on {os.cpu_count()} processors: two workers take"
        f" {statistics.median(walls):.2f} times as long as two threads (median of {times};"
        f" {min(walls):.2f} to {max(walls):.2f}; target: 1.1 at most), with"
        f" {statistics.median(processors):.2f} times the processor seconds"
    )
