"""`sim trace`: one world, step by step."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.options import (
    Csv,
    Draws,
    Labs,
    Landlords,
    Quarters,
    Sampler,
    Seed,
    Set,
    Threads,
    party_ids,
    unknown_names,
    unknown_quarters,
)
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, draw, open_world
from sim.common.errors import Fault, InputError, Location
from sim.common.text import plain
from sim.model.dims import REGIMES
from sim.store import folders

DEFAULT_PLACE = "median(inference_gross_margin@2026Q4)"


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
            f" max(VALUE) (default: {DEFAULT_PLACE}).",
        ),
    ] = None,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    regime: Annotated[
        list[str] | None,
        typer.Option(metavar="REGIME", help=f"Show {', '.join(REGIMES)}; may be repeated."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show all inputs.")] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Draw the inputs: a .png, .pdf or .svg."),
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
    """Show one world: its inputs, then the result of every formula, in the order of the model.

    Beside it stands the median world, of which all inputs are at their medians.
    """
    from sim.cli import pictures, run_output, terminal

    faults = [*unknown_quarters(quarter), *unknown_names("--regime", regime, REGIMES)]
    if as_json and as_csv:
        faults.append(Fault(Location("--csv"), "", "cannot stand beside --json"))
    if number is not None and at is not None:
        faults.append(Fault(Location("--at"), "", "cannot stand beside --draw"))
    if faults:
        raise InputError(faults)
    path = pictures.check_target(to, force)
    found = open_world(world, out, set_, draws, seed, sampler, threads)
    parties = {
        option: {party.id: party.name for party in of}
        for option, of in (
            ("--lab", found.scenario.labs), ("--landlord", found.scenario.landlords)
        )
    }  # fmt: skip
    labs = party_ids("--lab", lab, parties["--lab"], faults)
    landlords = party_ids("--landlord", landlord, parties["--landlord"], faults)
    if faults:
        raise InputError(faults)
    found = draw(found, as_json or as_csv)
    from sim.analysis import trace as analysis
    from sim.tables import trace as tables

    result = analysis.trace(
        found.dataset(), number, (at or DEFAULT_PLACE) if number is None else None,
        labs=labs, landlords=landlords, quarters=quarter or (), regimes=regime or (),
        threads=found.options.threads,
    )  # fmt: skip
    if as_json:
        about = {"version": 1, "world": found.label, "seed": found.options.seed}
        say_json({**about, **result.data()})
    elif as_csv:
        run_output.print_csv(tables.plain_tables(result.inputs, result.steps, result.reasons))
    else:
        terminal.say_headed(found.label, f"draw {result.draw}, seed {found.options.seed}")
        if result.at:
            value = f"{tables.format_number(result.value)} {result.unit}".rstrip()
            terminal.say(f"{plain(result.at)} is {value}")
        terminal.say()
        shown = [tables.inputs_table(result.inputs, all_), *tables.steps_tables(result.steps)]
        for table in [*([tables.reasons_table(result.reasons)] if result.reasons else []), *shown]:
            terminal.show(table)
    if path is not None:
        from sim.plots.trace import trace_figure

        pictures.write(trace_figure(result, found.label, found.options.seed), path)
        if not (as_json or as_csv):
            terminal.say(plain(path))
