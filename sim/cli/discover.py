"""`sim discover`: what must be true for an event."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.expression_options import expression_option, read_expressions, refuse
from sim.cli.options import Csv, Draws, Sampler, Seed, Set, Threads, parse_number, refuse_both
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, draw, open_world
from sim.common.errors import Fault, Location
from sim.common.text import plain
from sim.store import folders


def discover(
    world: WorldArgument = None,
    when: Annotated[
        str | None,
        expression_option("event", "The event", example="inference_gross_margin@2026Q4 >= 0.7"),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="inputs|factors",
            help="What is bounded: inputs, or the common factors behind them (default: both, one"
            " after the other).",
        ),
    ] = None,
    conditions: Annotated[
        str, typer.Option(metavar="N", help="The most inputs with a bound.")
    ] = "4",
    to: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE", help="Draw the event over two inputs: a .png, .pdf or .svg."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --to.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say what must be true for an event: bounds on a few inputs in which it is frequent."""
    from sim.analysis import discover as analysis
    from sim.cli import pictures, run_output, terminal
    from sim.expressions.names import Names

    refuse_both(as_json, as_csv)
    path = pictures.check_target(to, force)
    count = parse_number(conditions)
    faults = [
        Fault(Location(f"--{name}"), "", message)
        for name, message in analysis.argument_faults(on or "inputs", count).items()
    ]
    if when is None:
        message = "is needed: an event, such as 'inference_gross_margin@2026Q4 >= 0.7'"
        faults.append(Fault(Location("--when"), "", message))
    opened = open_world(world, out, set_, draws, seed, sampler, threads)
    names = Names.of_parties(opened.scenario.labs, opened.scenario.landlords)
    read_expressions("event", "--when", [when] if when else None, faults, names)
    refuse(faults)
    ds = draw(opened, as_json or as_csv).dataset()
    from sim.tables.discover import discover_tables

    results = [
        analysis.discover(ds, str(when), on=of, conditions=count, threads=opened.options.threads)
        for of in ([on] if on else analysis.SETS)
    ]
    tables = [table for found in results for table in discover_tables(found)]
    about = {"world": opened.label, "event": results[0].event, "draws": results[0].draws}
    if as_json:
        say_json({"version": 1, **about, "tables": [table.data() for table in tables]})
    elif as_csv:
        run_output.print_csv(tables)
    else:
        terminal.say_headed(opened.label, f"{results[0].draws:,} draws")
        terminal.say()
        for table in tables:
            terminal.show(table)
    if path is not None:
        from sim.plots.discover import discover_figure

        pictures.write(discover_figure(results[0], opened.label), path)
        if not (as_json or as_csv):
            terminal.say(plain(path))
