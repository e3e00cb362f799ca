"""Several scenarios as one Dataset with a dim `scenario`, and one of them back out of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.common.memory import check_memory
from sim.common.text import shown
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset
from sim.simulation.simulate import run_engine
from sim.statistics.scenarios import concat_scenarios

ASKED = ("named_labs", "thresholds_gw")  # what probabilities ask for, the same in all
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
    """Evaluate the model in every draw of several scenarios, with the same random numbers.

    Draws of the same number are a pair: each quantity has there the same score in all scenarios,
    so that differences along `scenario` are the effect of what differs between files.

    Args:
        scenarios: What `load` gives, in a list; or a mapping from names to them.
        draws: Number of draws; that of the scenarios' `[run]` unless given.
        seed: Seed of the random numbers; likewise.
        sampler: How to sample; likewise.
        keep: As of `simulate`. All that is kept of all scenarios is in memory together, so a batch
            of ten takes ten times as much as one run: name what you need.
        uncertainty: As of `simulate`; that of each scenario unless given.
        threads: As of `simulate`.
        progress: Called with the number of draws done since it was last called; in all there are
            as many as draws times scenarios.
        bad_draws: As of `simulate`, for each scenario by itself.
        drop_questionable: As of `simulate`, for each scenario by itself.

    Returns:
        The variables of `simulate` with a leading dim `scenario`, whose coordinate holds the names.
        Labs and landlords are those of any scenario, in the order in which they first come; where
        a scenario lacks one, its numbers are NaN and its name in `lab_name` is "". `draw` holds the
        numbers of the draws that count in any scenario; `counted` [scenario, draw] says in which
        they do, and where one does not it is NaN. An input that is fixed in one scenario and
        sampled in another is repeated for every draw. Attributes are those that all scenarios have
        alike; the others are in `by_scenario`, JSON text by name. `summarise` of it gives, with a
        leading dim `scenario`, what it gives of each `simulate`; so does `of_scenario` give each.

    Raises:
        InputError: As `simulate`; also for no scenarios, a name that occurs twice, scenarios that
            differ in draws, seed or sampler where these are not given, or in `named_labs` or
            `thresholds_gw`, or where all of them do not fit in memory.
        RunError: As `simulate`.
        ValueError: For an unknown name in `keep`.
    """
    named, alike = _checked(scenarios, {"draws": draws, "seed": seed, "sampler": sampler})
    options = {
        name: run_options(
            scenario, keep=keep, uncertainty=uncertainty, threads=threads, bad_draws=bad_draws,
            drop_questionable=drop_questionable, **alike,
        )
        for name, scenario in named.items()
    }  # fmt: skip
    parts: dict[str, xr.Dataset] = {}
    for name, scenario in named.items():
        parts[name] = make_dataset(run_engine(scenario, options[name], progress=progress))
        if len(parts) == 1:
            _check_memory(parts[name], len(named))
    return concat_scenarios(parts)


def _checked(
    scenarios: Sequence[Scenario] | Mapping[str, Scenario], given: Mapping[str, Any]
) -> tuple[dict[str, Scenario], dict[str, Any]]:
    """The scenarios by name, and the draws, seed and sampler that all of them share."""
    faults: list[Fault] = []

    def wrong(key: str, message: str) -> None:
        faults.append(Fault(Location(CALLER), key, message))

    pairs: list[tuple[Any, Any]]
    if isinstance(scenarios, Mapping):
        pairs = list(scenarios.items())
    elif isinstance(scenarios, Sequence) and not isinstance(scenarios, str):
        pairs = [(getattr(one, "name", ""), one) for one in scenarios]
    else:
        pairs = []
    if not pairs:
        wrong("scenarios", f"expected a list of what sim.load gives, got {shown(scenarios)}")
    for i, (name, one) in enumerate(pairs):
        if not isinstance(one, Scenario):
            wrong("scenarios", f"expected what sim.load gives, got {shown(one)}")
        elif not isinstance(name, str) or not name:
            wrong("scenarios", f"expected a name, got {shown(name)}")
        elif name in [other for other, _ in pairs[:i]]:
            wrong("scenarios", f"'{name}' is there twice: give a mapping from names to scenarios")
    if faults:
        raise InputError(faults)
    named = dict(pairs)
    alike = dict(given)
    for key in given:
        said = {name: getattr(one.run, key) for name, one in named.items()}
        if given[key] is None:
            alike[key] = next(iter(said.values()))
            if len(set(said.values())) > 1:
                wrong(key, f"scenarios of a batch share it, and theirs differ: {_each(said)}")
    for key in ASKED:
        asked = {name: getattr(one.settings, key) for name, one in named.items()}
        if len(set(asked.values())) > 1:
            told = {name: list(what) for name, what in asked.items()}
            wrong(f"model.{key}", f"scenarios of a batch ask for the same: {_each(told)}")
    if faults:
        raise InputError(faults)
    return named, alike


def _each(said: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {what}" for name, what in said.items())


def _check_memory(first: xr.Dataset, count: int) -> None:
    """Refuse a batch that cannot fit in memory once its first scenario is there."""
    draws = first.sizes["draw"]
    check_memory(math.ceil(first.nbytes / (8 * draws)) * count, draws, caller=CALLER)
