"""`sim list`: the stored runs."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

from sim.cli.stored_runs import Json, Out, print_note
from sim.store import folders


def list_(out: Out = folders.OUTPUTS, as_json: Json = False) -> None:
    """List stored runs: draws, seed, sampler, date, size, and damage if any."""
    rows = folders.listed(out, print_note)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if rows:
        print("\n".join(_lines(rows, max(80, shutil.get_terminal_size().columns))))
    count = "1 run" if len(rows) == 1 else f"{len(rows) or 'no'} runs"
    print(f"{count} in {out}/, {_size(sum(row['bytes'] for row in rows))}")


def _lines(rows: list[dict[str, Any]], width: int) -> Iterator[str]:
    """The list as text of at most `width` columns.

    Names are last, because they may be long, with remarks below them.
    """
    heads = ("draws", "seed", "sampler", "started (UTC)", "size")
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
    entries = [
        (heads, "run", []),
        *((texts, row["run"], _remarks(row)) for texts, row in zip(cells, rows, strict=True)),
    ]
    for texts, name, remarks in entries:
        line = "  ".join(
            text.ljust(space) if head in ("sampler", "started (UTC)") else text.rjust(space)
            for text, space, head in zip(texts, widths, heads, strict=True)
        )
        too_long = len(line) + 2 + len(name) > width
        yield f"{line}\n    {name}" if too_long else f"{line}  {name}"
        for remark in remarks:
            yield textwrap.fill(remark, width, initial_indent="    ", subsequent_indent="      ")


def _remarks(row: dict[str, Any]) -> list[str]:
    """Remarks on a run: damage, another model version, its scenario."""
    remarks = [f"{row['state']}: {row['why']}"] if row["state"] != "whole" else []
    if row["model"] == "other":
        remarks.append("from another version of the model")
    if row["scenario"] and not row["run"].startswith(f"{row['scenario']}-"):
        remarks.append(f"scenario {row['scenario']}")
    return remarks


def _size(number: float) -> str:
    """A number of bytes with a unit, to two or three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            break
        number, unit = number / 1000, {"B": "kB", "kB": "MB", "MB": "GB", "GB": "TB"}[unit]
    return f"{number:.0f} {unit}" if number >= 9.95 or unit == "B" else f"{number:.1f} {unit}"
