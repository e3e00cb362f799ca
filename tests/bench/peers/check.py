"""The engine's draws for a twin to repeat, and the comparison of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import agreement
import numpy as np
from bench.peers.buildout import Pairs
from bench.peers.case import SHOCKS, Case

import sim
from sim.engine import worlds
from sim.engine.prepare import prepare
from sim.model.blocks import REPLICATES, replicate_of
from sim.model.catalogue import OUTPUTS
from sim.model.outputs import PROBABILITIES
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.simulation.simulate import run_engine

TOLERANCE = 1e-9
Array = Any
Ran = tuple[Array, Array, Array]  # kept values, means and sums of squares of a twin
# The axes of an output of the engine [lab or landlord, quarter, ...] in the order of the twins'.
AXES = {
    "duty_cycle": (1, 0),
    "unit_cost": (2, 1, 0),
    "compute_cost": (1, 0),
    "gross_margin": (1, 0),
    "compute_bill_regime": (0, 2, 1),
}


def places(name: str, shape: tuple[int, ...], pairs: Pairs) -> Array:
    """The places in an output of the engine of a twin's rows."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    if name in OUTPUTS and OUTPUTS[name].missing == "arr":
        index = index[pairs.reporting]
    return index.transpose(AXES.get(name, range(index.ndim))).ravel()


class Engine:
    """Draws of the engine: inputs, outputs, kept values and moments, by replicate.

    Draws are in the order of their replicates; all are the same number.
    """

    def __init__(self, scenario: Scenario, case: Case, draws: int) -> None:
        assert draws % (32 * REPLICATES) == 0
        options = run_options(scenario, draws, seed=1)
        self.scenario, self.case, self.draws = scenario, case, draws
        self.state = run_engine(scenario, options)
        assert self.state.running.bad == 0
        self.order = np.argsort(replicate_of(np.arange(draws), options.sampler), kind="stable")
        self.ds = sim.simulate(scenario, draws, seed=1, keep="all")
        self.inputs = {
            str(name): np.asarray(v.values, float)
            for name, v in self.ds.items()
            if name not in OUTPUTS and name not in PROBABILITIES
        }
        self.outputs = worlds.evaluate(self.inputs)
        prepared = prepare(scenario, options)
        self.kept, self.summed = list(prepared.slices), list(prepared.moment_slices)
        self.shapes = {name: v.columns.shape for name, v in prepared.variables.items()}

    def given(self) -> dict[str, Array]:
        """Inputs as the twins take them, [.., draw] in the order of replicates."""
        x = dict(self.case.fixed)
        for name in {q.name for q in self.case.quantities}:
            value = self.inputs[name]
            if name in SHOCKS:
                value = value[:, -4:]
            x[name] = np.ascontiguousarray(np.moveaxis(value, 0, -1)[..., self.order])
        return x

    def scale(self, name: str) -> Array:
        """The amount to which an output is compared, [draw, ...]."""
        if name not in OUTPUTS:
            return np.abs(self.inputs[name])
        out = self.outputs
        of = agreement.SCALES.get(name)
        value = np.abs(out[name].astype(float))
        return np.broadcast_to(value if of is None else of(self.inputs, out, "cost_plus"),
                               value.shape)  # fmt: skip


def assert_same(name: str, got: Array, expected: Array, scale: Array) -> float:
    """The largest difference over the scale; refuses more than `TOLERANCE`."""
    with np.errstate(all="ignore"):
        same = (got == expected) | (~np.isfinite(got) & ~np.isfinite(expected))
        off = np.where(same, 0.0, np.abs(got - expected) / scale)
    worst = float(np.max(off))
    if not worst <= TOLERANCE:
        at = tuple(int(i) for i in np.unravel_index(np.nanargmax(off), off.shape))
        raise AssertionError(f"{name}{list(at)}: {got[at]!r}, the engine {expected[at]!r}")
    return worst


def check_world(
    engine: Engine, run: Callable[[dict[str, Array]], tuple[Array, Array, Array]]
) -> float:
    """Compare what a twin keeps and sums up from the engine's inputs; the worst difference."""
    values, mean, m2 = run(engine.given())
    return max(check_kept(engine, values), check_moments(engine, mean, m2))


def check_kept(engine: Engine, values: Array) -> float:
    """Compare kept values [column, draw]."""
    state, pairs, worst, row = engine.state, engine.case.pairs, 0.0, 0
    for name in engine.kept:
        where = places(name, engine.shapes[name], pairs)
        expected = state.values[engine.state.prepared.slices[name]][where][:, engine.order]
        scale = engine.scale(name).reshape(engine.draws, -1).T[where][:, engine.order]
        got = values[row : row + len(where)]
        worst = max(worst, assert_same(name, got, expected, scale))
        row += len(where)
    assert row == len(values)
    return worst


def check_moments(engine: Engine, mean: Array, m2: Array) -> float:
    """Compare moments [column, replicate]; squares to the raw second moment."""
    state, pairs, worst, row = engine.state, engine.case.pairs, 0.0, 0
    size = engine.draws // REPLICATES
    for name in engine.summed:
        where = places(name, engine.shapes[name], pairs)
        part = state.prepared.moment_slices[name]
        scale = engine.scale(name).reshape(engine.draws, -1).T[where]
        scale = np.nan_to_num(scale, posinf=0.0).mean(1)[:, None]
        expected = state.running.mean[:, part][:, where].T
        got = mean[row : row + len(where)]
        worst = max(worst, assert_same(f"mean of {name}", got, expected, scale + np.abs(expected)))
        squares = state.running.m2[:, part][:, where].T
        got = m2[row : row + len(where)]
        raw = squares + size * (expected**2 + scale**2)
        worst = max(worst, assert_same(f"squares of {name}", got, squares, raw))
        row += len(where)
    assert row == len(mean)
    return worst


def check_sampling(engine: Engine, sample: Callable[[Array, Array], dict[str, Array]]) -> float:
    """Compare a twin's inputs with the engine's, from the same scores; the worst difference.

    A quantity's own scores are those of a normal input of its name. The factors are those that
    explain the scores of all quantities that load on some: there are many more of these.
    """
    case, draws = engine.case, engine.draws
    normal = {"family": "normal", "mean": 0.0, "sd": 1.0}
    drawn = sim.sample({q.full_name: normal for q in case.quantities}, draws=draws, seed=1)
    own = np.array([drawn[q.full_name].values for q in case.quantities])
    z = own * case.own_weight
    for i, q in enumerate(case.quantities):
        if q.loads:
            value = engine.inputs[q.name] if q.index < 0 else engine.inputs[q.name][:, q.index]
            if q.family == "lognormal":
                score = np.log(value / q.parameters[0]) / q.parameters[1]
            else:
                low, width, logit, sigma = q.parameters
                share = (value - low) / width
                score = (np.log(share / (1.0 - share)) - logit) / sigma
            z[i] = score
    tied = case.loadings.any(axis=1)
    factors = np.linalg.lstsq(case.loadings[tied], (z - own * case.own_weight)[tied])[0]
    x = sample(own, factors)
    worst = 0.0
    for name in {q.name for q in case.quantities}:
        expected = np.moveaxis(engine.inputs[name], 0, -1)
        expected = expected[-4:] if name in SHOCKS else expected
        scale = np.abs(expected) + np.nan_to_num(expected.std(axis=-1, keepdims=True))
        worst = max(worst, assert_same(name, np.asarray(x[name]), expected, scale))
    return worst
