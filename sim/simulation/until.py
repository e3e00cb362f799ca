"""Simulation with target errors: draws are added until all targets are met."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.common.numbers import bounded, rounded_by
from sim.engine import draw_quality, loop
from sim.engine.state import SimulationState
from sim.expressions.kinds import EXAMPLES
from sim.expressions.names import Names
from sim.expressions.parse import parse_target
from sim.expressions.tree import Expression, ExpressionError, statistics_of
from sim.model.blocks import CHUNK
from sim.parameters.options import RunOptions, draws_fault, run_options
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset, partial_dataset
from sim.simulation.redraw import draw_again
from sim.simulation.simulate import run_engine
from sim.statistics import expressions
from sim.statistics.datasets import draws_of, json_attribute
from sim.statistics.expressions import select_draws
from sim.statistics.tails import MOMENTS, refuse_heavy_tail
from sim.statistics.values import names_needed

STEP = CHUNK  # numbers of draws are multiples of it
MAX_DRAWS = 10_000_000
EXAMINED = 8 * CHUNK  # draws from which the tails of a variable are judged
NO_END: Mapping[str, str] = MappingProxyType({})
LEAST_GROWTH, MOST_GROWTH = 1.25, 4.0
MARGIN = 1.1  # errors are known to 10 or 20 %
SHAPE = f'expected a statistic and its error, "{EXAMPLES["target"]}"'


@dataclass(frozen=True, slots=True)
class Target:
    """An expression, and its largest allowed standard error."""

    text: str
    expression: Expression
    error: float


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """Value and standard error of a target over the draws so far.

    `refused` says why the error cannot be trusted; empty where it can.
    """

    target: Target
    value: float
    error: float
    refused: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is finite, and its error small enough and to be trusted."""
        return math.isfinite(self.value) and self.error <= self.target.error and not self.refused

    @property
    def settled(self) -> bool:
        """Whether more draws are of no use: error small enough, NaN, or not to be trusted."""
        return self.error <= self.target.error or math.isnan(self.error) or bool(self.refused)

    def data(self) -> dict[str, Any]:
        """The status as JSON data; numbers that are not finite are null."""
        numbers = {"value": self.value, "error": self.error}
        finite = {name: x if math.isfinite(x) else None for name, x in numbers.items()}
        infinite = {"infinite": True} if math.isinf(self.value) else {}
        refused = {"refused": self.refused} if self.refused else {}
        return {"target": self.target.text, **finite, **infinite, "met": self.met, **refused}


def parse(text: str, location: str = "--until") -> Target:
    """Parse a target: a statistic, `+-`, `+/-` or `±`, and its largest standard error.

    Raises:
        InputError: For a syntax error, or if the number is not above 0.
    """
    try:
        found = parse_target(text, names=None)
        if found.relation != "+-":
            raise ExpressionError(SHAPE)
    except ExpressionError as error:
        raise InputError([Fault(Location(location), text, str(error))]) from None
    return Target(found.text, found.statistic, found.number)


def parse_all(texts: Sequence[str], faults: list[Fault], location: str = "--until") -> list[Target]:
    """Parse targets; the faults of all are added to `faults`."""
    targets = []
    for text in texts:
        try:
            targets.append(parse(text, location))
        except InputError as error:
            faults += error.faults
    return targets


def check_all(
    targets: Sequence[Target], scenario: Scenario, faults: list[Fault], location: str = "--until"
) -> None:
    """Add to `faults` why the scenario cannot evaluate the targets, each once."""
    names = Names.of_parties(scenario.labs, scenario.landlords)
    for target in targets:
        try:
            expressions.check(target.expression, names, location, factors=False)
        except InputError as error:
            faults += [fault for fault in error.faults if fault not in faults]


def sizes_fault(draws: Any, max_draws: Any) -> str | None:
    """Message about an invalid `max_draws`; None for a valid one."""
    message = draws_fault(max_draws)
    if message is None and max_draws < STEP:
        message = (
            f"expected at least {STEP:,}, the step in which draws are added; got {max_draws:,}"
        )
    elif message is None and draws is not None and draws_fault(draws) is None:
        first = math.ceil(draws / STEP) * STEP
        if max_draws < first:
            message = f"expected at least the {first:,} draws to begin with, got {max_draws:,}"
    return message


def simulate_until(
    scenario: Scenario,
    targets: Sequence[Target | str] | str,
    max_draws: int = MAX_DRAWS,
    *,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
    sized: Callable[[int], None] = lambda draws: None,
) -> xr.Dataset:
    """Simulate, adding draws until every target has its standard error.

    Args:
        scenario: What `load` gives.
        targets: One or more, such as `"p5(inference_gross_margin@2026Q4) +- 0.002"`.
        max_draws: The largest number of draws; it is always a multiple of 8,192.
        draws: The first number of draws, rounded up to such a multiple; 8,192 unless given.
        seed: As of `simulate`.
        sampler: As of `simulate`.
        threads: As of `simulate`.
        progress: As of `simulate`.
        bad_draws: As of `simulate`; "fail" applies to all draws together.
        drop_questionable: As of `simulate`.
        sized: Called with every new total number of draws.

    Returns:
        What `simulate` gives for this number of draws, bit for bit, with the attribute `until`:
        JSON text, a list of `target`, `value`, `error` and `met`; also `infinite` for an infinite
        value, and `end` where more draws might meet a target: why there are no more.

    Raises:
        RunError: As `simulate`.
        InputError: For invalid options or targets; nothing is computed.
    """
    messages = {
        "draws": None if draws is None else draws_fault(draws),
        "max_draws": sizes_fault(draws, max_draws),
        "targets": None if targets else f"none is given; {SHAPE}",
    }
    location = Location("simulate_until")
    faults = [Fault(location, name, message) for name, message in messages.items() if message]
    items = [targets] if isinstance(targets, str) else list(targets)
    parsed = [item for item in items if isinstance(item, Target)]
    texts = [str(item) for item in items if not isinstance(item, Target)]
    parsed += parse_all(texts, faults, "simulate_until")
    check_all(parsed, scenario, faults, "simulate_until")
    if faults:
        raise InputError(faults)
    options = run_options(
        scenario, seed=seed, sampler=sampler, threads=threads, bad_draws=bad_draws,
        drop_questionable=drop_questionable, caller="simulate_until",
    )  # fmt: skip
    state, outcome = run_until(
        scenario, options, parsed, max_draws, draws, sized=sized, progress=progress
    )
    ds = make_dataset(state)
    ds.attrs["until"] = outcome
    return ds


def run_until(
    scenario: Scenario,
    options: RunOptions,
    targets: Sequence[Target],
    max_draws: int,
    draws: int | None,
    sized: Callable[[int], None],
    after: SimulationState | None = None,
    progress: loop.Progress | None = None,
    finished: Callable[[SimulationState], None] = lambda state: None,
    elsewhere: loop.Elsewhere | None = None,
) -> tuple[SimulationState, str]:
    """Evaluate draws until all targets are met.

    The number of draws of the options is not used. Draws are added to those of `after`, even where
    fewer would be enough. `finished` and `elsewhere` are as of `simulate.run_engine`.

    Returns:
        The last state, and the JSON text of the attribute `until`.

    Raises:
        RunError: As `simulate`.
    """
    most = int(max_draws) // STEP * STEP
    size = _round_up(max(draws or STEP, after.completed.draws if after else 0), most)
    names = dict.fromkeys(names_needed([target.expression.tree for target in targets]))
    is_formed = any(not target.expression.variable for target in targets)
    if is_formed:
        most = min(most, options.kept_draws)  # what is formed is of kept draws: more are of no use
    state, other = after, None
    refused = refuse_targets(targets, scenario, options)
    while True:
        sized(size)
        sized_options = replace(options, draws=size)
        state = run_engine(scenario, sized_options, state, progress, finished, elsewhere)
        if draw_quality.cannot_succeed(state):
            draw_quality.check_draws(state)  # raises, with the reason
        ds = partial_dataset(state, names)
        needed = expressions.draws_needed((target.expression for target in targets), ds)
        if lacking := [name for name in needed if name not in ds]:  # a run keeps no draws of them
            other = draw_again(scenario, sized_options, lacking, other)
            ds = ds.assign(partial_dataset(other, lacking).data_vars)
        statuses = [target_status(target, ds, refused) for target in targets]
        larger = next_size(size, statuses, most)
        if larger <= size:
            break
        size = larger
    kept = options.kept_draws if is_formed else math.inf
    ending = _end_reason(size, max_draws, kept) if _more_would_help(size, statuses) else {}
    return state, outcome_json(statuses, ending)


def outcome_json(statuses: Sequence[TargetStatus], end: Mapping[str, str] = NO_END) -> str:
    """JSON text of the attribute `until`; `end` explains unmet targets."""
    data = [status.data() | ({} if status.settled else dict(end)) for status in statuses]
    return json.dumps(data, ensure_ascii=False)


def _more_would_help(size: int, statuses: Sequence[TargetStatus]) -> bool:
    """Whether more draws than allowed could meet a target."""
    return next_size(size, statuses, 2 * size) > size


def _end_reason(size: int, max_draws: int, kept: float) -> dict[str, str]:
    """Entry `end` where draws stop below `max_draws`; otherwise empty."""
    if kept < max_draws and size >= kept:
        return {"end": f"what is formed of values is of kept draws, {kept:,} at most"}
    if max_draws % STEP:
        return {"end": f"of at most {max_draws:,} draws, {size:,} are a multiple of {STEP:,}"}
    return {}


def _round_up(draws: float, most: int) -> int:
    """Round a number of draws up to whole steps, at most `most`."""
    return min(math.ceil(draws / STEP) * STEP, most)


def next_size(size: int, statuses: Sequence[TargetStatus], most: int) -> int:
    """The next number of draws to evaluate; `size` where there is none.

    That is so where more draws are of no use, or more than `most`. Errors fall at least with the
    square root of the number of draws.
    """
    growth = 0.0
    for status in statuses:
        if status.settled and (status.met or size >= STEP):
            continue  # a value that is NaN stays NaN
        ratio = status.error / status.target.error if math.isfinite(status.error) else math.inf
        growth = max(growth, min(max(ratio * ratio * MARGIN, LEAST_GROWTH), MOST_GROWTH))
    return max(size, _round_up(size * growth, most)) if growth else size


def refuse_targets(
    targets: Sequence[Target], scenario: Scenario, options: RunOptions
) -> dict[Target, str]:
    """Targets whose error cannot be trusted, and why: means, sds and tail means of heavy tails.

    How heavy a tail is shows in many draws only. So it is read from the first 65,536, of variables
    of which a run may keep moments alone, whatever the number of draws of the options.
    """
    moments = {
        target: [of for of in statistics_of(target.expression.tree) if of.kind in MOMENTS]
        for target in targets
    }
    names = names_needed([of for found in moments.values() for of in found])
    if not names:
        return {}
    pilot = replace(options, draws=min(EXAMINED, options.kept_draws), keep=names)
    ds = partial_dataset(run_engine(scenario, pilot), names)
    reasons = {
        target: "; ".join(
            filter(
                None, (refuse_heavy_tail(select_draws(of, ds), of.kind, of.level) for of in found)
            )
        )
        for target, found in moments.items()
    }
    return {target: reason for target, reason in reasons.items() if reason}


def target_status(target: Target, ds: xr.Dataset, refused: Mapping[Target, str]) -> TargetStatus:
    """Value and error of a target over the draws of a Dataset; see `refuse_targets`."""
    value, error = expressions.evaluate(target.expression, ds, "--until")
    if target.expression.statistic == "P" and value in (0.0, 1.0):
        # In no draw or in all: the error is the width of the 95 % interval (rule of three).
        error = max(error, 3.0 / draws_of(ds))
    return TargetStatus(target, value, error, refused.get(target, ""))


def remarks(ds: xr.Dataset) -> list[str]:
    """Outcomes of the targets of a run, one line each."""
    return _remark_lines(ds, json_attribute(ds, "until", []))


def warnings(ds: xr.Dataset) -> list[str]:
    """Outcomes of unmet targets of a run, one line each."""
    outcomes = json_attribute(ds, "until", [])
    return _remark_lines(ds, [outcome for outcome in outcomes if not outcome["met"]])


def _remark_lines(ds: xr.Dataset, outcomes: Sequence[dict[str, Any]]) -> list[str]:
    """Lines on outcomes of targets, then distinct reasons why draws ended."""
    lines = []
    ends: dict[str, None] = {}
    for outcome in outcomes:
        target = parse(outcome["target"])
        value, error = (
            math.nan if outcome[name] is None else float(outcome[name])
            for name in ("value", "error")
        )
        if target.expression.statistic == "P" and value in (0.0, 1.0):
            shown = bounded(value, draws_of(ds))
        elif outcome.get("infinite"):
            shown = "= infinite"
        else:
            shown = f"= {rounded_by(value, error)[0]}" + (f" ± {error:.2g}" if error >= 0 else "")
        reason = ""
        if outcome.get("infinite"):
            reason = ": no finite value"
        elif "refused" in outcome:
            reason = f": NOT ANSWERED, {outcome['refused']}"
        elif not outcome["met"]:
            reason = ": NOT REACHED" if math.isfinite(error) else ": no error can be estimated"
        lines.append(
            f"until: {target.expression.text} {shown} (asked for {target.error:g}{reason})"
        )
        ends |= {f"until: {outcome['end']}": None} if "end" in outcome else {}
    return [*lines, *ends]
