"""`sim show`: the tables of a stored run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli import run_output
from sim.cli.options import Labs, Landlords, Quarters, unknown_names, unknown_quarters
from sim.cli.printing import say, say_json
from sim.cli.stored_runs import Out, Run, find_run, note_origin
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import nearest, plain
from sim.store import folders, reader

if TYPE_CHECKING:
    import xarray as xr
Tables = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TABLE]...", help="Names of tables, e.g. claims; all unless given."),
]


def show(
    run: Run,
    names: Tables = None,
    out: Out = folders.OUTPUTS,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print their cells as CSV.")] = False,
    as_list: Annotated[bool, typer.Option("--list", help="List the tables.")] = False,
) -> None:
    """Print the tables of a stored run, as sim run does, or those that are named."""
    from sim import tables

    _check_names(names or [])
    if as_json and as_csv:
        raise InputError([Fault(Location("--csv"), "", "cannot stand beside --json")])
    if as_list:
        for name, shows in tables.NAMES.items():
            say(f"{name:<18}{shows}")
        return
    folder = find_run(run, out)
    with reader.open_run_folder(folder) as (ds, summary, manifest):
        _check_selection(ds, lab, landlord, quarter)
        other_version = note_origin(folder, manifest)
        from sim.cli import terminal
        from sim.statistics.datasets import PRECISION

        selection = run_output.select(lab, landlord, quarter)
        try:
            description = run_output.describe_manifest(manifest)
            for line in tables.warnings(ds):
                text = f"{plain(ds.attrs['scenario'])}: {plain(line)}"
                terminal.warn(text)
            if as_csv:
                chosen = names or ()
                run_output.print_csv(
                    tables.headline_tables(ds, summary, selection, terminal.warn, chosen)
                )
                return
            if as_json:
                document = run_output.document(
                    ds, summary, description, selection, folder, names or ()
                )
                document["model"] = other_version or "this"
                say_json(document)
                return
            run_output.print_run(ds, summary, description, selection, names or ())
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            if not other_version:
                raise
            message = f"{folder}: this version cannot make its tables: it lacks {error}"
            message = plain(message)
            raise RunError(message) from error
        started = str(manifest.get("started", ""))[:16].replace("T", " ")
        seconds = manifest.get("duration_s")
        note = f"started {started} UTC, took {seconds:.1f} s" if seconds else ""
        precision = "draws stored as float32" if PRECISION in ds.attrs else ""
        run_output.print_folder(folder, note, precision)


def _check_names(names: list[str]) -> None:
    """Refuse names of tables that do not exist."""
    from sim.tables import NAMES

    faults = [
        Fault(Location("TABLE"), "", f"no such table: '{name}'{nearest(name, list(NAMES))}")
        for name in names
        if name not in NAMES
    ]
    if faults:
        raise InputError(faults)


def _check_selection(
    ds: xr.Dataset, lab: list[str] | None, landlord: list[str] | None, quarter: list[str] | None
) -> None:
    """Refuse labs, landlords and quarters that the run does not have."""
    faults = unknown_quarters(quarter)
    for dim, names in (("lab", lab), ("landlord", landlord)):
        faults += unknown_names(f"--{dim}", names, [str(label) for label in ds[dim].values])
    if faults:
        raise InputError(faults)
