"""`sim run`: scenarios simulated, shown and stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli import run_output
from sim.cli.expression_options import Until
from sim.cli.options import (
    Csv,
    Draws,
    Errors,
    Files,
    Labs,
    Landlords,
    Quarters,
    Sampler,
    Seed,
    Set,
    Tables,
    Threads,
    announce_compiling,
    check_tables,
    draw_options,
    load_scenarios,
    parse_number,
    party_ids,
    refuse_both,
    unknown_quarters,
)
from sim.cli.printing import say, say_json
from sim.cli.side_by_side import SideBySide
from sim.cli.stored_runs import print_note
from sim.common.errors import Fault, InputError, Location
from sim.common.text import paragraph, plain
from sim.tables.table import HEADLINE, ODD, Selection

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario
    from sim.store.run import Run
    from sim.tables.table import Headline, Table


def run(
    context: typer.Context,
    files: Files,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Make the draws beyond those kept (106,496) on a Dask cluster, tls://host:port, or"
            " by local:N processes; results do not depend on it. At tcp://host:port nothing is"
            " encrypted: use it in a network of your own (sim help clusters).",
        ),
    ] = None,
    until: Until = None,
    max_draws: Annotated[
        str | None, typer.Option(metavar="N", help="Most draws with --until (default: 10 million).")
    ] = None,
    bad_draws: Annotated[
        str,
        typer.Option(
            metavar="fail|drop|keep",
            help="Draws that are not finite: drop up to 0.1 % and fail beyond, drop all, or keep"
            " them.",
        ),
    ] = "fail",
    drop_questionable: Annotated[
        bool,
        typer.Option(
            "--drop-questionable",
            help="Drop draws in which the model does not fit in HBM, or pue exceeds the capacity"
            " ratio.",
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder in which run folders are made.")] = Path(
        "outputs"
    ),
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the run, by which other commands find it."),
    ] = None,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Store nothing: print tables and warnings only.")
    ] = False,
    set_: Set = None,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    table: Tables = None,
    errors: Errors = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the headline and tables as JSON.")
    ] = False,
    as_csv: Csv = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only the folders of the results.")
    ] = False,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Make no figures.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Redraw stored runs.")] = False,
) -> None:
    """Simulate parameter files: print a headline, store data and figures.

    A stored run is reused or extended; an interrupted one is resumed.

    Several files end in a table of each beside the first. sim show prints the headline and tables
    of a run.
    """
    refuse_both(as_json, as_csv)
    names = table or []
    check_tables("--table", names)
    faults = unknown_quarters(quarter)
    given = draw_options(draws, seed, sampler, threads, faults, bad_draws=bad_draws)
    targets = _until_options(until, max_draws, given["draws"], faults)
    faults += _cluster_faults(cluster, threads)
    faults += _store_faults(name, no_store, len(files))
    scenarios = load_scenarios(files, set_, faults)
    lab, landlord = _check_against(scenarios, lab, landlord, targets.get("until"))

    from sim.cli import terminal
    from sim.engine.dask_backend import connected
    from sim.parameters.options import RunOptions
    from sim.parameters.scenario import labels_of
    from sim.store import folders
    from sim.store import run as store_run
    from sim.store.figures_process import FiguresProcess

    figures_process = None
    if not (
        no_figures or no_store
    ):  # begun after these imports, which it has then, and before any thread
        figures_process = context.with_resource(FiguresProcess(given["threads"]))
    selection = run_output.select(lab, landlord, quarter)
    elsewhere = context.with_resource(connected(cluster))  # until the command ends
    if elsewhere is not None and elsewhere.remark:
        terminal.warn(elsewhere.remark)
    print_tables = not quiet and not as_json and not as_csv
    if not quiet:
        announce_compiling()
    side_by_side = SideBySide(scenarios, selection)
    documents = []
    cells: list[Table] = []
    labels = labels_of(scenarios)
    for number, (label, scenario) in enumerate(zip(labels, scenarios, strict=True), start=1):
        counted = f"{label} {number}/{len(scenarios)}" if len(scenarios) > 1 else label
        options = RunOptions.of(scenario, drop_questionable=drop_questionable, **given)
        with terminal.watch(not print_tables, counted, options.draws) as bar:
            given_bar: dict[str, Any] = {
                "progress": bar.advance,
                "sized": bar.total,
                "stage": bar.stage,
            }
            if no_store:
                result = store_run.draw(
                    scenario, options, elsewhere=elsewhere, **given_bar, **targets
                )
            else:
                result = store_run.run(
                    scenario, out, options, figures=not no_figures, tables=True, force=force,
                    note=print_note, elsewhere=elsewhere, figures_process=figures_process,
                    **given_bar, **targets,
                )  # fmt: skip
        if name is not None and result.folder is not None:
            folders.give_name(result.folder, name, print_note)
        # The remarks of a single run that is printed say whether the targets of --until are met.
        _print_warnings(result, label, targets=not print_tables or len(scenarios) > 1)
        if print_tables:
            alone = len(scenarios) == 1
            _print_result(result, scenario, selection, None if alone else label, names, errors)
        elif as_json:
            documents.append(_document(result, scenario, selection, names))
        elif as_csv:
            several = label if len(scenarios) > 1 else ""
            cells += _csv_tables(result, scenario, selection, names, several)
        elif result.folder is not None:
            say(plain(result.folder))
        side_by_side.add(result, scenario, label)
    if as_json:
        if compared := [table.data() for table in side_by_side.tables(folded=False)]:
            documents.append({"comparisons": compared})
        say_json(documents)
    elif as_csv:
        run_output.print_csv(cells)
    elif print_tables:
        for shown in side_by_side.tables():
            terminal.say()
            terminal.show(shown)


def _print_warnings(result: Run, name: str, targets: bool) -> None:
    """Print on the error stream what went wrong.

    With `targets` also those of `--until` that are not met.
    """
    from sim.cli import terminal
    from sim.simulation.until import warnings
    from sim.tables import oddities

    lines = [*oddities.warnings(result.ds)]
    lines += [f"the figure {n} could not be drawn: {why}" for n, why in result.undrawn.items()]
    for line in [*lines, *(warnings(result.ds) if targets else [])]:
        terminal.warn(f"{plain(name)}: {plain(line)}")


def _print_result(
    result: Run,
    scenario: Scenario,
    selection: Selection,
    label: str | None,
    names: list[str],
    errors: bool,
) -> None:
    """Print the headline of a run with its folder, and tables by name.

    With a label, by which it is told from other runs, its description stands for the headline.
    """
    from sim.cli import terminal

    folder = "" if result.folder is None else f"{result.folder}/"
    notes = (f"{result.seconds:.1f} s", _stored_draws(result) if folder else "nothing is stored")
    if label is None:
        from sim.cli.headline import print_headline

        description = run_output.describe_scenario(scenario)
        headline = _headline(result, selection)
        print_headline(headline, description, folder, *notes, errors=errors)
    else:
        headline = None
        text = f": {paragraph(scenario.description)}" if scenario.description else ""
        terminal.say(f"{plain(label)}{text}", "bold")
        if result.folder is not None:
            run_output.print_folder(result.folder, *notes)
        else:
            terminal.say("  ".join(notes), "dim")
    shown = _tables(result, scenario, selection, names, headline)
    if shown:
        terminal.say()
    for table in shown:
        terminal.show(table, errors)


def _headline(result: Run, selection: Selection) -> Headline:
    """What is printed of a run, narrowed to a selection."""
    from sim.cli import terminal
    from sim.store.headline import make_headline

    if result.headline is not None and selection == Selection():
        return result.headline
    return make_headline(result.ds, result.summary, selection, terminal.warn)


def _tables(
    result: Run,
    scenario: Scenario,
    selection: Selection,
    names: list[str],
    headline: Headline | None,
) -> list[Table]:
    """The tables of a run that are named, beside its headline."""
    if not names:
        return []
    from sim.cli import terminal
    from sim.tables.named import make_tables

    others = [name for name in names if name not in (HEADLINE, ODD)]
    shown = []
    if ODD in names:
        headline = headline or _headline(result, selection)
        shown = [run_output.odd_table(headline, run_output.describe_scenario(scenario))]
    if others:
        shown += make_tables(result.ds, result.summary, selection, terminal.warn, others)
    return shown


def _csv_tables(
    result: Run, scenario: Scenario, selection: Selection, names: list[str], label: str
) -> list[Table]:
    """The tables of a run for CSV; a label is then part of their names."""
    headline = _headline(result, selection)
    shown = [*headline.tables, *_tables(result, scenario, selection, names, headline)]
    prefix = f"{label}: " if label else ""
    return [replace(table, name=f"{prefix}{table.name}") for table in shown]


def _stored_draws(result: Run) -> str:
    """How many draws were stored before, and whether more are kept."""
    notes = []
    if result.drawn == 0:
        notes.append("as stored")
    elif result.reused:
        notes.append(f"{result.reused:,} draws were stored, {result.drawn:,} are new")
    if not result.stored:
        notes.append("the folder keeps its longer run")
    return "; ".join(notes)


def _document(
    result: Run, scenario: Scenario, selection: Selection, names: list[str]
) -> dict[str, Any]:
    """A run for JSON, with whether and how it was stored."""
    description = run_output.describe_scenario(scenario)
    headline = _headline(result, selection)
    tables = _tables(result, scenario, selection, names, headline)
    document = run_output.document(headline, description, result.folder, tables)
    return {**document, "stored": result.stored, "drawn": result.drawn}


def _check_against(
    scenarios: list[Scenario],
    lab: list[str] | None,
    landlord: list[str] | None,
    targets: list[Any] | None,
) -> tuple[list[str], list[str]]:
    """The ids of labs and landlords that are named.

    Raises:
        InputError: For labs, landlords and targets of `--until` that the scenarios lack.
    """
    faults: list[Fault] = []
    labs = {party.id: party.name for scenario in scenarios for party in scenario.labs}
    landlords = {party.id: party.name for scenario in scenarios for party in scenario.landlords}
    lab_ids = party_ids("--lab", lab, labs, faults)
    landlord_ids = party_ids("--landlord", landlord, landlords, faults)
    if targets:
        from sim.simulation.until import check_all

        for scenario in scenarios:
            check_all(targets, scenario, faults)
    if faults:
        raise InputError(faults)
    return lab_ids, landlord_ids


def _store_faults(name: str | None, no_store: bool, files: int) -> list[Fault]:
    """Faults of the options of the store."""
    if name is None:
        return []
    from sim.store.run_names import name_fault
    from sim.store.worlds import LATEST, names_of_files

    message = name_fault(name)
    if not message and name in names_of_files() and name != LATEST:
        message = f"'{name}' means the parameter file of that name: expected another"
    if files > 1:
        message = f"one name, and {files} files: expected one"
    if no_store:
        message = "has no effect with --no-store"
    return [Fault(Location("--name"), "", message)] if message else []


def _cluster_faults(address: str | None, threads: str | None) -> list[Fault]:
    """Faults of the options of a cluster."""
    if address is None:
        return []
    from sim.engine.dask_backend import address_fault

    message = address_fault(address)
    faults = [Fault(Location("--cluster"), "", message)] if message else []
    if threads is not None:
        message = "has no effect with --cluster, whose workers have threads of their own"
        faults.append(Fault(Location("--threads"), "", message))
    return faults


def _until_options(
    targets: list[str] | None, max_draws: str | None, draws: Any, faults: list[Fault]
) -> dict[str, Any]:
    """The options `until`, `first_draws` and `max_draws`, if given.

    Their faults are added to `faults`.
    """
    if not targets:
        if max_draws is not None:
            message = "has no effect without --until"
            faults.append(Fault(Location("--max-draws"), "", message))
        return {}
    from sim.simulation.until import MAX_DRAWS, parse_all, sizes_fault

    most = MAX_DRAWS if max_draws is None else parse_number(max_draws)
    if fault := sizes_fault(draws, most):
        faults.append(Fault(Location("--max-draws"), "", fault))
    return {"until": parse_all(targets, faults), "first_draws": draws, "max_draws": most}
