"""Two workers of a local cluster against two threads, in the same run.

    pytest tests/bench/test_workers.py -n 0 --benchmark-enable -s

The clock of a busy machine says little: processor seconds are told, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sim.engine.dask_backend import connected
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.simulation.simulate import run_engine

pytest.importorskip("distributed")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_workers_against_threads(benchmark: BenchmarkFixture, base: Scenario) -> None:
    draws = 1_000_000 if benchmark.enabled else 2_000
    wanted = run_options(base, draws, threads=2)
    with connected("local:2") as two:
        assert two is not None
        client = two.client

        def processor_seconds() -> float:
            return time.process_time() + sum(client.run(time.process_time).values())

        # Compiled before the clock runs, and the sketch begun.
        begun = run_options(base, 20_000 if benchmark.enabled else 32, kept_draws=8192)
        run_engine(base, begun)
        run_engine(base, begun, elsewhere=two)
        before = time.process_time()
        threads = seconds(lambda: run_engine(base, wanted))
        used_here = time.process_time() - before
        before = processor_seconds()
        done = benchmark.pedantic(
            run_engine, args=(base, wanted), kwargs={"elsewhere": two}, rounds=1
        )
        used_there = processor_seconds() - before
    assert done.draws == draws
    if benchmark.enabled:
        own = benchmark.stats.stats.median
        print(
            f"\n{draws:,} draws on {os.cpu_count()} processors: two threads {threads:.1f} s, two"
            f" workers {own:.1f} s: {own / threads:.2f} times as long, with"
            f" {used_there / used_here:.2f} times the processor seconds"
        )
