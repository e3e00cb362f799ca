"""The whole model in NumPy: sampling, every output that a run keeps or sums up, moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bench.peers.case import Case, inputs_of, outputs_of

from sim.model.blocks import REPLICATES

STEPS = 60
Array = Any


def solve(
    profit: Callable[[Array], tuple[Array, Array]],
    low: Array, high: Array, before: Array, after: Array, crosses: Array,
) -> Array:  # fmt: skip
    """When `profit` crosses 0 between `low` and `high`, by Newton's method within a bracket."""
    t = low - (high - low) * before / (after - before)
    for _ in range(STEPS):
        value, rate = profit(t)
        low, high = np.where(value < 0.0, t, low), np.where(value < 0.0, high, t)
        following = t - value / rate
        inside = (low <= following) & (following <= high)
        following = np.where(inside, following, 0.5 * (low + high))
        closer = crosses & (np.abs(following - t) > 1e-12 * t)
        t = following
        if not closer.any():
            break
    return t


def evaluate(case: Case, x: dict[str, Array]) -> dict[str, Array]:
    """Outputs of given inputs."""
    with np.errstate(all="ignore"):
        return outputs_of(np, case, x, solve)


def pieces(value: Array) -> list[Array]:
    """An output as arrays [column, draw]."""
    parts = value if isinstance(value, list) else [value]
    return [part.reshape(-1, part.shape[-1]) for part in parts]


def moments(xp: Any, part: Array, replicates: int, draws: int) -> tuple[Array, Array]:
    """Means and sums of squared deviations [column, replicate] of an array [column, draw]."""
    part = xp.broadcast_to(part, (part.shape[0], draws))
    part = part.reshape(part.shape[0], replicates, -1)
    mean = xp.mean(part, -1)
    deviation = part - mean[:, :, None]
    if xp is np:
        return mean, np.einsum("crd,crd->cr", deviation, deviation)
    return mean, xp.sum(deviation * deviation, -1)


def merge(means: list[Array], squares: list[Array], size: int) -> tuple[Array, Array]:
    """Moments [column, replicate] of chunks of which `size` draws are of one replicate each.

    Chunks [column, replicates of the chunk] follow one another, in equal numbers.
    """
    mean, m2 = np.concatenate(means, 1), np.concatenate(squares, 1)
    shape = (len(mean), REPLICATES, -1)
    mean, m2 = mean.reshape(shape), m2.reshape(shape)
    with np.errstate(all="ignore"):
        total = mean.mean(-1)
        return total, m2.sum(-1) + size * ((mean - total[:, :, None]) ** 2).sum(-1)


def spoil(value: Array, draws: int) -> Array:
    """An output that is off by a part in a thousand, or flags that are turned, in some draws."""
    if isinstance(value, list):
        return [*value[:-1], spoil(value[-1], draws)]
    wrong = np.array(np.broadcast_to(value, (*value.shape[:-1], draws)))
    some = wrong[..., : draws // 8]
    some[...] = ~some if wrong.dtype == bool else some * 1.001
    return wrong


class Twin:
    """The model of a scenario, `chunk` draws at a time."""

    def __init__(self, case: Case, kept: list[str], summed: list[str], seed: int = 1) -> None:
        self.case, self.kept, self.summed = case, kept, summed
        self.evaluate = lambda x: evaluate(case, x)
        self.rng = np.random.Generator(np.random.SFC64(seed))

    def sample(self, draws: int) -> dict[str, Array]:
        """Random inputs."""
        own = self.rng.standard_normal((len(self.case.quantities), draws))
        factors = self.rng.standard_normal((len(self.case.factors), draws))
        return inputs_of(np, self.case, own, factors)

    def run(
        self, draws: int, chunk: int, given: dict[str, Array] | None = None
    ) -> tuple[Array, Array, Array]:
        """Kept values [column, draw], and moments [column, replicate].

        A replicate is `draws / 32` draws that follow one another. With inputs `given` [.., draw]
        nothing is sampled.
        """
        replicates = max(1, chunk * REPLICATES // draws)
        means, squares, values = [], [], np.empty((0, draws))
        for begin in range(0, draws, chunk):
            span = slice(begin, begin + chunk)
            x = self.sample(chunk) if given is None else cut(given, span)
            out = self.evaluate(x)
            with np.errstate(all="ignore"):
                of_parts = [
                    moments(np, part, replicates, chunk)
                    for name in self.summed
                    for part in pieces(out[name])
                ]
            means.append(np.concatenate([mean for mean, _ in of_parts]))
            squares.append(np.concatenate([m2 for _, m2 in of_parts]))
            parts = [part for name in self.kept for part in pieces(out[name])]
            if begin == 0:
                values = np.empty((sum(len(part) for part in parts), draws))
            row = 0
            for part in parts:
                values[row : row + len(part), span] = part
                row += len(part)
        return values, *merge(means, squares, chunk // replicates)


def cut(given: dict[str, Array], span: slice) -> dict[str, Array]:
    """Inputs of some draws."""
    return {name: x if x.shape[-1] == 1 else x[..., span] for name, x in given.items()}
