"""What is told of a run, in a terminal or as JSON: when it is made, and from disk later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.errors import Fault, Location
from sim.common.text import nearest

if TYPE_CHECKING:
    import xarray as xr

    from sim.parameters.scenario import Override, Scenario
    from sim.tables import Selection


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a run beside its numbers."""

    description: str
    overrides: tuple[Override, ...]
    remarks: tuple[str, ...]


def of_scenario(scenario: Scenario) -> About:
    """What to say of a run of a scenario."""
    from sim.parameters import consistency

    remarks = (*scenario.remarks, *consistency.remarks(scenario))
    return About(scenario.description, scenario.overrides, remarks)


def of_manifest(manifest: dict[str, Any]) -> About:
    """What to say of a stored run: the same; less where a version before did not store it."""
    from sim.parameters.scenario import Override

    overrides = tuple(Override(**said) for said in manifest.get("overrides", []))
    return About(manifest.get("description", ""), overrides, tuple(manifest.get("remarks", [])))


def show(ds: xr.Dataset, summary: xr.Dataset, about: About, selection: Selection) -> None:
    """Print what a run is, its tables, and how good its numbers are."""
    from sim import tables
    from sim.cli import terminal
    from sim.simulation import until

    terminal.out.print(
        f"[bold]{ds.attrs['scenario']}[/bold]  {ds.attrs['draws']:,} draws, {ds.attrs['sampler']},"
        f" seed {ds.attrs['seed']}, {ds.attrs['view']} view, {ds.attrs['rental_mode']} rents"
    )
    if about.description:
        terminal.out.print(about.description, markup=False)
    for override in about.overrides:
        terminal.out.print(f"  {override}", markup=False)
    for remark in about.remarks:
        terminal.out.print(f"  note: {remark}", markup=False)
    for line in until.remarks(ds):
        terminal.out.print(f"  {line}", markup=False)
    terminal.out.print()
    for table in tables.headline_tables(ds, summary, selection):
        terminal.show(table)
    for line in tables.quality(ds, summary):
        terminal.out.print(line, style="dim")


def show_folder(folder: Path, *about: str) -> None:
    """Print where a run is, on one line that a terminal may be clicked on."""
    from sim.cli import terminal

    words = "  ".join(filter(None, about))
    terminal.out.print(f"[bold]{folder}/[/bold]  {words}", soft_wrap=True)


def document(
    ds: xr.Dataset, summary: xr.Dataset, about: About, selection: Selection, folder: Path
) -> dict[str, Any]:
    """The same for machines."""
    from sim import tables
    from sim.simulation import until

    remarks = [*about.remarks, *until.remarks(ds)]
    names = ("scenario", "digest", "draws", "sampler", "view", "rental_mode", "uncertainty")
    return {
        **{name: ds.attrs[name] for name in names},
        "seed": int(ds.attrs["seed"]),
        "draws_not_finite": ds.attrs["draws_not_finite"],
        "draws_questionable": ds.attrs["draws_questionable"],
        "overrides": [asdict(override) for override in about.overrides],
        "folder": str(folder),
        **({"until": json.loads(ds.attrs["until"])} if "until" in ds.attrs else {}),
        "tables": [table.data() for table in tables.headline_tables(ds, summary, selection)],
        "remarks": [*remarks, *tables.warnings(ds), *tables.quality(ds, summary)],
    }


def unknown(
    option: str, names: list[str] | None, known: Sequence[str], expected: str = ""
) -> list[Fault]:
    """Faults of names that an option gives and nothing bears."""
    return [
        Fault(
            Location(option),
            "",
            f"no such {option[2:]}: '{name}'{expected or nearest(name, list(known))}",
        )
        for name in names or ()
        if name not in known
    ]
