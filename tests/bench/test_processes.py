"""Whole processes of `sim`, each against importing what they rest on, in the same run.

    pytest tests/bench/test_processes.py -n 0 --benchmark-enable -s

An import of numpy, numba, xarray and scipy.stats is what a notebook of the same kind waits for
before its first line, whatever the machine.
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
from pytest_benchmark.fixture import BenchmarkFixture
from test_simulate import notebook as notebook  # a fixture

from sim.selftest.speed import best

IMPORTS = [sys.executable, "-c", "import numpy, numba, xarray, scipy.stats"]
BASE = str(ROOT / "params" / "base.toml")
NO_FIGURES = "--no-figures"


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
    draws, times = ("10000", 7) if benchmark.enabled else ("64", 1)
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
    imports = benchmark.pedantic(
        best,
        (lambda: subprocess.run(IMPORTS, check=True), *(work for work, _ in works.values())),
        {"times": times},
    )
    seconds = dict(zip(works, imports[1:], strict=True))
    assert all(second > 0 for second in seconds.values())
    print(f"\nimporting numpy, numba, xarray and scipy.stats: {imports[0]:.2f} s, best of {times}")
    for what, second in seconds.items():
        ratio = second / imports[0]
        print(f"{what}: {second:.2f} s, {ratio:.2f} times (target: {works[what][1]} at most)")


def test_a_first_run(benchmark: BenchmarkFixture, sim_process: Sim) -> None:
    """Nothing is compiled yet; numba's cache is an empty folder, which the second run finds."""
    if not benchmark.enabled:
        pytest.skip("compiles the model anew")
    cache = {"NUMBA_CACHE_DIR": str(sim_process.folder())}

    def run() -> None:
        sim_process.run("10000", NO_FIGURES, **cache)

    (imports,) = best(lambda: subprocess.run(IMPORTS, check=True))
    cold = benchmark.pedantic(best, (run,), {"times": 1})[0]
    (warm,) = best(run)
    print(
        f"\ncold: {cold:.1f} s, {cold / imports:.1f} times the imports; then warm {warm:.2f} s,"
        f" {warm / imports:.2f} times"
    )


def test_a_million_draws_against_the_notebook(
    benchmark: BenchmarkFixture,
    sim_process: Sim,
    notebook: Callable[[int], Mapping[str, np.ndarray]],
) -> None:
    """End to end with summary and file, against NumPy's arrays of a tenth of the draws."""
    draws, fewer = ("1e6", 100_000) if benchmark.enabled else ("1024", 100)
    if benchmark.enabled:
        sim_process.run("100000", NO_FIGURES)  # compiled, for the draws that are not kept too
    started = time.perf_counter()
    notebook(fewer)
    theirs = time.perf_counter() - started
    (imports,) = best(lambda: subprocess.run(IMPORTS, check=True), times=1)
    (mine,) = benchmark.pedantic(best, (lambda: sim_process.run(draws, NO_FIGURES),), {"times": 1})
    print(
        f"\nsim run --draws {draws}: {mine:.1f} s, {mine / imports:.1f} times the imports; NumPy"
        f" {theirs:.1f} s for {fewer:,}: {mine / theirs:.2f} times as long (target: below 1)"
    )
