"""The engine, NumPy and JAX in one process; a line of JSON says how long each took.

    python -m bench.peers.race --threads 1 --draws 102400 --rounds 5 --peers numpy,notebook,jax

A peer is compared with the engine first, and refused where they differ. The process is bound to as
many processors as there are threads before anything is imported: JAX takes all that it sees.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

CHUNKS = {  # draws at a time; of 32 times a multiple, so that a chunk is of whole replicates
    "numpy": (400, 800, 1_600, 3_200, 6_400, 12_800, 51_200),
    "notebook": (400, 800, 1_600, 3_200, 12_800),
    "jax": (400, 800, 1_600, 6_400),  # each is compiled, which takes long
}
COMPARED = 4_096  # draws in which a peer must equal the engine
Array = Any


class Cost(NamedTuple):
    """Seconds by the clock and of processors."""

    clock: float
    processor: float


def timed(work: Callable[[], object]) -> Cost:
    """What a call costs."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - clock, time.process_time() - processor)


def least(costs: list[Cost]) -> Cost:
    """The least of each."""
    return Cost(*map(min, zip(*costs, strict=True)))


class Race:
    """The engine and its peers on one scenario."""

    def __init__(self, threads: int, draws: int) -> None:
        from bench.peers import check
        from bench.peers.case import case_of

        import sim

        self.threads, self.draws = threads, draws
        self.scenario = sim.load("params/base.toml")
        self.case = case_of(self.scenario)
        self.engine = check.Engine(self.scenario, self.case, min(COMPARED, draws))
        self.check = check
        self.results: dict[str, Any] = {}

    def run_engine(self) -> None:
        """Draw, as a user does."""
        import sim

        sim.simulate(self.scenario, draws=self.draws, threads=self.threads)

    def peer(self, name: str) -> Callable[[int], object]:
        """What runs all draws, some at a time, of a peer that equals the engine."""
        return {
            "numpy": self._numpy, "notebook": self._notebook, "jax": self._jax,
            "spoiled": self._spoiled,
        }[name]()  # fmt: skip

    def _numpy(self) -> Callable[[int], object]:
        import numpy as np
        from bench.peers.case import inputs_of
        from bench.peers.numpy_twin import Twin

        twin = Twin(self.case, self.engine.kept, self.engine.summed)
        self._compare(
            "numpy",
            lambda own, factors: inputs_of(np, self.case, own, factors),
            lambda x: twin.run(self.engine.draws, self.engine.draws, x),
        )
        return lambda chunk: twin.run(self.draws, chunk)

    def _jax(self) -> Callable[[int], object]:
        import jax
        import numpy as np
        from bench.peers.jax_twin import Twin

        twin = Twin(self.case, self.engine.kept, self.engine.summed)

        def world(x: dict[str, Array]) -> tuple[Array, Array, Array]:
            values, mean, m2 = twin.run(self.engine.draws, self.engine.draws, x)
            return np.concatenate(values, 1), mean, m2

        self._compare("jax", jax.jit(twin.inputs), world)
        self.results["devices"] = str(jax.devices())
        return lambda chunk: twin.run(self.draws, chunk)

    def _notebook(self) -> Callable[[int], object]:
        """`tests/naive.py`, of which the draw is the first axis, with the same kept and summed up.

        That it equals the kernels is a test of its own, `tests/kernels/test_against_naive.py`.
        """
        from bench.peers.notebook_twin import Notebook

        notebook = Notebook(self.scenario, self.engine.inputs, self.engine)
        self.results["notebook differs by"] = notebook.compare(self.engine)
        return lambda chunk: notebook.run(self.draws, chunk)

    def _spoiled(self) -> Callable[[int], object]:
        """A NumPy twin of which each output in turn is wrong in the first draw, to be refused."""
        from bench.peers import numpy_twin

        engine, accepted = self.engine, []
        x = engine.given()
        right = numpy_twin.evaluate(self.case, x)
        twin = numpy_twin.Twin(self.case, engine.kept, engine.summed)
        for name in engine.summed:
            wrong = {**right, name: numpy_twin.spoil(right[name], engine.draws)}
            twin.evaluate = lambda _, wrong=wrong: wrong
            try:
                self.check.check_world(engine, lambda x: twin.run(engine.draws, engine.draws, x))
                accepted.append(name)
            except AssertionError:
                pass
        self.results |= {"outputs": len(engine.summed), "not refused": accepted}
        return lambda chunk: None

    def _compare(self, name: str, sample: Callable[..., Any], world: Callable[..., Any]) -> None:
        """Refuse a peer whose inputs or outputs are not those of the engine."""
        inputs = self.check.check_sampling(self.engine, sample)
        outputs = self.check.check_world(self.engine, world)
        self.results[f"{name} differs by"] = max(inputs, outputs)

    def best_chunk(self, name: str, run: Callable[[int], object]) -> int:
        """The chunk at which a peer is fastest, each after a first run, in which it compiles."""
        costs: dict[int, Cost] = {}
        for chunk in CHUNKS[name]:
            if self.draws % chunk == 0 and (self.draws // 32) % min(chunk, self.draws // 32) == 0:
                first = timed(lambda chunk=chunk: run(chunk))
                costs[chunk] = timed(lambda chunk=chunk: run(chunk))
                compiled = first.processor - costs[chunk].processor
                self.results.setdefault("compiling", {})[f"{name} {chunk}"] = compiled
        self.results[f"{name} by chunk"] = {c: cost.processor for c, cost in costs.items()}
        # Of one thread processor time is the clock's without other processes.
        measure = "processor" if self.threads == 1 else "clock"
        return min(costs, key=lambda chunk: float(getattr(costs[chunk], measure)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--draws", type=int, default=102_400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="numpy,notebook,jax")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    race = Race(options.threads, options.draws)
    race.run_engine()
    contenders: dict[str, Callable[[], object]] = {"engine": race.run_engine}
    for name in options.peers.split(","):
        run = race.peer(name)
        if not options.rounds:  # compared alone
            continue
        chunk = race.best_chunk(name, run)
        race.results[f"{name} chunk"] = chunk
        contenders[name] = lambda run=run, chunk=chunk: run(chunk)
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, work in contenders.items():
            costs[name].append(timed(work))
    if options.rounds:
        race.results["seconds"] = {name: least(cost) for name, cost in costs.items()}
    race.results["versions"] = {
        name: version(name)
        for name in ("numpy", "scipy", "numba", *(["jax"] if "jax" in options.peers else []))
    }
    print(json.dumps(race.results))


if __name__ == "__main__":
    main()
