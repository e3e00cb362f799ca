"""What must be the same bits, whatever the threads, the chunks and the extensions of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.common.threads import available_threads
from sim.engine import loop, prepare
from sim.engine.state import CHUNK, Draws
from sim.model.blocks import TILE
from sim.model.dims import FACTORS
from sim.parameters.scenario import Scenario
from sim.selftest.check import Check, same
from sim.selftest.workload import CORRELATION, INPUTS
from sim.simulation.dataset import dataset
from sim.simulation.sample import sample

DRAWS = 13 * TILE + 77  # no whole number of tiles or chunks
LARGE = 3 * TILE  # the largest chunks in which one thread draws so many
SAMPLERS = ("stratified", "random", "sobol")
BESIDE = {"one more": {"family": "uniform", "min": 0.0, "max": 1.0, "loads": {FACTORS[0]: 0.5}}}


def checks(scenario: Scenario | None) -> Iterator[Check]:
    """Draws of inputs alone, then of the whole model."""
    yield from _of_inputs()
    if scenario is not None:
        yield from _of_model(scenario)


def _of_inputs() -> Iterator[Check]:

    def drawn(inputs: dict[str, Any] = INPUTS, draws: int = DRAWS, **options: Any) -> Any:
        ds = sample(inputs, draws=draws, seed=1, correlation=CORRELATION, **options)
        return [ds[name].values[:TILE] if draws == TILE else ds[name].values for name in INPUTS]

    threads = max(2, available_threads())
    one = [array for s in SAMPLERS for array in drawn(sampler=s, threads=1)]
    many = [array for s in SAMPLERS for array in drawn(sampler=s, threads=threads)]
    yield same(f"inputs, 1 and {threads} threads, every sampler", many, one)
    every = drawn()
    yield same(
        "inputs, the first draws of a longer run", [x[:TILE] for x in every], drawn(draws=TILE)
    )
    yield same("inputs in another order", drawn(dict(reversed(INPUTS.items()))), every)
    yield same("inputs beside another input", drawn(BESIDE | INPUTS), every)


def _of_model(scenario: Scenario) -> Iterator[Check]:

    def drawn(
        draws: int = DRAWS, threads: int = 1, chunk: int = LARGE, after: Draws | None = None
    ) -> Draws:
        wanted = prepare.options(scenario, draws, 1, kept_draws=CHUNK, bad_draws="keep")
        begun = prepare.prepared(scenario, wanted)
        return loop.run(begun, draws, threads, after=after, chunk=chunk)

    threads = max(2, available_threads())
    expected = _bits(drawn())
    yield same(f"model, 1 and {threads} threads", _bits(drawn(threads=threads)), expected)
    yield same(f"model, chunks of {LARGE:,} and {TILE:,} draws", _bits(drawn(chunk=TILE)), expected)
    extended = drawn(after=drawn(DRAWS // 2))
    yield same("model, an extended run and a single one", _bits(extended), expected)


def _bits(done: Draws) -> list[Any]:
    """The draws that are kept, and what is known of all: moments, counts by bins, probabilities."""
    variables = dataset(done, None, "keep").data_vars.values()
    return [variable.values for variable in variables if variable.dtype.kind in "fib"]
