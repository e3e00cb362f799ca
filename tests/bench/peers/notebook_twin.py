"""`tests/naive.py` in chunks: the formulas as they stand, with the draw as the first axis."""

from __future__ import annotations

from typing import Any

import agreement
import naive
import notebook
import numpy as np
from bench.peers.check import Engine
from bench.peers.numpy_twin import merge

from sim.model.blocks import REPLICATES

Array = Any


class Notebook:
    """Sampling and outputs of `naive`, of which the same is kept and summed up."""

    def __init__(self, scenario: Any, inputs: dict[str, Array], engine: Engine) -> None:
        self.distributions = notebook.distributions(scenario)
        self.matrices = {name: inputs[name] for name in naive.MATRICES}
        self.kept, self.summed = engine.kept, engine.summed
        self.rng = np.random.Generator(np.random.SFC64(1))

    def compare(self, engine: Engine) -> float:
        """Refuse outputs that are not the engine's, to 1e-12; return that bound."""
        agreement.assert_agree(engine.outputs, self.evaluate(engine.inputs), engine.inputs)
        return agreement.TOLERANCE

    def evaluate(self, x: dict[str, Array]) -> dict[str, Array]:
        """Outputs of inputs."""
        with np.errstate(all="ignore"):
            return naive.evaluate(x)

    def run(self, draws: int, chunk: int) -> tuple[Array, Array, Array]:
        """Kept values [draw, column], and moments [column, replicate]."""
        replicates = max(1, chunk * REPLICATES // draws)
        means, squares, values = [], [], np.empty((draws, 0))
        for begin in range(0, draws, chunk):
            x = {**naive.sample(*self.distributions, chunk, self.rng), **self.matrices}
            out = {**x, **self.evaluate(x)}
            mean, m2 = zip(*(self.moments(out[name], replicates, chunk) for name in self.summed),
                           strict=True)  # fmt: skip
            means.append(np.concatenate(mean, 1).T)
            squares.append(np.concatenate(m2, 1).T)
            kept = np.concatenate([self.columns(out[name], chunk) for name in self.kept], 1)
            if begin == 0:
                values = np.empty((draws, kept.shape[1]))
            values[begin : begin + chunk] = kept
        return values, *merge(means, squares, chunk // replicates)

    def columns(self, value: Array, draws: int) -> Array:
        """An output [draw, column]."""
        value = np.asarray(value)
        return value.reshape(draws, -1) if value.ndim else np.full((draws, 1), value)

    def moments(self, value: Array, replicates: int, draws: int) -> tuple[Array, Array]:
        """Means and sums of squared deviations [replicate, column]."""
        part = self.columns(value, draws).reshape(replicates, draws // replicates, -1)
        with np.errstate(all="ignore"):
            mean = part.mean(1)
            deviation = part - mean[:, None]
            return mean, np.einsum("rdc,rdc->rc", deviation, deviation)
