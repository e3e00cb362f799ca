"""Pictures of `--to`: where they may be written, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.targets import names_folder, replacing, target_fault

ENDINGS = (".png", ".pdf", ".svg")


def check_target(to: str | None, force: bool) -> Path | None:
    """The file of a picture; None without one.

    Raises:
        InputError: For another ending, or a file that is there and not to be replaced.
    """
    if to is None:
        return None
    path = Path(to)
    if names_folder(to) or path.suffix.lower() not in ENDINGS:
        message = f"{to}: expected a file that ends in {', '.join(ENDINGS)}"
        raise InputError([Fault(Location("--to"), "", message)])
    if fault := target_fault(path, force, make_folder=True):
        raise InputError([Fault(Location("--to"), "", fault)])
    return path


def write(figure: Any, path: Path) -> None:
    """Write a picture, a figure of matplotlib, whole or not at all.

    Raises:
        RunError: If it cannot be written.
    """
    from sim import plots

    if fault := target_fault(path, True, make_folder=True):
        raise RunError(fault)
    with replacing(path) as partial:
        plots.save(figure, partial)
