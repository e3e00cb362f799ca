"""States of the engine and stored runs, for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.engine import loop
from sim.engine.prepare import prepare
from sim.engine.state import SimulationState
from sim.model.blocks import CHUNK
from sim.parameters.options import RunOptions, run_options
from sim.parameters.scenario import Scenario
from sim.store import run as store_run


def drawn(
    scenario: Scenario,
    draws: int,
    seed: int = 1,
    sampler: str = "stratified",
    *,
    after: SimulationState | None = None,
    progress: Callable[[int], None] | None = None,
    chunk: int = CHUNK,
    finished: Callable[[SimulationState], None] = lambda state: None,
    **options: Any,
) -> SimulationState:
    """The state of a run after this number of draws.

    `options` are those of `run_options`.
    """
    prepared = prepare(scenario, run_options(scenario, draws, seed, sampler, **options))
    return loop.run(SimulationState.empty(prepared), progress, after, chunk, finished)


def stored(scenario: Scenario, out: Path, **options: Any) -> store_run.Run:
    """A run stored below a folder.

    `options` are those of `run_options` and of `store.run.run`.
    """
    names = RunOptions.__dataclass_fields__
    of_run = {name: options.pop(name) for name in list(options) if name in names}
    first = {"first_draws": of_run.get("draws")} if "until" in options else {}
    return store_run.run(scenario, out, run_options(scenario, **of_run), **first, **options)
