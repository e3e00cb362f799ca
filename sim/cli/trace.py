"""`sim trace`: one world, step by step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sim.cli.options import (
    Draws,
    Labs,
    Quarters,
    Sampler,
    Seed,
    Set,
    Threads,
    party_ids,
    unknown_quarters,
)
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, draw, open_world
from sim.common.errors import Fault, InputError, Location
from sim.common.text import plain
from sim.store import folders


def trace(
    world: WorldArgument = None,
    number: Annotated[
        int | None, typer.Option("--draw", metavar="N", help="The number of the draw, from 0 on.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="The draw at a place of a value: p1(VALUE), median(VALUE), min(VALUE) or"
            " max(VALUE).",
        ),
    ] = None,
    lab: Labs = None,
    quarter: Quarters = None,
    all_: Annotated[bool, typer.Option("--all", help="Show all inputs.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print cells as CSV.")] = False,
) -> None:
    """Show one world: its inputs, then the result of every formula, in the order of the model.

    Without --draw and --at, the world at the median of the inference margin.
    """
    from sim.cli import run_output, terminal

    faults = unknown_quarters(quarter)
    if as_json and as_csv:
        faults.append(Fault(Location("--csv"), "", "cannot stand beside --json"))
    if number is not None and at is not None:
        faults.append(Fault(Location("--at"), "", "cannot stand beside --draw"))
    if faults:
        raise InputError(faults)
    if number is None and at is None:
        at = "median(inference_gross_margin@2026Q4)"
    found = draw(open_world(world, out, set_, draws, seed, sampler, threads), as_json or as_csv)
    from sim.analysis import trace as analysis
    from sim.tables import trace as tables

    names = {party.id: party.name for party in found.scenario.labs}
    labs = party_ids("--lab", lab, names, faults)
    if faults:
        raise InputError(faults)
    result = analysis.trace(
        found.dataset(), number, at, labs=labs, quarters=quarter or (),
        threads=found.options.threads,
    )  # fmt: skip
    shown = [
        tables.inputs_table(result.inputs, all_ or as_json or as_csv),
        *tables.steps_tables(result.steps),
    ]
    if as_json:
        say_json({"version": 1, "world": found.label, **asdict(result)})
    elif as_csv:
        run_output.print_csv(shown)
    else:
        terminal.say_headed(found.label, f"{result.at}, seed {found.options.seed}")
        if at is not None:
            terminal.say(f"{plain(at)} is {result.value:.4g}")
        if result.reasons:
            text = "; ".join(
                f"{tables.short_name(name)} at {score:+.1f} sd ({part:+.2f})"
                for name, score, part in result.reasons
            )
            terminal.say(f"It stands there because of {text} (sd of the value's normal score).")
        terminal.say()
        for table in shown:
            terminal.show(table)
