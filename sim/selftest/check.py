"""A check of a self-test, and functions that make one."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sim.common.numbers import rounded_by

MAX_ERRORS = 4.0  # standard errors by which a sampled number may miss its closed form


@dataclass(frozen=True, slots=True)
class Check:
    """A check: name, result, what is expected, and verdict.

    Result and expectation are texts; `numbers` are for JSON.

    `ok` is None where the result is reported, not asserted.
    """

    name: str
    result: str
    expected: str
    ok: bool | None
    numbers: dict[str, float] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """The check for JSON; numbers that are not finite are null."""
        numbers = {
            name: number if math.isfinite(number) else None for name, number in self.numbers.items()
        }
        texts = {"what": self.name, "found": self.result, "expected": self.expected}
        return {**texts, "ok": self.ok, **numbers}


def printed(name: str, value: float, expected: str) -> Check:
    """Whether a number rounds to one as it is printed."""
    digits = re.fullmatch(r"[\d,]*\.?(\d*)(?:e(-?\d+))?", expected)
    assert digits is not None, expected
    decimals = len(digits[1]) - int(digits[2] or 0)
    number = float(expected.replace(",", ""))
    ok = abs(value - number) <= 0.5001 * 10.0**-decimals
    form = f",.{len(digits[1])}{'e' if digits[2] else 'f'}"
    numbers = {"value": value, "reference": number}
    return Check(name, f"{value:{form}}", f"{number:{form}}", ok, numbers)


def within_error(name: str, value: float, error: float, expected: float) -> Check:
    """Whether a sampled number agrees with a closed form.

    It may miss it by `MAX_ERRORS` standard errors.
    """
    ok = error > 0 and abs(value - expected) <= MAX_ERRORS * error
    text, spread = rounded_by(value, error)
    decimals = len(text.partition(".")[2])
    numbers = {"value": value, "error": error, "reference": expected}
    return Check(name, f"{text} ±{spread}", f"{expected:.{decimals + 1}f}", ok, numbers)


def at_most(name: str, value: float, limit: float, unit: str = "") -> Check:
    """Whether a number is at most a limit."""
    ok = value <= limit
    numbers = {"value": value, "limit": limit}
    return Check(name, f"{value:.3g}{unit}", f"<= {limit:.3g}{unit}", ok, numbers)


def same(name: str, arrays: Iterable[Any], expected: Iterable[Any]) -> Check:
    """Whether arrays are bit-identical to the expected ones, shown by fingerprints."""
    prints = fingerprint(arrays), fingerprint(expected)
    return Check(name, *prints, prints[0] == prints[1])


def rate(name: str, per_second: float, reference: float | None = None) -> Check:
    """A speed, and its ratio to a reference speed; neither is asserted."""
    text = f"{per_second:,.0f}" if per_second < 1e6 else f"{per_second / 1e6:,.1f} million"
    if reference is None:
        return Check(name, text, "", None, {"value": per_second})
    ratio = per_second / reference
    return Check(name, text, f"x {ratio:.2f}", None, {"value": per_second, "ratio": ratio})


def fingerprint(arrays: Iterable[Any]) -> str:
    """Ten hexadecimal digits of the bits of arrays."""
    digest = hashlib.blake2b(digest_size=5)
    for array in arrays:
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
