"""Whole processes of `sim`, each against importing what they rest on, in the same run.

    pytest tests/bench/test_processes.py -n 0 --benchmark-enable -s

An import of numpy, numba, xarray and scipy.stats is what a notebook of the same kind waits for
before its first line, whatever the machine. The clock of a busy machine says little: processor
seconds are told, too.
"""

from __future__ import annotations

import os
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

IMPORTS = [sys.executable, "-c", "import numpy, numba, xarray, scipy.stats"]
BASE = str(ROOT / "params" / "base.toml")
NO_FIGURES = "--no-figures"


class Cost(NamedTuple):
    """Seconds of the clock and of processors, those of child processes with them."""

    clock: float
    processor: float

    def over(self, other: Cost, what: str = "the imports") -> str:
        return (
            f"{self.clock:.2f} s, {self.clock / other.clock:.2f} times {what}"
            f" ({self.processor / other.processor:.2f} in processor seconds)"
        )


def best(*works: Callable[[], object], times: int = 3) -> list[Cost]:
    """The least that each of these costs of several times, in turn."""
    spent: list[list[Cost]] = [[] for _ in works]
    for _ in range(times):
        for work, costs in zip(works, spent, strict=True):
            clock, processor = time.perf_counter(), sum(os.times()[:4])
            work()
            costs.append(Cost(time.perf_counter() - clock, sum(os.times()[:4]) - processor))
    return [Cost(*map(min, zip(*costs, strict=True))) for costs in spent]


def imported() -> None:
    subprocess.run(IMPORTS, check=True)


class Sim:
    """`sim` as a process; every run in a folder of its own, which is empty."""

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
    draws, times = ("10000", 5) if benchmark.enabled else ("64", 1)
    works: dict[str, tuple[Callable[[], object], str]] = {
        "sim --help": (lambda: sim_process("--help"), "0.35"),
        f"sim run --draws {draws} --no-figures": (
            lambda: sim_process.run(draws, NO_FIGURES),
            "1.5",
        ),
        f"sim run --draws {draws}": (lambda: sim_process.run(draws), "2.5"),
    }
    if benchmark.enabled:
        sim_process.run(draws)  # compiled, and the fonts found
    else:
        works.popitem()
    imports, *costs = benchmark.pedantic(
        best, (imported, *(work for work, _ in works.values())), {"times": times}
    )
    found = dict(zip(works, costs, strict=True))
    assert all(cost.clock > 0 for cost in found.values())
    print(f"\nimporting numpy, numba, xarray, scipy.stats: {imports.clock:.2f} s, best of {times}")
    for what, cost in found.items():
        print(f"{what}: {cost.over(imports)}; target: {works[what][1]} at most")


@pytest.mark.long
def test_a_first_run(benchmark: BenchmarkFixture, sim_process: Sim) -> None:
    """Nothing is compiled yet; numba's cache is an empty folder, which the second run finds."""
    cache = {"NUMBA_CACHE_DIR": str(sim_process.folder())}

    def run() -> None:
        sim_process.run("10000", NO_FIGURES, **cache)

    (cold,) = benchmark.pedantic(best, (run,), {"times": 1})
    imports, warm = best(imported, run)
    print(f"\ncold: {cold.over(imports)}\nthen warm: {warm.over(imports)}")


def test_a_million_draws_against_a_notebook(
    benchmark: BenchmarkFixture,
    sim_process: Sim,
    notebook: Callable[[int], Mapping[str, np.ndarray]],
) -> None:
    """End to end with summary and file, against NumPy's arrays of a tenth of the draws."""
    draws, fewer = ("1e6", 100_000) if benchmark.enabled else ("1024", 100)
    if benchmark.enabled:
        sim_process.run("100000", NO_FIGURES)  # compiled, for the draws that are not kept too
    imports, theirs, mine = benchmark.pedantic(
        best,
        (imported, lambda: notebook(fewer), lambda: sim_process.run(draws, NO_FIGURES)),
        {"times": 1},
    )
    print(
        f"\nsim run --draws {draws}: {mine.over(imports)}"
        f"\nand {mine.over(theirs, f'NumPy for {fewer:,} ({theirs.clock:.2f} s)')}; target: below 1"
    )
