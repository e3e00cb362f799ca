"""`sim plot`: figures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options import Draws, Sampler, Seed, Set, Threads
from sim.cli.printing import say
from sim.cli.stored_runs import Out, WorldArgument, draw, find_world, note_origin, print_note
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.targets import names_folder, replacing, target_fault
from sim.common.text import nearest, plain
from sim.store import folders, locks, reader
from sim.store import manifest as manifests

if TYPE_CHECKING:
    import xarray as xr

ENDINGS = (".png", ".pdf", ".svg")


def plot(
    world: WorldArgument = None,
    figures: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIGURE", help="Figures, e.g. margin (default: all)."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A folder, or for one figure a .png, .pdf or .svg (default: figures/ of the run)."
            " A folder that is missing is made.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files of --to.")] = False,
    out: Out = folders.OUTPUTS,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
) -> None:
    """Draw figures of a run, or of a parameter file, which is drawn in memory."""
    from sim import plots  # matplotlib is slow to import
    from sim.simulation.redraw import redraw

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
        if fault := target_fault(path, force, make_folder=True):
            faults.append(Fault(Location("--to"), "", fault))
    if faults:
        raise InputError(faults)
    found = find_world(world, out, set_, draws, seed, sampler, threads)
    other_version = ""
    if isinstance(found, Path):
        with reader.open_run_folder(found, with_summary=False) as (ds, _, manifest):
            other_version = note_origin(found, manifest)
            ds.load()
        if not other_version:  # otherwise of the rounded draws
            ds = redraw(ds)
    elif to is None:
        message = f"missing: {plain(found.label)} is drawn in memory, and has no folder"
        raise InputError([Fault(Location("--to"), "", message)])
    else:
        ds = draw(found).dataset()
    if to is not None or not isinstance(found, Path):
        undrawn = _draw(ds, paths)
    else:
        paths = {name: found / manifests.FIGURES / f"{name}.png" for name in names}
        undrawn = _draw_in_run(ds, found, manifest, names)
    for name, path in paths.items():
        if name not in undrawn:
            say(plain(path))
    if undrawn:
        other = ["the run is from another version of the model"] if other_version else []
        raise RunError("\n".join([*undrawn.values(), *other]))


def _draw_in_run(
    ds: xr.Dataset, folder: Path, manifest: dict[str, Any], names: list[str]
) -> dict[str, str]:
    """Draw figures in the folder of a run, whose manifest then describes them; as `_draw`.

    Raises:
        RunError: If they cannot be written, or if the run was replaced after it was read.
    """
    with (
        locks.exclusive_lock(folder, print_note),
        locks.atomic_update(folder, print_note) as staging,
    ):
        if manifests.read(folder) != manifest:
            raise RunError(f"{plain(folder)}: another process has replaced the run: draw again")
        figures = staging / manifests.FIGURES
        undrawn = _draw(ds, {name: figures / f"{name}.png" for name in names})
        if manifest.get("format", 1) > 1:  # which binds figures, too
            manifests.bind_figures(manifest, staging)
    return undrawn


def _draw(ds: xr.Dataset, paths: dict[str, Path]) -> dict[str, str]:
    """Draw figures of a run; return those that failed, each with the reason.

    `paths` says where each is written. A file is replaced once its figure is complete.

    Raises:
        RunError: If one cannot be written.
    """
    from sim import plots

    undrawn = {}
    for name, path in paths.items():
        try:
            figure = plots.draw(name, ds)
        except Exception as error:  # others may be drawn
            undrawn[name] = plain(f"{name} could not be drawn: {type(error).__name__}: {error}")
            continue
        if fault := target_fault(path, True, make_folder=True):
            raise RunError(fault)
        with replacing(path) as partial:
            plots.save(figure, partial)
    return undrawn
