"""Commands on stored runs: list, show, plot, export, rm."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim import stored
from sim.commands import report
from sim.commands.options import Labs, Landlords, Quarters
from sim.fields import QUARTERS, nearest
from sim.files import Fault, InputError, Place, RunError

if TYPE_CHECKING:
    import xarray as xr

RUN_HELP = "A run: its folder, or the start of its name in --out."
Run = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)]
Out = Annotated[Path, typer.Option(help="Where run folders are.")]
Json = Annotated[bool, typer.Option("--json", help="Print the same for machines.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("list")(list_)
    app.command("show")(show)
    app.command("plot")(plot)
    app.command("export")(export)
    app.command("rm")(rm)


def list_(out: Out = stored.OUTPUTS, as_json: Json = False) -> None:
    """List stored runs: draws, seed, sampler, when, size, and what is wrong with any."""
    rows = stored.listed(out)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if rows:
        print("\n".join(_lines(rows, max(80, shutil.get_terminal_size().columns))))
    count = "1 run" if len(rows) == 1 else f"{len(rows) or 'no'} runs"
    print(f"{count} in {out}/, {_size(sum(row['bytes'] for row in rows))}")


def _lines(rows: list[dict[str, Any]], width: int) -> Iterator[str]:
    """The list as text: names stand last, for they may be long, and remarks below them."""
    heads = ("draws", "seed", "sampler", "made (UTC)", "size")
    cells = [
        (
            "" if row["draws"] is None else f"{row['draws']:,}",
            "" if row["seed"] is None else str(row["seed"]),
            row["sampler"] or "",
            str(row["started"] or "")[:16].replace("T", " "),
            _size(row["bytes"]),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    named = [
        (heads, "run", []),
        *((c, r["run"], _remarks(r)) for c, r in zip(cells, rows, strict=True)),
    ]
    for texts, name, remarks in named:
        line = "  ".join(
            text.ljust(room) if head in ("sampler", "made (UTC)") else text.rjust(room)
            for text, room, head in zip(texts, widths, heads, strict=True)
        )
        long = len(line) + 2 + len(name) > width
        yield f"{line}\n    {name}" if long else f"{line}  {name}"
        for remark in remarks:
            yield textwrap.fill(remark, width, initial_indent="    ", subsequent_indent="      ")


def _remarks(row: dict[str, Any]) -> list[str]:
    """What there is to say of a row of the list."""
    told = [f"{row['state']}: {row['why']}"] if row["state"] != "whole" else []
    if row["model"] == "other":
        told.append("of another model version")
    if row["scenario"] and not row["run"].startswith(f"{row['scenario']}-"):
        told.append(f"scenario {row['scenario']}")
    return told


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            break
        number, unit = number / 1000, {"B": "kB", "kB": "MB", "MB": "GB", "GB": "TB"}[unit]
    return f"{number:.0f} {unit}" if number >= 9.95 or unit == "B" else f"{number:.1f} {unit}"


def _told(folder: Path, manifest: dict[str, Any]) -> str:
    """A note on the error stream where another version of the model made the run."""
    text = stored.origin(manifest)
    if text:
        print(f"note: {folder.name}: {text}", file=sys.stderr)
    return text


def show(
    run: Run,
    out: Out = stored.OUTPUTS,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """Print the tables of a stored run, as sim run did."""
    folder = stored.find(run, out)
    with stored.opened(folder) as (ds, summary, manifest):
        _check_rows(ds, lab, landlord, quarter)
        other = _told(folder, manifest)
        from sim import tables, terminal

        selection = tables.Selection(
            *(tuple(dict.fromkeys(names or ())) for names in (lab, landlord, quarter))
        )
        try:
            about = report.of_manifest(manifest)
            for line in tables.warnings(ds):
                style = "bold red"
                terminal.err.print(f"{ds.attrs['scenario']}: {line}", style=style, markup=False)
            if as_json:
                document = report.document(ds, summary, about, selection, folder)
                print(json.dumps(document | {"model": other or "this"}, indent=1, allow_nan=False))
                return
            report.show(ds, summary, about, selection)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            if not other:
                raise
            message = f"{folder}: this version cannot tell its tables: it lacks {error}"
            raise RunError(message) from error
        made = str(manifest.get("started", ""))[:16].replace("T", " ")
        took = manifest.get("duration_s")
        report.show_folder(folder, f"made {made} UTC in {took:.1f} s" if took else "")


def _check_rows(
    ds: xr.Dataset, lab: list[str] | None, landlord: list[str] | None, quarter: list[str] | None
) -> None:
    """See that the rows asked for are there."""
    span = f"; expected {QUARTERS[0]} to {QUARTERS[-1]}"
    faults = report.unknown("--quarter", quarter, QUARTERS, span)
    for dim, names in (("lab", lab), ("landlord", landlord)):
        faults += report.unknown(f"--{dim}", names, [str(label) for label in ds[dim].values])
    if faults:
        raise InputError(faults)


def plot(
    run: Run,
    figures: Annotated[
        list[str] | None, typer.Argument(metavar="[FIGURE]...", help="Which; all if none is named.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="A folder, or a .png, .pdf or .svg for one figure (else figures/)."),
    ] = None,
    out: Out = stored.OUTPUTS,
) -> None:
    """Draw figures of a stored run again."""
    from sim import plots

    known = list(plots.FIGURES)
    names = list(dict.fromkeys(figures or known))
    faults = [
        Fault(Place("FIGURE"), "", f"no such figure: '{name}'{nearest(name, known)}")
        for name in names
        if name not in known
    ]
    single = to is not None and to.suffix.lower() in (".png", ".pdf", ".svg")
    if to is not None and single and len(names) > 1:
        message = f"{to}: one file, and {len(names)} figures: expected a folder"
        faults.append(Fault(Place("--to"), "", message))
    if to is not None and (not to.parent.is_dir() if single else to.exists() and not to.is_dir()):
        message = f"{to}: expected a folder, or NAME.png, .pdf or .svg in a folder that is there"
        faults.append(Fault(Place("--to"), "", message))
    if faults:
        raise InputError(faults)
    folder = stored.find(run, out)
    with stored.opened(folder) as (ds, _, manifest):
        other = _told(folder, manifest)
        ds.load()
    undrawn = []
    place = to if to is not None and not single else folder / "figures"
    for name in names:
        path = to if to is not None and single else place / f"{name}.png"
        try:
            figure = plots.draw(name, ds)
        except Exception as error:  # others may be drawn
            undrawn.append(f"{name} could not be drawn: {type(error).__name__}: {error}")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            hidden = path.with_name(f".{path.stem}.partial{path.suffix.lower()}")
            plots.save(figure, hidden)
            hidden.replace(path)
        except OSError as error:
            raise RunError(f"{path} could not be written: {error.strerror or error}") from error
        print(path)
    if undrawn:
        why = ["the run is of another model version"] if other else []
        raise RunError("\n".join(undrawn + why))


def export(
    run: Run,
    kind: Annotated[
        str | None,
        typer.Option("--format", metavar="csv|parquet|zarr", help="How (else as --to says)."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="The file to write, or a folder for it (else here).")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this output; may be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    out: Out = stored.OUTPUTS,
) -> None:
    """Write the draws of a stored run for other tools, with names and units."""
    from sim import export as exports

    chosen = kind or (to.suffix[1:].lower() if to is not None else "")
    if chosen not in exports.FORMATS:
        message = "missing: expected csv, parquet or zarr, unless --to has such an ending"
        if kind:
            message = f"unknown format '{kind}'{nearest(kind, list(exports.FORMATS))}"
        raise InputError([Fault(Place("--format"), "", message)])
    folder = stored.find(run, out)
    target = Path() if to is None else to
    if target.is_dir() and target.suffix != f".{chosen}" and not exports.is_zarr(target):
        target = target / f"{folder.resolve().name}.{chosen}"
    exports.check(chosen, target, force)
    with stored.opened(folder) as (ds, summary, manifest):
        _told(folder, manifest)
        drawn = [str(name) for name, values in ds.data_vars.items() if "draw" in values.dims]
        faults = report.unknown("--output", output, drawn)
        if faults:
            raise InputError(faults)
        if output:
            starts = tuple(f"{name}_" for name in output)
            told = [name for name in summary.data_vars if str(name).startswith(starts)]
            ds, summary = ds[list(dict.fromkeys(output))], summary[told]
        for path in exports.write(ds, summary, chosen, target):
            print(path)


def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUN_HELP)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    out: Out = stored.OUTPUTS,
) -> None:
    """Remove stored runs, whole folders with all that is in them."""
    found: dict[Path, str] = {}
    faults: list[Fault] = []
    for run in runs:
        left = out / run if Path(run).name == run else Path(run)
        try:
            # Of a run that was killed there may be nothing but hidden folders.
            only_left = not left.exists() and stored.left_of(left)
            folder = (left if only_left else stored.find(run, out)).resolve()
        except InputError as error:
            faults += error.faults
            continue
        found[folder] = stored.contents(folder)
    if faults:
        raise InputError(faults)
    if not yes:
        if not _on_terminal():
            message = "not asked for: on no terminal, say --yes to remove runs"
            raise InputError([Fault(Place("sim rm"), "", message)])
        for folder, about in found.items():
            print(f"{folder}  {about}", file=sys.stderr)
        what = "this run" if len(found) == 1 else f"these {len(found)} runs"
        if not typer.confirm(f"Remove {what}?", err=True):
            raise typer.Exit(1)
    for folder in found:
        try:
            stored.remove(folder)
        except OSError as error:
            raise RunError(f"{folder} could not be removed: {error.strerror or error}") from error
        print(f"removed {folder.name}")


def _on_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
