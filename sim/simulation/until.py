"""Adding draws until the Monte Carlo errors asked for are reached."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.common.numbers import bounded, rounded_by
from sim.engine import draw_quality, loop
from sim.engine.state import SimulationState
from sim.model.blocks import CHUNK
from sim.parameters.options import RunOptions, draws_fault, run_options
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset, partial_dataset
from sim.simulation.simulate import run_engine
from sim.statistics import expressions
from sim.statistics.datasets import json_attribute
from sim.statistics.expressions import Expression
from sim.statistics.histogram_estimators import draws_of

STEP = CHUNK  # numbers of draws are multiples of it
MAX_DRAWS = 10_000_000
NO_END: Mapping[str, str] = MappingProxyType({})
LEAST_GROWTH, MOST_GROWTH = 1.25, 4.0
MARGIN = 1.1  # errors are known to a tenth or two
SHAPE = 'expected an expression and its error, "p5(inference_gross_margin@2026Q4) +- 0.002"'


@dataclass(frozen=True, slots=True)
class Target:
    """An expression, and the largest standard error that it may have."""

    text: str
    expression: Expression
    error: float


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """What became of a target: its value, its error, and whether that is small enough."""

    target: Target
    value: float
    error: float

    @property
    def met(self) -> bool:
        """Whether there is a value, and its error is at most the one asked for."""
        return math.isfinite(self.value) and self.error <= self.target.error

    @property
    def settled(self) -> bool:
        """Whether more draws are of no use: it is met, or draws agree that nothing finite is."""
        return self.error <= self.target.error or math.isnan(self.error)

    def data(self) -> dict[str, Any]:
        """The target for machines; what is not finite is null."""
        numbers = {"value": self.value, "error": self.error}
        known = {name: x if math.isfinite(x) else None for name, x in numbers.items()}
        infinite = {"infinite": True} if math.isinf(self.value) else {}
        return {"target": self.target.text, **known, **infinite, "met": self.met}


def parse(text: str, location: str = "--until") -> Target:
    """Read a target: an expression, `+-`, `+/-` or `±`, and a number.

    Raises:
        InputError: If it does not read as one, or the number is not above 0.
    """
    parts = re.fullmatch(r"\s*(.*?)\s*(?:\+-|\+/-|±)\s*(\S+)\s*", text)
    if parts is None:
        raise InputError([Fault(Location(location), text, SHAPE)])
    try:
        error = float(parts[2])
    except ValueError:
        error = math.nan
    if not math.isfinite(error) or error <= 0:
        message = f"expected a standard error above 0, got '{parts[2]}'"
        raise InputError([Fault(Location(location), text, message)])
    return Target(text.strip(), expressions.parse(parts[1], location), error)


def parse_all(texts: Sequence[str], faults: list[Fault], location: str = "--until") -> list[Target]:
    """Read targets; the faults of all of them are added to `faults`."""
    found = []
    for text in texts:
        try:
            found.append(parse(text, location))
        except InputError as error:
            faults += error.faults
    return found


def check_all(
    targets: Sequence[Target], scenario: Scenario, faults: list[Fault], location: str = "--until"
) -> None:
    """Add to `faults` what a run of the scenario cannot tell of the targets, each fault once."""
    labs = [party.id for party in scenario.labs]
    landlords = [party.id for party in scenario.landlords]
    for target in targets:
        try:
            expressions.check(target.expression, labs, landlords, location)
        except InputError as error:
            faults += [fault for fault in error.faults if fault not in faults]


def sizes_fault(draws: Any, max_draws: Any) -> str | None:
    """What is wrong with the largest number of draws, in words."""
    message = draws_fault(max_draws)
    if message is None and max_draws < STEP:
        message = f"expected at least {STEP:,}, draws are added by so many; got {max_draws:,}"
    elif message is None and draws is not None and draws_fault(draws) is None:
        begin = math.ceil(draws / STEP) * STEP
        if max_draws < begin:
            message = f"expected at least the {begin:,} draws to begin with, got {max_draws:,}"
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
    """Add draws until the standard error of every target is at most what it asks for.

    Args:
        scenario: What `load` gives.
        targets: One or more, such as `"p5(inference_gross_margin@2026Q4) +- 0.002"`.
        max_draws: The most draws. There are always a multiple of 8,192.
        draws: The number to begin with, rounded up to such a multiple; 8,192 unless given.
        seed: As of `simulate`.
        sampler: As of `simulate`.
        threads: As of `simulate`.
        progress: As of `simulate`.
        bad_draws: As of `simulate`; "fail" judges all draws together.
        drop_questionable: As of `simulate`.
        sized: Called with the number of draws in all whenever that is decided.

    Returns:
        What `simulate` gives for so many draws, bit for bit, with the attribute `until`: JSON
        text, a list of `target`, `value`, `error` and `met`; also `infinite` for a value that is
        so, and `end` where a target is not met for want of draws: why there are no more.

    Raises:
        RunError: As `simulate`.
        InputError: For impossible options or targets; nothing is computed.
    """
    wrong = {
        "draws": None if draws is None else draws_fault(draws),
        "max_draws": sizes_fault(draws, max_draws),
        "targets": None if targets else f"none is given; {SHAPE}",
    }
    here = Location("simulate_until")
    faults = [Fault(here, name, message) for name, message in wrong.items() if message]
    given = [targets] if isinstance(targets, str) else list(targets)
    aims = [aim for aim in given if isinstance(aim, Target)]
    texts = [str(aim) for aim in given if not isinstance(aim, Target)]
    aims += parse_all(texts, faults, "simulate_until")
    check_all(aims, scenario, faults, "simulate_until")
    if faults:
        raise InputError(faults)
    options = run_options(
        scenario, seed=seed, sampler=sampler, threads=threads, bad_draws=bad_draws,
        drop_questionable=drop_questionable, caller="simulate_until",
    )  # fmt: skip
    state, outcome = run_until(
        scenario, options, aims, max_draws, draws, sized=sized, progress=progress
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
    """Draw what `simulate_until` draws: the last state, and the text of the attribute `until`.

    The options' number of draws is not used. Draws are added to those of `after`, however few
    would be enough; `finished` and `elsewhere` are as of `simulate.run_engine`.

    Raises:
        RunError: As `simulate`.
    """
    most = int(max_draws) // STEP * STEP
    size = _round_up(max(draws or STEP, after.completed.draws if after else 0), most)
    names = {target.expression.variable for target in targets}
    state = after
    while True:
        sized(size)
        sized_options = replace(options, draws=size)
        state = run_engine(scenario, sized_options, state, progress, finished, elsewhere)
        if draw_quality.cannot_succeed(state):
            draw_quality.check_draws(state)  # raises, with the reason
        ds = partial_dataset(state, names)
        statuses = [target_status(target, ds) for target in targets]
        following = next_size(size, statuses, most)
        if following <= size:
            break
        size = following
    ending = _end_reason(size, max_draws) if _more_would_help(size, statuses) else {}
    return state, outcome_json(statuses, ending)


def outcome_json(statuses: Sequence[TargetStatus], end: Mapping[str, str] = NO_END) -> str:
    """The outcome of targets as JSON text for the attribute `until`; `end` says why it ended."""
    data = [status.data() | ({} if status.settled else dict(end)) for status in statuses]
    return json.dumps(data, ensure_ascii=False)


def _more_would_help(size: int, statuses: Sequence[TargetStatus]) -> bool:
    """Whether more draws than allowed would bring a target nearer."""
    return next_size(size, statuses, 2 * size) > size


def _end_reason(size: int, max_draws: int) -> dict[str, str]:
    """Why there are no more draws, where `max_draws` does not say it by itself."""
    if max_draws % STEP:
        return {"end": f"of at most {max_draws:,} draws, {size:,} are a multiple of {STEP:,}"}
    return {}


def _round_up(draws: float, most: int) -> int:
    """A number of draws rounded up to whole steps, at most `most`."""
    return min(math.ceil(draws / STEP) * STEP, most)


def next_size(size: int, statuses: Sequence[TargetStatus], most: int) -> int:
    """The number of draws to try next; `size` again where more draws are of no use, or too many.

    Errors fall with the square root of the number of draws, or faster.
    """
    growth = 0.0
    for status in statuses:
        if status.settled and (status.met or size >= STEP):
            continue  # a value that is not a number stays so
        ratio = status.error / status.target.error if math.isfinite(status.error) else math.inf
        growth = max(growth, min(max(ratio * ratio * MARGIN, LEAST_GROWTH), MOST_GROWTH))
    return max(size, _round_up(size * growth, most)) if growth else size


def target_status(target: Target, ds: xr.Dataset) -> TargetStatus:
    """Value and error of a target over the draws so far."""
    value, error = expressions.evaluate(target.expression, ds, "--until")
    if target.expression.statistic == "P" and value in (0.0, 1.0):
        # None or all of the draws: the upper end of the 95 % interval (rule of three) counts.
        error = max(error, 3.0 / draws_of(ds))
    return TargetStatus(target, value, error)


def remarks(ds: xr.Dataset) -> list[str]:
    """What became of the targets of a run, a line each."""
    return _remark_lines(ds, json_attribute(ds, "until", []))


def warnings(ds: xr.Dataset) -> list[str]:
    """The remarks on the targets of a run that are not met."""
    return _remark_lines(ds, [x for x in json_attribute(ds, "until", []) if not x["met"]])


def _remark_lines(ds: xr.Dataset, targets: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    ends: dict[str, None] = {}  # one reason stands for all targets
    for found in targets:
        target = parse(found["target"])
        value, error = (
            math.nan if found[name] is None else float(found[name]) for name in ("value", "error")
        )
        if target.expression.statistic == "P" and value in (0.0, 1.0):
            shown = bounded(value, draws_of(ds))
        elif found.get("infinite"):
            shown = "= infinite"
        else:
            shown = f"= {rounded_by(value, error)[0]}" + (f" ± {error:.2g}" if error >= 0 else "")
        asked = f"(asked for {target.error:g})"
        if not found["met"]:
            told = "NOT REACHED" if math.isfinite(error) else "draws tell no error"
            told = "there is no finite value to pin down" if found.get("infinite") else told
            asked = f"(asked for {target.error:g}: {told})"
        lines.append(f"until: {target.expression.text} {shown} {asked}")
        ends |= {f"until: {found['end']}": None} if "end" in found else {}
    return [*lines, *ends]
