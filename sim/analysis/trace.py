"""One world, step by step: its inputs, then the result of every formula, beside the median world.

Everything follows from the seed and the number of the draw: the world is evaluated again, to the
bits of its run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from sim.analysis.regression import share_variance
from sim.common.errors import Fault, InputError, Location
from sim.engine.scores import ScorePlans
from sim.engine.worlds import draw_world
from sim.expressions.parse import parse_value
from sim.expressions.tree import ExpressionError
from sim.model.catalogue import DIMS, OUTPUTS
from sim.model.dims import COORDS, REFERENCE_QUARTER
from sim.parameters.equations import equations
from sim.parameters.scenario import Scenario
from sim.simulation.origin import run_of
from sim.simulation.redraw import redraw
from sim.simulation.scores import draw_causes
from sim.statistics.datasets import is_rounded
from sim.statistics.names import read_in
from sim.statistics.replicates import numbers_of, replicates_of
from sim.statistics.values import draw_value, names_needed

_AT = re.compile(r"\s*(min|max|median|p\d+(?:\.\d+)?)\s*\((.*)\)\s*", re.DOTALL)
REASONS = 5  # causes that are named
REGIME = "online_inference"


@dataclass(frozen=True)
class Input:
    """A sampled input of a world: its value beside the median, and where in its distribution."""

    name: str
    value: float
    median: float
    unit: str
    percentile: float
    source: str


@dataclass(frozen=True)
class Step:
    """The result of a formula: of this world, and of the world of medians."""

    output: str
    labels: tuple[str, ...]
    value: float
    median: float
    unit: str
    section: str
    equation: str


@dataclass(frozen=True)
class Trace:
    """A world of a run: `inputs` from the most unusual on, `steps` in the order of the model.

    `at` says why this draw; `reasons` are the causes that put the value there, each with its score
    in standard deviations and its contribution to the value's normal score.
    """

    draw: int
    at: str
    value: float
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    reasons: tuple[tuple[str, float, float], ...]
    unit: str = ""

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{step.output}{list(step.labels) if step.labels else ''}</td>"
            f"<td>{step.value:.4g}</td><td>{step.median:.4g}</td><td>{step.unit}</td></tr>"
            for step in self.steps
        )
        head = "<tr><th>output</th><th>this world</th><th>median world</th><th>unit</th></tr>"
        return f"<p>Draw {self.draw}. {self.at}</p><table>{head}{rows}</table>"


def trace(
    ds: xr.Dataset,
    draw: int | None = None,
    at: str | None = None,
    *,
    labs: Sequence[str] = (),
    quarters: Sequence[str] = (),
    threads: int | None = None,
) -> Trace:
    """Evaluate one world of a run again, and say how its numbers came about.

    Args:
        ds: What `simulate` or `open_run` gives.
        draw: The number of the draw.
        at: In its place a place in the distribution of a value: `p1(VALUE)`, `median(VALUE)`,
            `min(VALUE)`, `max(VALUE)`, the draw that stands there.
        labs: Labs whose outputs are shown; the named ones unless given.
        quarters: Quarters that are shown; 2026Q4 unless given.
        threads: All processors unless given.

    Returns:
        Inputs and steps of the world.

    Raises:
        InputError: For a draw that the run does not have, another `at`, or a Dataset of another
            version. Also if what is drawn again is not what the run holds.
    """
    if (draw is None) == (at is None):
        raise _error("draw", "expected either a draw or a place such as p1(VALUE)")
    scenario, options = run_of(ds, threads)
    reasons: tuple[tuple[str, float, float], ...] = ()
    value, unit = float("nan"), ""
    if at is not None:
        draw, value, unit, reasons = _find(ds, at, threads)
    assert draw is not None
    if draw not in numbers_of(ds):
        evaluated = int(ds.attrs["draws"])
        raise _error("draw", f"no draw {draw} is kept: of {evaluated:,}, {ds.sizes['draw']:,} are")
    world = draw_world(scenario, options, draw)
    _check(ds, world, draw)
    median = draw_world(scenario, replace(options, uncertainty=0.0), draw)
    inputs = sorted(_inputs(scenario, options, world, median, draw),
                    key=lambda of: -abs(of.percentile - 0.5))  # fmt: skip
    steps = _steps(scenario, world, median, labs, quarters or (REFERENCE_QUARTER,))
    place = f"{at}: draw {draw}" if at else f"draw {draw}"
    return Trace(draw, place, value, tuple(inputs), tuple(steps), reasons, unit)


def _find(
    ds: xr.Dataset, at: str, threads: int | None
) -> tuple[int, float, str, tuple[tuple[str, float, float], ...]]:
    """The draw at a place of a value's distribution, its value, and why it stands there."""
    match = _AT.fullmatch(at)
    if match is None:
        raise _error("at", "expected p1(VALUE), median(VALUE), min(VALUE) or max(VALUE)", at)
    word, text = match.groups()
    level = {"min": 0.0, "max": 1.0, "median": 0.5}.get(word)
    level = float(word[1:]) / 100 if level is None else level
    if not 0 <= level <= 1:
        raise _error("at", f"expected a percentile from 0 to 100, got {word}", at)
    try:
        tree = read_in(ds, text, parse_value)
    except ExpressionError as error:
        raise _error("at", str(error), at) from None
    drawn = redraw(ds, names_needed([tree]), threads)
    found = draw_value(tree, drawn)
    values = np.where(found.known, found.draws, np.nan)
    if values.size == 1 or np.isnan(values).any():
        raise _error("at", "is the same in every draw, or not known in all", at)
    order = np.argsort(values, kind="stable")
    position = int(order[round(level * (values.size - 1))])
    number = int(numbers_of(ds)[position])
    causes = draw_causes(ds, threads)
    if values.size < 2 * len(causes.names) + 1:
        return number, float(values[position]), "", ()
    target = ndtri((rankdata(values) - 0.5) / values.size)
    slopes = share_variance(causes.values, target[None], replicates_of(ds)).slopes[:, 0]
    scores = causes.values[:, position]
    contributions = slopes * scores
    most = np.argsort(-np.abs(contributions))[:REASONS]
    reasons = tuple((causes.names[i], float(scores[i]), float(contributions[i])) for i in most)
    return number, float(values[position]), "", reasons


def _check(ds: xr.Dataset, world: dict[str, NDArray[np.float64]], draw: int) -> None:
    """Refuse a world that is not what the run holds, at the precision at which it is held."""
    kept = ds.sel(draw=draw)
    for name in map(str, ds.data_vars):
        if name not in world or "draw" not in ds.variables[name].dims or name not in DIMS:
            continue
        expected = kept[name].values
        dtype = np.float32 if is_rounded(ds, name) else expected.dtype
        with np.errstate(over="ignore", invalid="ignore"):
            again = world[name].astype(dtype)
        if not np.array_equal(again, expected, equal_nan=expected.dtype.kind == "f"):
            message = f"draw {draw} of {name} is not what the run holds: other code made it"
            raise _error("trace", message)


def _inputs(
    scenario: Scenario,
    options: Any,
    world: dict[str, NDArray[np.float64]],
    median: dict[str, NDArray[np.float64]],
    draw: int,
) -> Iterator[Input]:
    """The sampled inputs, in the order of the model."""
    plans = ScorePlans(scenario)
    scores = plans.draw_inputs(draw + 1, options.seed, options.sampler, options.threads)[:, draw]
    parties = {
        "labs": [party.id for party in scenario.labs],
        "landlords": [party.id for party in scenario.landlords],
    }
    for name, score in zip(plans.inputs, scores, strict=True):
        group, *rest = name.split(".")
        index: tuple[int, ...] = ()
        if group in parties:
            index = (parties[group].index(rest[0]),)
        elif group == "shocks" and len(rest) == 2:
            index = (COORDS["quarter"].index(rest[1]),)
        short = rest[0] if group == "shocks" else rest[-1]
        quantity = scenario.quantities.get(name)
        yield Input(
            name,
            float(world[short][index]),
            float(median[short][index]),
            quantity.field.unit if quantity else "1",
            float(ndtr(options.uncertainty * score)),
            quantity.source if quantity else "",
        )


def _steps(
    scenario: Scenario,
    world: dict[str, NDArray[np.float64]],
    median: dict[str, NDArray[np.float64]],
    labs: Sequence[str],
    quarters: Sequence[str],
) -> Iterator[Step]:
    """The outputs of chosen labs and quarters, in the order of the model."""
    chosen = {
        **{dim: list(labels) for dim, labels in COORDS.items()},
        "lab": list(labs or scenario.settings.named_labs),
        "landlord": [],
        "quarter": list(quarters),
        "regime": [REGIME],
    }
    labels = {
        **{dim: list(of) for dim, of in COORDS.items()},
        "lab": [party.id for party in scenario.labs],
        "landlord": [party.id for party in scenario.landlords],
    }
    hosts = {landlord for lab, landlord in scenario.hosts if lab in chosen["lab"]}
    chosen["landlord"] = [name for name in labels["landlord"] if name in hosts]
    for name, output in OUTPUTS.items():
        equation = equations()[name]
        dims = DIMS[name]
        for cell in np.ndindex(*world[name].shape):
            at = [labels[dim][i] for dim, i in zip(dims, cell, strict=True)]
            if all(label in chosen[dim] for dim, label in zip(dims, at, strict=True)):
                value, usual = (float(of[name][cell]) for of in (world, median))
                if dims[-1:] == ("layer",) and value == usual == 0.0:
                    continue  # a layer of another cost
                section, number = equation.section, equation.number
                yield Step(name, tuple(at), value, usual, output.unit, section, number)


def _error(argument: str, message: str, key: str = "") -> InputError:
    return InputError([Fault(Location(argument), key, message)])
