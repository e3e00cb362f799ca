"""The density of a distribution, drawn in text."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from sim.distributions.base import Distribution
from sim.distributions.discrete import Steps
from sim.distributions.elicitation import Array

COLUMNS, ROWS = 60, 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_MARKED = ndtri(np.array([0.05, 0.5, 0.95]))
_SIDE = ndtri(0.997)  # normal score, of either sign, to which the density is drawn


def format_number(x: float, digits: int = 4) -> str:
    """A number to this number of significant digits, as people write it."""
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


def draw_density(distribution: Distribution) -> str:
    """Draw bars of probability, an axis with numbers, p5, median and p95.

    Returns:
        Lines of `COLUMNS` characters, of which the first `ROWS` are the bars; a legend may exceed
        them by 16. "always x" where all the mass is at x.
    """
    low, high, is_log = _range(distribution)
    if not low < high:
        return f"always {format_number(low)}"
    edges = _value_at(np.linspace(0.0, 1.0, COLUMNS + 1), low, high, is_log)
    with np.errstate(all="ignore"):
        up_to, above = (np.exp(x) for x in distribution.log_probabilities_at(_just_below(edges)))
    # Of two numbers near 1 the difference is lost.
    mass = np.where(up_to[1:] < 0.5, np.diff(up_to), -np.diff(above))
    eighths = np.ceil(8 * ROWS * np.maximum(mass, 0.0) / mass.max() - 1e-9)
    eighths[mass < 1e-3 * mass.max()] = 0
    lines = []
    for row in reversed(range(ROWS)):
        lines.append("".join(_EIGHTHS[int(n)] for n in np.clip(eighths - 8 * row, 0, 8)))
    with np.errstate(all="ignore"):
        marked = distribution.quantile(_MARKED)
    return "\n".join([*lines, *_axis(low, high, is_log), _interval(marked, low, high, is_log)])


def _just_below(edges: Array) -> Array:
    """Edges moved down, but for the last.

    So a value on an edge is counted to its right.
    """
    below = np.nextafter(edges, -np.inf)
    below[-1] = edges[-1]
    return below


def _range(distribution: Distribution) -> tuple[float, float, bool]:
    """The ends of the axis, and whether it is logarithmic."""
    if isinstance(distribution, Steps):
        values = distribution.atoms[0]
        pad = (values[-1] - values[0]) / (2 * COLUMNS - 2)
        return float(values[0] - pad), float(values[-1] + pad), False
    with np.errstate(all="ignore"):
        low, p5, middle, p95, high = map(
            float, distribution.quantile(np.array([-_SIDE, *_MARKED, _SIDE]))
        )
    biggest = np.finfo(float).max / 4
    low, high = max(low, -biggest), min(high, biggest)
    is_skewed = p95 - middle > 4 * (middle - p5)
    return low, high, low > 0 and high > 25 * low and is_skewed


def _value_at(share: Array, low: float, high: float, is_log: bool) -> Array:
    """The value at a share, 0 to 1, of the axis."""
    if is_log:
        return low * (high / low) ** share
    return low + (high - low) * share


def _column(x: float, low: float, high: float, is_log: bool) -> int:
    """The column, 0 to `COLUMNS` - 1, in which a value lies."""
    share = math.log(x / low) / math.log(high / low) if is_log else (x - low) / (high - low)
    return min(max(math.floor(share * COLUMNS), 0), COLUMNS - 1)


def _ticks(low: float, high: float, is_log: bool) -> list[float]:
    """Round numbers to write at the axis."""
    if is_log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            ticks = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
            if len(ticks) <= 7:
                return ticks
        return ticks[:: math.ceil(len(ticks) / 7)]
    step = 10.0 ** math.floor(math.log10((high - low) / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 8)
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _axis(low: float, high: float, is_log: bool) -> tuple[str, str]:
    """A line with ticks, and a line with their numbers.

    Ticks without room for a number are left out.
    """
    line, numbers = ["─"] * COLUMNS, ""
    for tick in _ticks(low, high, is_log):
        column, number = _column(tick, low, high, is_log), format_number(tick)
        first = max(column - len(number) // 2, 0)
        if first < len(numbers) + 2 and numbers:
            continue
        line[column] = "┴"
        numbers = numbers.ljust(first) + number
    return "".join(line), numbers


def _interval(marked: Array, low: float, high: float, is_log: bool) -> str:
    """A line from p5 to p95 with the median on it."""
    left, middle, right = (_column(float(x), low, high, is_log) for x in marked)
    line = [" "] * left + ["━"] * (right - left + 1)
    line[middle] = "╋"
    legend = "p5, median, p95" + (" (log scale)" if is_log else "")
    is_beside = right + 2 + len(legend) <= COLUMNS + 16
    return "".join(line) + (" " if is_beside else "\n") + legend
