"""Sweeps: one question asked at every point of a grid of parameters, with common random numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.fingerprint import files_hash, source_hash
from sim.common.text import in_words, nearest
from sim.model.catalogue import OUTPUTS
from sim.model.dims import REFERENCE_QUARTER
from sim.model.outputs import PROBABILITIES
from sim.parameters import sweep_axes
from sim.parameters.options import RunOptions, option_faults, run_options
from sim.parameters.scenario import Scenario
from sim.parameters.sweep_axes import Axis
from sim.parameters.sweep_grid import Grid, load_grid
from sim.simulation.dataset import make_dataset
from sim.simulation.simulate import run_engine
from sim.statistics import expressions, scenarios
from sim.statistics.datasets import json_attribute
from sim.statistics.expressions import Expression
from sim.statistics.summary import summarise, without_value_at_risk
from sim.statistics.summary_variables import with_error

CALLER = "sweep"
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
    """Evaluate the model at every point of a grid of parameters, with the same random numbers.

    Args:
        path: A parameter file, as of `load`.
        over: Keys that `set` takes too, each with its values: a list of numbers or of words, or
            text such as `"0.3:0.8:11"` (from, to, how many) or `"3,4,5"`. Unless given, those of
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
        progress: Called with the number of draws done since it was last called; in all there are
            as many as draws times points.
        bad_draws: As of `simulate`, for each point by itself.
        drop_questionable: As of `simulate`, for each point by itself.

    Returns:
        A Dataset with a leading dim for each key, named by it, whose coordinate holds the values
        with their unit. Of the outputs named, and of those in expressions, it has what `summarise`
        gives at each point but for the values at risk; of each expression a variable of that name
        and its `..._error`; and how many draws count, are not finite, or are questionable. Draws
        themselves are not kept: memory is that of one run.

    Raises:
        InputError: With all faults of all points, options and outputs; nothing is computed.
        RunError: As `simulate`; it tells the point.
    """
    faults: list[Fault] = []
    along = sweep_axes.of_mapping(over or {}, faults)
    plan = plan_sweep(
        path, along, outputs, set, faults, CALLER, draws=draws, seed=seed, sampler=sampler,
        threads=threads, bad_draws=bad_draws, drop_questionable=drop_questionable,
    )  # fmt: skip
    points = range(len(plan.grid.scenarios))
    return plan.assembled([plan.point(i, progress) for i in points])


@dataclass(frozen=True)
class SweepPlan:
    """A sweep, checked: at every point of a grid, statistics of `names` and of expressions.

    `options` are those of the first point; others differ in `uncertainty` at most.
    """

    grid: Grid
    names: tuple[str, ...]
    expressions: tuple[Expression, ...]
    options: RunOptions

    def digest(self) -> str:
        """Twelve hexadecimal digits of all that determines the result."""
        options = self.options
        determined_by = [
            source_hash(), files_hash(), self.names, [one.text for one in self.expressions],
            options.draws, options.seed, options.sampler, options.bad_draws,
            options.drop_questionable,
            [[axis.key, axis.labels] for axis in self.grid.axes],
            [scenario.digest() for scenario in self.grid.scenarios],
        ]  # fmt: skip
        return hashlib.blake2b(json.dumps(determined_by).encode(), digest_size=6).hexdigest()

    def at(self, point: int) -> str:
        """The values at a point in a line of text."""
        values = self.grid.at(point)
        return ", ".join(f"{key} = {in_words(value)}" for key, value in values.items())

    def point(self, point: int, progress: Callable[[int], None] | None = None) -> xr.Dataset:
        """Draw one point: its statistics as `sweep` gives them, without the dims of the grid.

        Raises:
            RunError: As `simulate`.
        """
        try:
            scenario = self.grid.scenarios[point]
            options = replace(self.options, uncertainty=scenario.settings.uncertainty)
            ds = make_dataset(run_engine(scenario, options, progress=progress))
        except RunError as error:
            raise RunError(f"{self.at(point)}: {error}") from error
        summary = without_value_at_risk(summarise(ds, self.names, threads=options.threads))
        for expression in self.expressions:
            value, standard_error = expressions.evaluate(expression, ds)
            about = {"units": unit(expression), "long_name": expression.text}
            for name, variable in with_error(expression.text, (), value, standard_error, about):
                summary[name] = variable
        counts = {**ds.attrs, "draws_counted": ds.sizes["draw"]}
        for name, meaning in COUNTS.items():
            summary[name] = ((), int(counts[name]), {"units": "1", "long_name": meaning})
        return summary

    def assembled(self, points: Sequence[xr.Dataset]) -> xr.Dataset:
        """The Dataset of all points, in their order."""
        many = scenarios.concat_scenarios({str(i): point for i, point in enumerate(points)})
        names, shape = [axis.key for axis in self.grid.axes], self.grid.shape
        unfolded: dict[str, Any] = {}
        for name, variable in many.variables.items():
            if name == scenarios.DIM:
                continue
            dims, values = tuple(map(str, variable.dims)), variable.values
            if dims[:1] == (scenarios.DIM,):
                dims, values = (*names, *dims[1:]), values.reshape(*shape, *values.shape[1:])
            unfolded[str(name)] = (dims, values, dict(variable.attrs))
        coords = {name: unfolded.pop(name) for name in map(str, many.coords) if name in unfolded}
        for axis in self.grid.axes:
            coords[axis.key] = (axis.key, axis.labels, self.grid.about(axis))
        first = self.grid.scenarios[0]
        left = (
            scenarios.BY_SCENARIO,
            scenarios.LACKING,
            *COUNTS,
            "draws_not_finite_why",
            "correlation",
        )
        attributes = {key: what for key, what in many.attrs.items() if key not in left}
        attributes |= {
            "title": f"AI-lab token economics, sweep of scenario {first.name}",
            "scenario": first.name,
            "digest": self.digest(),
            "over": json.dumps({axis.key: axis.values for axis in self.grid.axes}),
            "expressions": json.dumps([expression.text for expression in self.expressions]),
        }
        return xr.Dataset(unfolded, coords, attributes)


def unit(asked: Expression) -> str:
    """The unit of an expression."""
    return "1" if asked.statistic == "P" else OUTPUTS[asked.variable].unit


def asked(ds: xr.Dataset) -> list[Expression]:
    """The expressions of a sweep."""
    return [expressions.parse(text) for text in json_attribute(ds, "expressions")]


def keys(ds: xr.Dataset) -> list[str]:
    """The keys that are swept, in the order of the dims."""
    return list(json_attribute(ds, "over"))


def scale(expression: Expression) -> float:
    """What an expression is multiplied by for show: margins and probabilities are in percent."""
    percent = expression.statistic == "P" or expression.variable.endswith("margin")
    return 100.0 if percent else 1.0


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
    """Check everything of a sweep before anything is drawn; `faults` holds those found before.

    Faults are those of options of the command line, or of arguments of the `caller`.

    Raises:
        InputError: With all faults.
    """

    def location(option: str) -> tuple[Location, str]:
        return (
            (Location(caller), option)
            if caller
            else (Location(f"--{option.replace('_', '-')}"), "")
        )

    wrong = option_faults(
        draws=draws, seed=seed, sampler=sampler, threads=threads, bad_draws=bad_draws
    )
    faults += [Fault(*location(name), message) for name, message in wrong.items()]
    names, asked = _read(outputs or (), *location("outputs" if caller else "output"), faults)
    grid = load_grid(path, along, changes, faults)
    first = grid.scenarios[0]
    if outputs is None:
        names, asked = [*HEADLINE, *PROBABILITIES], _usual(grid.scenarios)
    labs, landlords = ([p.id for p in of] for of in (first.labs, first.landlords))
    where = caller or "--output"
    for expression in asked:
        try:
            expressions.check(expression, labs, landlords, where, of_a_run=False)
        except InputError as error:
            faults += error.faults
    absent = [lab for lab in first.settings.named_labs if lab not in labs]
    if absent and outputs is None:
        names.remove("p_both_named")
    elif absent and "p_both_named" in names:
        message = f"model.named_labs: '{absent[0]}' is not in the run{nearest(absent[0], labs)}"
        faults.append(Fault(Location(where), "p_both_named", message))
    if faults:
        raise InputError(faults)
    chosen = dict.fromkeys([*names, *(expression.variable for expression in asked)])
    options = run_options(
        first, draws, seed, sampler, tuple(chosen), threads=threads, bad_draws=bad_draws,
        drop_questionable=drop_questionable,
    )  # fmt: skip
    return SweepPlan(grid, tuple(chosen), tuple(asked), options)


def _read(
    outputs: Sequence[str], location: Location, key: str, faults: list[Fault]
) -> tuple[list[str], list[Expression]]:
    """The names among outputs asked for, and the expressions; each once."""
    names: list[str] = []
    asked: dict[str, Expression] = {}
    if isinstance(outputs, str):
        faults.append(Fault(location, key, f"expected a list of outputs, got '{outputs}'"))
        return [], []
    for said in outputs:
        if not isinstance(said, str) or "(" not in said:
            if said not in OUTPUTS and said not in PROBABILITIES:
                hint = nearest(str(said), [*OUTPUTS, *PROBABILITIES])
                hint = hint or f"; {expressions.SHAPE}, or an output"
                faults.append(Fault(location, str(said), f"unknown output{hint}"))
            else:
                names.append(said)
            continue
        try:
            found = expressions.parse(said, str(location))
            asked[found.text] = found
            if found.variable not in OUTPUTS:
                expressions.check(found, (), (), str(location))
        except InputError as error:
            faults += error.faults
    return names, list(asked.values())


def _usual(scenarios: Sequence[Scenario]) -> list[Expression]:
    """What is asked unless something is: of the inference margin, with the hurdle if it is one."""
    margin = f"inference_gross_margin@{REFERENCE_QUARTER}"
    texts = [f"p50({margin})", f"p5({margin})"]
    hurdles = [
        one.quantities["finance.hurdle_margin"].distribution.stated_values() for one in scenarios
    ]
    if list(hurdles[0]) == ["value"] and all(hurdle == hurdles[0] for hurdle in hurdles):
        texts.append(f"P({margin} >= {hurdles[0]['value']:g})")
    return [expressions.parse(text) for text in texts]
