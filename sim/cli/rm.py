"""`sim rm`: remove stored runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import parse_number
from sim.cli.printing import complain, say
from sim.cli.stored_runs import RUN_HELP, Out, find_run, print_note
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import plain
from sim.store import folders, leftovers


def rm(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN", help=RUN_HELP)] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="7d", help="Remove runs started longer ago: hours h, days d, weeks w."
        ),
    ] = None,
    keep_last: Annotated[
        str | None,
        typer.Option(metavar="N", help="Remove all runs but those started last."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    out: Out = folders.OUTPUTS,
) -> None:
    """Remove stored runs, with everything in their folders; of a link to a run, the link alone.

    With --older-than and --keep-last both have to hold, and runs that have a --name stay.
    """
    if older_than is None and keep_last is None:
        contents = _named(runs or [], out)
    else:
        contents = _old(runs or [], older_than, keep_last, out)
        if not contents:
            say(f"no run to remove in {plain(out)}/")
            return
    if dry_run:
        for folder, text in contents.items():
            say(f"would remove {plain(folder.name)}: {plain(text)}")
        return
    if not yes:
        if not _on_terminal():
            message = "needs --yes to remove runs where there is no terminal to ask on"
            raise InputError([Fault(Location("sim rm"), "", message)])
        for folder, text in contents.items():
            complain(f"{plain(folder)}  {plain(text)}")
        runs_text = "this run" if len(contents) == 1 else f"these {len(contents)} runs"
        if not typer.confirm(f"Remove {runs_text}?", err=True):
            raise typer.Exit(1)
    for folder, text in contents.items():
        try:
            folders.remove(folder, print_note)
        except OSError as error:
            message = f"{plain(folder)} could not be removed: {error.strerror or error}"
            raise RunError(message) from error
        say(plain(f"removed {folder.name}{f': {text}' if text.startswith('a link') else ''}"))


def _named(runs: list[str], out: Path) -> dict[Path, str]:
    """The folders of runs that are named, each with what is in it.

    Raises:
        InputError: With all names that mean no run, or several.
    """
    contents: dict[Path, str] = {}
    faults: list[Fault] = []
    if not runs:
        message = "missing RUN: expected runs, --older-than or --keep-last"
        faults.append(Fault(Location("sim rm"), "", message))
    for run in runs:
        path = out / run if Path(run).name == run else Path(run)
        try:
            # Of a killed run there may be nothing but hidden folders.
            only_leftovers = not path.exists() and leftovers.leftovers_of(path)
            folder = path if only_leftovers else find_run(run, out)
        except InputError as error:
            faults += error.faults
            continue
        contents |= _contents(folder)
    if faults:
        raise InputError(faults)
    return contents


def _old(
    runs: list[str], older_than: str | None, keep_last: str | None, out: Path
) -> dict[Path, str]:
    """The folders of runs that options select, each with what is in it; others are noted.

    Raises:
        InputError: With the faults of the options.
    """
    from sim.store.old_runs import old_runs, parse_age

    faults: list[Fault] = []
    age = None if older_than is None else parse_age(older_than)
    number = 0 if keep_last is None else parse_number(keep_last)
    if older_than is not None and age is None:
        message = f"expected a time such as 12h, 7d or 2w, got '{older_than}'"
        faults.append(Fault(Location("--older-than"), "", message))
    if not isinstance(number, int) or number < 0:
        message = f"expected a whole number of runs, got '{keep_last}'"
        faults.append(Fault(Location("--keep-last"), "", message))
    if runs:
        message = "cannot stand beside --older-than and --keep-last"
        faults.append(Fault(Location(runs[0]), "", message))
    if faults:
        raise InputError(faults)
    found, names = old_runs(out, age, number, note=print_note)
    if names:
        print_note(f"runs that have a name stay: {', '.join(names)}")
    return {path: text for folder in found for path, text in _contents(folder).items()}


def _contents(folder: Path) -> dict[Path, str]:
    """The path of a run's folder, of which a link is not followed, and what is in it."""
    path = Path(os.path.normpath(Path.cwd() / folder))
    leads_to = f"a link alone; {path.resolve()} stays" if path.is_symlink() else ""
    return {path: leads_to or folders.contents(path)}


def _on_terminal() -> bool:
    """Whether a user can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
