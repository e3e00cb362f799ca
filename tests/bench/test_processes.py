"""Processes of `sim` against the imports of their dependencies, in the same run.

    pytest tests/bench/test_processes.py -m long -n 0 --benchmark-enable -s

A comparable notebook imports numpy, numba, xarray and scipy.stats before its first line, on any
machine. Wall-clock time depends on the load of the machine, so processor seconds are reported, too.
Speed is reported, not asserted.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import ROOT
from notebook import notebook as notebook  # a fixture
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works

IMPORTS = [sys.executable, "-c", "import numpy, numba, xarray, scipy.stats"]
BASE = str(ROOT / "params" / "base.toml")
NO_FIGURES = "--no-figures"
MOST_BYTES = 60_000_000  # of a run of 100,000 draws without figures


class Cost(NamedTuple):
    """Wall-clock and processor seconds, including child processes."""

    clock: float
    processor: float

    def relative_to(self, reference: Cost, label: str = "the imports") -> str:
        """Text with this cost and its ratio to another."""
        return (
            f"{self.clock:.2f} s, {self.clock / reference.clock:.2f} times {label}"
            f" ({self.processor / reference.processor:.2f} in processor seconds)"
        )


def processor_seconds() -> float:
    """Of this process and of its ended children; `os.times` counts by hundredths only."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def shortest_times(*works: Callable[[], object], times: int = 3) -> list[Cost]:
    """Least cost of each function over several rounds, in which they alternate."""
    spent: list[list[Cost]] = [[] for _ in works]
    for _ in range(times):
        for work, costs in zip(works, spent, strict=True):
            clock, processor = time.perf_counter(), processor_seconds()
            work()
            costs.append(Cost(time.perf_counter() - clock, processor_seconds() - processor))
    return [Cost(*map(min, zip(*costs, strict=True))) for costs in spent]


def import_dependencies() -> None:
    subprocess.run(IMPORTS, check=True)


class Sim:
    """Runs `sim` as a process, each run in a new empty folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.folders = root, 0

    def folder(self) -> Path:
        self.folders += 1
        return self.root / str(self.folders)

    def __call__(self, *arguments: str, **environment: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "sim", *arguments],
            check=True, cwd=ROOT, capture_output=True, env={**os.environ, **environment},
        )  # fmt: skip

    def run(self, draws: str, *arguments: str, **environment: str) -> None:
        out = str(self.folder())
        self("run", BASE, "--draws", draws, "--out", out, *arguments, **environment)


@pytest.fixture
def sim_process(tmp_path: Path) -> Sim:
    return Sim(tmp_path)


def test_processes_against_the_imports(benchmark: BenchmarkFixture, sim_process: Sim) -> None:
    draws, times = ("20000", 5) if benchmark.enabled else ("64", 1)
    stored = sim_process.folder()
    works: dict[str, tuple[Callable[[], object], str]] = {
        "sim --help": (lambda: sim_process("--help"), "0.35 s"),
        "sim describe": (lambda: sim_process("describe", "hardware.pue"), "0.5 s"),
        "sim check": (lambda: sim_process("check", BASE), "0.5 s"),
        "sim show of 100,000 draws": (
            lambda: sim_process("show", "base", "--out", str(stored)),
            "1 s",
        ),
        f"sim run --draws {draws} --no-figures": (
            lambda: sim_process.run(draws, NO_FIGURES),
            "1.0 times",
        ),
        f"sim run --draws {draws}": (lambda: sim_process.run(draws), "1.8 times"),
    }
    many = "100000" if benchmark.enabled else "64"
    sim_process("run", BASE, "--draws", many, "--out", str(stored), NO_FIGURES)
    if benchmark.enabled:
        sim_process.run(draws)  # compile, and cache the fonts
    else:
        works.popitem()
    imports, *costs = benchmark.pedantic(
        shortest_times,
        (import_dependencies, *(work for work, _ in works.values())),
        {"times": times},
    )
    results = dict(zip(works, costs, strict=True))
    assert all(cost.clock > 0 for cost in results.values())
    print(f"\nimporting numpy, numba, xarray, scipy.stats: {imports.clock:.2f} s, best of {times}")
    for label, cost in results.items():
        print(f"{label}: {cost.relative_to(imports)}; target: {works[label][1]} at most")


def test_a_run_of_100_000_draws_takes_60_megabytes_and_is_shown_from_disk(
    sim_process: Sim,
) -> None:
    """Asserted, unlike speed: it does not depend on the machine."""
    out = sim_process.folder()
    sim_process("run", BASE, "--draws", "100000", "--out", str(out), NO_FIGURES)
    (run,) = out.glob("base-*")
    sizes = {path.name: path.stat().st_size for path in run.iterdir()}
    print(f"\n100,000 draws: {sum(sizes.values()) / 1e6:.1f} MB; target: 60 MB at most")
    assert sum(sizes.values()) <= MOST_BYTES, sizes
    assert "tables.json" in sizes


@pytest.mark.long
def test_cold_run_against_a_warm_one(benchmark: BenchmarkFixture, sim_process: Sim) -> None:
    """Numba's cache is an empty folder, which the first run fills."""
    cache = {"NUMBA_CACHE_DIR": str(sim_process.folder())}

    def run() -> None:
        sim_process.run("10000", NO_FIGURES, **cache)

    (cold,) = benchmark.pedantic(shortest_times, (run,), {"times": 1})
    imports, warm = shortest_times(import_dependencies, run)
    print(f"\ncold: {cold.relative_to(imports)}\nthen warm: {warm.relative_to(imports)}")


def test_million_draws_against_a_notebook(
    benchmark: BenchmarkFixture,
    sim_process: Sim,
    notebook: Callable[[int], Mapping[str, np.ndarray]],
) -> None:
    """A run with summary and file, against NumPy arrays of a tenth of the draws."""
    draws, fewer = ("1e6", 100_000) if benchmark.enabled else ("1024", 100)
    if benchmark.enabled:
        sim_process.run("100000", NO_FIGURES)  # compile, also for draws that are not kept
    imports, numpy_cost, sim_cost = benchmark.pedantic(
        shortest_times,
        (import_dependencies, lambda: notebook(fewer), lambda: sim_process.run(draws, NO_FIGURES)),
        {"times": 1},
    )
    label = f"NumPy for {fewer:,} ({numpy_cost.clock:.2f} s)"
    print(
        f"\nsim run --draws {draws}: {sim_cost.relative_to(imports)}"
        f"\nand {sim_cost.relative_to(numpy_cost, label)}; target: below 1"
    )
