"""`simulate` against `naive.py`, the notebook a careful user would write, in the same run.

    pytest tests/bench -n 0 --benchmark-enable -s

Without `--benchmark-enable` everything runs once, small, to see that it works.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
from conftest import ROOT
from pytest_benchmark.fixture import BenchmarkFixture

import sim
from sim.draws import CHUNK
from sim.inputs import HOST_MATRICES, SPREAD_FROM
from sim.scenario import Scenario
from sim.selftest.speed import best


def laws(scenario: Scenario) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The scenario's laws as `naive.sample` takes them: scalars, labs, landlords."""
    scalars: dict[str, Any] = {}
    labs: dict[str, dict[str, Any]] = {party.id: {} for party in scenario.labs}
    landlords: dict[str, dict[str, Any]] = {party.id: {} for party in scenario.landlords}
    for name, quantity in scenario.quantities.items():
        law: dict[str, Any] = {**quantity.law.model_dump(), "loads": quantity.loads}
        *where, last = name.split(".")
        target = {"labs": labs, "landlords": landlords}.get(where[0])
        if target is None:
            scalars[last] = law
        else:
            target[where[1]][last] = law
    for fields in labs.values():
        for arr in ("arr_2025q4_busd", "arr_2026q4_busd", "arr_growth_2027"):
            fields.setdefault(arr, {"value": float("nan")})
    assert set(SPREAD_FROM) <= set(landlords["oracle"])
    return scalars, labs, landlords


def matrices(scenario: Scenario) -> dict[str, np.ndarray]:
    ds = sim.simulate(scenario, draws=1, keep=[name for name, _ in HOST_MATRICES.values()])
    return {name: ds[name].values for name, _ in HOST_MATRICES.values()}


@pytest.fixture
def notebook(base: Scenario) -> Callable[[int], Mapping[str, np.ndarray]]:
    """Sample and evaluate in NumPy."""
    scalars, labs, landlords = laws(base)
    hosts = matrices(base)

    def run(draws: int) -> Mapping[str, np.ndarray]:
        rng = np.random.default_rng(1)
        return naive.evaluate({**naive.sample(scalars, labs, landlords, draws, rng), **hosts})

    return run


def test_simulate_against_the_notebook(
    benchmark: BenchmarkFixture, base: Scenario, notebook: Callable[[int], Mapping[str, np.ndarray]]
) -> None:
    """The whole world, as a user calls it: draws of all headline outputs are kept."""
    draws = 100_000 if benchmark.enabled else 2_000
    sim.simulate(base, draws=2 * CHUNK, kept_draws=CHUNK)  # compiled before the clock runs
    started = time.perf_counter()
    found = notebook(draws)
    seconds = time.perf_counter() - started
    rounds = 7 if benchmark.enabled else 1
    ds = benchmark.pedantic(sim.simulate, args=(base,), kwargs={"draws": draws}, rounds=rounds)
    assert ds.sizes["draw"] == draws
    # The same model: medians agree within what chance allows.
    median = float(np.median(found["inference_gross_margin"][:, 3]))
    assert median == pytest.approx(float(ds.inference_gross_margin[:, 3].median()), abs=0.03)
    if benchmark.enabled:
        kept = benchmark.stats.stats.median
        (binned,) = best(lambda: sim.simulate(base, draws=draws, kept_draws=4 * CHUNK), times=5)
        print(f"\n{draws:,} draws: NumPy {seconds:.2f} s (target: 60 times faster at least)")
        for what, own in (("all kept", kept), ("two thirds in bins", binned)):
            print(
                f"simulate, {what}: {own:.3f} s, {1e6 * own / draws:.2f} microseconds a draw,"
                f" {seconds / own:.1f} times faster"
            )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_against_draws(benchmark: BenchmarkFixture) -> None:
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
