"""`sim compare`: worlds side by side, and which edit did it."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.expression_options import expression_option
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
    announce_compiling,
    draw_options,
    party_ids,
    refuse_both,
    unknown_quarters,
)
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, print_note
from sim.common.errors import Fault, InputError, Location
from sim.common.text import distinct_labels, plain
from sim.store import compared, folders

if TYPE_CHECKING:
    from sim.analysis.compare import Comparison
    from sim.analysis.measures import Measure
    from sim.parameters.options import RunOptions
    from sim.parameters.scenario import Scenario
    from sim.store.worlds import World
    from sim.tables.table import Table


def compare(
    worlds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A B...",
            help="Files, runs, names or sweeps: each is compared with the first.",
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
        typer.Option(
            metavar="PICTURE",
            help="Draw a waterfall: a .png, .pdf or .svg, one for each world after the first.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --to.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Compare worlds draw by draw, and say which edit moved each number.

    One file with --set is compared with itself without; of several, --set holds for each. A sweep
    stands for its points.

    Draws are made for it: 20,000 unless --draws says another number.
    """
    from sim.analysis import compare as analysis
    from sim.cli import pictures, terminal

    refuse_both(as_json, as_csv)
    faults = unknown_quarters(quarter)
    groups = _read_groups(group or [], faults)
    given = draw_options(draws, seed, sampler, threads, faults)
    opened = _open(worlds or [], out, set_, given, faults)
    path = pictures.check_target(to, force)
    scenarios, measures = _measures(opened, output, lab, landlord, quarter)
    options = compared.common_options(opened, given["draws"], print_note)
    labels = distinct_labels([world.label for world in opened])
    targets = _targets(path, labels[1:], force)
    quiet = as_json or as_csv
    if not quiet:
        announce_compiling()
    found: list[Comparison] = []
    for label, second in zip(labels[1:], scenarios[1:], strict=True):
        with terminal.watch(quiet, f"{label}: worlds", 0) as bar:
            found.append(
                analysis.compare(
                    scenarios[0], second, options, measures, groups=groups,
                    attributed=not no_attribution, labels=(labels[0], label), progress=bar.advance,
                )
            )  # fmt: skip
    _print(found, options, all_, as_json, as_csv)
    for target, comparison in zip(targets, found, strict=False):
        _draw(comparison, target)
        if not quiet:
            terminal.say(plain(target))


def _open(
    worlds: list[str],
    out: Path,
    set_: list[str] | None,
    given: dict[str, Any],
    faults: list[Fault],
) -> list[World]:
    """The worlds, the first of which is the reference.

    Raises:
        InputError: With the faults of options, or if there are not two, or one cannot be opened.
    """
    from sim.parameters.loading import parse_set

    changes = parse_set(set_ or [], faults)
    if faults:
        raise InputError(faults)
    options = {name: given[name] for name in ("seed", "sampler", "threads")}
    return compared.open_worlds(worlds, out, set=changes, note=print_note, **options)


def _measures(
    opened: list[World],
    output: list[str] | None,
    lab: list[str] | None,
    landlord: list[str] | None,
    quarter: list[str] | None,
) -> tuple[list[Scenario], list[Measure]]:
    """The scenarios, and the statistics that are compared.

    Raises:
        InputError: For statistics, labs or landlords that do not exist.
    """
    from sim.analysis import measures as analysis

    scenarios = [compared.scenario_of_world(world) for world in opened]
    faults: list[Fault] = []
    labs, landlords = (
        party_ids(option, names, {p.id: p.name for of in parties for p in of}, faults)
        for option, names, parties in (
            ("--lab", lab, [of.labs for of in scenarios]),
            ("--landlord", landlord, [of.landlords for of in scenarios]),
        )
    )
    if faults:
        raise InputError(faults)
    if not output:
        return scenarios, analysis.common_measures(scenarios, labs, quarter or (), landlords)
    names = analysis.party_names(scenarios[0])
    return scenarios, [analysis.parse_measure(text, names=names) for text in output]


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


def _targets(path: Path | None, labels: list[str], force: bool) -> list[Path]:
    """The file of the picture of each world after the first, named by it where there are several.

    Raises:
        InputError: As `pictures.check_target`.
    """
    from sim.cli import pictures

    if path is None:
        return []
    if len(labels) == 1:
        return [path]
    names = [re.sub(r"[^\w.=-]+", "-", label).strip("-") for label in labels]
    paths = [path.with_name(f"{path.stem}-{name}{path.suffix}") for name in names]
    for each in paths:
        pictures.check_target(str(each), force)
    return paths


def _draw(found: Comparison, path: Path) -> None:
    """Write the waterfall.

    Raises:
        InputError: If no edit moves a number.
    """
    from sim.cli import pictures
    from sim.plots.attribution import attribution_figure

    if found.attribution is None:
        message = f"no difference to draw: no edit of {found.second} moves a number"
        raise InputError([Fault(Location("--to"), "", message)])
    pictures.write(attribution_figure(found.data, found.first, found.second, found.draws), path)


def _print(
    found: list[Comparison], options: RunOptions, everything: bool, as_json: bool, as_csv: bool
) -> None:
    """Print all comparisons, for people or machines."""
    from sim.cli import run_output, terminal

    if as_json:
        about = {"draws": found[0].draws, "seed": options.seed, "sampler": options.sampler}
        documents = [
            {
                "first": of.first,
                "second": of.second,
                "edits": [asdict(edit) for edit in of.edits],
                "tables": [table.data() for table in _tables(of, True, folded=False)],
            }
            for of in found
        ]
        say_json({"version": 1, **about, "comparisons": documents})
        return
    if as_csv:
        several = len(found) > 1
        run_output.print_csv(
            [
                replace(table, name=f"{of.second}: {table.name}") if several else table
                for of in found
                for table in _tables(of, True, folded=False)
            ]
        )
        return
    terminal.say_headed(
        f"{', '.join(of.second for of in found)} against {found[0].first}",
        f"{found[0].draws:,} draws, {options.sampler}, seed {options.seed}",
    )
    terminal.say()
    for of in found:
        for table in _tables(of, everything):
            terminal.show(table)


def _tables(found: Comparison, everything: bool, folded: bool = True) -> list[Table]:
    """The comparison, its edits, and the parts of differences; `folded` for a terminal."""
    from sim.tables import compare as tables

    data = found.data
    result = [tables.side_by_side(found.first, found.second, data, found.share_of, folded)]
    result.append(tables.edits_table(found.edits, everything, folded))
    if found.attribution is None:
        return result
    shared = tables.shared_out(data)
    worlds = found.attribution.evaluations
    for i in shared if everything else tables.first_median(data, shared):
        result.append(tables.attribution_table(data, i, worlds, everything))
    return result
