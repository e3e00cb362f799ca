"""`sim rm`: remove stored runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.stored_options import RUN_HELP, Out
from sim.common.errors import Fault, InputError, Location, RunError
from sim.store import folders


def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUN_HELP)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    out: Out = folders.OUTPUTS,
) -> None:
    """Remove stored runs, whole folders with all that is in them."""
    found: dict[Path, str] = {}
    faults: list[Fault] = []
    for run in runs:
        left = out / run if Path(run).name == run else Path(run)
        try:
            # Of a run that was killed there may be nothing but hidden folders.
            only_left = not left.exists() and folders.leftovers_of(left)
            folder = (left if only_left else folders.find(run, out)).resolve()
        except InputError as error:
            faults += error.faults
            continue
        found[folder] = folders.contents(folder)
    if faults:
        raise InputError(faults)
    if not yes:
        if not _on_terminal():
            message = "not asked for: on no terminal, say --yes to remove runs"
            raise InputError([Fault(Location("sim rm"), "", message)])
        for folder, about in found.items():
            print(f"{folder}  {about}", file=sys.stderr)
        what = "this run" if len(found) == 1 else f"these {len(found)} runs"
        if not typer.confirm(f"Remove {what}?", err=True):
            raise typer.Exit(1)
    for folder in found:
        try:
            folders.remove(folder)
        except OSError as error:
            raise RunError(f"{folder} could not be removed: {error.strerror or error}") from error
        print(f"removed {folder.name}")


def _on_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
