"""What a file says of a law: numbers, and quantiles that stand for parameters."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from scipy import special

Array = NDArray[np.float64]
Quantiles = list[tuple[float, float]]
QUANTILE_KEY = re.compile(r"p([1-9]|[1-9][0-9])$")


def number(said: Any, key: str) -> float:
    """A finite number that a file gives.

    Raises:
        ValidationError: If it is none, with the key.
    """
    fault = unfit(said)
    if fault:
        raise misfit((fault, key, said))
    return float(said)


def unfit(said: Any) -> str | None:
    """What pydantic calls it where something is no finite number."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return "float_type"
    try:
        return None if math.isfinite(said) else "finite_number"
    except OverflowError:
        return "finite_number"


def misfit(*faults: tuple[str | PydanticCustomError, str, Any]) -> ValidationError:
    """What pydantic would say of keys that are no fields: kind of fault, key, and what is given."""
    return ValidationError.from_exception_data(
        "law",
        [
            {"type": kind, "loc": (key,) if key else (), "input": said, "ctx": {"expected": ""}}
            for kind, key, said in faults
        ],
    )


def split_quantiles(given: dict[str, Any]) -> tuple[dict[str, Any], Quantiles]:
    """The keys that are not quantiles, and the quantiles by level, rising.

    Raises:
        ValueError: For levels outside 0 to 1, or values that do not rise with them.
    """
    rest = dict(given)
    found: Quantiles = []
    for key in given:
        if QUANTILE_KEY.match(key):
            found.append((int(key[1:]) / 100, number(rest.pop(key), key)))
    pairs = rest.pop("quantiles", [])
    if not isinstance(pairs, list | tuple):
        raise ValueError("expected quantiles as pairs, such as [[0.05, 1.2], [0.95, 3.4]]")
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"expected a pair of level and value in quantiles, got {pair!r}")
        level = number(pair[0], "quantiles")
        if not 0 < level < 1:
            raise ValueError(f"expected levels between 0 and 1 in quantiles, got {level:g}")
        found.append((level, number(pair[1], "quantiles")))
    found.sort(key=lambda pair: pair[0])
    for (level, x), (further, y) in itertools.pairwise(found):
        if level == further:
            raise ValueError(f"p{100 * level:g} is given twice")
        if not x < y:
            raise ValueError(
                f"quantiles must rise with their levels: p{100 * level:g} is {x:g},"
                f" p{100 * further:g} is {y:g}"
            )
    return rest, found


def two(quantiles: Quantiles, family: str) -> Quantiles:
    """Two quantiles, no more and no fewer.

    Raises:
        ValueError: If there are not two.
    """
    if len(quantiles) != 2:
        raise ValueError(
            f"two quantiles determine a {family}, got {len(quantiles)}; a metalog takes three"
        )
    return quantiles


def three(quantiles: Quantiles, family: str) -> Quantiles:
    """Three quantiles, no more and no fewer.

    Raises:
        ValueError: If there are not three.
    """
    if len(quantiles) != 3:
        raise ValueError(f"three quantiles determine a {family}, got {len(quantiles)}")
    return quantiles


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Intercept and slope of the line through two points."""
    (a, x), (b, y) = points
    slope = (y - x) / (b - a)
    return x - slope * a, slope


def score(level: float) -> float:
    """The normal score of a probability."""
    return float(special.ndtri(level))


def root(function: Callable[[float], float], low: float, high: float, what: str) -> float:
    """The root of a function of a positive parameter between two ends, searched on its log."""
    from scipy.optimize import brentq

    if not function(low) * function(high) < 0:
        raise ValueError(f"no {what} has these")
    return math.exp(
        brentq(lambda a: function(math.exp(a)), math.log(low), math.log(high), xtol=1e-14)
    )


def positive(x: float, what: str = "quantiles") -> float:
    """The number itself.

    Raises:
        ValueError: If it is not above 0.
    """
    if x <= 0:
        raise ValueError(f"expected {what} above 0, got {x:g}")
    return x


def place_between(x: float, low: float, high: float) -> float:
    """Where a value lies between two ends, from 0 to 1.

    Raises:
        ValueError: If it does not lie between them.
    """
    if not low < x < high:
        raise ValueError(f"expected a value between min and max, {low:g} and {high:g}, got {x:g}")
    return (x - low) / (high - low)
