"""`sim rm`: remove stored runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.stored_options import RUN_HELP, Out
from sim.common.errors import Fault, InputError, Location, RunError
from sim.store import reader


def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help=RUN_HELP)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    out: Out = reader.OUTPUTS,
) -> None:
    """Remove stored runs, with everything in their folders."""
    found: dict[Path, str] = {}
    faults: list[Fault] = []
    for run in runs:
        left = out / run if Path(run).name == run else Path(run)
        try:
            # Of a run that was killed there may be nothing but hidden folders.
            only_left = not left.exists() and reader.left_of(left)
            folder = (left if only_left else reader.find(run, out)).resolve()
        except InputError as error:
            faults += error.faults
            continue
        found[folder] = reader.contents(folder)
    if faults:
        raise InputError(faults)
    if not yes:
        if not _on_terminal():
            message = "needs --yes to remove runs where there is no terminal to ask on"
            raise InputError([Fault(Location("sim rm"), "", message)])
        for folder, about in found.items():
            print(f"{folder}  {about}", file=sys.stderr)
        what = "this run" if len(found) == 1 else f"these {len(found)} runs"
        if not typer.confirm(f"Remove {what}?", err=True):
            raise typer.Exit(1)
    for folder in found:
        try:
            reader.remove(folder)
        except OSError as error:
            raise RunError(f"{folder} could not be removed: {error.strerror or error}") from error
        print(f"removed {folder.name}")


def _on_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
