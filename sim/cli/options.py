"""What commands share: their options, and what is said before the first run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.common.errors import Fault, InputError

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario
Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Parameter files (TOML).")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a parameter: group.name.key=value; may be repeated.",
    ),
]
Labs = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Show this lab's rows; may be repeated.")
]
Landlords = Annotated[
    list[str] | None,
    typer.Option(metavar="ID", help="Show this landlord's rows; may be repeated."),
]
Quarters = Annotated[
    list[str] | None,
    typer.Option(metavar="2027Q4", help="Show this quarter; may be repeated."),
]


def scenarios_of(
    files: list[Path], assignments: list[str] | None, faults: list[Fault]
) -> list[Scenario]:
    """All scenarios, or all faults of options, `--set` and files together."""
    from sim.parameters.loading import load_all, parse_set

    found: list[Scenario] = []
    changes = parse_set(assignments or [], faults)
    try:
        found = load_all(files, changes)
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(faults)
    return found


def number(text: str | None) -> Any:
    """A whole number where the text is one (`1e6` too), else what can be read of it."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        found = float(text)
    except ValueError:
        return text
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def announce_compiling() -> None:
    """Say so where the model has yet to be compiled for this machine."""
    from sim.cli.terminal import err
    from sim.kernels.jit import cache_lasts, is_compiled

    if not is_compiled():
        how_often = "once" if cache_lasts() else "as in every run: set NUMBA_CACHE_DIR to a folder"
        err.print(f"Compiling the model for this machine, {how_often} (up to a minute) ...")
