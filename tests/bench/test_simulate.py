"""`simulate` against `naive.py` over all draws at once, and its memory, in the same run.

How much faster the engine is than NumPy and JAX at their best is measured in `peers/`.

    pytest tests/bench -m long -n 0 --benchmark-enable -s

Without `--benchmark-enable` everything runs once with few draws, as a test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from notebook import notebook as notebook  # a fixture
from pytest_benchmark.fixture import BenchmarkFixture

import sim
from sim.model.blocks import CHUNK
from sim.parameters.scenario import Scenario
from sim.selftest.speed import shortest_times

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


def test_simulate_against_the_notebook(
    benchmark: BenchmarkFixture, base: Scenario, notebook: Callable[[int], Mapping[str, np.ndarray]]
) -> None:
    """The public call, with draws of all headline outputs kept."""
    draws = 100_000 if benchmark.enabled else 2_000
    sim.simulate(base, draws=2 * CHUNK, kept_draws=CHUNK)  # compile first
    started = time.perf_counter()
    outputs = notebook(draws)
    seconds = time.perf_counter() - started
    rounds = 7 if benchmark.enabled else 1
    ds = benchmark.pedantic(sim.simulate, args=(base,), kwargs={"draws": draws}, rounds=rounds)
    assert ds.sizes["draw"] == draws
    # The same model: medians agree up to Monte Carlo errors.
    median = float(np.median(outputs["inference_gross_margin"][:, 3]))
    assert median == pytest.approx(float(ds.inference_gross_margin[:, 3].median()), abs=0.03)
    if benchmark.enabled:
        kept = benchmark.stats.stats.median
        (histograms,) = shortest_times(
            lambda: sim.simulate(base, draws=draws, kept_draws=4 * CHUNK), times=5
        )
        print(f"\n{draws:,} draws: NumPy, all at once, waits for memory: {seconds:.2f} s")
        for label, cost in (("all kept", kept), ("two thirds in histograms", histograms)):
            print(
                f"simulate, {label}: {cost:.3f} s, {1e6 * cost / draws:.2f} microseconds a draw,"
                f" {seconds / cost:.1f} times faster"
            )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_against_number_of_draws(benchmark: BenchmarkFixture) -> None:
    """BENCH_DRAWS=1e7 in the environment adds a number of draws."""
    code = (
        "import re, sys, sim\n"
        "draws = int(sys.argv[1])\n"
        "ds = sim.simulate(sim.load('params/base.toml'), draws=draws)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
    )

    def peak_mib(draws: int) -> float:
        done = subprocess.run(
            [sys.executable, "-c", code, str(draws)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return float(done.stdout) / 1024

    sizes = (1_000, 100_000, 1_000_000, 3_000_000) if benchmark.enabled else (100,)
    if benchmark.enabled and "BENCH_DRAWS" in os.environ:
        sizes += (int(float(os.environ["BENCH_DRAWS"])),)
    peaks = benchmark.pedantic(lambda: {draws: peak_mib(draws) for draws in sizes}, rounds=1)
    assert all(peak > 0 for peak in peaks.values())
    if benchmark.enabled:
        flat = peaks[1_000_000]
        for draws, peak in peaks.items():
            print(f"\n{draws:,} draws: {peak:,.0f} MiB, {peak / flat:.2f} of 1,000,000's", end="")
        print(" (target: flat from there on)")
