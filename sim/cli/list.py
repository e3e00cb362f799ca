"""`sim list`: the stored runs."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sim.cli.options import Csv, refuse_both
from sim.cli.printing import say, say_csv, say_json
from sim.cli.stored_runs import Json, Out, print_note
from sim.common.errors import InputError
from sim.common.text import finite, plain
from sim.store import folders, manifest
from sim.store.run_names import describe_difference, source_file


def list_(out: Out = folders.OUTPUTS, as_json: Json = False, as_csv: Csv = False) -> None:
    """List stored runs: draws, seed, sampler, date, size, and damage if any."""
    refuse_both(as_json, as_csv)
    rows = folders.listed(out, print_note)
    files = _files_of_one_name(rows)
    if as_json or as_csv:
        data = [{**row, "duration_s": finite(row["duration_s"])} for row in rows]
        say_json(data) if as_json else say_csv(data)
        return
    if rows:
        say("\n".join(_lines(rows, files, max(80, shutil.get_terminal_size().columns))))
    count = "1 run" if len(rows) == 1 else f"{len(rows) or 'no'} runs"
    say(f"{count} in {plain(out)}/, {_size(sum(row['bytes'] for row in rows))}")


def _lines(rows: list[dict[str, Any]], files: dict[str, str], width: int) -> Iterator[str]:
    """The list as text of at most `width` columns.

    Names are last, because they may be long, with remarks below them.
    """
    heads = ("draws", "seed", "sampler", "started (UTC)", "size")
    cells = [
        (
            "" if row["draws"] is None else f"{row['draws']:,}",
            "" if row["seed"] is None else plain(row["seed"]),
            plain(row["sampler"] or ""),
            plain(str(row["started"] or "")[:16].replace("T", " ")),
            _size(row["bytes"]),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    entries = [
        (heads, "run", []),
        *(
            (texts, plain(row["run"]), _remarks(row, files))
            for texts, row in zip(cells, rows, strict=True)
        ),
    ]
    for texts, name, remarks in entries:
        line = "  ".join(
            text.ljust(space) if head in ("sampler", "started (UTC)") else text.rjust(space)
            for text, space, head in zip(texts, widths, heads, strict=True)
        )
        too_long = len(line) + 2 + len(name) > width
        yield f"{line}\n    {name}" if too_long else f"{line}  {name}"
        for remark in remarks:
            yield textwrap.fill(
                plain(remark), width, initial_indent="    ", subsequent_indent="      "
            )


def _files_of_one_name(rows: list[dict[str, Any]]) -> dict[str, str]:
    """The parameter files, by run, of scenarios of one name that are in several files."""
    found: dict[str, str] = {}
    for row in rows:
        with suppress(InputError):  # a run that is damaged has no file
            found[row["run"]] = source_file(manifest.read(Path(row["folder"])))
    by_name: dict[str, set[str]] = {}
    for row in rows:
        by_name.setdefault(row["scenario"], set()).add(found.get(row["run"], ""))
    return {
        row["run"]: found[row["run"]]
        for row in rows
        if found.get(row["run"]) and len(by_name[row["scenario"]] - {""}) > 1
    }


def _remarks(row: dict[str, Any], files: dict[str, str]) -> list[str]:
    """Remarks on a run: damage, another model version, its name, how it differs from its file."""
    remarks = [f"{row['state']}: {row['why']}"] if row["state"] != "whole" else []
    if row["model"] == "other":
        remarks.append("from another version of the model")
    name = f"named {row['name']}" if row["name"] else ""
    difference = describe_difference(row["files"], row["set"])
    remarks += ["; ".join(filter(None, (name, difference)))] if name or difference else []
    if row["scenario"] and not row["run"].startswith(f"{row['scenario']}-"):
        remarks.append(f"scenario {row['scenario']}")
    if row["run"] in files:
        remarks.append(f"of {files[row['run']]}")
    return remarks


def _size(number: float) -> str:
    """A number of bytes with a unit, to two or three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            break
        number, unit = number / 1000, {"B": "kB", "kB": "MB", "MB": "GB", "GB": "TB"}[unit]
    return f"{number:.0f} {unit}" if number >= 9.95 or unit == "B" else f"{number:.1f} {unit}"
