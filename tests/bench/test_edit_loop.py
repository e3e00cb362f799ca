"""What a user waits for after an edit, command by command, against the imports, in the same run.

    pytest tests/bench/test_edit_loop.py -m long -n 0 --benchmark-enable -s

Caches are warm. Speed is reported, not asserted.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.processes import BASE, NO_FIGURES, Sim, import_dependencies, least_costs
from conftest import ROOT
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


@contextmanager
def watched(file: Path, draws: str) -> Iterator[Callable[[], None]]:
    """A process that watches a file; the function waits until it has printed a page."""
    command = [sys.executable, "-m", "sim", "watch", str(file), "--draws", draws]
    with subprocess.Popen(command, cwd=file.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout

        def wait() -> None:
            while "draws in" not in output.readline():
                assert process.poll() is None

        try:
            yield wait
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("base.toml", "median = {}\nsigma = 0.3\nmin = 1\n"),  # of hardware.pue: a file alone
        ("scenarios/bear.toml", 'median = {}\nsource = "judgement"\nnote = "A quarter less'),
    ],
)
def test_watch_from_a_save_to_the_page(
    benchmark: BenchmarkFixture, tmp_path: Path, name: str, key: str
) -> None:
    params = Path(shutil.copytree(ROOT / "params", tmp_path / "params"))
    draws, times = ("20000", 15) if benchmark.enabled else ("64", 2)
    text = (params / name).read_text()
    start = 1.2 if name == "base.toml" else 0.29
    assert key.format(start) in text
    spent: list[float] = []
    with watched(params / name, draws) as wait:
        wait()

        def edit() -> None:
            value = f"{start + 0.001 * (len(spent) + 1):.3f}"
            time.sleep(0.2)  # a user's pause, so that the save falls anywhere between two looks
            (params / name).write_text(text.replace(key.format(start), key.format(value)))
            begin = time.perf_counter()
            wait()
            spent.append(time.perf_counter() - begin)

        benchmark.pedantic(edit, rounds=times)
    print(
        f"\nsim watch {name}, {draws} draws, from the save to the page: "
        f"{statistics.median(spent):.2f} s (from {min(spent):.2f} to {max(spent):.2f});"
        " target: 0.3 s on two quiet processors"
    )
