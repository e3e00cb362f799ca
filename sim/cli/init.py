"""`sim init`: the shipped parameters as files of the user's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.printing import say
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.shipped import shipped_parameters
from sim.common.text import plain


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where params/ is made; made if missing.")
    ] = Path(),
) -> None:
    """Copy the shipped parameter files to a folder params/ that you can edit."""
    target = folder / "params"
    if target.exists() or target.is_symlink():
        message = f"{target}: is there already: expected a folder without params/"
        raise InputError([Fault(Location("sim init"), "", message)])
    staging = folder / ".params.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)  # of a killed process
        shutil.copytree(shipped_parameters(), staging)
        staging.rename(target)
    except OSError as error:
        raise RunError(
            f"{plain(target)} could not be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    say(plain(f"{target}/  next: sim run {target / 'base.toml'}"))
