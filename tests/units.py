"""Dimensions of units."""

from __future__ import annotations

import re


def exponent(unit: str, dimension: str) -> int:
    """The power in which a dimension stands in a unit such as `USD/kW_IT/yr` or `B s`."""
    words = {"USD": r"USD", "W": r"[kMGT]?W(_IT|h)?", "B": r"B"}[dimension]
    over, *under = unit.split("/")
    count = [sum(bool(re.fullmatch(words, w)) for w in part.split()) for part in (over, *under)]
    return count[0] - sum(count[1:])
