"""`sim show`: the headline and tables of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli import run_output
from sim.cli.options import (
    Csv,
    Draws,
    Errors,
    Labs,
    Landlords,
    Quarters,
    Sampler,
    Seed,
    Set,
    Threads,
    check_tables,
    party_ids,
    refuse_both,
    unknown_quarters,
)
from sim.cli.printing import say, say_json
from sim.cli.stored_runs import Out, WorldArgument, draw, find_world, note_origin, print_note
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import plain
from sim.store import folders, reader, tables_file
from sim.store import manifest as manifests
from sim.tables.table import HEADLINE, ODD, Headline, Selection, Table

if TYPE_CHECKING:
    import xarray as xr

    from sim.store.worlds import World
Tables = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TABLE",
        help="Names of tables (--list has them), e.g. claims; the headline unless given.",
    ),
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
    as_csv: Csv = False,
    errors: Errors = False,
    as_list: Annotated[bool, typer.Option("--list", help="List the tables.")] = False,
) -> None:
    """Print the headline of a run, as sim run does, or the tables that are named.

    A parameter file is answered from the store, or drawn in memory.
    """
    refuse_both(as_json, as_csv)
    chosen = names or []
    check_tables("TABLE", chosen)
    if as_list:
        from sim.tables.named import NAMES

        for name, shows in NAMES.items():
            say(f"{name:<18}{shows}")
        return
    selection = run_output.select(lab, landlord, quarter)
    try:
        found = find_world(world, out, set_, draws, seed, sampler, threads)
    except InputError as error:
        raise _if_table(world, error) from None
    if isinstance(found, Path):
        shown = _of_folder(found, selection, chosen)
    else:
        shown = _in_memory(found, selection, chosen)
    _print(shown, chosen, as_json, as_csv, errors)


@dataclass(frozen=True)
class _Shown:
    """What is printed of a run: its headline, tables that are named, and where it is stored."""

    name: str
    headline: Headline
    tables: list[Table]
    description: run_output.Description
    folder: Path | None
    model: str
    notes: tuple[str, ...]


def _print(shown: _Shown, names: list[str], as_json: bool, as_csv: bool, errors: bool) -> None:
    """Print the headline, or the tables that are named."""
    from sim.cli import terminal

    headline, folder = shown.headline, shown.folder
    for line in headline.warnings:
        terminal.warn(f"{plain(shown.name)}: {plain(line)}")
    if names and HEADLINE not in names:
        headline = headline._replace(tables=[], remarks=[])
    tables = shown.tables
    if ODD in names:
        tables = [run_output.odd_table(shown.headline, shown.description), *tables]
    if as_csv:
        run_output.print_csv([*headline.tables, *tables])
    elif as_json:
        document = run_output.document(headline, shown.description, folder, tables)
        say_json({**document, "model": shown.model})
    else:
        at = f"{folder}/" if folder else ""
        if not names or HEADLINE in names:
            from sim.cli.headline import print_headline

            print_headline(headline, shown.description, at, *shown.notes, errors=errors)
        if tables:
            run_output.print_tables(headline, tables, errors)


def _if_table(world: str | None, error: InputError) -> InputError:
    """The error of a WORLD that is not there, or that it is the name of a table."""
    from sim.tables.named import NAMES

    if world is None or world not in NAMES:
        return error
    message = f"is a table: expected a WORLD before it, as in sim show latest {world}"
    return InputError([Fault(Location(world), "", message)])


def _in_memory(world: World, selection: Selection, names: list[str]) -> _Shown:
    """What is printed of a world that is not stored.

    Raises:
        InputError: For labs, landlords or quarters that it does not have.
    """
    from sim.statistics.summary import summarise

    ds = draw(world).dataset()
    selection = _check_selection(ds, selection)
    summary = summarise(ds, threads=world.options.threads)
    headline, tables = _make(ds, summary, selection, names, None)
    description = run_output.describe_scenario(world.scenario)
    notes = ("drawn in memory: sim run stores it",)
    return _Shown(world.label, headline, tables, description, None, "this", notes)


def _of_folder(folder: Path, selection: Selection, names: list[str]) -> _Shown:
    """What is printed of a stored run, as far as it can from its stored headline.

    Raises:
        InputError: For labs, landlords or quarters that it does not have.
        RunError: If tables cannot be made of a run of another version.
    """
    headline: Headline | None = None
    tables: list[Table] = []
    if selection == Selection():
        headline, manifest = _read_headline(folder)
    if headline is None or set(names) - {HEADLINE, ODD}:
        headline, tables, manifest = _make_of_folder(folder, selection, names, headline)
    started = str(manifest.get("started", ""))[:16].replace("T", " ")
    seconds = manifest.get("duration_s")
    return _Shown(
        str(manifest["scenario"]),
        headline,
        tables,
        run_output.describe_manifest(manifest),
        folder,
        manifests.other_version(manifest) or "this",
        (
            f"named {manifest['name']}" if manifest.get("name") else "",
            f"started {started} UTC, took {seconds:.1f} s" if seconds else "",
        ),
    )


def _read_headline(folder: Path) -> tuple[Headline | None, dict[str, Any]]:
    """The stored headline of a run whose files are verified, and its manifest.

    None where it was not stored, or is damaged, which is noted.
    """
    manifest, file = reader.open_verified(folder)
    file.close()
    headline, reason = tables_file.read(folder, manifest)
    if reason:
        print_note(f"{folder / manifests.TABLES}: {reason}: its tables are made anew")
    if headline is not None:
        note_origin(folder, manifest)
    return headline, manifest


def _make_of_folder(
    folder: Path, selection: Selection, names: list[str], headline: Headline | None
) -> tuple[Headline, list[Table], dict[str, Any]]:
    """The headline, unless it is known, and tables of a run, made of its draws; its manifest.

    Raises:
        InputError: For labs, landlords or quarters that it does not have.
        RunError: If they cannot be made of a run of another version.
    """
    with reader.open_run_folder(folder) as (ds, summary, manifest):
        selection = _check_selection(ds, selection)
        from_elsewhere = note_origin(folder, manifest) if headline is None else ""
        try:
            return *_make(ds, summary, selection, names, headline), manifest
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            if not from_elsewhere:
                raise
            message = f"{folder}: this version cannot make its tables: it lacks {error}"
            raise RunError(plain(message)) from error


def _make(
    ds: xr.Dataset,
    summary: xr.Dataset,
    selection: Selection,
    names: list[str],
    headline: Headline | None,
) -> tuple[Headline, list[Table]]:
    """The headline of a run, unless it is known or no name asks for it, and tables by name."""
    from sim.cli import terminal
    from sim.store.headline import make_headline
    from sim.tables.headline import describe_run
    from sim.tables.named import make_tables

    others = [name for name in names if name not in (HEADLINE, ODD)]
    if headline is None:
        if names and len(others) == len(names):
            headline = describe_run(ds)
        else:
            headline = make_headline(ds, summary, selection, terminal.warn)
    tables = make_tables(ds, summary, selection, terminal.warn, others) if others else []
    return headline, tables


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
