"""What a run of 100,000 draws leaves on the disk, and reading it back, in the same run.

pytest tests/bench/test_disk.py -m long -n 0 --benchmark-enable -s
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.processes import NO_FIGURES, Sim, import_dependencies, least_costs
from pytest_benchmark.fixture import BenchmarkFixture

import sim

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


def test_size_of_a_run_and_reading_it_back(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    sim_process = Sim(tmp_path)
    draws, times = (100_000, 5) if benchmark.enabled else (64, 1)
    folder = sim_process.run(str(draws), NO_FIGURES)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    assert sim.open_run(folder).attrs["draws"] == draws
    imports, opened, shown = benchmark.pedantic(
        least_costs,
        (
            import_dependencies,
            lambda: sim.open_run(folder),
            lambda: sim_process("show", str(folder), "claims"),
        ),
        {"times": times},
    )
    largest = ", ".join(
        f"{name} {size / 1e6:.1f}"
        for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:4]
    )
    print(
        f"\n{draws:,} draws: {sum(sizes.values()) / 1e6:.1f} MB (target: 60): {largest}"
        f"\nsim.open_run: {opened}; sim show: {shown.relative_to(imports)}; target: below 1 s"
    )
