"""`sim schema`: the JSON Schema of parameter files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.printing import say
from sim.common.errors import Fault, InputError, Location
from sim.common.targets import names_folder, replacing, target_fault
from sim.common.text import nearest, plain


def schema(
    out: Annotated[
        str,
        typer.Option(metavar="PATH", help="The file to write, or its folder; new/ makes a folder."),
    ] = "params/",
    kind: Annotated[
        str,
        typer.Option(metavar="KIND", help="scenario, lab, landlord, sources, published or claims."),
    ] = "scenario",
    force: Annotated[bool, typer.Option("--force", help="Replace another existing file.")] = False,
) -> None:
    """Write the JSON Schema of parameter files, for completion in editors."""
    from sim.parameters.json_schema import FILES, text

    if kind not in FILES:
        raise InputError(
            [Fault(Location("--kind"), "", f"no such kind: '{kind}'{nearest(kind, list(FILES))}")]
        )
    in_folder = names_folder(out)
    path = Path(out, FILES[kind]) if in_folder else Path(out)
    image = text(kind).encode()
    if not _holds(path, image):
        if fault := target_fault(path, force, make_folder=in_folder):
            raise InputError([Fault(Location("--out"), "", fault)])
        with replacing(path) as partial:
            partial.write_bytes(image)
    say(plain(path))


def _holds(path: Path, image: bytes) -> bool:
    """Whether a file is there already, to the byte."""
    try:
        return path.is_file() and path.read_bytes() == image
    except (OSError, ValueError):
        return False
