"""Options and notes of commands that read stored runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.printing import complain
from sim.common.text import plain
from sim.store import folders
from sim.store import manifest as manifests

RUN_HELP = "A run: its folder, or the beginning of its name in --out."
Run = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)]
Out = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def print_note(text: str) -> None:
    """Print a note about the folder of runs on the error stream."""
    complain(f"note: {plain(text)}")


def find_run(run: str, out: Path) -> Path:
    """Find the folder of a run, as `folders.find`; notes are printed."""
    return folders.find(run, out, print_note)


def note_origin(folder: Path, manifest: dict[str, Any]) -> str:
    """Print and return a note if another model version made the run.

    Otherwise the note is empty.
    """
    note = manifests.other_version(manifest)
    if note:
        print_note(f"{folder.name}: {note}")
    return note
