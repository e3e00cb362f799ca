"""Analyses of worlds that are named as on the command line: by file, run, name, or in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.errors import Fault, InputError, Location
from sim.store.folders import OUTPUTS
from sim.store.worlds import World, open_world

if TYPE_CHECKING:
    import xarray as xr

    from sim.analysis.compare import Comparison
    from sim.analysis.trace import Trace
    from sim.parameters.scenario import Scenario


def compare(
    first: str | Path | Scenario | xr.Dataset | None = None,
    second: str | Path | Scenario | xr.Dataset | None = None,
    outputs: Sequence[str] | None = None,
    *,
    set: Mapping[str, Any] | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
    labs: Sequence[str] = (),
    landlords: Sequence[str] = (),
    quarters: Sequence[str] = (),
    attributed: bool = True,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    progress: Callable[[int], None] = lambda worlds: None,
) -> Comparison:
    """Compare two worlds draw by draw, and share each difference among the edits.

    Args:
        first: The reference: a file, a run, a name, a scenario, or a Dataset of one.
        second: What is compared with it; the first with the changes of `set` unless given.
        outputs: Statistics such as `p50(inference_gross_margin@2026Q4)` or `P(EVENT)`; those of the
            headline unless given.
        set: Changes on top of files, by dotted key; of both files where there are two.
        groups: Names of groups of edits, each with the keys or patterns that it joins.
        labs: Labs of the headline, by id; the named ones unless given.
        landlords: Landlords whose rows are added.
        quarters: Quarters of the headline; the reference quarter and the last unless given.
        attributed: Whether differences are shared among edits.
        draws: Of each world; 20,000, or fewer where one has fewer, unless given.
        seed: Of both; that of the first unless given.
        sampler: Likewise.
        threads: All processors unless given; changes no number.
        out: The folder that holds the runs.
        progress: Called with the number of worlds drawn since the last call.

    Returns:
        Edits, and a Dataset with statistics, differences, parts, and their errors
        (`analysis.compare.Comparison`).

    Raises:
        InputError: For worlds, statistics or groups that do not exist, or more than two worlds.
    """
    worlds = [first] if second is None else [first, second]
    found = compare_all(
        worlds, outputs, set=set, groups=groups, labs=labs, landlords=landlords, quarters=quarters,
        attributed=attributed, draws=draws, seed=seed, sampler=sampler, threads=threads, out=out,
        progress=progress,
    )  # fmt: skip
    if len(found) > 1:
        message = f"{len(found) + 1} worlds: compare_all compares each with the first"
        raise InputError([Fault(Location("compare"), "", message)])
    return found[0]


def compare_all(
    worlds: Sequence[str | Path | Scenario | xr.Dataset | None],
    outputs: Sequence[str] | None = None,
    *,
    set: Mapping[str, Any] | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
    labs: Sequence[str] = (),
    landlords: Sequence[str] = (),
    quarters: Sequence[str] = (),
    attributed: bool = True,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    progress: Callable[[int], None] = lambda worlds: None,
) -> list[Comparison]:
    """Compare worlds with the first of them, each as `compare`.

    Args:
        worlds: As of `compare`; also Datasets of `simulate_many`, which stand for their scenarios,
            and Datasets or folders of sweeps, which stand for their points.
        outputs: As of `compare`, and so are the others.
        set: Likewise.
        groups: Likewise; patterns are of the edits of every world.
        labs: Likewise.
        landlords: Likewise.
        quarters: Likewise.
        attributed: Likewise.
        draws: Likewise.
        seed: Likewise.
        sampler: Likewise.
        threads: Likewise.
        out: Likewise.
        progress: Likewise.

    Returns:
        A comparison for each world but the first.

    Raises:
        InputError: As `compare`, or for fewer than two worlds.
    """
    from sim.analysis import compare as analysis
    from sim.analysis import measures as statistics
    from sim.common.text import distinct_labels
    from sim.store.compared import common_options, open_worlds, scenario_of_world

    options: dict[str, Any] = {"seed": seed, "sampler": sampler, "threads": threads}
    opened = open_worlds(worlds, out, set=set, **options)
    scenarios = [scenario_of_world(world) for world in opened]
    names = statistics.party_names(scenarios[0])
    measures = [statistics.parse_measure(text, "outputs", names) for text in outputs or ()]
    if not measures:
        measures = statistics.common_measures(scenarios, labs, quarters, landlords)
    first, *others = distinct_labels([world.label for world in opened])
    return [
        analysis.compare(
            scenarios[0], second, common_options(opened, draws), measures, groups=groups,
            attributed=attributed, labels=(first, label), progress=progress,
        )
        for label, second in zip(others, scenarios[1:], strict=True)
    ]  # fmt: skip


def sensitivity(
    world: str | Path | Scenario | xr.Dataset | None = None,
    output: str | Sequence[str] = "inference_gross_margin@2026Q4",
    *,
    tail: float | None = None,
    when: str | None = None,
    scale: str = "rank",
    method: str = "regression",
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    **options: Any,
) -> xr.Dataset:
    """Say what drives an output: shares of its spread, its tail, or an event, among causes.

    Args:
        world: A file, a run, a name, a scenario, or a Dataset of `simulate`, `open_run` or
            `sample`; params/base.toml unless given.
        output: A value, a list of values, or a variable, of which each cell is one.
        tail: 5 for the worst twentieth, 95 for the best, any level in percent.
        when: An event whose probability is explained.
        scale: "rank", or "raw" for the variance of the values themselves.
        method: "regression", "shapley" (pick-freeze) or "dependent".
        threads: All processors unless given; changes no number.
        out: The folder that holds the runs.
        options: `draws`, `seed`, `sampler`, of a world that is drawn.

    Returns:
        As `analysis.sensitivity.sensitivity`.

    Raises:
        InputError: For a world, output or event that does not exist, or too few draws.
    """
    from sim.analysis.sensitivity import sensitivity as analyse

    ds = dataset_of(world, out, threads, options)
    return analyse(ds, output, tail=tail, when=when, scale=scale, method=method, threads=threads)


def dataset_of(world: Any, out: str | Path, threads: int | None, options: Any) -> xr.Dataset:
    """The draws of a world; a Dataset as it is, with what was added to it.

    Raises:
        InputError: If there is no such world, or for options of a Dataset, which is drawn already.
    """
    if isinstance(world, str | Path) or world is None or not hasattr(world, "data_vars"):
        return open_world(world, out, threads=threads, **options).dataset()
    if options:
        name = next(iter(options))
        raise InputError([Fault(Location(name), "", "a Dataset is drawn already")])
    ds: xr.Dataset = world
    return ds


def trace(
    world: str | Path | Scenario | xr.Dataset | None = None,
    draw: int | None = None,
    at: str | None = None,
    *,
    labs: Sequence[str] = (),
    landlords: Sequence[str] = (),
    quarters: Sequence[str] = (),
    regimes: Sequence[str] = (),
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    **options: Any,
) -> Trace:
    """Evaluate one world of a run again, step by step, as `analysis.trace.trace`.

    Args:
        world: A file, a run, a name, a scenario, or a Dataset of one; params/base.toml unless
            given.
        draw: The number of the draw.
        at: In its place `p1(VALUE)`, `median(VALUE)`, `min(VALUE)` or `max(VALUE)`.
        labs: Labs whose outputs are shown, as of `analysis.trace.trace`.
        landlords: Likewise.
        quarters: Likewise.
        regimes: Likewise.
        threads: All processors unless given.
        out: The folder that holds the runs.
        options: `draws`, `seed`, `sampler`, of a world that is drawn.

    Returns:
        Inputs with percentiles, and results of formulas beside those of the median world.

    Raises:
        InputError: For a world, draw or label that does not exist, or another `at`.
    """
    from sim.analysis.trace import trace as analyse

    ds = dataset_of(world, out, threads, options)
    return analyse(
        ds, draw, at, labs=labs, landlords=landlords, quarters=quarters, regimes=regimes,
        threads=threads,
    )  # fmt: skip


def cite(
    world: str | Path | Scenario | xr.Dataset | None = None,
    form: str = "text",
    out: str | Path = OUTPUTS,
    **options: Any,
) -> str:
    """The sources that a world relies on, and the world itself, to be cited.

    Args:
        world: As of `compare`; params/base.toml unless given.
        form: "text", "bibtex" or "csl-json".
        out: The folder that holds the runs.
        options: `set`, `draws`, `seed`, `sampler`, of a file.

    Returns:
        A text, with a line or an entry for each source, and the run at the end.

    Raises:
        InputError: For a world that does not exist.
        ValueError: For another format.
    """
    from sim.parameters.citations import cite as write

    return write(citation_of(open_world(world, out, **options)), form)


def citation_of(world: World) -> dict[str, Any]:
    """What a citation of a world names (`parameters.citations.cite`)."""
    from importlib.metadata import version

    from sim.engine.prepare import digest
    from sim.store import manifest

    scenario, options = world.scenario, world.options
    inputs: dict[str, list[str]] = {}
    for name, quantity in scenario.quantities.items():
        inputs.setdefault(quantity.source, []).append(name)
    for (lab, landlord), host in scenario.hosts.items():
        inputs.setdefault(host.source, []).append(f"labs.{lab}.host.{landlord}")
    stored = manifest.read(world.folder) if world.folder is not None else {}
    return {
        "sources": scenario.sources_used(),
        "inputs": inputs,
        "scenario": scenario.name,
        "digest": digest(scenario, options),
        "draws": options.draws,
        "seed": options.seed,
        "sampler": options.sampler,
        "version": version("token-economics-sim"),
        "started": stored.get("started", ""),
    }
