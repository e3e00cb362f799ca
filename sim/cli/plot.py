"""`sim plot`: figures of a stored run."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.stored_runs import Out, Run, find_run, note_origin, print_note
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import nearest
from sim.store import folders, locks, reader
from sim.store import manifest as manifests


def plot(
    run: Run,
    figures: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIGURE", help="Figures, e.g. margin (default: all)."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="A folder (default: figures/ of the run), or for one figure a .png, .pdf or .svg."
        ),
    ] = None,
    out: Out = folders.OUTPUTS,
) -> None:
    """Redraw figures of a stored run."""
    from sim import plots  # matplotlib is slow to import

    known = list(plots.FIGURES)
    names = list(dict.fromkeys(figures or known))
    faults = [
        Fault(Location("FIGURE"), "", f"no such figure: '{name}'{nearest(name, known)}")
        for name in names
        if name not in known
    ]
    single = to is not None and to.suffix.lower() in (".png", ".pdf", ".svg")
    if to is not None and single and len(names) > 1:
        message = f"{to}: one file, and {len(names)} figures: expected a folder"
        faults.append(Fault(Location("--to"), "", message))
    if to is not None and (not to.parent.is_dir() if single else to.exists() and not to.is_dir()):
        message = f"{to}: expected a folder, or NAME.png, .pdf or .svg in an existing folder"
        faults.append(Fault(Location("--to"), "", message))
    if faults:
        raise InputError(faults)
    folder = find_run(run, out)
    target = to if to is not None and not single else folder / manifests.FIGURES
    paths = {name: to if to is not None and single else target / f"{name}.png" for name in names}
    with contextlib.ExitStack() as stack:
        if to is None:  # figures of the run are bound by its manifest
            stack.enter_context(locks.exclusive_lock(folder, print_note))
        undrawn = _draw(folder, paths, bind=to is None)
    if undrawn:
        raise RunError("\n".join(undrawn))


def _draw(folder: Path, paths: dict[str, Path], bind: bool) -> list[str]:
    """Draw figures of a run and print their paths; return the reasons of those that failed.

    `bind` says that they are in the folder of the run, whose manifest then describes them.
    """
    from sim import plots

    with reader.open_run_folder(folder) as (ds, _, manifest):
        other_version = note_origin(folder, manifest)
        ds.load()
    undrawn = []
    for name, path in paths.items():
        try:
            figure = plots.draw(name, ds)
        except Exception as error:  # others may be drawn
            undrawn.append(f"{name} could not be drawn: {type(error).__name__}: {error}")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.stem}.partial{path.suffix.lower()}")
            plots.save(figure, partial)
            partial.replace(path)
        except OSError as error:
            raise RunError(f"{path} could not be written: {error.strerror or error}") from error
        print(path)
    if bind and manifest.get("format") == manifests.FORMAT:
        try:
            manifests.bind_figures(manifest, folder)
        except OSError as error:
            raise RunError(f"{folder} could not be written: {error.strerror or error}") from error
    if undrawn and other_version:
        undrawn.append("the run is from another version of the model")
    return undrawn
