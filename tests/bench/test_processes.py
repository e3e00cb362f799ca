"""A run of a million draws as a process, against a notebook's arrays, in the same run.

    pytest tests/bench/test_processes.py -m long -n 0 --benchmark-enable -s

Speed is reported, not asserted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from bench.processes import NO_FIGURES, Sim, import_dependencies, least_costs
from notebook import notebook as notebook  # a fixture
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


def test_million_draws_against_a_notebook(
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    notebook: Callable[[int], Mapping[str, np.ndarray]],
) -> None:
    """A run with summary and file, against NumPy arrays of a tenth of the draws."""
    sim_process = Sim(tmp_path)
    draws, fewer = ("1e6", 100_000) if benchmark.enabled else ("1024", 100)
    if benchmark.enabled:
        sim_process.run("100000", NO_FIGURES)  # compile, also for draws that are not kept
    imports, numpy_cost, sim_cost = benchmark.pedantic(
        least_costs,
        (import_dependencies, lambda: notebook(fewer), lambda: sim_process.run(draws, NO_FIGURES)),
        {"times": 1},
    )
    label = f"NumPy for {fewer:,} ({numpy_cost.clock:.2f} s)"
    print(
        f"\nsim run --draws {draws}: {sim_cost.relative_to(imports)}"
        f"\nand {sim_cost.relative_to(numpy_cost, label)}; target: below 1"
    )
