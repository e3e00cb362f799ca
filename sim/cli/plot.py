"""`sim plot`: figures of a stored run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.printing import say
from sim.cli.stored_runs import Out, Run, note_origin
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.targets import names_folder, replacing, target_fault
from sim.common.text import nearest, plain
from sim.store import folders, reader

ENDINGS = (".png", ".pdf", ".svg")


def plot(
    run: Run,
    figures: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIGURE", help="Figures, e.g. margin (default: all)."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A folder, made if missing (default: figures/ of the run), or for one figure a"
            " .png, .pdf or .svg.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files of --to.")] = False,
    out: Out = folders.OUTPUTS,
) -> None:
    """Redraw figures of a stored run."""
    from sim import plots

    known = list(plots.FIGURES)
    names = list(dict.fromkeys(figures or known))
    faults = [
        Fault(Location("FIGURE"), "", f"no such figure: '{name}'{nearest(name, known)}")
        for name in names
        if name not in known
    ]
    to_file = to is not None and not names_folder(to) and Path(to).suffix.lower() in ENDINGS
    if to_file and len(names) > 1:
        message = f"{to}: one file, and {len(names)} figures: expected a folder"
        faults.append(Fault(Location("--to"), "", message))
    paths = {}  # of --to, by figure
    if to is not None:
        paths = {name: Path(to) if to_file else Path(to, f"{name}.png") for name in names}
    for path in dict.fromkeys(paths.values()):
        if fault := target_fault(path, force, make_folder=not to_file):
            faults.append(Fault(Location("--to"), "", fault))
    if faults:
        raise InputError(faults)
    folder = folders.find(run, out)
    with reader.open_run_folder(folder) as (ds, _, manifest):
        other_version = note_origin(folder, manifest)
        ds.load()
    undrawn = []
    for name in names:
        path = paths.get(name, folder / "figures" / f"{name}.png")
        try:
            figure = plots.draw(name, ds)
        except Exception as error:  # others may be drawn
            undrawn.append(plain(f"{name} could not be drawn: {type(error).__name__}: {error}"))
            continue
        if fault := target_fault(path, True, make_folder=True):
            raise RunError(fault)
        with replacing(path) as partial:
            plots.save(figure, partial)
        say(plain(path))
    if undrawn:
        if other_version:
            undrawn.append("the run is from another version of the model")
        raise RunError("\n".join(undrawn))
