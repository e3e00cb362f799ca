"""`sim export`: draws for other tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.options import Draws, Sampler, Seed, Set, Threads, unknown_names
from sim.cli.printing import say
from sim.cli.stored_runs import Out, WorldArgument, draw, find_world, note_origin
from sim.common.errors import Fault, InputError, Location
from sim.common.targets import names_folder
from sim.common.text import nearest, plain
from sim.store import folders, reader

if TYPE_CHECKING:
    import xarray as xr

    from sim.expressions.tree import Tree


def export(
    world: WorldArgument = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="csv|parquet|zarr", help="Format (default: the ending of --to)."
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The file to write, or its folder (default: this one), made if missing.",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help="Export only this output, input or value, e.g. gw, hardware.pue, factor.demand,"
            " 'gw\\[openai]@2027Q4 / 2', also of what no draws are kept; may be repeated.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    out: Out = folders.OUTPUTS,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
) -> None:
    """Export the draws of a run or of a parameter file, with names and units."""
    from sim.store import export as exports

    format_ = kind or Path(to or "").suffix[1:].lower()
    if format_ not in exports.FORMATS:
        message = "missing: expected csv, parquet or zarr, or a --to that ends so"
        if kind:
            message = f"unknown format '{kind}'{nearest(kind, list(exports.FORMATS))}"
        raise InputError([Fault(Location("--format"), "", message)])
    faults: list[Fault] = []
    parsed = exports.parse_outputs(output or [], faults)
    if faults:
        raise InputError(faults)
    found = find_world(world, out, set_, draws, seed, sampler, threads)
    name = found.resolve().name if isinstance(found, Path) else found.label
    target = Path(to or "")
    in_folder = names_folder(to or target) and target.suffix != f".{format_}"
    if in_folder and not exports.is_zarr(target):
        target = target / f"{name}.{format_}"
    exports.check(format_, target, force, make_folder=True)
    if isinstance(found, Path):
        ds, summary = _read(found, parsed)
    else:
        from sim.statistics.summary import summarise

        draw(found)
        ds = found.draws_of(exports.variables_of(parsed))
        summary = summarise(found.dataset(), threads=found.options.threads)
    if parsed:
        prefixes = tuple(f"{name}_" for name in parsed)
        statistics = [name for name in summary.data_vars if str(name).startswith(prefixes)]
        ds, summary = exports.choose(ds, parsed), summary[statistics]
    for path in exports.write(ds, summary, format_, target):
        say(plain(path))


def _read(folder: Path, parsed: Mapping[str, Tree | None]) -> tuple[xr.Dataset, xr.Dataset]:
    """The draws of a stored run, exact and with all that is asked for, and its summary.

    Raises:
        InputError: For what a run of another version does not hold.
    """
    from sim.simulation.redraw import redraw
    from sim.store import export as exports

    names = exports.variables_of(parsed)
    with reader.open_run_folder(folder) as (ds, summary, manifest):
        other_version = note_origin(folder, manifest)
        if other_version:  # of the rounded draws
            known = [str(name) for name, values in ds.data_vars.items() if "draw" in values.dims]
            if faults := unknown_names("--output", names, known):
                raise InputError(faults)
            return ds[names].load() if names else ds.load(), summary.load()
        drawn = redraw(ds, names or None)
        return (drawn[names] if names else drawn).load(), summary.load()
