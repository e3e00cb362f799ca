"""`sim.sample` against vectorised NumPy and scipy doing the same, in the same run.

    pytest tests/bench/test_sampling.py -n 0 --benchmark-enable -s

Forty inputs of six families, ten of them tied by a Gaussian copula.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import special

import sim

FAMILIES: dict[str, dict[str, Any]] = {
    "normal": {"family": "normal", "mean": 3.0, "sd": 0.5},
    "lognormal": {"family": "lognormal", "median": 2.0, "sigma": 0.4},
    "uniform": {"family": "uniform", "min": 1.0, "max": 4.0},
    "triangular": {"family": "triangular", "min": 1.0, "mode": 2.0, "max": 5.0},
    "pert": {"family": "pert", "min": 1.0, "mode": 2.0, "max": 5.0},
    "truncated normal": {"family": "normal", "mean": 3.0, "sd": 1.0, "min": 2.0, "max": 6.0},
}
INPUTS = 40
TIED = 10
RHO = 0.5
LOW, HIGH = special.ndtr([-1.0, 3.0])  # of the truncated normal


def named(spared: str = "") -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Forty inputs, families in turn, and the first ten that are not of the family `spared`."""
    families = [list(FAMILIES)[i % len(FAMILIES)] for i in range(INPUTS)]
    inputs = {f"{family} {i}": FAMILIES[family] for i, family in enumerate(families)}
    return inputs, [name for name in inputs if not name.startswith(spared or "-")][:TIED]


def of_numpy(family: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """Draws as NumPy makes them fastest."""
    match family:
        case "normal":
            return rng.normal(3.0, 0.5, n)
        case "lognormal":
            return rng.lognormal(np.log(2.0), 0.4, n)
        case "uniform":
            return rng.uniform(1.0, 4.0, n)
        case "triangular":
            return rng.triangular(1.0, 2.0, 5.0, n)
        case "pert":
            return 1.0 + 4.0 * rng.beta(2.0, 4.0, n)
    return 3.0 + special.ndtri(rng.uniform(LOW, HIGH, n))


def of_scores(family: str, z: np.ndarray) -> np.ndarray:
    """Draws of normal scores, which a copula gives."""
    match family:
        case "normal":
            return 3.0 + 0.5 * z
        case "lognormal":
            return 2.0 * np.exp(0.4 * z)
    p = special.ndtr(z)
    match family:
        case "uniform":
            return 1.0 + 3.0 * p
        case "triangular":
            return np.where(p < 0.25, 1.0 + 2.0 * np.sqrt(p), 5.0 - np.sqrt(12.0 * (1.0 - p)))
        case "pert":
            return 1.0 + 4.0 * special.betaincinv(2.0, 4.0, p)
    return 3.0 + special.ndtri(LOW + (HIGH - LOW) * p)


def by_numpy(draws: int, spared: str = "") -> np.ndarray:
    inputs, tied = named(spared)
    rng = np.random.default_rng(1)
    drawn = np.empty((INPUTS, draws))
    factor = np.linalg.cholesky(RHO + (1 - RHO) * np.eye(TIED))
    scores = dict(zip(tied, factor @ rng.standard_normal((TIED, draws)), strict=True))
    for i, name in enumerate(inputs):
        family = name.rsplit(" ", 1)[0]
        given = scores.get(name)
        drawn[i] = of_numpy(family, rng, draws) if given is None else of_scores(family, given)
    return drawn


def ours(draws: int, spared: str = "", sampler: str = "stratified") -> Any:
    inputs, tied = named(spared)
    matrix = (RHO + (1 - RHO) * np.eye(TIED)).tolist()
    group = {"inputs": tied, "matrix": matrix, "kind": "copula"}
    return sim.sample(inputs, draws=draws, sampler=sampler, correlation=group)


def best(run: Callable[[], Any], times: int = 5) -> float:
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return min(spent)


@pytest.mark.parametrize("spared", ["", "pert"], ids=["all families tied", "no PERT tied"])
def test_forty_inputs(benchmark: BenchmarkFixture, spared: str) -> None:
    draws = 1_000_000 if benchmark.enabled else 2_000
    ours(2_000)  # compiled
    benchmark.pedantic(ours, (draws, spared), rounds=5 if benchmark.enabled else 1)
    theirs = best(lambda: by_numpy(draws, spared), 3 if benchmark.enabled else 1)
    both = ours(draws, spared).to_array().values, by_numpy(draws, spared)
    for one, other in zip(*both, strict=True):
        spread = np.std(other)
        assert abs(one.mean() - other.mean()) < 5 * spread * np.sqrt(2 / draws)
    if benchmark.enabled:
        for sampler in ("random", "stratified", "sobol"):
            mine = best(lambda sampler=sampler: ours(draws, spared, sampler))
            print(
                f"\n{draws:,} draws, {sampler}: {1e3 * mine:.0f} ms; NumPy {1e3 * theirs:.0f} ms,"
                f" {theirs / mine:.1f} times as long"
            )


MEASURE = """
import re, sys
sys.path.insert(0, sys.argv[1])
import test_sampling

def kilobytes(what):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

test_sampling.ours(2_000)
before = kilobytes("VmRSS")
ds = test_sampling.ours(int(sys.argv[2]))
peak = kilobytes("VmHWM")
print((peak - before) * 1024 / sum(v.nbytes for v in ds.data_vars.values()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_is_that_of_the_result(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest
) -> None:
    ours(2_000)  # compiled, which takes memory of its own
    draws = 1_000_000

    def measure() -> float:
        command = [sys.executable, "-c", MEASURE, str(request.path.parent), str(draws)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    ratio = benchmark.pedantic(measure)
    print(f"\nmemory over that before the call: {ratio:.2f} times what is returned")
    assert 1.0 <= ratio < 1.2


@pytest.mark.parametrize("family", FAMILIES)
def test_cost_of_a_family(benchmark: BenchmarkFixture, family: str) -> None:
    draws = 1_000_000 if benchmark.enabled else 2_000

    def run(which: str) -> Any:
        return sim.sample({str(i): FAMILIES[which] for i in range(20)}, draws=draws, threads=1)

    run(family)
    benchmark.pedantic(run, (family,), rounds=3 if benchmark.enabled else 1)
    if benchmark.enabled:
        ratio = best(lambda: run(family)) / best(lambda: run("normal"))
        print(f"\na value of a {family} costs {ratio:.2f} times a normal's")


def test_error_of_the_median_margin(benchmark: BenchmarkFixture, base: Any) -> None:
    """Variance of the median inference margin at equal draws, by sampler."""
    seeds, draws = (200, 4096) if benchmark.enabled else (2, 1024)

    def variance(sampler: str) -> float:
        found = []
        for seed in range(seeds):
            ds = sim.simulate(
                base, draws=draws, seed=seed, sampler=sampler, keep="inference_gross_margin"
            )
            found.append(float(ds["inference_gross_margin"].sel(quarter="2026Q4").median()))
        return float(np.var(found, ddof=1))

    plain = benchmark.pedantic(variance, ("random",))
    for sampler in ("stratified", "sobol"):
        ratio = plain / variance(sampler)
        print(f"\nvariance of the median margin: random {ratio:.1f} times that of {sampler}")
