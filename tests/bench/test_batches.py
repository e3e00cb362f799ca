"""Batches and extensions as processes, against the runs that they save.

pytest tests/bench/test_batches.py -m long -n 0 --benchmark-enable -s
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works

SCENARIOS = sorted((ROOT / "params" / "scenarios").glob("*.toml"))[:8]


def run(out: Path, *arguments: str | Path) -> float:
    """Duration of a `sim run` process in seconds."""
    command = [sys.executable, "-m", "sim", "run", *map(str, arguments)]
    started = time.perf_counter()
    subprocess.run(
        [*command, "--no-figures", "--quiet", "--out", str(out)],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - started


def test_batch_against_separate_runs(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    files, draws = (SCENARIOS, "1e5") if benchmark.enabled else (SCENARIOS[:1], "64")
    if benchmark.enabled:
        run(tmp_path / "warm", SCENARIOS[0], "--draws", "64")
    separate = sum(run(tmp_path / "separate", file, "--draws", draws) for file in files)
    together = benchmark.pedantic(run, (tmp_path / "together", *files, "--draws", draws), rounds=1)
    stored = [
        sorted(path.name for path in (tmp_path / out).glob("*-*"))
        for out in ("separate", "together")
    ]
    assert stored[0] == stored[1]
    assert len(stored[0]) == len(files)
    print(
        f"\n{len(files)} scenarios of {draws} draws: {together:.1f} s; separate runs"
        f" {separate:.1f} s, {separate / together:.2f} times as long"
    )


def test_extension_against_a_fresh_run(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    base = ROOT / "params" / "base.toml"
    before, after = ("1e5", "1e6") if benchmark.enabled else ("1024", "2048")
    if benchmark.enabled:
        run(tmp_path / "warm", base, "--draws", "64")
    fresh = run(tmp_path / "fresh", base, "--draws", after)
    run(tmp_path / "extended", base, "--draws", before)
    extended = benchmark.pedantic(run, (tmp_path / "extended", base, "--draws", after), rounds=1)
    data = [next((tmp_path / out).glob("base-*/run.nc")) for out in ("fresh", "extended")]
    assert data[0].read_bytes() == data[1].read_bytes()
    print(
        f"\nfrom {before} to {after} draws: {extended:.1f} s, {extended / fresh:.2f} times a fresh"
        f" run ({fresh:.1f} s)"
    )
