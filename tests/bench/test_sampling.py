"""`sim.sample` against NumPy, scipy, OpenTURNS and chaospy, in the same run.

    pytest tests/bench/test_sampling.py -m long -n 0 --benchmark-enable -s

Forty inputs of six families, ten of them in a Gaussian copula (`sim.selftest.workload`).
OpenTURNS and chaospy are timed where they are installed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import special, stats

import sim
from sim.selftest.speed import shortest_times
from sim.selftest.workload import (
    CORRELATED,
    FAMILIES,
    INPUTS,
    RHO,
    correlated_inputs,
    correlation_group,
    draw_with_numpy,
    family_of,
)

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works


def by_sim(draws: int, spared: str = "", sampler: str = "stratified") -> Any:
    """Draws by this package; `spared` is a family outside of the copula."""
    return sim.sample(INPUTS, draws=draws, sampler=sampler, correlation=correlation_group(spared))


def correlation() -> np.ndarray:
    """Correlation matrix of the inputs in the copula."""
    return RHO + (1 - RHO) * np.eye(CORRELATED)


def by_scipy(draws: int) -> np.ndarray:
    """Frozen distributions: `ppf` of the copula for inputs in it, `rvs` for others."""
    distributions = {
        "normal": stats.norm(3.0, 0.5),
        "lognormal": stats.lognorm(0.4, scale=2.0),
        "uniform": stats.uniform(1.0, 3.0),
        "triangular": stats.triang(0.25, 1.0, 4.0),
        "pert": stats.beta(2.0, 4.0, 1.0, 4.0),
        "truncated normal": stats.truncnorm(-1.0, 3.0, 3.0, 1.0),
    }
    rng = np.random.default_rng(1)
    factor = np.linalg.cholesky(correlation())
    p = special.ndtr(factor @ rng.standard_normal((CORRELATED, draws)))
    of_copula = dict(zip(correlated_inputs(), p, strict=True))
    return np.array(
        [
            distributions[family_of(name)].ppf(of_copula[name])
            if name in of_copula
            else distributions[family_of(name)].rvs(draws, random_state=rng)
            for name in INPUTS
        ]
    )


def by_openturns(draws: int) -> np.ndarray:
    """A joint distribution with a normal copula and an independent one."""
    import openturns as ot

    distributions = {
        "normal": ot.Normal(3.0, 0.5),
        "lognormal": ot.LogNormal(np.log(2.0), 0.4),
        "uniform": ot.Uniform(1.0, 4.0),
        "triangular": ot.Triangular(1.0, 2.0, 5.0),
        "pert": ot.Beta(2.0, 4.0, 1.0, 5.0),
        "truncated normal": ot.TruncatedNormal(3.0, 1.0, 2.0, 6.0),
    }
    names = [*correlated_inputs(), *(name for name in INPUTS if name not in correlated_inputs())]
    normal = ot.NormalCopula(ot.CorrelationMatrix(correlation().tolist()))
    copula = ot.BlockIndependentCopula([normal, ot.IndependentCopula(len(names) - CORRELATED)])
    joint = ot.JointDistribution([distributions[family_of(name)] for name in names], copula)
    drawn = dict(zip(names, np.asarray(joint.getSample(draws)).T, strict=True))
    return np.array([drawn[name] for name in INPUTS])


def by_chaospy(draws: int) -> np.ndarray:
    """A Nataf copula of ten inputs, and a joint distribution of the others."""
    import chaospy as cp

    distributions = {
        "normal": lambda: cp.Normal(3.0, 0.5),
        "lognormal": lambda: cp.LogNormal(np.log(2.0), 0.4),
        "uniform": lambda: cp.Uniform(1.0, 4.0),
        "triangular": lambda: cp.Triangle(1.0, 2.0, 5.0),
        "pert": lambda: cp.Beta(2.0, 4.0, 1.0, 5.0),
        "truncated normal": lambda: cp.TruncNormal(lower=2.0, upper=6.0, mu=3.0, sigma=1.0),
    }
    independent = [name for name in INPUTS if name not in correlated_inputs()]
    of_copula = cp.Nataf(
        cp.J(*(distributions[family_of(name)]() for name in correlated_inputs())), correlation()
    )
    joint = cp.J(*(distributions[family_of(name)]() for name in independent))
    drawn = dict(zip(correlated_inputs(), of_copula.sample(draws, seed=1), strict=True))
    drawn |= dict(zip(independent, joint.sample(draws, seed=2), strict=True))
    return np.array([drawn[name] for name in INPUTS])


TOOLS: dict[str, tuple[str, Callable[[int], np.ndarray]]] = {
    "scipy.stats": ("scipy", by_scipy),
    "OpenTURNS": ("openturns", by_openturns),
    "chaospy": ("chaospy", by_chaospy),
}


PEERS = ("OpenTURNS", "chaospy")  # of the extra `bench`


def assert_same_means(first: np.ndarray, second: np.ndarray) -> None:
    """Means of draws [input, draw] agree within five standard errors."""
    draws = first.shape[1]
    difference = np.abs(first.mean(axis=1) - second.mean(axis=1))
    assert (difference < 5 * second.std(axis=1) * np.sqrt(2 / draws)).all()


@pytest.mark.parametrize("spared", ["", "pert"], ids=["all families tied", "no PERT tied"])
def test_forty_inputs_against_numpy(benchmark: BenchmarkFixture, spared: str) -> None:
    draws = 1_000_000 if benchmark.enabled else 2_000
    by_sim(2_000)  # compile
    benchmark.pedantic(by_sim, (draws, spared), rounds=5 if benchmark.enabled else 1)
    assert_same_means(by_sim(draws, spared).to_array().values, draw_with_numpy(draws, spared))
    if benchmark.enabled:
        for sampler in ("random", "stratified", "sobol"):
            sim_seconds, numpy_seconds = shortest_times(
                lambda sampler=sampler: by_sim(draws, spared, sampler),
                lambda: draw_with_numpy(draws, spared),
            )
            print(
                f"\n{draws:,} draws, {sampler}: {1e3 * sim_seconds:.0f} ms; NumPy"
                f" {1e3 * numpy_seconds:.0f} ms, {numpy_seconds / sim_seconds:.1f} times as long"
            )


@pytest.mark.filterwarnings("ignore")  # of other packages
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in PEERS)) for name in TOOLS]
)
def test_forty_inputs_against_other_tools(benchmark: BenchmarkFixture, name: str) -> None:
    module, by_tool = TOOLS[name]
    pytest.importorskip(module)
    draws = 200_000 if benchmark.enabled else 2_000
    drawn = benchmark.pedantic(by_tool, (draws,), rounds=1)
    assert_same_means(by_sim(draws).to_array().values, drawn)
    if benchmark.enabled:
        sim_seconds, tool_seconds = shortest_times(lambda: by_sim(draws), lambda: by_tool(draws))
        print(
            f"\n{draws:,} draws: {1e3 * sim_seconds:.0f} ms; {name} {1e3 * tool_seconds:.0f} ms,"
            f" {tool_seconds / sim_seconds:.1f} times as long"
        )


MEASURE = """
import re, sys
sys.path.insert(0, sys.argv[1])
import test_sampling

def kilobytes(key):
    return int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

test_sampling.by_sim(2_000)
before = kilobytes("VmRSS")
ds = test_sampling.by_sim(int(sys.argv[2]))
peak = kilobytes("VmHWM")
print((peak - before) * 1024 / sum(v.nbytes for v in ds.data_vars.values()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_is_that_of_the_result(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest
) -> None:
    by_sim(2_000)  # compile, which takes memory
    draws = 1_000_000

    def measure() -> float:
        command = [sys.executable, "-c", MEASURE, str(request.path.parent), str(draws)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    ratio = benchmark.pedantic(measure)
    print(f"\nmemory over that before the call: {ratio:.2f} times what is returned")
    assert 1.0 <= ratio < 1.2


@pytest.mark.parametrize("family_name", FAMILIES)
def test_cost_of_a_family_against_the_normal(benchmark: BenchmarkFixture, family_name: str) -> None:
    draws = 1_000_000 if benchmark.enabled else 2_000

    def run(name: str) -> Any:
        return sim.sample({str(i): FAMILIES[name] for i in range(20)}, draws=draws, threads=1)

    run(family_name)
    benchmark.pedantic(run, (family_name,), rounds=3 if benchmark.enabled else 1)
    if benchmark.enabled:
        own, normal = shortest_times(lambda: run(family_name), lambda: run("normal"))
        print(f"\na value of a {family_name} costs {own / normal:.2f} times a normal's")


def test_variance_of_the_median_margin_by_sampler(benchmark: BenchmarkFixture, base: Any) -> None:
    """Variance of the median inference margin at equal draws, by sampler."""
    seeds, draws = (200, 4096) if benchmark.enabled else (2, 1024)

    def variance(sampler: str) -> float:
        medians = []
        for seed in range(seeds):
            ds = sim.simulate(
                base, draws=draws, seed=seed, sampler=sampler, keep="inference_gross_margin"
            )
            medians.append(float(ds["inference_gross_margin"].sel(quarter="2026Q4").median()))
        return float(np.var(medians, ddof=1))

    plain = benchmark.pedantic(variance, ("random",))
    for sampler in ("stratified", "sobol"):
        ratio = plain / variance(sampler)
        print(f"\nvariance of the median margin: random {ratio:.1f} times that of {sampler}")
