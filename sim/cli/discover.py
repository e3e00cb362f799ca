"""`sim discover`: what must be true for an event."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.expression_options import expression_option, read_expressions, refuse
from sim.cli.options import Draws, Sampler, Seed, Set, Threads
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, draw, open_world
from sim.common.errors import Fault, InputError, Location
from sim.store import folders


def discover(
    when: Annotated[
        str,
        expression_option("event", "The event", example="inference_gross_margin@2026Q4 >= 0.7"),
    ],
    world: WorldArgument = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="inputs|factors", help="What is bounded (default: first one, then"
                     " the other)."),
    ] = None,
    conditions: Annotated[int, typer.Option(help="The most inputs with a bound.")] = 4,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print cells as CSV.")] = False,
) -> None:  # fmt: skip
    """Say what must be true for an event: bounds on a few inputs in which it is frequent."""
    from sim.cli import run_output, terminal

    if as_json and as_csv:
        raise InputError([Fault(Location("--csv"), "", "cannot stand beside --json")])
    opened = open_world(world, out, set_, draws, seed, sampler, threads)
    from sim.expressions.names import Names

    faults: list[Fault] = []
    names = Names.of_parties(opened.scenario.labs, opened.scenario.landlords)
    read_expressions("event", "--when", [when], faults, names)
    refuse(faults)
    ds = draw(opened, as_json or as_csv).dataset()
    from sim.analysis import discover as analysis
    from sim.tables.discover import discover_tables

    results = [
        analysis.discover(ds, when, on=of, conditions=conditions, threads=opened.options.threads)
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
