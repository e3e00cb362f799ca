"""The first run on a machine: from an empty cache to the headline, against a second one.

    pytest tests/bench/test_cold_start.py -m long -n 0 --benchmark-enable -s

Everything that a run keeps for later runs is in the user's cache, which is an empty folder here.
Python's own compiled files are there already, as an installer leaves them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.processes import NO_FIGURES, Sim, import_dependencies, least_costs
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


def test_first_run_from_an_empty_cache(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    sim_process = Sim(tmp_path)
    draws = "20000" if benchmark.enabled else "64"
    cache = sim_process.folder()
    cache.mkdir()
    environment = {"XDG_CACHE_HOME": str(cache), "NUMBA_CACHE_DIR": ""}
    import_dependencies()  # into the memory of the machine

    def run() -> None:
        sim_process.run(draws, NO_FIGURES, **environment)

    (cold,) = benchmark.pedantic(least_costs, (run,), {"times": 1})
    assert any(cache.iterdir()), "nothing was cached"
    stored = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    imports, warm = least_costs(import_dependencies, run, times=3 if benchmark.enabled else 1)
    print(
        f"\nsim run --draws {draws} {NO_FIGURES}, from an empty cache: {cold} (target: 8 s on two"
        f" cores), which leaves {stored / 1e6:.1f} MB\nthen {warm.relative_to(imports)}"
    )
