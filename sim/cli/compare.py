"""`sim compare`: worlds side by side, and which edit did it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.expression_options import expression_option
from sim.cli.options import (
    Draws,
    Labs,
    Quarters,
    Sampler,
    Seed,
    Set,
    Threads,
    announce_compiling,
    party_ids,
    unknown_quarters,
)
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, open_world, print_note
from sim.common.errors import Fault, InputError, Location
from sim.common.text import distinct_labels, plain
from sim.store import folders

if TYPE_CHECKING:
    from sim.analysis.compare import Comparison
    from sim.store.worlds import World
    from sim.tables.table import Table


def compare(
    worlds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A B...", help="Files, runs or names: each is compared with the first."
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        expression_option("statistic", "Compare this in place of the headline", repeats=True),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KEY", help="Take edits as one, by key or pattern; may be repeated."
        ),
    ] = None,
    no_attribution: Annotated[
        bool, typer.Option("--no-attribution", help="Do not share differences among edits.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Show all edits, and the parts of every difference.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Draw the waterfall: a .png, .pdf or .svg."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --to.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    lab: Labs = None,
    quarter: Quarters = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print cells as CSV.")] = False,
) -> None:
    """Compare worlds draw by draw, and say which edit moved each number.

    One file with --set is compared with itself without; of several, --set holds for each.

    Draws are made for it: 20,000 unless --draws says another number.
    """
    from sim.analysis import compare as analysis
    from sim.cli import pictures, run_output, terminal

    faults = unknown_quarters(quarter)
    if as_json and as_csv:
        faults.append(Fault(Location("--csv"), "", "cannot stand beside --json"))
    groups = _read_groups(group or [], faults)
    if faults:
        raise InputError(faults)
    path = pictures.check_target(to, force)
    opened = _open(worlds or [], out, set_, seed, sampler, threads)
    first = opened[0]
    known = {party.id: party.name for world in opened for party in world.scenario.labs}
    lab = party_ids("--lab", lab, known, faults)
    if faults:
        raise InputError(faults)
    options = _common_options(opened, draws)
    names = analysis.party_names(first.scenario)
    measures = [analysis.parse_measure(text, names=names) for text in output] if output else None
    if measures is None:
        measures = analysis.headline_measures(first.scenario, lab or (), quarter or ())
    labels = distinct_labels([world.label for world in opened])
    quiet = as_json or as_csv
    if not quiet:
        announce_compiling()
    shown: list[Table] = []
    found = None
    for label, second in zip(labels[1:], opened[1:], strict=True):
        with terminal.watch(quiet, f"{label}: worlds", 0) as bar:
            found = analysis.compare(
                first.scenario, second.scenario, options, measures, groups=groups,
                attributed=not no_attribution, labels=(labels[0], label), progress=bar.advance,
            )  # fmt: skip
        shown += _tables(found, all_ or quiet)
    assert found is not None
    if as_json:
        about = {"worlds": labels, "draws": found.draws, "seed": options.seed}
        edits = [asdict(edit) for edit in found.edits]
        say_json(
            {"version": 1, **about, "edits": edits, "tables": [table.data() for table in shown]}
        )
    elif as_csv:
        run_output.print_csv(shown)
    else:
        terminal.say_headed(
            f"{' and '.join(labels[1:])} against {labels[0]}",
            f"{found.draws:,} draws, {options.sampler}, seed {options.seed}",
        )
        terminal.say()
        for table in shown:
            terminal.show(table)
    if path is not None:
        from sim.plots.attribution import attribution_figure

        if found.attribution is None:
            message = "no difference to draw: no edit moves a number"
            raise InputError([Fault(Location("--to"), "", message)])
        pictures.write(attribution_figure(found.data, found.first, found.second, found.draws), path)
        if not quiet:
            terminal.say(plain(path))


def _open(
    worlds: list[str],
    out: Any,
    set_: list[str] | None,
    seed: str | None,
    sampler: str | None,
    threads: str | None,
) -> list[World]:
    """The worlds, the first of which is the reference.

    Raises:
        InputError: If there are not two, or one cannot be opened.
    """
    options = {"seed": seed, "sampler": sampler, "threads": threads}
    if len(worlds) > 1:
        return [open_world(world, out, set_, **options) for world in worlds]
    if not set_:
        message = "expected two worlds, or one file with --set"
        raise InputError([Fault(Location("sim compare"), "", message)])
    world = worlds[0] if worlds else None
    pair = [open_world(world, out, changes, **options) for changes in (None, set_)]
    return [pair[0], replace(pair[1], label=f"{pair[1].label} edited")]


def _common_options(worlds: list[World], draws: str | None) -> Any:
    """Options of the draws of all worlds: those of the first, fewer draws unless given."""
    from sim.cli.options import draw_options

    faults: list[Fault] = []
    given = draw_options(draws, None, None, None, faults)["draws"]
    if faults:
        raise InputError(faults)
    first = worlds[0].options
    for world in worlds[1:]:
        own, common = ((o.seed, o.sampler) for o in (world.options, first))
        if own != common:
            print_note(f"{world.label} is drawn with the seed and sampler of {worlds[0].label}")
    count = given or min(DRAWS, *(world.options.draws for world in worlds))
    return replace(first, draws=int(count))


def _names_of_labs(worlds: list[World]) -> dict[str, str]:
    """Display names of all labs, by id."""
    return {party.id: party.name for world in worlds for party in world.scenario.labs}


DRAWS = 20_000  # by which differences are attributed, unless others are asked for


def _read_groups(texts: list[str], faults: list[Fault]) -> dict[str, list[str]]:
    """Groups of edits by name; a text that is none is added to the faults."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        name, equals, key = (part.strip() for part in text.partition("="))
        if not (name and equals and key):
            faults.append(Fault(Location("--group"), text, "expected NAME=KEY"))
        else:
            groups.setdefault(name, []).append(key)
    return groups


def _tables(found: Comparison, everything: bool) -> list[Table]:
    """The comparison, its edits, and the parts of differences."""
    from sim.tables import compare as tables

    data = found.data
    result = [tables.side_by_side(found.first, found.second, data, found.draws)]
    result.append(tables.edits_table(found.edits, everything))
    if found.attribution is None:
        return result
    moved = [
        i
        for i in range(data.sizes["measure"])
        if not data["same"].values[i] and data["part"].notnull().all("edit").values[i]
    ]
    medians = [i for i in moved if str(data["measure"].values[i]).startswith("p50")]
    for i in moved if everything else (medians or moved)[:1]:
        result.append(
            tables.attribution_table(
                data, i, found.attribution.orders, found.attribution.evaluations, everything
            )
        )
    return result
