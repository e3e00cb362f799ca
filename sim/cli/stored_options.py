"""Options of commands that read stored runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.store import manifest as manifests

RUN_HELP = "A run: its folder, or the start of its name in --out."
Run = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)]
Out = Annotated[Path, typer.Option(help="Where run folders are.")]
Json = Annotated[bool, typer.Option("--json", help="Print the same for machines.")]


def _told(folder: Path, manifest: dict[str, Any]) -> str:
    """A note on the error stream where another version of the model made the run."""
    text = manifests.other_version(manifest)
    if text:
        print(f"note: {folder.name}: {text}", file=sys.stderr)
    return text
