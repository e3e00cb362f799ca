"""`sim show`: the tables of a stored run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli import show_run
from sim.cli.options import Labs, Landlords, Quarters
from sim.cli.stored_options import Out, Run, _told
from sim.common.errors import InputError, RunError
from sim.model.dims import QUARTERS
from sim.store import reader

if TYPE_CHECKING:
    import xarray as xr


def show(
    run: Run,
    out: Out = reader.OUTPUTS,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """Print the tables of a stored run, as sim run does."""
    folder = reader.find(run, out)
    with reader.opened(folder) as (ds, summary, manifest):
        _check_rows(ds, lab, landlord, quarter)
        other = _told(folder, manifest)
        from sim import tables
        from sim.cli import terminal

        selection = tables.Selection(
            *(tuple(dict.fromkeys(names or ())) for names in (lab, landlord, quarter))
        )
        try:
            about = show_run.of_manifest(manifest)
            for line in tables.warnings(ds):
                style = "bold red"
                terminal.err.print(f"{ds.attrs['scenario']}: {line}", style=style, markup=False)
            if as_json:
                document = show_run.document(ds, summary, about, selection, folder)
                print(json.dumps(document | {"model": other or "this"}, indent=1, allow_nan=False))
                return
            show_run.show(ds, summary, about, selection)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            if not other:
                raise
            message = f"{folder}: this version cannot make its tables: it lacks {error}"
            raise RunError(message) from error
        made = str(manifest.get("started", ""))[:16].replace("T", " ")
        took = manifest.get("duration_s")
        show_run.show_folder(folder, f"started {made} UTC, took {took:.1f} s" if took else "")


def _check_rows(
    ds: xr.Dataset, lab: list[str] | None, landlord: list[str] | None, quarter: list[str] | None
) -> None:
    """See that the rows asked for are there."""
    span = f"; expected {QUARTERS[0]} to {QUARTERS[-1]}"
    faults = show_run.unknown("--quarter", quarter, QUARTERS, span)
    for dim, names in (("lab", lab), ("landlord", landlord)):
        faults += show_run.unknown(f"--{dim}", names, [str(label) for label in ds[dim].values])
    if faults:
        raise InputError(faults)
