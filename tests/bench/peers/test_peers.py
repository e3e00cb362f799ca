"""`sim.simulate` against NumPy and JAX twins of the whole model, in the same run.

    pytest tests/bench/peers -m long -n 0 --benchmark-enable -s

A twin samples all inputs of the base case, evaluates the outputs that a run keeps or sums up, keeps
the same values and forms the same moments by replicate. It is refused unless its inputs, from the
same scores, and its outputs, from the same inputs, are the engine's to 1e-9. It is spared what a
hand that knows the file would leave out: pairs that do not exist, labs that report no revenue, the
search for bad draws, probabilities, stratified samples, and the Dataset. The notebook is
`tests/naive.py`, the formulas as they stand. Each peer takes the draws at a time at which it is
fastest. NumPy has one thread, JAX as many as the engine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from conftest import ROOT
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works

HAS_JAX = importlib.util.find_spec("jax") is not None  # imported in processes of its own alone
THREADS = (1, 2)


def race(*arguments: str) -> dict[str, Any]:
    """What a race in a process of its own reports."""
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers.race", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def text_of(report: dict[str, Any], peers: list[str], draws: int, threads: int) -> str:
    """The ratios of a race, with what is compared."""
    clock, processor = report["seconds"]["engine"]
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    lines = [
        f"{draws:,} draws, {threads} thread(s) ({versions}): engine {clock:.2f} s,"
        f" {1e6 * processor / draws:.2f} processor microseconds a draw"
    ]
    for peer in peers:
        other, used = report["seconds"][peer]
        by_chunk = report[f"{peer} by chunk"]
        each = ", ".join(f"{int(c):,}: {1e6 * s / draws:.1f}" for c, s in by_chunk.items())
        lines.append(
            f"{peer}, {report[f'{peer} chunk']:,} draws at a time, differs by"
            f" {report[f'{peer} differs by']:.0e}: {other / clock:.1f} times as long by the clock,"
            f" {used / processor:.1f} times the processor seconds (microseconds by chunk: {each})"
        )
    compiled = [s for name, s in report["compiling"].items() if name.startswith("jax")]
    if compiled:
        lines.append(f"JAX compiles for {min(compiled):.0f} processor seconds, for each chunk")
    return "\n".join(lines)


@pytest.mark.parametrize("threads", THREADS)
def test_engine_against_numpy_and_jax(benchmark: BenchmarkFixture, threads: int) -> None:
    if threads > (os.cpu_count() or 1):
        pytest.skip(f"{threads} processors are missing")
    peers = ["numpy", "notebook", *(["jax"] if HAS_JAX else [])]
    if not benchmark.enabled:
        peers = peers[:2] if threads == 1 else peers[2:]  # each is compared once
    if peers:
        draws, rounds = (102_400, 5) if benchmark.enabled else (1_024, 0)
        arguments = {"threads": threads, "draws": draws, "rounds": rounds, "peers": ",".join(peers)}
        options = [text for key, value in arguments.items() for text in (f"--{key}", str(value))]
        report = benchmark.pedantic(race, options, rounds=1)
        assert all(report[f"{peer} differs by"] <= 1e-9 for peer in peers)
        if benchmark.enabled:
            print(f"\n{text_of(report, peers, draws, threads)}")
    if threads == max(THREADS) and not HAS_JAX:
        pytest.skip("JAX is not installed: no twin in JAX was compared or timed")


def test_comparison_refuses_a_difference_in_any_output() -> None:
    report = race("--draws", "1024", "--rounds", "0", "--peers", "spoiled")
    assert report["outputs"] > 60
    assert report["not refused"] == []
