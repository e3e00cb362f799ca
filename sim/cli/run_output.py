"""A run as text or JSON, fresh or from disk."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.printing import say
from sim.common.text import plain
from sim.tables.table import ODD, Selection, Table

if TYPE_CHECKING:
    from sim.parameters.override import Override
    from sim.parameters.scenario import Scenario
    from sim.tables.table import Headline


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
    from sim.parameters.override import Override

    overrides = tuple(Override(**override) for override in manifest.get("overrides", []))
    remarks = tuple(manifest.get("remarks", []))
    return Description(manifest.get("description", ""), overrides, remarks)


def select(
    labs: list[str] | None, landlords: list[str] | None, quarters: list[str] | None
) -> Selection:
    """The selection of options that may be repeated, each name once."""
    return Selection(*(tuple(dict.fromkeys(names or ())) for names in (labs, landlords, quarters)))


def odd_table(headline: Headline, description: Description) -> Table:
    """What is odd in a run and in its parameters, as a table of remarks alone."""
    lines = [f"- {plain(line)}" for line in (*headline.remarks, *description.remarks)]
    return Table("What is odd", [""], [], lines or ["Nothing."], name=ODD)


def print_tables(headline: Headline, tables: Sequence[Table], errors: bool) -> None:
    """Print tables below the name of their run; `errors` as of `terminal.show`."""
    from sim.cli import terminal

    of = headline.attributes
    terminal.say_headed(
        of["scenario"],
        f"{of['draws']:,} draws, {of['sampler']}, seed {of['seed']}, {headline.settings}",
    )
    terminal.say()
    for table in tables:
        terminal.show(table, errors)


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
    headline: Headline, description: Description, folder: Path | None, tables: Sequence[Table] = ()
) -> dict[str, Any]:
    """The headline of a run and further tables, for JSON; keys as of `sim help results`."""
    of = headline.attributes
    names = ("scenario", "digest", "draws", "sampler", "view", "rental_mode", "uncertainty")
    return {
        "version": 1,
        **{name: of[name] for name in names},
        "seed": int(of["seed"]),
        "draws_not_finite": of["draws_not_finite"],
        "draws_questionable": of["draws_questionable"],
        "overrides": [asdict(override) for override in description.overrides],
        "folder": None if folder is None else str(folder),
        **({"until": json.loads(of["until"])} if "until" in of else {}),
        "tables": [table.data() for table in (*headline.tables, *tables)],
        "remarks": [
            *description.remarks, *headline.targets, *headline.warnings, *headline.remarks
        ],
    }  # fmt: skip
