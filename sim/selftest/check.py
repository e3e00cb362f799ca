"""One thing that a self-test looks at, and the ways to judge it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sim.common.numbers import rounded_by

ERRORS = 4.0  # standard errors by which a sampled number may miss its closed form


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found and expected, in words; `numbers` are for machines.

    `ok` is None where it is told and not judged.
    """

    what: str
    found: str
    expected: str
    ok: bool | None
    numbers: dict[str, float] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """The check for machines: what is not finite is null."""
        numbers = {
            name: number if math.isfinite(number) else None for name, number in self.numbers.items()
        }
        told = {"what": self.what, "found": self.found, "expected": self.expected}
        return {**told, "ok": self.ok, **numbers}


def printed(what: str, value: float, expected: str) -> Check:
    """Whether a number rounds to one as it is printed."""
    digits = re.fullmatch(r"[\d,]*\.?(\d*)(?:e(-?\d+))?", expected)
    assert digits is not None, expected
    decimals = len(digits[1]) - int(digits[2] or 0)
    number = float(expected.replace(",", ""))
    ok = abs(value - number) <= 0.5001 * 10.0**-decimals
    form = f",.{len(digits[1])}{'e' if digits[2] else 'f'}"
    numbers = {"value": value, "reference": number}
    return Check(what, f"{value:{form}}", f"{number:{form}}", ok, numbers)


def within_error(what: str, value: float, error: float, expected: float) -> Check:
    """Whether a sampled number is within so many Monte Carlo standard errors of a closed form."""
    ok = error > 0 and abs(value - expected) <= ERRORS * error
    text, spread = rounded_by(value, error)
    decimals = len(text.partition(".")[2])
    numbers = {"value": value, "error": error, "reference": expected}
    return Check(what, f"{text} ±{spread}", f"{expected:.{decimals + 1}f}", ok, numbers)


def at_most(what: str, value: float, limit: float, unit: str = "") -> Check:
    """Whether a number that should be next to nothing, or not above another, is."""
    ok = value <= limit
    numbers = {"value": value, "limit": limit}
    return Check(what, f"{value:.3g}{unit}", f"<= {limit:.3g}{unit}", ok, numbers)


def same(what: str, one: Iterable[Any], other: Iterable[Any]) -> Check:
    """Whether arrays have the same bits, shown by a fingerprint of each side."""
    found, expected = fingerprint(one), fingerprint(other)
    return Check(what, found, expected, found == expected)


def rate(what: str, per_second: float, before: float | None = None) -> Check:
    """A speed, and how many times that of the line before; neither is judged."""
    text = f"{per_second:,.0f}" if per_second < 1e6 else f"{per_second / 1e6:,.1f} million"
    if before is None:
        return Check(what, text, "", None, {"value": per_second})
    times = per_second / before
    return Check(what, text, f"x {times:.2f}", None, {"value": per_second, "ratio": times})


def fingerprint(arrays: Iterable[Any]) -> str:
    """Ten hexadecimal digits of the bits of arrays."""
    digest = hashlib.blake2b(digest_size=5)
    for array in arrays:
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
