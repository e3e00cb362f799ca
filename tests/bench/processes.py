"""Processes of `sim` and what they cost, for benchmarks.

A comparable notebook imports numpy, numba, xarray and scipy.stats before its first line, on any
machine. Wall-clock time depends on the load of the machine, so processor seconds are reported, too.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

IMPORTS = [sys.executable, "-c", "import numpy, numba, xarray, scipy.stats"]
BASE = str(ROOT / "params" / "base.toml")
NO_FIGURES = "--no-figures"


class Cost(NamedTuple):
    """Wall-clock and processor seconds, including child processes."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.2f} s ({self.processor:.2f} processor seconds)"

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


def costs_of(*works: Callable[[], object], times: int) -> list[list[Cost]]:
    """Costs of each function in several rounds, in which they alternate."""
    spent: list[list[Cost]] = [[] for _ in works]
    for _ in range(times):
        for work, costs in zip(works, spent, strict=True):
            clock, processor = time.perf_counter(), processor_seconds()
            work()
            costs.append(Cost(time.perf_counter() - clock, processor_seconds() - processor))
    return spent


def least_costs(*works: Callable[[], object], times: int = 3) -> list[Cost]:
    """Least cost of each function over several rounds."""
    spent = costs_of(*works, times=times)
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

    def run(self, draws: str, *arguments: str, **environment: str) -> Path:
        """Run the base case; the folder of its run."""
        out = self.folder()
        self("run", BASE, "--draws", draws, "--out", str(out), *arguments, **environment)
        return next(out.glob("base-*"))
