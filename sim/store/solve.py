"""`sim.solve`: goal seek on a scenario, or on a model of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.errors import Fault, InputError, Location
from sim.store.folders import OUTPUTS
from sim.store.worlds import open_world

if TYPE_CHECKING:
    import xarray as xr

    from sim.analysis.measures import Measure
    from sim.analysis.solve import Draws, Solution, Worlds
    from sim.expressions.tree import Target
    from sim.parameters.scenario import Scenario
    from sim.parameters.varied import Varied
    from sim.statistics.replicates import Replicates

DRAWS = 20_000  # unless given


def solve(
    world: str | Path | Scenario | xr.Dataset | Callable[..., xr.Dataset] | None,
    vary: str | Sequence[str] | Mapping[str, tuple[float, float]],
    target: str | Sequence[str],
    *,
    curve: bool = False,
    set: Mapping[str, Any] | None = None,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    progress: Callable[[int], None] = lambda worlds: None,
) -> Solution:
    """Find the number of a key at which a statistic reaches its target.

    Args:
        world: A file, a run, a name, a scenario or a Dataset of one; or a model of one's own, a
            function of the numbers by key that gives a Dataset, with the same random numbers each
            time.
        vary: The key, or several: an input (its median, or its value if it is fixed), or one of its
            parameters, such as `hardware.pue.sigma`. Of one's own model, key -> from, to.
        target: `STATISTIC = number`, such as `P(inference_gross_margin@2026Q4 >= 0.7) = 0.9`; as
            many as keys.
        curve: Also what it takes for the event of the target to have probabilities of 50 to 95 %.
        set: Changes on top of the file, by dotted key.
        draws: 20,000 unless given.
        seed: As the file says unless given.
        sampler: Likewise.
        threads: All processors unless given; changes no number.
        out: The folder that holds the runs.
        progress: Called with the number of worlds drawn since the last call.

    Returns:
        The roots, with errors (`analysis.solve.Solution`).

    Raises:
        InputError: For keys or targets that cannot be read, or if nothing in the range of the keys
            meets the targets.
    """
    targets = [target] if isinstance(target, str) else list(target)
    if callable(world):
        if not isinstance(vary, Mapping):
            message = "a model of one's own needs the range of each key: {'price': (1, 100)}"
            raise InputError([Fault(Location("vary"), "", message)])
        return _solve_model(world, vary, targets, curve, progress)
    keys = [vary] if isinstance(vary, str) else list(vary)
    opened = open_world(
        world, out, set=set, seed=seed, sampler=sampler, threads=threads,
    )  # fmt: skip
    return solve_scenario(
        opened.scenario, keys, targets, curve=curve, draws=DRAWS if draws is None else draws,
        seed=opened.options.seed if seed is None else seed,
        sampler=opened.options.sampler if sampler is None else sampler, threads=threads,
        progress=progress,
    )  # fmt: skip


def solve_scenario(
    scenario: Scenario,
    keys: Sequence[str],
    targets: Sequence[str],
    *,
    curve: bool,
    draws: int,
    seed: int,
    sampler: str,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda worlds: None,
) -> Solution:
    """As `solve`, of a scenario.

    Raises:
        InputError: Likewise.
    """
    from dataclasses import replace

    from sim.analysis.measures import Measure, draw_measures
    from sim.expressions.names import Names
    from sim.expressions.parse import unit
    from sim.parameters.options import run_options
    from sim.parameters.varied import find_varied, vary
    from sim.statistics.replicates import replicated

    parsed = parse_targets(targets, Names.of_parties(scenario.labs, scenario.landlords))
    varied = find_varied(scenario, keys)
    measures = [
        Measure(of.statistic.text, of.statistic.tree, unit(of.statistic.tree)) for of in parsed
    ]
    options = run_options(scenario, draws, seed, sampler, threads=threads, caller="solve")

    def worlds_of(measures: Sequence[Measure], seed: int | None = None) -> Worlds:
        def evaluate(numbers: Sequence[float]) -> tuple[Draws, Replicates]:
            names = [key.name for key in varied]
            world = vary(scenario, dict(zip(names, numbers, strict=True)))
            of_world = replace(options, seed=options.seed if seed is None else seed)
            drawn = draw_measures(world, of_world, measures)
            return drawn, replicated(len(drawn[0][0]), of_world.sampler)

        return evaluate

    return _find(worlds_of, varied, parsed, measures, curve, progress, again=options.seed + 1)


def _solve_model(
    model: Callable[..., xr.Dataset],
    vary: Mapping[str, tuple[float, float]],
    targets: Sequence[str],
    curve: bool,
    progress: Callable[[int], None],
) -> Solution:
    """As `solve`, of a function that gives a Dataset."""
    from sim.analysis.measures import Measure, read_measures
    from sim.expressions.parse import unit
    from sim.parameters.varied import Varied
    from sim.statistics.names import names_of
    from sim.statistics.replicates import replicates_of

    if faults := [
        Fault(Location("vary"), name, f"from {low:g} to {high:g}: expected two rising numbers")
        for name, (low, high) in vary.items()
        if not -math.inf < low < high < math.inf
    ]:
        raise InputError(faults)
    keys = [
        Varied(name, float(low), float(high), scale="log" if low > 0 else "linear", meaning=name)
        for name, (low, high) in vary.items()
    ]
    ds = model(**{key.name: key.from_scale((key.to_scale(key.low) + key.to_scale(key.high)) / 2)
                  for key in keys})  # fmt: skip
    unchecked = parse_targets(targets, None)
    names = names_of(ds, [of.statistic.tree for of in unchecked])
    parsed = parse_targets(targets, names)
    measures = [
        Measure(of.statistic.text, of.statistic.tree, unit(of.statistic.tree, names))
        for of in parsed
    ]

    def worlds_of(measures: Sequence[Measure]) -> Worlds:
        def evaluate(numbers: Sequence[float]) -> tuple[Draws, Replicates]:
            drawn = model(**dict(zip([key.name for key in keys], numbers, strict=True)))
            return read_measures(drawn, measures), replicates_of(drawn)

        return evaluate

    return _find(worlds_of, keys, parsed, measures, curve, progress)


def _find(
    worlds_of: Callable[..., Worlds],
    keys: Sequence[Varied],
    targets: Sequence[Target],
    measures: Sequence[Measure],
    curve: bool,
    progress: Callable[[int], None],
    again: int | None = None,
) -> Solution:
    """The roots, and the curve if it is asked for.

    `worlds_of` gives worlds of measures, of another seed where one is given; `again` is that with
    which roots are checked.
    """
    from dataclasses import replace

    from sim.analysis.requirement import find_requirement, measure_excess
    from sim.analysis.solve import solve as find_roots

    if curve and len(keys) > 1:
        raise InputError([Fault(Location("--curve"), "", "is of one key, with one target")])
    excess = [measure_excess(targets[0].statistic.tree, targets[0].text)] if curve else []
    worlds = worlds_of(measures)
    check = None if again is None else worlds_of(measures, again)
    found = find_roots(worlds, keys, targets, measures, again=check, progress=progress)
    if not curve:
        return found
    values = worlds_of(excess)

    def value(number: float) -> tuple[Any, Replicates]:
        drawn, replicates = values([number])
        return drawn[0][0], replicates

    def reached(number: float) -> tuple[float, float]:
        drawn, replicates = worlds([number])
        return measures[0].of(drawn[0], replicates)

    return replace(found, curve=find_requirement(keys[0], value, reached, progress=progress))


def parse_targets(texts: Sequence[str], names: Any) -> list[Target]:
    """Read targets `STATISTIC = number`.

    Raises:
        InputError: For each that is none, or asks for an error (`+-`).
    """
    from sim.expressions.parse import parse_target
    from sim.expressions.tree import ExpressionError

    found, faults = [], []
    for text in texts:
        try:
            target = parse_target(text, names)
        except ExpressionError as error:
            faults.append(Fault(Location("--target"), text, str(error)))
            continue
        if target.relation != "=":
            message = "asks for an error; what it takes to reach a number is 'STATISTIC = number'"
            faults.append(Fault(Location("--target"), text, message))
        elif _is_probability(target) and not 0 < target.number < 1:
            message = "draws cannot tell where it is reached: a probability between 0 and 1"
            faults.append(Fault(Location("--target"), text, message))
        found.append(target)
    if faults:
        raise InputError(faults)
    return found


def _is_probability(target: Target) -> bool:
    return getattr(target.statistic.tree, "kind", "") == "P"
