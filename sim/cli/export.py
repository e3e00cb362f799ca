"""`sim export`: draws for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import unknown_names
from sim.cli.printing import say
from sim.cli.stored_runs import Out, Run, find_run, note_origin
from sim.common.errors import Fault, InputError, Location
from sim.common.targets import names_folder
from sim.common.text import nearest, plain
from sim.store import folders, reader


def export(
    run: Run,
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
            help="The file to write, or its folder (default: this one); new/ makes a folder.",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Export only this output, also one of which no draws are kept; may be repeated.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    out: Out = folders.OUTPUTS,
) -> None:
    """Export the draws of a stored run, with names and units."""
    from sim.model.catalogue import OUTPUTS
    from sim.simulation.redraw import redraw
    from sim.store import export as exports

    format_ = kind or Path(to or "").suffix[1:].lower()
    if format_ not in exports.FORMATS:
        message = "missing: expected csv, parquet or zarr, or a --to that ends so"
        if kind:
            message = f"unknown format '{kind}'{nearest(kind, list(exports.FORMATS))}"
        raise InputError([Fault(Location("--format"), "", message)])
    folder = find_run(run, out)
    target = Path(to or "")
    in_folder = names_folder(to or target) and target.suffix != f".{format_}"
    if in_folder and not exports.is_zarr(target):
        target = target / f"{folder.resolve().name}.{format_}"
    exports.check(format_, target, force, make_folder=in_folder)
    with reader.open_run_folder(folder) as (ds, summary, manifest):
        other_version = note_origin(folder, manifest)
        kept = [str(name) for name, values in ds.data_vars.items() if "draw" in values.dims]
        others = [] if other_version else [name for name in OUTPUTS if name not in kept]
        if faults := unknown_names("--output", output, [*kept, *others]):
            raise InputError(faults)
        names = list(dict.fromkeys(output or ()))
        if names:
            prefixes = tuple(f"{name}_" for name in names)
            statistics = [name for name in summary.data_vars if str(name).startswith(prefixes)]
            ds, summary = ds[[name for name in names if name in kept]], summary[statistics]
        if not other_version:  # otherwise of the rounded draws
            ds = redraw(ds, names or None)
        ds = ds[names] if names else ds
        for path in exports.write(ds, summary, format_, target):
            say(plain(path))
