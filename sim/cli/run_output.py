"""A run as text or JSON, fresh or from disk."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.printing import say
from sim.common.text import paragraph, plain

if TYPE_CHECKING:
    import xarray as xr

    from sim.parameters.scenario import Override, Scenario
    from sim.tables import Selection, Table


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
    ds: xr.Dataset,
    summary: xr.Dataset,
    description: Description,
    selection: Selection,
    names: Sequence[str] = (),
) -> None:
    """Print what a run is, its tables, or those of the names, and remarks on its draws."""
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
    shown, lines = tables.tables_and_remarks(ds, summary, selection, terminal.warn, names)
    for table in shown:
        terminal.show(table)
    for line in lines:
        terminal.say(plain(line), "dim")


def print_folder(folder: Path, *notes: str) -> None:
    """Print a run's folder and notes on one line.

    Some terminals make a link of it.
    """
    from sim.cli import terminal

    text = "  ".join(filter(None, notes))
    terminal.say_headed(f"{folder}/", text, unbroken=True)


def print_csv(shown: Sequence[Table]) -> None:
    """Print the cells of tables as CSV: a line for each, values unscaled, with error and unit."""
    columns = ("table", "row", "column", "value", "error", "unit", "text")
    lines = io.StringIO()
    writer = csv.DictWriter(lines, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for table in shown:
        writer.writerows({"table": table.name, **cell} for cell in table.data()["cells"])
    say(lines.getvalue().rstrip("\n"))


def document(
    ds: xr.Dataset,
    summary: xr.Dataset,
    description: Description,
    selection: Selection,
    folder: Path,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """What `print_run` prints, for JSON."""
    from sim import tables
    from sim.cli import terminal
    from sim.simulation import until
    from sim.statistics.datasets import json_attribute

    shown, lines = tables.tables_and_remarks(ds, summary, selection, terminal.warn, names)
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
        "remarks": [*remarks, *tables.warnings(ds), *lines],
    }
