"""Sweeps: summaries on a grid of parameters with common random numbers."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.fingerprint import files_hash, source_hash
from sim.common.text import in_words, nearest
from sim.expressions import parse as expression_kinds
from sim.expressions.names import CATALOGUE, Names
from sim.expressions.percent import is_fraction
from sim.expressions.tree import Expression, Operation, Statistic, Tree, references
from sim.model.catalogue import OUTPUTS
from sim.model.dims import REFERENCE_QUARTER
from sim.model.outputs import PROBABILITIES
from sim.parameters import sweep_axes
from sim.parameters.options import RunOptions, option_faults, run_options
from sim.parameters.resolved import differing, scenario_of, with_changes
from sim.parameters.scenario import Scenario
from sim.parameters.sweep_axes import Axis
from sim.parameters.sweep_grid import Grid, load_grid
from sim.simulation.dataset import make_dataset
from sim.simulation.simulate import run_engine
from sim.statistics import expressions, scenarios
from sim.statistics.datasets import json_attribute
from sim.statistics.summary import summarise, without_value_at_risk
from sim.statistics.summary_variables import with_error
from sim.statistics.values import names_needed

CALLER = "sweep"
POINTS = "points"  # attribute: JSON, of which the scenarios of all points can be made again
COUNTS = {
    "draws_counted": "Draws that count",
    "draws_not_finite": "Draws with a value that is not finite",
    "draws_questionable": "Questionable draws",
}
HEADLINE = tuple(name for name, output in OUTPUTS.items() if output.kept == "draws")


def sweep(
    path: str | Path,
    over: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    set: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
) -> xr.Dataset:
    """Evaluate the model on a grid of parameters with common random numbers.

    Args:
        path: A parameter file, as of `load`.
        over: Keys that `set` takes too, each with its values: a list of numbers or of words, or
            text such as `"0.3:0.8:11"` (first, last, count) or `"3,4,5"`. Unless given, those of
            the file's table `[sweep]`.
        outputs: Names of outputs and probabilities, and expressions such as
            `"p5(inference_gross_margin@2026Q4)"`. Unless given, all headline outputs (those of
            which a run keeps draws) and probabilities, and of the inference gross margin median,
            5th percentile and chance of reaching the hurdle.
        draws: Number of draws of each point; that of the file's `[run]` unless given.
        seed: Seed of the random numbers; likewise.
        sampler: How to sample; likewise.
        set: Changes of other keys, the same at every point, as of `load`.
        threads: As of `simulate`.
        progress: Called with the number of draws done since the last call; they add up to draws
            times points.
        bad_draws: As of `simulate`, for each point by itself.
        drop_questionable: As of `simulate`, for each point by itself.

    Returns:
        A Dataset with a leading dim for each key, of that name, whose coordinate holds the values
        with their unit. It has the summary of the named outputs, and of those in expressions, at
        each point, without the values at risk; for each expression a variable of that name and its
        `..._error`; and the numbers of draws that count, are not finite, or are questionable.
        Draws are not kept: memory is that of one run.

    Raises:
        InputError: With all faults of all points, options and outputs; nothing is computed.
        RunError: As `simulate`; the message names the point.
    """
    faults: list[Fault] = []
    along = sweep_axes.of_mapping(over or {}, faults)
    plan = plan_sweep(
        path, along, outputs, set, faults, CALLER, draws=draws, seed=seed, sampler=sampler,
        threads=threads, bad_draws=bad_draws, drop_questionable=drop_questionable,
    )  # fmt: skip
    points = range(len(plan.grid.scenarios))
    return plan.assemble([plan.point(i, progress) for i in points])


@dataclass(frozen=True)
class SweepPlan:
    """A checked sweep of `names` and expressions over a grid.

    `options` are those of the first point; others differ at most in `uncertainty`.
    """

    grid: Grid
    names: tuple[str, ...]
    expressions: tuple[Expression, ...]
    options: RunOptions

    def digest(self) -> str:
        """Twelve hexadecimal digits that identify all inputs of the result."""
        options = self.options
        inputs = [
            source_hash(), files_hash(), self.names,
            [expression.text for expression in self.expressions],
            options.draws, options.seed, options.sampler, options.bad_draws,
            options.drop_questionable,
            [[axis.key, axis.labels] for axis in self.grid.axes],
            [scenario.digest() for scenario in self.grid.scenarios],
        ]  # fmt: skip
        return hashlib.blake2b(json.dumps(inputs).encode(), digest_size=6).hexdigest()

    def at(self, point: int) -> str:
        """The values at a point as one line of text."""
        values = self.grid.at(point)
        return ", ".join(f"{key} = {in_words(value)}" for key, value in values.items())

    def point(self, point: int, progress: Callable[[int], None] | None = None) -> xr.Dataset:
        """Evaluate one point: its summary, without the dims of the grid.

        Raises:
            RunError: As `simulate`.
        """
        try:
            scenario = self.grid.scenarios[point]
            options = replace(self.options, uncertainty=scenario.settings.uncertainty)
            ds = make_dataset(run_engine(scenario, options, progress=progress))
        except RunError as error:
            raise RunError(f"{self.at(point)}: {error}") from error
        # An input that is fixed has nothing to summarise.
        outputs = {*OUTPUTS, *PROBABILITIES}
        names = [name for name in self.names if name in outputs or "draw" in ds[name].dims]
        summary = without_value_at_risk(summarise(ds, names, threads=options.threads))
        for expression in self.expressions:
            value, standard_error = expressions.evaluate(expression, ds)
            attrs = {"units": unit(expression), "long_name": expression.text}
            for name, variable in with_error(expression.text, (), value, standard_error, attrs):
                summary[name] = variable
        counts = {**ds.attrs, "draws_counted": ds.sizes["draw"]}
        for name, meaning in COUNTS.items():
            summary[name] = ((), int(counts[name]), {"units": "1", "long_name": meaning})
        return summary

    def _points(self) -> dict[str, Any]:
        """Parameters of all points (`points_of`): of the first, and what others have in place."""
        first, *others = self.grid.scenarios
        resolved = first.resolved()
        sources = {name: of for scenario in self.grid.scenarios
                   for name, of in scenario.sources_used().items()}  # fmt: skip
        return {
            "parameters": resolved,
            "changes": [{}, *(differing(resolved, other.resolved()) for other in others)],
            "sources": sources,
        }

    def assemble(self, points: Sequence[xr.Dataset]) -> xr.Dataset:
        """Join the Datasets of all points along the dims of the grid.

        The points are concatenated along `scenario`, which is then reshaped to one leading dim for
        each key [axis, ..., dims of the summary]. Variables that do not vary between points stay
        without these dims.
        """
        joined = scenarios.concat_scenarios({str(i): point for i, point in enumerate(points)})
        names, shape = [axis.key for axis in self.grid.axes], self.grid.shape
        variables: dict[str, Any] = {}
        for name, variable in joined.variables.items():
            if name == scenarios.DIM:
                continue
            dims, values = tuple(map(str, variable.dims)), variable.values
            if dims[:1] == (scenarios.DIM,):
                dims, values = (*names, *dims[1:]), values.reshape(*shape, *values.shape[1:])
            variables[str(name)] = (dims, values, dict(variable.attrs))
        coords = {
            name: variables.pop(name) for name in map(str, joined.coords) if name in variables
        }
        for axis in self.grid.axes:
            coords[axis.key] = (axis.key, axis.labels, self.grid.about(axis))
        first = self.grid.scenarios[0]
        by_scenario = (scenarios.BY_SCENARIO, scenarios.LACKING)
        by_point = (*by_scenario, *COUNTS, "draws_not_finite_why", "correlation")
        attributes = {key: value for key, value in joined.attrs.items() if key not in by_point}
        attributes |= {
            "title": f"AI-lab token economics, sweep of scenario {first.name}",
            "scenario": first.name,
            "digest": self.digest(),
            "over": json.dumps({axis.key: axis.values for axis in self.grid.axes}),
            "expressions": json.dumps([expression.text for expression in self.expressions]),
            POINTS: json.dumps(self._points(), default=str),
        }
        return xr.Dataset(variables, coords, attributes)


def points_of(ds: xr.Dataset) -> dict[str, Scenario]:
    """The scenarios of the points of a sweep, by their values, the last key fastest.

    Raises:
        InputError: For a Dataset of an earlier version, or one that is no sweep.
    """
    held = json_attribute(ds, POINTS, {})
    if not held:
        raise InputError(
            [Fault(Location("sweep"), "", "its points cannot be made again: sweep anew")]
        )
    over = json_attribute(ds, "over")
    texts = [
        ", ".join(f"{key} = {in_words(value)}" for key, value in zip(over, values, strict=True))
        for values in itertools.product(*over.values())
    ]
    return {
        text: scenario_of(with_changes(held["parameters"], changes), held["sources"], text)
        for text, changes in zip(texts, held["changes"], strict=True)
    }


def unit(expression: Expression) -> str:
    """The unit of an expression."""
    return expression_kinds.unit(expression.tree)


def read_expressions(ds: xr.Dataset) -> list[Expression]:
    """The expressions of a sweep."""
    return [expressions.parse(text) for text in json_attribute(ds, "expressions")]


def keys(ds: xr.Dataset) -> list[str]:
    """The keys that are swept, in the order of the dims."""
    return list(json_attribute(ds, "over"))


def scale(expression: Expression) -> float:
    """Factor for display: margins and probabilities are shown in percent."""
    return 100.0 if _is_percent(expression.tree) else 1.0


def _is_percent(tree: Tree) -> bool:
    """Whether what is formed of statistics is a margin, a probability, or a difference of these."""
    if isinstance(tree, Statistic):
        margins = all(of.name.endswith("margin") for of in references(tree))
        return tree.kind == "P" or (margins and is_fraction(tree))
    if not isinstance(tree, Operation) or tree.operator not in ("+", "-", "abs", "negative"):
        return False
    return all(map(_is_percent, tree.operands))


def shown_unit(expression: Expression) -> str:
    """The unit in which an expression is shown; "" for a plain number."""
    if scale(expression) == 100.0:
        return "%"
    return "" if unit(expression) == "1" else unit(expression)


def plan_sweep(
    path: str | Path,
    along: Sequence[Axis],
    outputs: Sequence[str] | None,
    changes: Mapping[str, Any] | None,
    faults: list[Fault],
    caller: str = "",
    *,
    draws: Any,
    seed: Any,
    sampler: Any,
    threads: Any,
    bad_draws: str,
    drop_questionable: bool,
) -> SweepPlan:
    """Check a whole sweep before any draw; `faults` may hold earlier faults.

    Faults refer to arguments of the `caller`, or without one to options of the command line.

    Raises:
        InputError: With all faults.
    """

    def location(option: str) -> tuple[Location, str]:
        """Location and key of a fault of an option."""
        return (
            (Location(caller), option)
            if caller
            else (Location(f"--{option.replace('_', '-')}"), "")
        )

    messages = option_faults(
        draws=draws, seed=seed, sampler=sampler, threads=threads, bad_draws=bad_draws
    )
    faults += [Fault(*location(name), message) for name, message in messages.items()]
    key = "outputs" if caller else "output"
    names, parsed = _parse_outputs(outputs or (), *location(key), faults)

    def check(scenario: Scenario, faults: list[Fault]) -> None:
        """Add to `faults` which outputs the scenario lacks, before all points are read."""
        _check_outputs(names, parsed, scenario, caller or "--output", faults)

    grid = load_grid(path, along, changes, faults, check)
    first = grid.scenarios[0]
    if outputs is None:
        names, parsed = [*HEADLINE, *PROBABILITIES], _default_expressions(grid.scenarios)
        if _absent_labs(first):
            names.remove("p_both_named")
    chosen = dict.fromkeys([*names, *names_needed([expression.tree for expression in parsed])])
    options = run_options(
        first, draws, seed, sampler, tuple(chosen), threads=threads, bad_draws=bad_draws,
        drop_questionable=drop_questionable,
    )  # fmt: skip
    return SweepPlan(grid, tuple(chosen), tuple(parsed), options)


def _parse_outputs(
    outputs: Sequence[str], location: Location, key: str, faults: list[Fault]
) -> tuple[list[str], list[Expression]]:
    """Names of outputs, and expressions, each once; faults are added to `faults`.

    `location` and `key` are those of a fault of the list itself.
    """
    names: list[str] = []
    parsed: dict[str, Expression] = {}
    if isinstance(outputs, str):
        faults.append(Fault(location, key, f"expected a list of outputs, got '{outputs}'"))
        return [], []
    for text in outputs:
        if not isinstance(text, str) or "(" not in text:
            if text not in OUTPUTS and text not in PROBABILITIES:
                hint = nearest(str(text), [*OUTPUTS, *PROBABILITIES])
                hint = hint or f"; {expressions.SHAPE}, or an output"
                faults.append(Fault(location, str(text), f"unknown output{hint}"))
            else:
                names.append(text)
            continue
        try:
            expression = expressions.parse(text, str(location))
            parsed[expression.text] = expression
            expressions.check(expression, CATALOGUE, str(location), factors=False)
        except InputError as error:
            faults += error.faults
    return names, list(parsed.values())


def _absent_labs(scenario: Scenario) -> list[str]:
    """The labs of `model.named_labs` that a scenario does not have."""
    labs = [party.id for party in scenario.labs]
    return [lab for lab in scenario.settings.named_labs if lab not in labs]


def _check_outputs(
    names: Sequence[str],
    parsed: Sequence[Expression],
    scenario: Scenario,
    origin: str,
    faults: list[Fault],
) -> None:
    """Add to `faults` why a scenario has not these outputs and expressions.

    `origin` is the option or function that named them.
    """
    labs = [party.id for party in scenario.labs]
    known = Names.of_parties(scenario.labs, scenario.landlords)
    for expression in parsed:
        try:
            expressions.check(expression, known, origin, factors=False)
        except InputError as error:
            faults += error.faults
    absent = _absent_labs(scenario)
    if absent and "p_both_named" in names:
        message = f"model.named_labs: '{absent[0]}' is not in the run{nearest(absent[0], labs)}"
        faults.append(Fault(Location(origin), "p_both_named", message))


def _default_expressions(scenarios: Sequence[Scenario]) -> list[Expression]:
    """Median and p5 of the inference margin, and P(hurdle reached).

    The probability only where the hurdle is one number, the same in all scenarios.
    """
    margin = f"inference_gross_margin@{REFERENCE_QUARTER}"
    texts = [f"p50({margin})", f"p5({margin})"]
    hurdles = [
        scenario.quantities["finance.hurdle_margin"].distribution.stated_values()
        for scenario in scenarios
    ]
    if list(hurdles[0]) == ["value"] and all(hurdle == hurdles[0] for hurdle in hurdles):
        texts.append(f"P({margin} >= {hurdles[0]['value']:g})")
    return [expressions.parse(text) for text in texts]
