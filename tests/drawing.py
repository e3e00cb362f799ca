"""Draws as the engine leaves them, for tests that look behind the Dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim import engine, question
from sim.draws import CHUNK, Draws
from sim.scenario import Scenario


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
    wanted = question.options(scenario, draws, seed, sampler, threads=threads, **options)
    nothing = question.prepared(scenario, wanted)
    return engine.run(nothing, draws, threads, progress, after, chunk, finished)
