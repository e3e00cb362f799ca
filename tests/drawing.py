"""Runs as the engine and the store leave them, for tests that look behind the Dataset."""

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
    """The state of the engine after these draws."""
    prepared = prepare(scenario, run_options(scenario, draws, seed, sampler, **options))
    return loop.run(SimulationState.empty(prepared), progress, after, chunk, finished)


def stored(scenario: Scenario, out: Path, **given: Any) -> store_run.Run:
    """A run stored in a folder; `given` are options of the run, and of how it is stored."""
    names = RunOptions.__dataclass_fields__
    options = {name: given.pop(name) for name in list(given) if name in names}
    first = {"first_draws": options.get("draws")} if "until" in given else {}
    return store_run.run(scenario, out, run_options(scenario, **options), **first, **given)
