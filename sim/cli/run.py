"""`sim run`: scenarios simulated, shown and stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli import show_run
from sim.cli.options import (
    Files,
    Labs,
    Landlords,
    Quarters,
    Set,
    announce_compiling,
    number,
    scenarios_of,
)
from sim.common.errors import Fault, InputError, Location
from sim.model.dims import QUARTERS

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario
    from sim.store.run import Run
    from sim.tables import Selection


def run(
    context: typer.Context,
    files: Files,
    draws: Annotated[
        str | None,
        typer.Option(metavar="N", help="Number of draws, e.g. 1e6 (default: as the file says)."),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(metavar="N", help="Seed of the random numbers (default: as the file says)."),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="stratified (default), random or sobol; a file may say another.",
        ),
    ] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="N", help="Threads; they change no number.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Draw on a Dask cluster: tcp://host:port, or local:N processes; same numbers.",
        ),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPR+-ERROR",
            help='Add draws until "p50(tps_decode) +- 20"; may be repeated.',
        ),
    ] = None,
    max_draws: Annotated[
        str | None, typer.Option(metavar="N", help="Most draws with --until (10 million).")
    ] = None,
    bad_draws: Annotated[
        str,
        typer.Option(
            metavar="fail|drop|keep",
            help="Draws that are not finite: leave out up to 0.1 %, leave out all, or keep them.",
        ),
    ] = "fail",
    drop_questionable: Annotated[
        bool,
        typer.Option(
            "--drop-questionable",
            help="Leave out draws that do not fit in HBM, or with pue above the capacity ratio.",
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="Where run folders are made.")] = Path("outputs"),
    set_: Set = None,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only where the results are.")
    ] = False,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Draw no pictures.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Draw anew what is stored already.")
    ] = False,
) -> None:
    """Simulate parameter files: tables here, data and pictures in a folder for each.

    What is stored already is answered from there or extended, and a run that was broken off goes
    on. Of several files a table shows them side by side; sim show tells all of one.
    """
    faults: list[Fault] = []
    given = _options(draws, seed, sampler, threads, bad_draws, faults)
    span = f"; expected {QUARTERS[0]} to {QUARTERS[-1]}"
    faults += show_run.unknown("--quarter", quarter, QUARTERS, span)
    targets = _until(until, max_draws, given["draws"], faults)
    faults += _cluster(cluster, threads)
    scenarios = scenarios_of(files, set_, faults)
    labs = [party.id for scenario in scenarios for party in scenario.labs]
    landlords = [party.id for scenario in scenarios for party in scenario.landlords]
    faults = show_run.unknown("--lab", lab, labs) + show_run.unknown(
        "--landlord", landlord, landlords
    )
    if until:
        from sim.simulation.until import check_all

        for scenario in scenarios:
            check_all(targets["until"], scenario, faults)
    if faults:
        raise InputError(faults)

    from sim.store.figures_process import FiguresProcess

    figures_process = (
        None if no_figures else context.with_resource(FiguresProcess(given["threads"]))
    )
    from sim import tables
    from sim.cli import terminal
    from sim.engine.dask_backend import connected
    from sim.parameters.options import RunOptions
    from sim.store import run as store_run
    from sim.tables import comparison

    selection = tables.Selection(
        *(tuple(dict.fromkeys(names or ())) for names in (lab, landlord, quarter))
    )
    elsewhere = context.with_resource(connected(cluster))  # until the command ends
    store_run.check_folder(out)
    if elsewhere is not None and elsewhere.remark:
        terminal.err.print(elsewhere.remark, style="bold red", markup=False)
    talkative = not quiet and not as_json
    if not quiet:
        announce_compiling()
    finished = []
    documents = []
    for place, scenario in enumerate(scenarios, start=1):
        which = f" {place}/{len(scenarios)}" if len(scenarios) > 1 else ""
        options = RunOptions.of(scenario, drop_questionable=drop_questionable, **given)
        with terminal.watch(not talkative, scenario.name + which, options.draws) as watcher:
            done = store_run.run(
                scenario,
                out,
                options,
                figures=not no_figures,
                force=force,
                progress=watcher.advance,
                sized=watcher.total,
                stage=watcher.stage,
                elsewhere=elsewhere,
                figures_process=figures_process,
                **targets,
            )
        _warn(done, scenario.name, of_targets=not talkative or len(scenarios) > 1)
        if talkative:
            _show(done, scenario, selection, alone=len(scenarios) == 1)
        elif as_json:
            about = show_run.of_scenario(scenario)
            document = show_run.document(done.ds, done.summary, about, selection, done.folder)
            documents.append(document | {"stored": done.stored, "drawn": done.drawn})
        else:
            print(done.folder)
        finished.append(comparison.compared(done.ds, selection.labs))
    if as_json:
        both = {"comparison": comparison.side_by_side(finished).data()} if len(finished) > 1 else {}
        print(json.dumps(documents + ([both] if both else []), indent=1, allow_nan=False))
    elif talkative and len(finished) > 1:
        terminal.out.print()
        terminal.show(comparison.side_by_side(finished))


def _warn(done: Run, name: str, of_targets: bool) -> None:
    """Say what is not as it should be."""
    from sim import tables
    from sim.cli import terminal
    from sim.simulation.until import warnings

    lines = [*tables.warnings(done.ds)]
    lines += [f"the picture {n} could not be drawn: {why}" for n, why in done.undrawn.items()]
    for line in [*lines, *(warnings(done.ds) if of_targets else [])]:
        terminal.err.print(f"{name}: {line}", style="bold red", markup=False)


def _show(done: Run, scenario: Scenario, selection: Selection, alone: bool) -> None:
    """Print all tables of a run, or of one among several what it is and where."""
    from sim.cli import terminal

    if alone:
        show_run.show(done.ds, done.summary, show_run.of_scenario(scenario), selection)
    else:
        about = f": {scenario.description}" if scenario.description else ""
        terminal.out.print(f"{scenario.name}{about}", style="bold", markup=False)
    show_run.show_folder(done.folder, f"{done.seconds:.1f} s", _came_from(done))


def _came_from(done: Run) -> str:
    """How many draws were there already, and whether the folder keeps more, in words."""
    told = []
    if done.drawn == 0:
        told.append("as stored")
    elif done.reused:
        told.append(f"{done.reused:,} draws were there, {done.drawn:,} are new")
    if not done.stored:
        told.append("the folder keeps its run of more draws")
    return "; ".join(told)


def _options(
    draws: str | None,
    seed: str | None,
    sampler: str | None,
    threads: str | None,
    bad_draws: str,
    faults: list[Fault],
) -> dict[str, Any]:
    """The options of a run as numbers; their faults are added to `faults`."""
    from sim.parameters.options import option_faults

    given = {
        "draws": number(draws),
        "seed": number(seed),
        "sampler": sampler,
        "threads": number(threads),
        "bad_draws": bad_draws,
    }
    faults += [
        Fault(Location(f"--{name.replace('_', '-')}"), "", message)
        for name, message in option_faults(**given).items()
    ]
    return given


def _cluster(address: str | None, threads: str | None) -> list[Fault]:
    """What is wrong with the options of a cluster."""
    if address is None:
        return []
    from sim.engine.dask_backend import address_fault

    message = address_fault(address)
    faults = [Fault(Location("--cluster"), "", message)] if message else []
    if threads is not None:
        message = "says nothing with --cluster: its workers have threads of their own"
        faults.append(Fault(Location("--threads"), "", message))
    return faults


def _until(
    texts: list[str] | None, max_draws: str | None, draws: Any, faults: list[Fault]
) -> dict[str, Any]:
    """The options of adding draws until errors are reached; their faults are added to `faults`."""
    if not texts:
        if max_draws is not None:
            message = "says how far --until may go, which is not given"
            faults.append(Fault(Location("--max-draws"), "", message))
        return {}
    from sim.simulation.until import MAX_DRAWS, parse_all, sizes_fault

    most = MAX_DRAWS if max_draws is None else number(max_draws)
    if fault := sizes_fault(draws, most):
        faults.append(Fault(Location("--max-draws"), "", fault))
    return {"until": parse_all(texts, faults), "first_draws": draws, "max_draws": most}
