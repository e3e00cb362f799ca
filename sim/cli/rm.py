"""`sim rm`: remove stored runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.printing import complain, say
from sim.cli.stored_runs import RUN_HELP, Out, find_run, print_note
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import plain
from sim.store import folders, leftovers


def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help=RUN_HELP)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    out: Out = folders.OUTPUTS,
) -> None:
    """Remove stored runs, with everything in their folders.

    Of a link to a run, the link alone.
    """
    contents: dict[Path, str] = {}
    faults: list[Fault] = []
    for run in runs:
        path = out / run if Path(run).name == run else Path(run)
        try:
            # Of a killed run there may be nothing but hidden folders.
            only_leftovers = not path.exists() and leftovers.leftovers_of(path)
            folder = path if only_leftovers else find_run(run, out)
        except InputError as error:
            faults += error.faults
            continue
        folder = Path(os.path.normpath(Path.cwd() / folder))  # a link is not followed
        leads_to = f"a link alone; {folder.resolve()} stays" if folder.is_symlink() else ""
        contents[folder] = leads_to or folders.contents(folder)
    if faults:
        raise InputError(faults)
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


def _on_terminal() -> bool:
    """Whether a user can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
