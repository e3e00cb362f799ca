"""What commands print without styles; those with styles are in `terminal`.

No other module of the room prints by itself: what passes here is plain text, whatever users wrote.
"""

from __future__ import annotations

import json
import sys
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
