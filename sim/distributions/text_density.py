"""The density of a law as a picture of text."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from sim.distributions.base import Distribution
from sim.distributions.discrete import Steps
from sim.distributions.elicitation import Array

COLUMNS, ROWS = 60, 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_MARKS = ndtri(np.array([0.05, 0.5, 0.95]))
_SIDE = ndtri(0.997)  # normal scores between which a law is drawn


def shown(x: float, digits: int = 4) -> str:
    """A number to so many significant digits, as people write it."""
    if x == 0:
        return "0"
    size = math.floor(math.log10(abs(x)))
    if not -4 <= size < 6:
        mantissa, _, power = f"{x:.{digits - 1}e}".partition("e")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}e{int(power)}"
    rounded = round(x, digits - 1 - size)
    return f"{rounded:,.0f}" if size >= digits - 1 else f"{rounded:.{digits}g}"


def of(distribution: Distribution) -> str:
    """Bars of probability over an axis with numbers, and where p5, median and p95 lie."""
    low, high, is_log = _range(distribution)
    if not low < high:
        return f"always {shown(low)}"
    edges = _scaled(np.linspace(0.0, 1.0, COLUMNS + 1), low, high, is_log)
    with np.errstate(all="ignore"):
        up_to, above = (np.exp(x) for x in distribution.log_shares_at(_just_below(edges)))
    # Of two numbers near 1 the difference is lost.
    mass = np.where(up_to[1:] < 0.5, np.diff(up_to), -np.diff(above))
    eighths = np.ceil(8 * ROWS * np.maximum(mass, 0.0) / mass.max() - 1e-9)
    eighths[mass < 1e-3 * mass.max()] = 0
    lines = []
    for row in reversed(range(ROWS)):
        lines.append("".join(_EIGHTHS[int(n)] for n in np.clip(eighths - 8 * row, 0, 8)))
    with np.errstate(all="ignore"):
        marks = distribution.quantile(_MARKS)
    return "\n".join([*lines, *_axis(low, high, is_log), _interval(marks, low, high, is_log)])


def _just_below(edges: Array) -> Array:
    """So that a value on an edge is counted to the right of it, but for the last."""
    below = np.nextafter(edges, -np.inf)
    below[-1] = edges[-1]
    return below


def _range(distribution: Distribution) -> tuple[float, float, bool]:
    """What the picture spans, and whether equal steps are equal factors."""
    if isinstance(distribution, Steps):
        values = distribution.atoms[0]
        pad = (values[-1] - values[0]) / (2 * COLUMNS - 2)
        return float(values[0] - pad), float(values[-1] + pad), False
    with np.errstate(all="ignore"):
        low, p5, middle, p95, high = map(
            float, distribution.quantile(np.array([-_SIDE, *_MARKS, _SIDE]))
        )
    biggest = np.finfo(float).max / 4
    low, high = max(low, -biggest), min(high, biggest)
    is_skewed = p95 - middle > 4 * (middle - p5)
    return low, high, low > 0 and high > 25 * low and is_skewed


def _scaled(share: Array, low: float, high: float, is_log: bool) -> Array:
    if is_log:
        return low * (high / low) ** share
    return low + (high - low) * share


def _column(x: float, low: float, high: float, is_log: bool) -> int:
    share = math.log(x / low) / math.log(high / low) if is_log else (x - low) / (high - low)
    return min(max(math.floor(share * COLUMNS), 0), COLUMNS - 1)


def _ticks(low: float, high: float, is_log: bool) -> list[float]:
    """Round numbers to write at the axis."""
    if is_log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
            if len(found) <= 7:
                return found
        return found[:: math.ceil(len(found) / 7)]
    step = 10.0 ** math.floor(math.log10((high - low) / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 8)
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _axis(low: float, high: float, is_log: bool) -> tuple[str, str]:
    line, numbers = ["─"] * COLUMNS, ""
    for tick in _ticks(low, high, is_log):
        column, number = _column(tick, low, high, is_log), shown(tick)
        start = max(column - len(number) // 2, 0)
        if start < len(numbers) + 2 and numbers:
            continue
        line[column] = "┴"
        numbers = numbers.ljust(start) + number
    return "".join(line), numbers


def _interval(marks: Array, low: float, high: float, is_log: bool) -> str:
    """A line from p5 to p95 with the median on it."""
    left, middle, right = (_column(float(x), low, high, is_log) for x in marks)
    line = [" "] * left + ["━"] * (right - left + 1)
    line[middle] = "╋"
    legend = "p5, median, p95" + (" (log scale)" if is_log else "")
    is_beside = right + 2 + len(legend) <= COLUMNS + 16
    return "".join(line) + (" " if is_beside else "\n") + legend
