"""Numbers that a file gives of a distribution, and its quantiles."""

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

from sim.common.text import shown

Array = NDArray[np.float64]
Quantiles = list[tuple[float, float]]
# `p5`, or with a part of a percent `p99.5`, as its level is written: one key for each level.
QUANTILE_KEY = re.compile(r"p([1-9][0-9]?|(0|[1-9][0-9]?)\.[0-9]*[1-9])\Z")
MOST_QUANTILES = 100


def require_number(value: Any, key: str) -> float:
    """A finite number that a file gives at a key.

    Raises:
        ValidationError: If it is none, with the key.
    """
    fault = find_number_fault(value)
    if fault:
        raise validation_error((fault, key, value))
    return float(value)


def find_number_fault(value: Any) -> str | None:
    """Pydantic's error type where a value is no finite number; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "float_type"
    try:
        return None if math.isfinite(value) else "finite_number"
    except OverflowError:
        return "finite_number"


def validation_error(*faults: tuple[str | PydanticCustomError, str, Any]) -> ValidationError:
    """Pydantic's error from error type, key and value of every fault.

    The keys need not be fields of a model.
    """
    return ValidationError.from_exception_data(
        "distribution",
        [
            {"type": kind, "loc": (key,) if key else (), "input": value, "ctx": {"expected": ""}}
            for kind, key, value in faults
        ],
    )


def spell_quantile(key: str, value: Any) -> str:
    """A message that tells how the key of a quantile is written; "" if it is written so."""
    is_table = isinstance(value, dict) and len(value) == 1  # p99.5 = 3 is p99 = { 5 = 3 }
    match = re.fullmatch(
        r"p(\d+)(?:\.(\d*))?", f"{key}.{next(iter(value))}" if is_table else key, re.ASCII
    )
    if match is None:
        return ""
    part = (match[2] or "").rstrip("0")
    name = f"p{match[1].lstrip('0') or '0'}" + (f".{part}" if part else "")
    if not QUANTILE_KEY.match(name):
        return 'expected a key from p1 to p99, or with a part of a percent "p99.5"'
    if name == key:
        return ""
    if not part:
        return f"expected the key {name}"
    reason = ", as a point without quotes makes a table of it" if is_table else ""
    return f'expected the key "{name}"{reason}'


def split_quantiles(entry: dict[str, Any]) -> tuple[dict[str, Any], Quantiles]:
    """Separate the quantiles of an entry from its other keys.

    Returns:
        The other keys with their values, and pairs of level (0 to 1) and value, rising.

    Raises:
        ValidationError: If a level or value is no finite number.
        ValueError: For levels outside 0 to 1, or values that do not rise with them.
    """
    misspelt = [(key, m) for key, value in entry.items() if (m := spell_quantile(key, value))]
    if misspelt:
        raise validation_error(
            *(
                (PydanticCustomError("value_error", "{message}", {"message": m}), key, entry[key])
                for key, m in misspelt
            )
        )
    rest = dict(entry)
    quantiles: Quantiles = []
    for key in entry:
        if QUANTILE_KEY.match(key):
            level = float(f"{key[1:]}e-2")
            if not 0 < level < 1:
                raise ValueError(f"{key} cannot be told from the end of the distribution")
            quantiles.append((level, require_number(rest.pop(key), key)))
    pairs = rest.pop("quantiles", [])
    if not isinstance(pairs, list | tuple):
        raise ValueError("expected quantiles as pairs, such as [[0.05, 1.2], [0.95, 3.4]]")
    if len(pairs) + len(quantiles) > MOST_QUANTILES:
        raise ValueError(f"expected at most {MOST_QUANTILES} quantiles")
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"expected a pair of level and value in quantiles, got {shown(pair)}")
        level = require_number(pair[0], "quantiles")
        if not 0 < level < 1:
            raise ValueError(f"expected levels between 0 and 1 in quantiles, got {level:g}")
        quantiles.append((level, require_number(pair[1], "quantiles")))
    quantiles.sort(key=lambda pair: pair[0])
    for (level, x), (further, y) in itertools.pairwise(quantiles):
        if level == further:
            raise ValueError(f"p{100 * level:g} is given twice")
        if not x < y:
            raise ValueError(
                f"quantiles must rise with their levels: p{100 * level:g} is {x:g},"
                f" p{100 * further:g} is {y:g}"
            )
    return rest, quantiles


def require_two(quantiles: Quantiles, family: str) -> Quantiles:
    """The quantiles, of which there must be two.

    Raises:
        ValueError: If there are not two.
    """
    if len(quantiles) != 2:
        raise ValueError(
            f"two quantiles determine a {family}, got {len(quantiles)}; a metalog takes three"
        )
    return quantiles


def require_three(quantiles: Quantiles, family: str) -> Quantiles:
    """The quantiles, of which there must be three.

    Raises:
        ValueError: If there are not three.
    """
    if len(quantiles) != 3:
        raise ValueError(f"three quantiles determine a {family}, got {len(quantiles)}")
    return quantiles


def fit_line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Intercept and slope of the line through two points."""
    (a, x), (b, y) = points
    slope = (y - x) / (b - a)
    return x - slope * a, slope


def normal_score(level: float) -> float:
    """The normal score of a probability."""
    return float(special.ndtri(level))


def find_root(function: Callable[[float], float], low: float, high: float, family: str) -> float:
    """The root, between two ends, of a function of a positive parameter, the shape of a family.

    It is searched on the logarithm of the parameter.

    Raises:
        ValueError: If the function has the same sign at both ends: no such distribution exists.
    """
    from scipy.optimize import brentq

    if not function(low) * function(high) < 0:
        raise ValueError(f"no {family} with a shape from {low:g} to {high:g} has these")
    return math.exp(
        brentq(lambda a: function(math.exp(a)), math.log(low), math.log(high), xtol=1e-14)
    )


def require_positive(x: float, name: str = "quantiles") -> float:
    """The number, which must be above 0.

    Raises:
        ValueError: If it is not.
    """
    if x <= 0:
        raise ValueError(f"expected {name} above 0, got {x:g}")
    return x


def relative_position(x: float, low: float, high: float) -> float:
    """The position of a value between two ends, from 0 to 1.

    Raises:
        ValueError: If it does not lie between them.
    """
    if not low < x < high:
        raise ValueError(f"expected a value between min and max, {low:g} and {high:g}, got {x:g}")
    return (x - low) / (high - low)
