"""Draws of several scenarios as one Dataset with a dim `scenario`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.common.memory import check_memory
from sim.common.text import shown
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario, labels_of
from sim.simulation.dataset import make_dataset
from sim.simulation.simulate import run_engine
from sim.statistics.scenarios import concat_scenarios

SHARED_SETTINGS = ("named_labs", "thresholds_gw")  # of probabilities, the same in all scenarios
CALLER = "simulate_many"


def simulate_many(
    scenarios: Sequence[Scenario] | Mapping[str, Scenario],
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    keep: str | Sequence[str] | None = None,
    uncertainty: float | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
) -> xr.Dataset:
    """Evaluate the model for several scenarios with common random numbers.

    Draws of the same number are paired: each quantity has the same score in all scenarios, so that
    differences along `scenario` are the effect of the differences between the files.

    Args:
        scenarios: A list of what `load` gives, or a mapping from names to it.
        draws: Number of draws; that of the scenarios' `[run]` unless given.
        seed: Seed of the random numbers; likewise.
        sampler: How to sample; likewise.
        keep: As of `simulate`. The kept draws of all scenarios are in memory together, so a batch
            of ten takes ten times as much as one run: name what you need.
        uncertainty: As of `simulate`; that of each scenario unless given.
        threads: As of `simulate`.
        progress: Called with the number of draws done since the last call; they add up to draws
            times scenarios.
        bad_draws: As of `simulate`, for each scenario by itself.
        drop_questionable: As of `simulate`, for each scenario by itself.

    Returns:
        The variables of `simulate` with a leading dim `scenario`, whose coordinate holds the names.
        Labs and landlords are those of any scenario, in the order of first appearance; where a
        scenario lacks one, its numbers are NaN and its name in `lab_name` is "". `draw` holds the
        numbers of the draws that count in any scenario; `counted` [scenario, draw] says in which,
        and values of draws that do not count are NaN. An input that is fixed in one scenario and
        sampled in another is repeated for every draw. Attributes are those that all scenarios
        share; the others are in `by_scenario`, JSON text by name. `summarise` gives the summary
        of every scenario along `scenario`; `of_scenario` gives the Dataset of one.

    Raises:
        InputError: As `simulate`; also for no scenarios, a name that occurs twice, scenarios that
            differ in draws, seed or sampler where these are not given, or in `named_labs` or
            `thresholds_gw`, or where all of them do not fit in memory.
        RunError: As `simulate`.
        ValueError: For an unknown name in `keep`.
    """
    named, shared = _check(scenarios, {"draws": draws, "seed": seed, "sampler": sampler})
    options = {
        name: run_options(
            scenario, keep=keep, uncertainty=uncertainty, threads=threads, bad_draws=bad_draws,
            drop_questionable=drop_questionable, **shared,
        )
        for name, scenario in named.items()
    }  # fmt: skip
    parts: dict[str, xr.Dataset] = {}
    for name, scenario in named.items():
        parts[name] = make_dataset(run_engine(scenario, options[name], progress=progress))
        if len(parts) == 1:
            _check_memory(parts[name], len(named))
    return concat_scenarios(parts)


def _check(
    scenarios: Sequence[Scenario] | Mapping[str, Scenario], options: Mapping[str, Any]
) -> tuple[dict[str, Scenario], dict[str, Any]]:
    """Check scenarios; return them by name, and their shared options.

    Of `options` (draws, seed, sampler) those that are None are taken from the scenarios.

    Raises:
        InputError: As `simulate_many`, with all faults.
    """
    faults: list[Fault] = []

    def add_fault(key: str, message: str) -> None:
        faults.append(Fault(Location(CALLER), key, message))

    pairs: list[tuple[Any, Any]]
    if isinstance(scenarios, Mapping):
        pairs = list(scenarios.items())
    elif isinstance(scenarios, Sequence) and not isinstance(scenarios, str):
        pairs = _label(scenarios)
    else:
        pairs = []
    if not pairs:
        add_fault("scenarios", f"expected a list of what sim.load gives, got {shown(scenarios)}")
    for i, (name, scenario) in enumerate(pairs):
        if not isinstance(scenario, Scenario):
            add_fault("scenarios", f"expected what sim.load gives, got {shown(scenario)}")
        elif not isinstance(name, str) or not name:
            add_fault("scenarios", f"expected a name, got {shown(name)}")
        elif name in [earlier for earlier, _ in pairs[:i]]:
            message = f"'{name}' occurs twice: give a mapping from names to scenarios"
            add_fault("scenarios", message)
    if faults:
        raise InputError(faults)
    named = dict(pairs)
    shared = dict(options)
    for key in options:
        values = {name: getattr(scenario.run, key) for name, scenario in named.items()}
        if options[key] is None:
            shared[key] = next(iter(values.values()))
            if len(set(values.values())) > 1:
                message = f"scenarios of a batch share it, and theirs differ: {_list(values)}"
                add_fault(key, message)
    for key in SHARED_SETTINGS:
        settings = {name: getattr(scenario.settings, key) for name, scenario in named.items()}
        if len(set(settings.values())) > 1:
            lists = {name: list(value) for name, value in settings.items()}
            message = f"scenarios of a batch need the same values: {_list(lists)}"
            add_fault(f"model.{key}", message)
    if faults:
        raise InputError(faults)
    return named, shared


def _label(scenarios: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Scenarios with their names, or where those are the same with what tells their files apart."""
    if all(isinstance(scenario, Scenario) for scenario in scenarios):
        return list(zip(labels_of(scenarios), scenarios, strict=True))
    return [(getattr(scenario, "name", ""), scenario) for scenario in scenarios]


def _list(values: Mapping[str, Any]) -> str:
    """Values by scenario as text."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _check_memory(first: xr.Dataset, count: int) -> None:
    """Refuse a batch that cannot fit in memory, given its first scenario."""
    draws = first.sizes["draw"]
    check_memory(math.ceil(first.nbytes / (8 * draws)) * count, draws, caller=CALLER)
