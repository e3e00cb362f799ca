"""`sim show`: the tables of a stored run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli import run_output
from sim.cli.options import (
    Draws,
    Labs,
    Landlords,
    Quarters,
    Sampler,
    Seed,
    Set,
    Threads,
    party_ids,
    unknown_quarters,
)
from sim.cli.printing import say, say_json
from sim.cli.stored_runs import Out, WorldArgument, draw, find_world, note_origin, print_note
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import nearest, plain
from sim.store import folders, reader, tables_file
from sim.store import manifest as manifests
from sim.store.run_names import chain_of, changes_by_set, describe_difference
from sim.tables.table import Headline, Selection

if TYPE_CHECKING:
    import xarray as xr

    from sim.store.worlds import World
Tables = Annotated[
    list[str] | None,
    typer.Argument(metavar="TABLE", help="Names of tables, e.g. claims; all unless given."),
]


def show(
    world: WorldArgument = None,
    names: Tables = None,
    out: Out = folders.OUTPUTS,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print their cells as CSV.")] = False,
    as_list: Annotated[bool, typer.Option("--list", help="List the tables.")] = False,
) -> None:
    """Print the tables of a run, as sim run does, or those that are named.

    A parameter file is answered from the store, or drawn in memory.
    """
    if as_json and as_csv:
        raise InputError([Fault(Location("--csv"), "", "cannot stand beside --json")])
    if as_list:
        from sim.tables.headline import NAMES

        _check_names(names or [])
        for name, shows in NAMES.items():
            say(f"{name:<18}{shows}")
        return
    selection = run_output.select(lab, landlord, quarter)
    try:
        found = find_world(world, out, set_, draws, seed, sampler, threads)
    except InputError as error:
        raise _if_table(world, error) from None
    if not isinstance(found, Path):
        _check_names(names or [])
        _show_in_memory(found, selection, names or [], as_json, as_csv)
        return
    folder, headline = found, None
    if selection == Selection():
        headline, manifest = _read_headline(folder, names or [])
    if headline is None:
        _check_names(names or [])
        headline, manifest = _make_headline(folder, selection, names or [])
    from sim.cli import terminal

    for line in headline.warnings:
        terminal.warn(f"{plain(manifest['scenario'])}: {plain(line)}")
    description = run_output.describe_manifest(manifest)
    if as_csv:
        run_output.print_csv(headline.tables)
    elif as_json:
        model = manifests.other_version(manifest) or "this"
        say_json({**run_output.document(headline, description, folder), "model": model})
    else:
        run_output.print_run(headline, description)
        started = str(manifest.get("started", ""))[:16].replace("T", " ")
        seconds = manifest.get("duration_s")
        note = f"started {started} UTC, took {seconds:.1f} s" if seconds else ""
        precision = "draws stored as float32" if manifest.get("precision") else ""
        name = f"named {manifest['name']}" if manifest.get("name") else ""
        difference = describe_difference(chain_of(manifest), changes_by_set(manifest))
        if name or difference:
            terminal.say("; ".join(filter(None, (name, difference))), "dim")
        run_output.print_folder(folder, note, precision)


def _if_table(world: str | None, error: InputError) -> InputError:
    """The error of a WORLD that is not there, or that it is the name of a table."""
    from sim.tables.headline import NAMES

    if world is None or world not in NAMES:
        return error
    message = f"is a table: expected a WORLD before it, as in sim show latest {world}"
    return InputError([Fault(Location(world), "", message)])


def _show_in_memory(
    world: World, selection: Selection, names: list[str], as_json: bool, as_csv: bool
) -> None:
    """Print the tables of a world that is not stored.

    Raises:
        InputError: For labs, landlords or quarters that it does not have.
    """
    from sim.cli import terminal
    from sim.statistics.summary import summarise
    from sim.tables.headline import make_headline

    ds = draw(world).dataset()
    selection = _check_selection(ds, selection)
    summary = summarise(ds, threads=world.options.threads)
    headline = make_headline(ds, summary, selection, terminal.warn, names)
    for line in headline.warnings:
        terminal.warn(f"{plain(world.label)}: {plain(line)}")
    description = run_output.describe_scenario(world.scenario)
    if as_csv:
        run_output.print_csv(headline.tables)
    elif as_json:
        say_json({**run_output.document(headline, description, None), "model": "this"})
    else:
        run_output.print_run(headline, description)
        terminal.say("drawn in memory: sim run stores it", "dim")


def _read_headline(folder: Path, names: list[str]) -> tuple[Headline | None, dict[str, Any]]:
    """The stored tables of a run whose files are verified, and its manifest.

    None where they were not stored, are damaged, which is noted, or lack one of the names.
    """
    manifest, file = reader.open_verified(folder)
    file.close()
    headline, reason = tables_file.read(folder, manifest)
    if reason:
        print_note(f"{folder / manifests.TABLES}: {reason}: its tables are made anew")
    if headline is not None and names:
        by_name = {table.name: table for table in headline.tables}
        if not by_name.keys() >= set(names):
            return None, manifest
        headline = headline._replace(tables=[by_name[name] for name in names])
    if headline is not None:
        note_origin(folder, manifest)
    return headline, manifest


def _make_headline(
    folder: Path, selection: Selection, names: list[str]
) -> tuple[Headline, dict[str, Any]]:
    """The tables of a run, made of its draws, and its manifest.

    Raises:
        InputError: For labs, landlords or quarters that it does not have.
        RunError: If they cannot be made of a run of another version.
    """
    from sim.cli import terminal
    from sim.statistics.datasets import PRECISION
    from sim.tables.headline import make_headline

    with reader.open_run_folder(folder) as (ds, summary, manifest):
        selection = _check_selection(ds, selection)
        from_elsewhere = note_origin(folder, manifest)
        manifest.setdefault("precision", ds.attrs.get(PRECISION))
        try:
            return make_headline(ds, summary, selection, terminal.warn, names), manifest
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            if not from_elsewhere:
                raise
            message = f"{folder}: this version cannot make its tables: it lacks {error}"
            raise RunError(plain(message)) from error


def _check_names(names: list[str]) -> None:
    """Refuse names of tables that do not exist."""
    from sim.tables.headline import NAMES

    faults = [
        Fault(Location("TABLE"), "", f"no such table: '{name}'{nearest(name, list(NAMES))}")
        for name in names
        if name not in NAMES
    ]
    if faults:
        raise InputError(faults)


def _check_selection(ds: xr.Dataset, selection: Selection) -> Selection:
    """The selection with ids of labs and landlords, which may be named by their display names.

    Raises:
        InputError: For labs, landlords and quarters that the run does not have.
    """
    from sim.statistics.datasets import display_names

    faults = unknown_quarters(list(selection.quarters))
    ids = {}
    for dim, names in (("lab", selection.labs), ("landlord", selection.landlords)):
        found = party_ids(f"--{dim}", names, display_names(ds, dim), faults)
        ids[f"{dim}s"] = tuple(dict.fromkeys(found))
    if faults:
        raise InputError(faults)
    return replace(selection, **ids)
