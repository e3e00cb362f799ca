"""The whole model in JAX: one compiled function of a chunk of draws, in float64.

XLA fuses the formulas of `case` well as they stand: the draw is the last axis, nothing is written
in place, and parties and pairs are unrolled. Only what searches and what samples differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from bench.peers.case import Case, inputs_of, outputs_of
from bench.peers.numpy_twin import STEPS, cut, merge, moments, pieces

from sim.model.blocks import REPLICATES

jax.config.update("jax_enable_x64", True)
Array = Any


def solve(
    profit: Callable[[Array], tuple[Array, Array]],
    low: Array, high: Array, before: Array, after: Array, crosses: Array,
) -> Array:  # fmt: skip
    """When `profit` crosses 0 between `low` and `high`, by Newton's method within a bracket."""

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        t, low, high, open_, steps = state
        value, rate = profit(t)
        low, high = jnp.where(value < 0.0, t, low), jnp.where(value < 0.0, high, t)
        following = t - value / rate
        inside = (low <= following) & (following <= high)
        following = jnp.where(inside, following, 0.5 * (low + high))
        open_ = jnp.any(crosses & (jnp.abs(following - t) > 1e-12 * t))
        return following, low, high, open_, steps + 1

    first = low - (high - low) * before / (after - before)
    begin = (first, low, high, jnp.any(crosses), 0)
    return jax.lax.while_loop(lambda state: state[3] & (state[4] < STEPS), step, begin)[0]


class Twin:
    """The model of a scenario, `chunk` draws at a time."""

    def __init__(self, case: Case, kept: list[str], summed: list[str], seed: int = 1) -> None:
        self.case, self.kept, self.summed = case, kept, summed
        self.inputs = lambda own, factors: inputs_of(jnp, case, own, factors)
        self.key = jax.random.key(seed)
        self.evaluate = jax.jit(self._evaluate, static_argnums=(1, 2))
        self.sampled = jax.jit(self._sampled, static_argnums=(1, 2))

    def sample(self, key: Array, draws: int) -> dict[str, Array]:
        """Random inputs."""
        quantities, factors = len(self.case.quantities), len(self.case.factors)
        scores = jax.random.normal(key, (quantities + factors, draws))
        return self.inputs(scores[:quantities], scores[quantities:])

    def _sampled(self, key: Array, draws: int, replicates: int) -> tuple[Array, Array, Array]:
        return self._evaluate(self.sample(key, draws), draws, replicates)

    def _evaluate(
        self, x: dict[str, Array], draws: int, replicates: int
    ) -> tuple[Array, Array, Array]:
        """Kept values [column, draw], and moments [column, replicate]."""
        out = outputs_of(jnp, self.case, self.case.fixed | x, solve)
        of_parts = [
            moments(jnp, part, replicates, draws)
            for name in self.summed
            for part in pieces(out[name])
        ]
        kept = [part for name in self.kept for part in pieces(out[name])]
        return (
            jnp.concatenate(kept),
            jnp.concatenate([mean for mean, _ in of_parts]),
            jnp.concatenate([m2 for _, m2 in of_parts]),
        )

    def run(
        self, draws: int, chunk: int, given: dict[str, Array] | None = None
    ) -> tuple[list[Array], Array, Array]:
        """Kept values [column, draw] of each chunk, and moments [column, replicate].

        As the NumPy twin's, except that the kept values stay in chunks.
        """
        replicates = max(1, chunk * REPLICATES // draws)
        chunks = []
        for i, begin in enumerate(range(0, draws, chunk)):
            if given is None:
                chunks.append(self.sampled(jax.random.fold_in(self.key, i), chunk, replicates))
            else:
                x = cut(given, slice(begin, begin + chunk))
                varying = {name: v for name, v in x.items() if v.shape[-1] > 1}
                chunks.append(self.evaluate(varying, chunk, replicates))
        means, squares = ([np.asarray(part[i]) for part in chunks] for i in (1, 2))
        values = [np.asarray(part[0]) for part in chunks]
        return values, *merge(means, squares, chunk // replicates)
