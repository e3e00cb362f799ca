"""What it takes to be so sure: the number of a key that each draw needs, and their quantiles.

Where a value rises or falls with the key in every draw, each draw has a number of its own at which
an event begins to happen. The quantiles of these answer every probability at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.measures import Measure
from sim.common.errors import Fault, InputError, Location
from sim.expressions.tree import Operation, Statistic, Tree
from sim.parameters.varied import Varied
from sim.statistics.formed import value_with_error
from sim.statistics.replicates import Replicates
from sim.statistics.values import DrawnValue

Array = NDArray[np.float64]
PROBABILITIES = (0.5, 0.8, 0.9, 0.95)
COARSE, FINE = 17, 25  # places of the range, and of its part in which nearly all draws turn
FEWEST = 4  # places, from which numbers are interpolated
RELATIONS = {">=": 1.0, ">": 1.0, "<=": -1.0, "<": -1.0}


def read_event(tree: Tree, text: str) -> Tree:
    """The value that an event needs above 0: of `P(a >= b)`, a less b.

    Raises:
        InputError: If the statistic is no probability of one comparison.
    """
    if isinstance(tree, Statistic) and tree.kind == "P":
        of = tree.of
        if isinstance(of, Operation) and of.operator in RELATIONS:
            sides = of.operands if RELATIONS[of.operator] > 0 else of.operands[::-1]
            return Operation("-", tuple(sides))
    message = "is no probability of one comparison, such as P(inference_gross_margin@2026Q4 >= 0.7)"
    raise InputError([Fault(Location("--curve"), text, message)])


def find_requirement(
    key: Varied,
    excess: Callable[[float], tuple[Array, Replicates]],
    reached: Callable[[float], tuple[float, float]],
    probabilities: Sequence[float] = PROBABILITIES,
    progress: Callable[[int], None] = lambda worlds: None,
) -> xr.Dataset:
    """The number of a key that it takes for an event to have each probability.

    Args:
        key: What is varied.
        excess: Gives the value [draw] that has to be at least 0, with its replicates, at a number
            of the key; the same random numbers each time.
        reached: Gives the probability of the event with its error at a number.
        probabilities: Those that are asked for.
        progress: Called with the number of worlds drawn since the last call.

    Returns:
        Along `probability` the `number` with its `number_error`, infinite where no number of the
        range is enough, and `reached`, the probability there, drawn anew, with its `reached_error`.
        Along `draw` the `break_even` of each draw: minus infinity where the event happens at the
        low end already and the key helps, and so on. Attributes: `rises`, whether larger numbers
        help; `turning`, the share of draws in which the event comes and goes.

    Raises:
        InputError: If the value does not depend on the key.
    """
    rows: dict[float, Array] = {}

    def fill(low: float, high: float, points: int) -> Replicates | None:
        """Evaluate places from low to high, but for numbers that the scenario cannot have."""
        found = None
        for at in np.linspace(low, high, points).tolist():
            with suppress(InputError):
                rows[at], found = excess(key.from_scale(at))
            progress(1)
        return found

    replicates = fill(key.to_scale(key.low), key.to_scale(key.high), COARSE)
    if replicates is None or len(rows) < FEWEST:
        message = f"is possible at {len(rows)} of {COARSE} numbers of its range"
        raise InputError([Fault(Location("--curve"), key.name, message)])
    break_even, rises, _ = _find_break_even(rows, key)
    inside = break_even[np.isfinite(break_even)]
    if inside.size:
        low, high = np.quantile(inside, [0.02, 0.98])
        fill(float(low), float(high), FINE)
        break_even, rises, turning = _find_break_even(rows, key)
    else:
        turning = 0.0
    drawn = DrawnValue(break_even, np.ones(break_even.size, bool), replicates)
    numbers, errors, there, there_errors = [], [], [], []
    for probability in probabilities:
        percent = 100 * (probability if rises else 1 - probability)
        at, error = _quantile(drawn, percent)
        number = key.from_scale(at) if math.isfinite(at) else math.inf if rises else -math.inf
        numbers.append(number)
        errors.append(error * key.slope(number) if math.isfinite(at) else math.nan)
        check = reached(number) if math.isfinite(at) else (math.nan, math.nan)
        progress(1)
        there.append(check[0])
        there_errors.append(check[1])
    return xr.Dataset(
        {
            "number": ("probability", numbers, {"units": key.unit, "long_name": key.meaning}),
            "number_error": ("probability", errors, {"units": key.unit}),
            "reached": ("probability", there, {"units": "1"}),
            "reached_error": ("probability", there_errors, {"units": "1"}),
            "break_even": ("draw", [_number(key, at) for at in break_even], {"units": key.unit}),
        },
        {"probability": list(probabilities)},
        {"rises": int(rises), "turning": turning, "key": key.name},
    )


def _find_break_even(rows: dict[float, Array], key: Varied) -> tuple[Array, bool, float]:
    """Break-even places [draw], whether larger numbers help, and the share of draws that turn.

    Raises:
        InputError: If the event does not depend on the key.
    """
    places = np.array(sorted(rows))
    grid = np.array([rows[at] for at in places.tolist()])
    happens = grid >= 0
    rises = bool(happens[-1].mean() >= happens[0].mean())
    if np.array_equal(grid[0], grid[-1], equal_nan=True):
        message = f"the event does not depend on {key.name}"
        raise InputError([Fault(Location("--curve"), key.name, message)])
    if not rises:
        places, grid, happens = places[::-1], grid[::-1], happens[::-1]
    turning = float(((happens[1:] != happens[:-1]).sum(axis=0) > 1).mean())
    return _break_even(places, grid, happens, rises), rises, turning


def _break_even(places: Array, grid: Array, happens: NDArray[np.bool_], rises: bool) -> Array:
    """The place on the scale at which an event begins to happen [draw], towards where it helps.

    A draw in which it happens everywhere has minus infinity, if larger numbers help, and one in
    which it never does infinity; the other way round if smaller ones help.
    """
    always, never = (-math.inf, math.inf) if rises else (math.inf, -math.inf)
    # After the last place at which it does not happen: from there on it is sure.
    last = grid.shape[0] - 1 - np.argmax(~happens[::-1], axis=0)
    found = np.full(grid.shape[1], always)
    some = ~happens.all(axis=0)
    found[some & (last == grid.shape[0] - 1)] = never
    inside = np.flatnonzero(some & (last < grid.shape[0] - 1))
    found[inside] = _invert(places, grid[:, inside], last[inside])
    return found


def _invert(places: Array, grid: Array, last: NDArray[np.int64]) -> Array:
    """The place [draw] between `last` and the next at which values are 0.

    By inverse interpolation of the four places around it (Neville); where that does not stay
    between the two, or a value is infinite, by a straight line.
    """
    draws = np.arange(grid.shape[1])
    first = np.clip(last - 1, 0, len(places) - 4)
    at = [places[first + i] for i in range(4)]
    values = [grid[first + i, draws] for i in range(4)]
    with np.errstate(all="ignore"):
        for order in range(1, 4):
            for i in range(4 - order):
                a, b = values[i], values[i + order]
                at[i] = (at[i + 1] * a - at[i] * b) / (a - b)
        low, high = places[last], places[last + 1]
        below, above = grid[last, draws], grid[last + 1, draws]
        share = np.where(np.isfinite(below), below / (below - above), 1.0)
        straight = low + (high - low) * share
        between = (at[0] - low) * (at[0] - high) <= 0
    return np.where(between, at[0], straight)


def _quantile(drawn: DrawnValue, percent: float) -> tuple[float, float]:
    with np.errstate(invalid="ignore"):
        return value_with_error(Statistic("quantile", 0.0, percent), drawn)


def _number(key: Varied, at: float) -> float:
    return key.from_scale(at) if math.isfinite(at) else at


def measure_excess(tree: Tree, text: str) -> Measure:
    """A measure whose draws are those of the value that an event needs above 0."""
    return Measure(text, Statistic("quantile", read_event(tree, text), 50.0), "")
