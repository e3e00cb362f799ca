"""How fast this machine draws, and how many times as long NumPy takes. Told, and never judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from sim.common.threads import available_threads
from sim.engine.prepare import options
from sim.engine.state import CHUNK
from sim.parameters.scenario import Scenario
from sim.selftest.check import Check, rate
from sim.selftest.workload import COUNT, INPUTS, TIED, by_numpy, group
from sim.simulation.sample import sample
from sim.simulation.simulate import drawn

TIMES = 3
SAMPLED = 200_000
SIMULATED = 8 * CHUNK


def best(*works: Callable[[], Any], times: int = TIMES) -> list[float]:
    """The shortest of several times [s] that each of these takes, in turn."""
    spent: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, seconds in zip(works, spent, strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return [min(seconds) for seconds in spent]


def checks(scenario: Scenario | None) -> Iterator[Check]:
    """The sampler alone, then the whole model."""
    yield from _of_inputs()
    if scenario is not None:
        yield from _of_model(scenario)


def _of_inputs() -> Iterator[Check]:
    spared = "pert"  # whose quantiles NumPy has not: scipy's take a microsecond each
    tied = group(spared)

    def ours() -> None:
        sample(INPUTS, draws=SAMPLED, correlation=tied)

    ours()
    mine, theirs = best(ours, lambda: by_numpy(SAMPLED, spared))
    values, job = COUNT * SAMPLED, f"{COUNT} inputs, {TIED} correlated"
    yield rate(f"{job}: NumPy, values/s", values / theirs)
    yield rate(f"{job}: sim, values/s", values / mine, values / theirs)


def _of_model(scenario: Scenario) -> Iterator[Check]:
    threads = available_threads()

    def ours(threads: int) -> None:
        drawn(scenario, options(scenario, SIMULATED, threads=threads, bad_draws="keep"))

    one, every = best(lambda: ours(1), lambda: ours(threads))
    yield rate("model, 1 thread: draws/s", SIMULATED / one)
    yield rate(f"model, {threads} threads: draws/s", SIMULATED / every, SIMULATED / one)
