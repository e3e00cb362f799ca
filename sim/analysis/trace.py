"""One world, step by step: its inputs, then the result of every formula, beside the median world.

Everything follows from the seed and the number of the draw: the world is evaluated again, to the
bits of its run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr

from sim.analysis.reasons import Reason, find_reasons
from sim.common.errors import Fault, InputError, Location
from sim.common.text import nearest
from sim.engine.scores import ScorePlans
from sim.engine.worlds import draw_world
from sim.expressions.parse import parse_value, unit
from sim.expressions.tree import ExpressionError, Tree, references
from sim.model.catalogue import DIMS, OUTPUTS, quantities
from sim.model.dims import COORDS, REFERENCE_QUARTER
from sim.parameters.dependence import BEHIND, short_name
from sim.parameters.equations import equations
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.origin import run_of
from sim.simulation.redraw import redraw
from sim.statistics.datasets import is_rounded
from sim.statistics.names import read_in
from sim.statistics.replicates import numbers_of
from sim.statistics.values import draw_value, labels_of, names_needed

World = Mapping[str, NDArray[np.float64]]
_AT = re.compile(r"\s*(min|max|median|p\d+(?:\.\d+)?)\s*\((.*)\)\s*", re.DOTALL)
REGIME = "online_inference"  # shown unless others are asked for
EXPECTED = "expected p1(VALUE), median(VALUE), min(VALUE) or max(VALUE)"


@dataclass(frozen=True)
class Input:
    """A sampled input of a world: its value beside the median, and where in its distribution.

    `percentile` is from 0 to 100. `source` and its `grade` are "" of shocks, which no file gives.
    """

    name: str
    value: float
    median: float
    unit: str
    percentile: float
    source: str
    grade: str


@dataclass(frozen=True)
class Step:
    """The result of a formula: of this world, and of the world of medians.

    `section` and `equation` are those of the specification (sim help model), `code` is the module
    that computes it.
    """

    output: str
    labels: tuple[str, ...]
    value: float
    median: float
    unit: str
    section: str
    equation: str
    code: str


@dataclass(frozen=True)
class Trace:
    """A world of a run: `inputs` from the most unusual on, `steps` in the order of the model.

    `at` is the place that was asked for, "" of a draw by its number; there the value is `value`, in
    `unit`, and `reasons` are the causes that put it there, the weightiest first.
    """

    draw: int
    at: str
    value: float
    unit: str
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    reasons: tuple[Reason, ...]

    def data(self) -> dict[str, Any]:
        """All of it as plain data; a number that is not finite is None, and a step's has a text."""
        data = asdict(self)
        data["value"] = _finite(self.value)
        for step in data["steps"]:
            if not math.isfinite(step["value"]):
                step["text"] = str(step["value"])
            step |= {key: _finite(step[key]) for key in ("value", "median")}
        return data

    def _repr_html_(self) -> str:
        inputs = [(i.name, i.value, i.median, i.unit, f"{i.percentile:.1f}") for i in self.inputs]
        steps = [
            (", ".join((s.output, *s.labels)), s.value, s.median, s.unit, s.equation)
            for s in self.steps
        ]
        place = f"{self.at}: {self.value:.4g} {self.unit}".rstrip() if self.at else ""
        return (
            f"<p>Draw {self.draw}. {escape(place)}</p>"
            f"{_html(('input', 'this world', 'median', 'unit', 'percentile'), inputs)}"
            f"{_html(('output', 'this world', 'median world', 'unit', 'equation'), steps)}"
        )


def trace(
    ds: xr.Dataset,
    draw: int | None = None,
    at: str | None = None,
    *,
    labs: Sequence[str] = (),
    landlords: Sequence[str] = (),
    quarters: Sequence[str] = (),
    regimes: Sequence[str] = (),
    threads: int | None = None,
) -> Trace:
    """Evaluate one world of a run again, and say how its numbers came about.

    Beside it stands the world of which all inputs are at their medians.

    Args:
        ds: What `simulate` or `open_run` gives.
        draw: The number of the draw.
        at: In its place a place in the distribution of a value: `p1(VALUE)`, `median(VALUE)`,
            `min(VALUE)`, `max(VALUE)`, the draw that stands there.
        labs: Labs whose outputs are shown; unless given the named ones, and those in `at`.
        landlords: Likewise; unless given those that house most of these labs, and those in `at`.
        quarters: Likewise; 2026Q4, or those in `at`, unless given.
        regimes: Likewise; online inference, and those in `at`, unless given.
        threads: All processors unless given.

    Returns:
        Inputs and steps of the world.

    Raises:
        InputError: For a draw that the run does not have, another `at`, labels that do not exist,
            or a Dataset of another version. Also if what is drawn again is not what the run holds.
    """
    if (draw is None) == (at is None):
        raise _error("draw", "expected either a draw or a place such as p1(VALUE)")
    scenario, options = run_of(ds, threads)
    asked = {"lab": labs, "landlord": landlords, "quarter": quarters, "regime": regimes}
    _check_labels(scenario, asked)
    tree: Tree = 0.0
    value, unit = float("nan"), ""
    reasons: tuple[Reason, ...] = ()
    if at is not None:
        tree, values, position = _find(ds, at, threads)
        draw, value, unit = int(numbers_of(ds)[position]), float(values[position]), _unit(tree)
        if options.uncertainty:
            reasons = find_reasons(ds, values, draw, threads)
    assert draw is not None
    if not 0 <= draw < options.draws:
        raise _error("draw", f"expected 0 to {options.draws - 1:,}, got {draw:,}")
    world = draw_world(scenario, options, draw)
    _check(ds, world, draw)
    median = draw_world(scenario, replace(options, uncertainty=0.0), draw)
    inputs = sorted(
        _inputs(scenario, options, world, median, draw), key=lambda of: -abs(of.percentile - 50)
    )
    steps = _steps(scenario, world, median, _chosen(scenario, asked, tree))
    return Trace(draw, at or "", value, unit, tuple(inputs), tuple(steps), reasons)


def _find(ds: xr.Dataset, at: str, threads: int | None) -> tuple[Tree, NDArray[np.float64], int]:
    """The value of a place, its draws, and the position of that which stands there."""
    match = _AT.fullmatch(at)
    if match is None:
        raise _error("at", EXPECTED, at)
    word, text = match.groups()
    level = {"min": 0.0, "max": 100.0, "median": 50.0}.get(word)
    level = float(word[1:]) if level is None else level
    if level > 100:
        raise _error("at", f"expected a percentile from 0 to 100, got {word}", at)
    try:
        tree = read_in(ds, text, parse_value)
    except ExpressionError as error:
        raise _error("at", str(error), at) from None
    found = draw_value(tree, redraw(ds, names_needed([tree]), threads))
    values = np.where(found.known, found.draws, np.nan)
    if values.size == 1:
        raise _error("at", "is the same in every draw: name one by its number", at)
    if missing := int(np.isnan(values).sum()):
        raise _error("at", f"is not known in {missing:,} of {values.size:,} draws", at)
    order = np.argsort(values, kind="stable")
    return tree, values, int(order[round(level / 100 * (values.size - 1))])


def _unit(tree: Tree) -> str:
    """The unit of a value; "" of a pure number."""
    return "" if (found := unit(tree)) == "1" else found


def _check(ds: xr.Dataset, world: World, draw: int) -> None:
    """Refuse a world that is not what the run holds, at the precision at which it is held."""
    if draw not in numbers_of(ds):
        return
    kept = ds.sel(draw=draw)
    for name in map(str, ds.data_vars):
        if name not in world or "draw" not in ds.variables[name].dims or name not in DIMS:
            continue
        expected = kept[name].transpose(*DIMS[name]).values
        dtype = np.float32 if is_rounded(ds, name) else expected.dtype
        with np.errstate(over="ignore", invalid="ignore"):
            again = world[name].astype(dtype)
        if not np.array_equal(again, expected, equal_nan=expected.dtype.kind == "f"):
            message = (
                f"draw {draw} of {name} is not what the run holds: other code, or another type of"
                " processor, made it; run it anew"
            )
            raise _error("trace", message)


def _inputs(
    scenario: Scenario, options: RunOptions, world: World, median: World, draw: int
) -> Iterator[Input]:
    """The sampled inputs, in the order of the model."""
    plans = ScorePlans(scenario)
    scores = plans.draw_inputs(draw + 1, options.seed, options.sampler, options.threads, draw)
    parties = _labels(scenario)
    for name, score in zip(plans.inputs, scores[:, 0], strict=True):
        group, *rest = name.split(".")
        index: tuple[int, ...] = ()
        if group in ("labs", "landlords"):
            index = (parties[group[:-1]].index(rest[0]),)
        elif group == "shocks" and len(rest) == 2:
            index = (COORDS["quarter"].index(rest[1]),)
        short = short_name(name)
        quantity = scenario.quantities.get(name)
        for behind in BEHIND.get(short, ()):
            quantity = quantity or scenario.quantities.get(behind)
        source = quantity.source if quantity else ""
        yield Input(
            name,
            float(world[short][index]),
            float(median[short][index]),
            quantities()[short][0] if short in quantities() else "1",
            100 * float(ndtr(options.uncertainty * score)),
            source,
            str(scenario.sources.get(source, {}).get("grade", source)),
        )


def _labels(scenario: Scenario) -> dict[str, list[str]]:
    """The labels of each dim of a scenario."""
    return {
        **{dim: list(of) for dim, of in COORDS.items()},
        "lab": [party.id for party in scenario.labs],
        "landlord": [party.id for party in scenario.landlords],
    }


def _check_labels(scenario: Scenario, asked: Mapping[str, Sequence[str]]) -> None:
    """Refuse labels that a scenario does not have."""
    known = _labels(scenario)
    faults = [
        Fault(Location(f"{dim}s"), "", f"no such {dim}: '{label}'{nearest(label, known[dim])}")
        for dim, labels in asked.items()
        for label in labels
        if label not in known[dim]
    ]
    if faults:
        raise InputError(faults)


def _chosen(
    scenario: Scenario, asked: Mapping[str, Sequence[str]], tree: Tree
) -> dict[str, set[str]]:
    """The labels of each dim of which outputs are shown."""
    named: dict[str, set[str]] = {dim: set() for dim in (*COORDS, "lab", "landlord")}
    for reference in references(tree):
        labels = labels_of(reference) if reference.name in DIMS else ()
        for dim, label in zip(DIMS.get(reference.name, ()), labels, strict=False):
            named[dim].add(label)
    labs = {*(asked["lab"] or (*scenario.settings.named_labs, *named["lab"]))}
    landlords = {*asked["landlord"]}
    if not landlords:
        landlords = named["landlord"]
        for lab in labs:
            shares = {of: host.share_2026 for (of_lab, of), host in scenario.hosts.items()
                      if of_lab == lab}  # fmt: skip
            landlords |= {max(shares, key=lambda of: shares[of])} if shares else set()
    return {
        "lab": labs,
        "landlord": landlords,
        "quarter": {*(asked["quarter"] or named["quarter"] or (REFERENCE_QUARTER,))},
        "regime": {*(asked["regime"] or (REGIME, *named["regime"]))},
        "layer": {*COORDS["layer"]},
    }


def _steps(
    scenario: Scenario, world: World, median: World, chosen: Mapping[str, set[str]]
) -> Iterator[Step]:
    """The outputs of chosen labels, in the order of the model."""
    labels = _labels(scenario)
    for name, output in OUTPUTS.items():
        equation = equations()[name]
        dims = DIMS[name]
        for cell in np.ndindex(*world[name].shape):
            at = tuple(labels[dim][i] for dim, i in zip(dims, cell, strict=True))
            if any(label not in chosen[dim] for dim, label in zip(dims, at, strict=True)):
                continue
            value, usual = (float(of[name][cell]) for of in (world, median))
            if dims[-1:] == ("layer",) and value == usual == 0.0:
                continue  # a layer of another cost
            section, number, code = equation.section, equation.number, equation.code[0]
            yield Step(name, at, value, usual, output.unit, section, number, code)


def _html(heads: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """A table as HTML."""
    lines = [f"<tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"]
    for row in rows:
        cells = (f"{of:.4g}" if isinstance(of, float) else escape(of) for of in row)
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _error(argument: str, message: str, key: str = "") -> InputError:
    return InputError([Fault(Location(argument), key, message)])
