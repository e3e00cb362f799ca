"""What a user waits for after an edit, command by command, against the imports, in the same run.

    pytest tests/bench/test_edit_loop.py -m long -n 0 --benchmark-enable -s

Caches are warm. Speed is reported, not asserted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench.processes import BASE, NO_FIGURES, Sim, import_dependencies, least_costs
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


def test_commands_against_the_imports(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    sim_process = Sim(tmp_path)
    draws, times = ("20000", 5) if benchmark.enabled else ("64", 1)
    folder = sim_process.run(draws, *([] if benchmark.enabled else [NO_FIGURES]))  # warm
    commands: dict[str, tuple[str, ...]] = {
        "help": ("--help",),
        "check": ("check", BASE),
        "describe": ("describe", "hardware.pue"),
        "show": ("show", str(folder), "claims"),
        f"run --draws {draws} {NO_FIGURES}": (),
        f"run --draws {draws}": (),
    }
    targets = {"help": "0.35 s", "check": "0.5 s", "describe": "0.5 s"}
    of_runs = ("1.0 times", "1.8 times")
    targets |= dict(zip([name for name in commands if "run" in name], of_runs, strict=True))

    def work(name: str, arguments: tuple[str, ...]) -> Callable[[], object]:
        if arguments:
            return lambda: sim_process(*arguments)
        options = [NO_FIGURES] if NO_FIGURES in name else []
        return lambda: sim_process.run(draws, *options)

    if not benchmark.enabled:
        commands.popitem()  # pictures take long
    works = [work(name, arguments) for name, arguments in commands.items()]
    imports, *costs = benchmark.pedantic(
        least_costs, (import_dependencies, *works), {"times": times}
    )
    assert all(cost.clock > 0 for cost in costs)
    print(f"\nimporting numpy, numba, xarray, scipy.stats: {imports}, best of {times}")
    for name, cost in zip(commands, costs, strict=True):
        target = f"; target: {targets[name]} at most" if name in targets else ""
        print(f"sim {name}: {cost.relative_to(imports)}{target}")
