"""Options of commands that read stored runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.store import reader

RUN_HELP = "A run: its folder, or the beginning of its name in --out."
Run = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)]
Out = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def _told(folder: Path, manifest: dict[str, Any]) -> str:
    """A note on the error stream where another version of the model made the run."""
    text = reader.origin(manifest)
    if text:
        print(f"note: {folder.name}: {text}", file=sys.stderr)
    return text
