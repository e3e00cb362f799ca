"""`sim.sample` against NumPy, scipy, OpenTURNS and chaospy doing the same, in the same run.

    pytest tests/bench/test_sampling.py -n 0 --benchmark-enable -s

Forty inputs of six families, ten of them tied by a Gaussian copula (`sim.selftest.workload`).
OpenTURNS and chaospy are timed where they are installed; nothing else here needs them.
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


def ours(draws: int, spared: str = "", sampler: str = "stratified") -> Any:
    return sim.sample(INPUTS, draws=draws, sampler=sampler, correlation=correlation_group(spared))


def correlation() -> np.ndarray:
    return RHO + (1 - RHO) * np.eye(CORRELATED)


def by_scipy(draws: int) -> np.ndarray:
    """Frozen laws: `rvs` where an input stands alone, `ppf` of the copula where it does not."""
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
    """A joint distribution: margins, and a normal copula beside an independent one."""
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
    """A Nataf copula of ten margins, and a joint distribution of the others."""
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


OTHERS: dict[str, tuple[str, Callable[[int], np.ndarray]]] = {
    "scipy.stats": ("scipy", by_scipy),
    "OpenTURNS": ("openturns", by_openturns),
    "chaospy": ("chaospy", by_chaospy),
}


PEERS = ("OpenTURNS", "chaospy")  # of the extra `bench`


def assert_same_means(one: np.ndarray, other: np.ndarray) -> None:
    draws = one.shape[1]
    apart = np.abs(one.mean(axis=1) - other.mean(axis=1))
    assert (apart < 5 * other.std(axis=1) * np.sqrt(2 / draws)).all()


@pytest.mark.parametrize("spared", ["", "pert"], ids=["all families tied", "no PERT tied"])
def test_forty_inputs(benchmark: BenchmarkFixture, spared: str) -> None:
    draws = 1_000_000 if benchmark.enabled else 2_000
    ours(2_000)  # compiled
    benchmark.pedantic(ours, (draws, spared), rounds=5 if benchmark.enabled else 1)
    assert_same_means(ours(draws, spared).to_array().values, draw_with_numpy(draws, spared))
    if benchmark.enabled:
        for sampler in ("random", "stratified", "sobol"):
            mine, theirs = shortest_times(
                lambda sampler=sampler: ours(draws, spared, sampler),
                lambda: draw_with_numpy(draws, spared),
            )
            print(
                f"\n{draws:,} draws, {sampler}: {1e3 * mine:.0f} ms; NumPy {1e3 * theirs:.0f} ms,"
                f" {theirs / mine:.1f} times as long"
            )


@pytest.mark.filterwarnings("ignore")  # of others
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in PEERS)) for name in OTHERS]
)
def test_forty_inputs_against_other_tools(benchmark: BenchmarkFixture, name: str) -> None:
    module, theirs = OTHERS[name]
    pytest.importorskip(module)
    draws = 200_000 if benchmark.enabled else 2_000
    drawn = benchmark.pedantic(theirs, (draws,), rounds=1)
    assert_same_means(ours(draws).to_array().values, drawn)
    if benchmark.enabled:
        mine, other = shortest_times(lambda: ours(draws), lambda: theirs(draws))
        print(
            f"\n{draws:,} draws: {1e3 * mine:.0f} ms; {name} {1e3 * other:.0f} ms,"
            f" {other / mine:.1f} times as long"
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


@pytest.mark.parametrize("distribution", FAMILIES)
def test_cost_of_a_family(benchmark: BenchmarkFixture, distribution: str) -> None:
    draws = 1_000_000 if benchmark.enabled else 2_000

    def run(which: str) -> Any:
        return sim.sample({str(i): FAMILIES[which] for i in range(20)}, draws=draws, threads=1)

    run(distribution)
    benchmark.pedantic(run, (distribution,), rounds=3 if benchmark.enabled else 1)
    if benchmark.enabled:
        own, normal = shortest_times(lambda: run(distribution), lambda: run("normal"))
        print(f"\na value of a {distribution} costs {own / normal:.2f} times a normal's")


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
