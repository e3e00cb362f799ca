"""Options and notes of commands that read stored runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options import announce_compiling, draw_options
from sim.cli.printing import complain
from sim.common.errors import Fault, InputError
from sim.common.text import plain
from sim.store import folders
from sim.store import manifest as manifests

if TYPE_CHECKING:
    from sim.store.worlds import World
RUN_HELP = "A run: its folder, or the beginning of its name in --out."
WORLD_HELP = (
    "A parameter file (.toml), a run (its folder, its name or the beginning of it), the name of a"
    " file of params/ (base, bear), or latest. Default: params/base.toml."
)
WorldArgument = Annotated[str | None, typer.Argument(metavar="WORLD", help=WORLD_HELP)]
Out = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def print_note(text: str) -> None:
    """Print a note about the folder of runs on the error stream."""
    complain(f"note: {plain(text)}")


def find_run(run: str, out: Path) -> Path:
    """Find the folder of a run, as `folders.find`; notes are printed."""
    return folders.find(run, out, print_note)


def open_world(
    world: str | None,
    out: Path,
    set_: list[str] | None = None,
    draws: str | None = None,
    seed: str | None = None,
    sampler: str | None = None,
    threads: str | None = None,
) -> World:
    """Open a WORLD with the options of a command; notes are printed.

    Raises:
        InputError: With the faults of the options, or if there is no such file or run.
    """
    from sim.store import worlds

    changes, options = _read_options(set_, draws, seed, sampler, threads)
    return worlds.open_world(world, out, set=changes, note=print_note, **options)


def find_world(
    world: str | None,
    out: Path,
    set_: list[str] | None = None,
    draws: str | None = None,
    seed: str | None = None,
    sampler: str | None = None,
    threads: str | None = None,
) -> Path | World:
    """As `open_world`: the folder of what is stored, which is not opened, else the world.

    Raises:
        InputError: Likewise.
    """
    from sim.store import worlds

    changes, options = _read_options(set_, draws, seed, sampler, threads)
    found = worlds.find_world(world, out, set=changes, note=print_note, **options)
    return found if isinstance(found, Path) else found.folder or found


def _read_options(
    set_: list[str] | None,
    draws: str | None,
    seed: str | None,
    sampler: str | None,
    threads: str | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes of `--set` and options of draws, checked.

    Raises:
        InputError: With all their faults.
    """
    if not any((set_, draws, seed, sampler, threads)):
        return {}, {}
    from sim.parameters.loading import parse_set

    faults: list[Fault] = []
    options = draw_options(draws, seed, sampler, threads, faults)
    changes = parse_set(set_ or [], faults)
    if faults:
        raise InputError(faults)
    return changes, options


def draw(world: World, quiet: bool = False) -> World:
    """A world with its draws at hand: made with a progress bar, unless quiet, where none are.

    Raises:
        InputError, RunError: As `World.dataset`.
    """
    if world.folder is not None or world.is_drawn:
        return world
    from sim.cli import terminal

    if not quiet:
        announce_compiling()
    with terminal.watch(quiet, world.label, world.options.draws) as bar:
        replace(world, progress=bar.advance).dataset()  # which both keep
    return world


def note_origin(folder: Path, manifest: dict[str, Any]) -> str:
    """Print and return a note if another model version made the run.

    Otherwise the note is empty.
    """
    note = manifests.other_version(manifest)
    if note:
        print_note(f"{folder.name}: {note}")
    return note
