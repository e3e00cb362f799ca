"""Results that must be bit-identical.

Threads, chunks and extensions of a run change no bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.common.threads import available_threads
from sim.engine import loop
from sim.engine.prepare import prepare
from sim.engine.state import SimulationState
from sim.model.blocks import CHUNK, TILE
from sim.model.dims import FACTORS
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.selftest.check import Check, same
from sim.selftest.workload import CORRELATION, INPUTS
from sim.simulation.dataset import make_dataset
from sim.simulation.sample import sample

DRAWS = 13 * TILE + 77  # no whole number of tiles or chunks
LARGE = 3 * TILE  # the largest chunks in which one thread makes this number of draws
SAMPLERS = ("stratified", "random", "sobol")
OTHER_INPUT = {
    "one more": {"family": "uniform", "min": 0.0, "max": 1.0, "loads": {FACTORS[0]: 0.5}}
}


def checks(scenario: Scenario | None) -> Iterator[Check]:
    """Checks of inputs, then of the model if there is one."""
    yield from _check_inputs()
    if scenario is not None:
        yield from _check_model(scenario)


def _check_inputs() -> Iterator[Check]:
    """No draw depends on threads, later draws or other inputs."""

    def draw(inputs: dict[str, Any] = INPUTS, draws: int = DRAWS, **options: Any) -> Any:
        ds = sample(inputs, draws=draws, seed=1, correlation=CORRELATION, **options)
        return [ds[name].values for name in INPUTS]

    threads = max(2, available_threads())
    by_one = [array for s in SAMPLERS for array in draw(sampler=s, threads=1)]
    by_many = [array for s in SAMPLERS for array in draw(sampler=s, threads=threads)]
    yield same(f"inputs, 1 and {threads} threads, every sampler", by_many, by_one)
    arrays = draw()
    first = [array[:TILE] for array in arrays]
    yield same("inputs, the first draws of a longer run", first, draw(draws=TILE))
    yield same("inputs in another order", draw(dict(reversed(INPUTS.items()))), arrays)
    yield same("inputs beside another input", draw(OTHER_INPUT | INPUTS), arrays)


def _check_model(scenario: Scenario) -> Iterator[Check]:
    """Threads, chunks and an extension change no draw, moment, count or probability."""

    def run(
        draws: int = DRAWS,
        threads: int = 1,
        chunk: int = LARGE,
        after: SimulationState | None = None,
    ) -> SimulationState:
        options = run_options(
            scenario, draws, 1, threads=threads, kept_draws=CHUNK, bad_draws="keep"
        )
        state = SimulationState.empty(prepare(scenario, options))
        return loop.run(state, after=after, chunk=chunk)

    threads = max(2, available_threads())
    expected = _arrays(run())
    yield same(f"model, 1 and {threads} threads", _arrays(run(threads=threads)), expected)
    in_tiles = _arrays(run(chunk=TILE))
    yield same(f"model, chunks of {LARGE:,} and {TILE:,} draws", in_tiles, expected)
    extended = run(after=run(DRAWS // 2))
    yield same("model, an extended run and a single one", _arrays(extended), expected)


def _arrays(state: SimulationState) -> list[Any]:
    """The draws that are kept, and statistics of all.

    Statistics are moments, counts by bin and probabilities.
    """
    variables = make_dataset(state).data_vars.values()
    return [variable.values for variable in variables if variable.dtype.kind in "fib"]
