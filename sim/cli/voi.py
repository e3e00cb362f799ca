"""`sim voi`: what knowing more is worth to a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.expression_options import expression_option, refuse
from sim.cli.options import Draws, Sampler, Seed, Set, Threads
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, draw, open_world
from sim.common.errors import Fault, InputError, Location
from sim.common.text import plain
from sim.store import folders

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario

EXAMPLE = "build=(inference_gross_margin@2026Q4 - 0.65) * revenue_per_mtok_paid@2026Q4"


def voi(
    world: WorldArgument = None,
    payoff: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=f"What a choice pays, e.g. '{EXAMPLE}'; may be repeated. One alone stands beside"
            " doing nothing, which pays 0.",
        ),
    ] = None,
    when: Annotated[
        str | None,
        expression_option(
            "event",
            "Bet on an event in place of payoffs (default: the margin's hurdle)",
            example="gw[openai]@2027Q4 > 10",
        ),
    ] = None,
    odds: Annotated[
        float | None,
        typer.Option(metavar="Q", help="Price of the bet, which pays 1 (default: 0.5)."),
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'VALUE +- SD'",
            help="What a planned measurement is worth, e.g. 'pue +- 0.02'; may be repeated.",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KEY",
            help="Learn inputs together, by key or pattern (labs.xai.*); may be repeated.",
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Show all inputs and sources, also below noise.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Draw the values: a .png, .pdf or .svg."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --to.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print cells as CSV.")] = False,
) -> None:
    """Say what is worth finding out next, for a decision or a bet.

    From the draws that are there: nothing is drawn twice.
    """
    from sim.cli import pictures, run_output, terminal

    faults: list[Fault] = []
    if as_json and as_csv:
        faults.append(Fault(Location("--csv"), "", "cannot stand beside --json"))
    payoffs = _read_pairs("--payoff", payoff, "NAME=VALUE", faults)
    for name, values in payoffs.items():
        if len(values) > 1:
            faults.append(Fault(Location("--payoff"), name, "is given twice"))
    groups = _read_pairs("--group", group, "NAME=KEY", faults)
    refuse(faults)
    path = pictures.check_target(to, force)
    asked: dict[str, Any] = {
        "payoffs": {name: values[0] for name, values in payoffs.items()},
        "when": when,
        "odds": odds,
        "groups": groups,
        "studies": study or [],
    }
    opened = open_world(world, out, set_, draws, seed, sampler, threads)
    _check(opened.scenario, **asked)
    found = draw(opened, as_json or as_csv)
    from sim.analysis import voi as analysis
    from sim.tables.voi import voi_tables

    with terminal.watch(as_json or as_csv, "inputs", 0) as bar:
        result = analysis.voi(
            found.dataset(), **asked, threads=found.options.threads, progress=bar.advance
        )
    tables = voi_tables(result, all_, as_json or as_csv)
    about = {"world": found.label, "draws": result.attrs["draws"]}
    if as_json:
        decided = {name: result.attrs[name] for name in ("best", "event", "unit")}
        floor = float(result["noise_floor"])
        document = {"version": 1, **about, **decided, "noise_floor": floor}
        say_json({**document, "tables": [table.data() for table in tables]})
    elif as_csv:
        run_output.print_csv(tables)
    else:
        terminal.say_headed(found.label, f"{about['draws']:,} draws")
        terminal.say()
        for table in tables:
            terminal.show(table)
    if path is not None:
        from sim.plots.voi import voi_figure

        pictures.write(voi_figure(result), path)
        if not (as_json or as_csv):
            terminal.say(plain(path))


def _read_pairs(
    option: str, texts: list[str] | None, expected: str, faults: list[Fault]
) -> dict[str, list[str]]:
    """What stands after the first `=` of texts, by the name before it."""
    found: dict[str, list[str]] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if name and equals and value:
            found.setdefault(name, []).append(value)
        else:
            faults.append(Fault(Location(option), text, f"expected {expected}"))
    return found


def _check(scenario: Scenario, **asked: Any) -> None:
    """Refuse what does not exist or fit before any draw, all at once.

    Raises:
        InputError: As `analysis.voi.voi`.
    """
    from sim.analysis.decisions import read_decision, read_studies
    from sim.analysis.learnt import names_to_learn, read_groups
    from sim.expressions.names import Names

    names, faults = Names.of_parties(scenario.labs, scenario.landlords), list[Fault]()
    read_decision(asked["payoffs"], asked["when"], asked["odds"], lambda tree: names, faults, "--")
    read_studies(asked["studies"], lambda tree: names, faults, "--")
    if asked["groups"]:
        read_groups(asked["groups"], names_to_learn(scenario), faults, "--group")
    if faults:
        raise InputError(faults)
