"""`sim schema`: the JSON Schema of parameter files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.common.errors import Fault, InputError, Location


def schema(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("params/schema.json"),
) -> None:
    """Write the JSON Schema of parameter files, for completion in editors."""
    from sim.parameters.json_schema import text

    try:
        out.write_text(text(), encoding="utf-8")
    except OSError as error:
        message = f"{out}: cannot be written: {error.strerror}"
        raise InputError([Fault(Location("--out"), "", message)]) from error
    print(out)
