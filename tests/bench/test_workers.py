"""Two workers of a local cluster against two threads, and what travels home, in the same run.

    pytest tests/bench/test_workers.py -m long -n 0 --benchmark-enable -s

Wall-clock time depends on the load of the machine, so processor seconds are reported, too.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Generator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sim.engine.dask_backend import connected
from sim.engine.histograms import HistogramPart
from sim.engine.loop import EvaluatedDraws
from sim.engine.state import SimulationState
from sim.model.blocks import CHUNK
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
    draws = 1_000_000 if benchmark.enabled else 2_000
    options = run_options(base, draws, threads=2)
    with connected("local:2") as cluster:
        assert cluster is not None
        client = cluster.client

        def processor_seconds() -> float:
            return time.process_time() + sum(client.run(time.process_time).values())

        # Compile first, also for histograms.
        few_draws = run_options(base, 20_000 if benchmark.enabled else 32, kept_draws=8192)
        run_engine(base, few_draws)
        run_engine(base, few_draws, elsewhere=cluster)
        before = time.process_time()
        threads = seconds(lambda: run_engine(base, options))
        thread_processor_seconds = time.process_time() - before
        before = processor_seconds()
        done = benchmark.pedantic(
            run_engine, args=(base, options), kwargs={"elsewhere": cluster}, rounds=1
        )
        worker_processor_seconds = processor_seconds() - before
    assert done.draws == draws
    if benchmark.enabled:
        workers = benchmark.stats.stats.median
        ratio = worker_processor_seconds / thread_processor_seconds
        print(
            f"\n{draws:,} draws on {os.cpu_count()} processors: two threads {threads:.1f} s, two"
            f" workers {workers:.1f} s: {workers / threads:.2f} times as long (target: 1.1 at"
            f" most), with {ratio:.2f} times the processor seconds"
        )


def test_bytes_that_travel_home(benchmark: BenchmarkFixture, base: Scenario) -> None:
    """Of a draw that is kept, and of one beyond those kept, as workers pickle their results."""
    draws, kept = (1_000_000, 8 * CHUNK) if benchmark.enabled else (3 * CHUNK, CHUNK)
    options = run_options(base, draws, kept_draws=kept)
    travelled = {True: [0, 0], False: [0, 0]}  # whether kept -> bytes and draws

    with connected("local:2") as cluster:
        assert cluster is not None

        def counted(
            state: SimulationState, begin: int, end: int, part: HistogramPart | None
        ) -> Generator[EvaluatedDraws, None, None]:
            sums = travelled[part is None]
            sums[1] += end - begin
            for evaluated in cluster(state, begin, end, part):
                sums[0] += len(pickle.dumps(evaluated, protocol=5))
                yield evaluated

        done = benchmark.pedantic(
            run_engine, args=(base, options), kwargs={"elsewhere": counted}, rounds=1
        )
    assert done.draws == draws
    of_kept, beyond = (size / max(1, number) for size, number in travelled.values())
    assert beyond > 0
    print(
        f"\n{draws:,} draws on two workers: {beyond:,.0f} bytes a draw beyond those kept (target:"
        f" 200 at most), {of_kept:,.0f} of one that is kept"
    )
