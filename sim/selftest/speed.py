"""The speed of this machine, beside NumPy's: reported, not asserted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from sim.common.threads import available_threads
from sim.model.blocks import CHUNK
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.selftest.check import Check, rate
from sim.selftest.workload import CORRELATED, COUNT, INPUTS, correlation_group, draw_with_numpy
from sim.simulation.sample import sample
from sim.simulation.simulate import run_engine

REPEATS = 3
SAMPLED = 200_000  # draws of inputs
SIMULATED = 8 * CHUNK  # draws of the model


def shortest_times(*functions: Callable[[], Any], times: int | None = None) -> list[float]:
    """The shortest of several times [s] of each function, called in turn."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(times or REPEATS):
        for function, of_function in zip(functions, seconds, strict=True):
            started = time.perf_counter()
            function()
            of_function.append(time.perf_counter() - started)
    return [min(of_function) for of_function in seconds]


def checks(scenario: Scenario | None) -> Iterator[Check]:
    """Speed of the sampler, then of the model if there is one."""
    yield from _time_inputs()
    if scenario is not None:
        yield from _time_model(scenario)


def _time_inputs() -> Iterator[Check]:
    """Values per second of the sampler, and of NumPy."""
    independent = "pert"  # NumPy lacks its quantiles: scipy's take a microsecond each
    correlation = correlation_group(independent)

    def run() -> None:
        sample(INPUTS, draws=SAMPLED, correlation=correlation)

    run()
    own, numpy = shortest_times(run, lambda: draw_with_numpy(SAMPLED, independent))
    values, name = COUNT * SAMPLED, f"{COUNT} inputs, {CORRELATED} correlated"
    yield rate(f"{name}: NumPy, values/s", values / numpy)
    yield rate(f"{name}: sim, values/s", values / own, values / numpy)


def _time_model(scenario: Scenario) -> Iterator[Check]:
    """Draws per second of the model, by one thread and by all."""
    threads = available_threads()

    def run(threads: int) -> None:
        run_engine(scenario, run_options(scenario, SIMULATED, threads=threads, bad_draws="keep"))

    one, every = shortest_times(lambda: run(1), lambda: run(threads))
    yield rate("model, 1 thread: draws/s", SIMULATED / one)
    yield rate(f"model, {threads} threads: draws/s", SIMULATED / every, SIMULATED / one)
