"""A run as text or JSON, fresh or from disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.text import paragraph, plain

if TYPE_CHECKING:
    import xarray as xr

    from sim.parameters.scenario import Override, Scenario
    from sim.tables import Selection


@dataclass(frozen=True, slots=True)
class Description:
    """A scenario in words: its description, overrides, and remarks on its parameters."""

    text: str
    overrides: tuple[Override, ...]
    remarks: tuple[str, ...]


def describe_scenario(scenario: Scenario) -> Description:
    """The description of a scenario that was loaded."""
    from sim.parameters import consistency

    remarks = (*scenario.remarks, *consistency.remarks(scenario))
    return Description(scenario.description, scenario.overrides, remarks)


def describe_manifest(manifest: dict[str, Any]) -> Description:
    """The description of a stored run.

    It is empty where an earlier version did not store it.
    """
    from sim.parameters.scenario import Override

    overrides = tuple(Override(**override) for override in manifest.get("overrides", []))
    remarks = tuple(manifest.get("remarks", []))
    return Description(manifest.get("description", ""), overrides, remarks)


def select(
    labs: list[str] | None, landlords: list[str] | None, quarters: list[str] | None
) -> Selection:
    """The selection of options that may be repeated, each name once."""
    from sim.tables import Selection

    return Selection(*(tuple(dict.fromkeys(names or ())) for names in (labs, landlords, quarters)))


def print_run(
    ds: xr.Dataset, summary: xr.Dataset, description: Description, selection: Selection
) -> None:
    """Print what a run is, its tables, and remarks on its draws."""
    from sim import tables
    from sim.cli import terminal
    from sim.simulation import until
    from sim.statistics.datasets import describe_settings

    terminal.say_headed(
        ds.attrs["scenario"],
        f"{ds.attrs['draws']:,} draws, {ds.attrs['sampler']}, seed {ds.attrs['seed']},"
        f" {describe_settings(ds)}",
    )
    if description.text:
        terminal.say(paragraph(description.text))
    for override in description.overrides:
        terminal.say(f"  {override}")
    for remark in description.remarks:
        terminal.say(f"  note: {plain(remark)}")
    for line in until.remarks(ds):
        terminal.say(f"  {plain(line)}")
    terminal.say()
    for table in tables.headline_tables(ds, summary, selection, terminal.warn):
        terminal.show(table)
    for line in tables.quality(ds, summary):
        terminal.say(plain(line), "dim")


def print_folder(folder: Path, *notes: str) -> None:
    """Print a run's folder and notes on one line.

    Some terminals make a link of it.
    """
    from sim.cli import terminal

    text = "  ".join(filter(None, notes))
    terminal.say_headed(f"{folder}/", text, unbroken=True)


def document(
    ds: xr.Dataset,
    summary: xr.Dataset,
    description: Description,
    selection: Selection,
    folder: Path,
) -> dict[str, Any]:
    """What `print_run` prints, for JSON."""
    from sim import tables
    from sim.cli import terminal
    from sim.simulation import until
    from sim.statistics.datasets import json_attribute

    shown = tables.headline_tables(ds, summary, selection, terminal.warn)
    remarks = [*description.remarks, *until.remarks(ds)]
    names = ("scenario", "digest", "draws", "sampler", "view", "rental_mode", "uncertainty")
    return {
        **{name: ds.attrs[name] for name in names},
        "seed": int(ds.attrs["seed"]),
        "draws_not_finite": ds.attrs["draws_not_finite"],
        "draws_questionable": ds.attrs["draws_questionable"],
        "overrides": [asdict(override) for override in description.overrides],
        "folder": str(folder),
        **({"until": json_attribute(ds, "until")} if "until" in ds.attrs else {}),
        "tables": [table.data() for table in shown],
        "remarks": [*remarks, *tables.warnings(ds), *tables.quality(ds, summary)],
    }
