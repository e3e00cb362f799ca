"""What it costs on this machine, one part beside another: reported, not asserted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from sim.common.threads import available_threads
from sim.engine.state import SimulationState
from sim.kernels.shipped.load import (
    host_machine,
    library,
    make_machine_code,
    read_bitcode,
    read_manifest,
)
from sim.model.blocks import CHUNK
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.selftest.check import Check, rate
from sim.selftest.workload import CORRELATED, COUNT, INPUTS, correlation_group, draw_with_numpy
from sim.simulation.dataset import make_dataset
from sim.simulation.sample import sample
from sim.simulation.simulate import run_engine
from sim.statistics.summary import summarise

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
    """Speed of the sampler, then of the model if there is one, and of making machine code."""
    yield from _time_inputs()
    if scenario is not None:
        yield from _time_model(scenario)
    if library() is not None:
        bitcode = read_bitcode(read_manifest())
        (seconds,) = shortest_times(lambda: make_machine_code(bitcode, host_machine()), times=1)
        yield Check(
            "machine code of the kernels, made once: s",
            f"{seconds:.1f}",
            "",
            None,
            {"value": seconds},
        )


def _time_inputs() -> Iterator[Check]:
    """Values per second of the sampler, and of NumPy."""
    independent = "pert"  # NumPy lacks its quantiles: scipy's take a microsecond each
    correlation = correlation_group(independent)

    def run() -> None:
        sample(INPUTS, draws=SAMPLED, correlation=correlation)

    run()
    own, numpy = shortest_times(run, lambda: draw_with_numpy(SAMPLED, independent))
    values, name = COUNT * SAMPLED, f"{COUNT} inputs, {CORRELATED} correlated"
    yield rate(f"{name}, vs NumPy: values/s", values / own, values / numpy)


def _time_model(scenario: Scenario) -> Iterator[Check]:
    """Draws per second of the model by all threads beside one, and of `summarise`."""
    threads = available_threads()

    def run(threads: int) -> SimulationState:
        options = run_options(scenario, SIMULATED, threads=threads, bad_draws="keep")
        return run_engine(scenario, options)

    ds = make_dataset(run(threads))
    one, every, summarised = shortest_times(
        lambda: run(1), lambda: run(threads), lambda: summarise(ds)
    )
    yield rate(f"model, {threads} threads vs 1: draws/s", SIMULATED / every, SIMULATED / one)
    yield rate("summarise vs the model: draws/s", SIMULATED / summarised, SIMULATED / every)
