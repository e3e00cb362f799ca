"""`sim sensitivity`: what drives an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.expression_options import expression_option, read_expressions, refuse
from sim.cli.options import Csv, Draws, Sampler, Seed, Set, Threads, refuse_both
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, draw, open_world
from sim.common.errors import Fault
from sim.common.text import plain
from sim.store import folders

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario

DEFAULT_OUTPUT = "inference_gross_margin@2026Q4"


def sensitivity(
    world: WorldArgument = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help=f"What to explain, e.g. gw\\[openai]@2027Q4 (default: {DEFAULT_OUTPUT}); may be"
            " repeated.",
        ),
    ] = None,
    tail: Annotated[
        float | None,
        typer.Option(metavar="5|95", help="What drives the lowest 5 %, or the highest."),
    ] = None,
    when: Annotated[
        str | None,
        expression_option("event", "What decides an event", example="gw[xai]@2027Q4 > 5"),
    ] = None,
    scale: Annotated[
        str, typer.Option(metavar="rank|raw", help="Explain the variance of ranks, or of values.")
    ] = "rank",
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="regression, of the draws that are there; shapley, exact effects, from a million"
            " worlds; or dependent, effects of the inputs as they are given.",
        ),
    ] = "regression",
    all_: Annotated[bool, typer.Option("--all", help="Show all causes.")] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Draw the shares: a .png, .pdf or .svg."),
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
    """Say what drives the spread of an output, its worst draws, or an event.

    From the draws that are there: nothing is drawn twice.
    """
    from sim.cli import pictures, run_output, terminal

    refuse_both(as_json, as_csv)
    path = pictures.check_target(to, force)
    opened = open_world(world, out, set_, draws, seed, sampler, threads)
    _check(opened.scenario, output, when)
    found = draw(opened, as_json or as_csv)
    from sim.analysis import sensitivity as analysis
    from sim.tables.sensitivity import sensitivity_tables

    with terminal.watch(as_json or as_csv or method != "shapley", "worlds", 0) as bar:
        results = [
            analysis.sensitivity(
                found.dataset(), text, tail=tail, when=when, scale=scale, method=method,
                threads=found.options.threads, progress=bar.advance,
            )
            for text in output or [DEFAULT_OUTPUT]
        ]  # fmt: skip
    tables = [t for result in results for t in sensitivity_tables(result, all_ or as_json)]
    about = {"world": found.label, "draws": results[0].attrs["draws"]}
    if as_json:
        say_json({"version": 1, **about, "tables": [table.data() for table in tables]})
    elif as_csv:
        run_output.print_csv(tables)
    else:
        terminal.say_headed(found.label, f"{about['draws']:,} draws")
        terminal.say()
        for table in tables:
            terminal.show(table)
    if path is not None:
        from sim.plots.sensitivity import sensitivity_figure

        pictures.write(sensitivity_figure(results[0]), path)
        terminal.say(plain(path))


def _check(scenario: Scenario, output: list[str] | None, when: str | None) -> None:
    """Refuse expressions of another kind, and names that a scenario lacks, before any draw."""
    from sim.expressions.names import Names

    names, faults = Names.of_parties(scenario.labs, scenario.landlords), list[Fault]()
    read_expressions("value", "--output", output, faults, names)
    read_expressions("event", "--when", [when] if when else None, faults, names)
    refuse(faults)
