"""`summarise` against drawing the same draws, alternating in the same run.

pytest tests/bench/test_summarise.py -m long -n 0 --benchmark-enable -s
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bench.processes import least_costs
from pytest_benchmark.fixture import BenchmarkFixture

import sim
from sim.model.blocks import CHUNK
from sim.parameters.scenario import Scenario

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


@pytest.mark.parametrize("draws", [100_000, 1_000_000])
def test_summarise_against_drawing(benchmark: BenchmarkFixture, base: Scenario, draws: int) -> None:
    kept: dict[str, Any] = {}
    if not benchmark.enabled:
        draws, kept = (2_048, {}) if draws == 100_000 else (2 * CHUNK, {"kept_draws": CHUNK})
    ds = sim.simulate(base, draws=draws, **kept)
    summary = sim.summarise(ds)
    assert summary.attrs["draws"] == draws

    def work(dataset: Any) -> Callable[[], object]:
        return lambda: sim.summarise(dataset)

    drawn, summarised = benchmark.pedantic(
        least_costs,
        (lambda: sim.simulate(base, draws=draws, **kept), work(ds)),
        {"times": 5 if benchmark.enabled else 1},
    )
    print(
        f"\n{draws:,} draws: drawing {drawn}; summarise"
        f" {summarised.relative_to(drawn, 'that')}; target: 0.5 at most"
    )
