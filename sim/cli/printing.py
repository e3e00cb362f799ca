"""What commands print without styles; those with styles are in `terminal`.

No other module of the room prints by itself: what passes here is plain text, whatever users wrote.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from sim.common.text import plain_lines


def say(text: object = "") -> None:
    """Print lines of plain text."""
    print(plain_lines(text))


def complain(text: object) -> None:
    """Print lines of plain text on the error stream."""
    print(plain_lines(text), file=sys.stderr)


def say_json(data: Any) -> None:
    """Print data as JSON, in which texts are as users wrote them, in ASCII.

    Raises:
        ValueError: For a number that is not finite.
    """
    print(json.dumps(data, indent=1, allow_nan=False))


def say_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as CSV below the names of their entries; lists and tables in them as JSON."""
    rows = list(rows)
    columns = dict.fromkeys(name for row in rows for name in row)
    lines = io.StringIO()
    writer = csv.DictWriter(lines, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: json.dumps(x) if isinstance(x, list | dict) else x for name, x in row.items()}
        for row in rows
    )
    say(lines.getvalue().rstrip("\n"))
