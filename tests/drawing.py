"""Draws as the engine leaves them, for tests that look behind the Dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.engine import loop, prepare
from sim.engine.state import CHUNK, Draws
from sim.parameters.scenario import Scenario


def drawn(
    scenario: Scenario,
    draws: int,
    seed: int = 1,
    sampler: str = "stratified",
    *,
    threads: int | None = None,
    after: Draws | None = None,
    progress: Callable[[int], None] | None = None,
    chunk: int = CHUNK,
    finished: Callable[[Draws], None] = lambda done: None,
    **options: Any,
) -> Draws:
    wanted = prepare.options(scenario, draws, seed, sampler, threads=threads, **options)
    nothing = prepare.prepared(scenario, wanted)
    return loop.run(nothing, draws, threads, progress, after, chunk, finished)
