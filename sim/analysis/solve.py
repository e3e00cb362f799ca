"""What it takes: the number of a key at which a statistic reaches its target.

All worlds have the same random numbers, so that a statistic moves with the key alone. Roots are
searched by Brent's method where a scan changes sides; the error of a root is that of the statistic
over its slope (delta method). Several keys are found together by least squares of the residuals in
standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.measures import Measure
from sim.common.errors import Fault, InputError, Location
from sim.expressions.tree import Target
from sim.parameters.varied import Varied
from sim.statistics.replicates import Replicates, standard_error

Array = NDArray[np.float64]
Draws = list[list[Array]]  # of each measure, of each of its statistics [draw]
Worlds = Callable[[Sequence[float]], tuple[Draws, Replicates]]

POINTS = 13  # of the scan
HALVINGS = 8  # of the distance to a number that the scenario cannot have
CLOSE = 1e-6  # on the scale: how exactly a root is found
FEWEST_CHANGED = 200  # draws that change sides between the ends of a slope
WIDTHS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)  # on the scale, half of the distance of these ends
SIZE = 0.01  # of a statistic: the unit in which residuals of several are added
NEAR = 0.01  # of that unit, or a standard error: how near to all targets a solution comes


@dataclass(frozen=True)
class Root:
    """Numbers of the keys [key] at which targets are met, with their errors.

    `reached` holds the statistics there with their errors, `again` those with another seed, and
    `slopes` [target, key] how much a statistic moves for one unit of a key.
    """

    numbers: tuple[float, ...]
    errors: tuple[float, ...]
    reached: tuple[tuple[float, float], ...]
    slopes: Array
    again: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Solution:
    """What meets the targets.

    `scan` has the dims `key` and `point` (one key: numbers and the statistic with its error).
    `monotone` says whether the statistic rises or falls all along the scan. `curve` are the numbers
    needed for several probabilities (`analysis.requirement`), or None.
    """

    keys: tuple[Varied, ...]
    targets: tuple[Target, ...]
    roots: tuple[Root, ...]
    scan: xr.Dataset
    monotone: bool
    draws: int
    curve: xr.Dataset | None = None

    @property
    def nearest(self) -> Root:
        """The root that is nearest, on the scale, to where a single key stands; else the first."""
        (key, *others), (first, *_) = self.keys, self.roots
        if others or not key.low <= key.now <= key.high:
            return first
        now = key.to_scale(key.now)
        return min(self.roots, key=lambda root: abs(key.to_scale(root.numbers[0]) - now))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(key.name)}</td><td>{number:.6g}</td><td>±{error:.2g}</td></tr>"
            for root in self.roots
            for key, number, error in zip(self.keys, root.numbers, root.errors, strict=True)
        )
        targets = escape(" and ".join(target.text for target in self.targets))
        return f"<p>{targets}, {self.draws:,} draws</p><table>{rows}</table>"


class _Problem:
    """Statistics over keys, each world drawn once."""

    def __init__(
        self,
        worlds: Worlds,
        measures: Sequence[Measure],
        targets: Sequence[Target],
        keys: Sequence[Varied],
        progress: Callable[[int], None],
    ) -> None:
        self.worlds, self.measures, self.keys = worlds, measures, keys
        self.numbers = np.array([target.number for target in targets])
        self.progress = progress
        self.known: dict[tuple[float, ...], tuple[Draws, Replicates]] = {}

    def draws(self, at: Sequence[float]) -> tuple[Draws, Replicates]:
        """The draws at places on the scales of the keys."""
        place = tuple(at)
        if place not in self.known:
            if len(self.known) > 4:  # whose draws are no longer needed
                self.known.pop(next(iter(self.known)))
            found = self.worlds([k.from_scale(x) for k, x in zip(self.keys, place, strict=True)])
            self.known[place] = found
            self.progress(1)
        return self.known[place]

    def reached(self, at: Sequence[float]) -> list[tuple[float, float]]:
        """The statistics with their errors."""
        drawn, replicates = self.draws(at)
        return [m.of(of, replicates) for m, of in zip(self.measures, drawn, strict=True)]

    def residuals(self, at: Sequence[float]) -> Array:
        """The statistics less their targets."""
        values = np.array([value for value, _ in self.reached(at)], float)
        return np.asarray(values - self.numbers)

    def slopes(self, at: Sequence[float]) -> Array:
        """How statistics move [target, key] on the scales of the keys.

        Central differences, as wide as it takes for a difference to be known: 200 draws that change
        sides, or their like.
        """
        slopes = np.full((len(self.measures), len(self.keys)), math.nan)
        enough = 1 / math.sqrt(FEWEST_CHANGED)
        for j, key in enumerate(self.keys):
            ends = key.to_scale(key.low), key.to_scale(key.high)
            todo = [*range(len(self.measures))]
            for width in WIDTHS:
                low, high = (
                    [min(max(x + side * width, ends[0]), ends[1]) if i == j else x
                     for i, x in enumerate(at)]
                    for side in (-1, 1)
                )  # fmt: skip
                try:
                    (first, replicates), (second, _) = self.draws(low), self.draws(high)
                except InputError:  # beyond what the scenario can have
                    break
                for i in list(todo):
                    measure = self.measures[i]
                    moved = (
                        measure.of(second[i], replicates)[0] - measure.of(first[i], replicates)[0]
                    )
                    error = measure.difference_error(first[i], second[i], replicates)
                    slopes[i, j] = moved / (high[j] - low[j])
                    if moved and error <= enough * abs(moved):
                        todo.remove(i)
                if not todo:
                    break
        return slopes


def solve(
    worlds: Worlds,
    keys: Sequence[Varied],
    targets: Sequence[Target],
    measures: Sequence[Measure],
    *,
    again: Worlds | None = None,
    progress: Callable[[int], None] = lambda worlds: None,
) -> Solution:
    """Find the numbers of keys at which statistics reach their targets.

    Args:
        worlds: Gives the draws of the measures, and their replicates, at numbers of the keys; the
            same random numbers each time.
        keys: What is varied, as many as targets.
        targets: `STATISTIC = number`.
        measures: The statistics of the targets.
        again: Likewise, with another seed: the statistics at the roots are checked with it.
        progress: Called with the number of worlds drawn since the last call.

    Returns:
        All roots that a scan of the range shows, of one key; of several, the one nearest to where
        they stand.

    Raises:
        InputError: If no number of the range meets the target, or targets as many as keys are not
            given.
    """
    if len(keys) != len(targets):
        message = f"{len(keys)} keys for {len(targets)} targets: as many of both are needed"
        raise InputError([Fault(Location("--vary"), "", message)])
    problem = _Problem(worlds, measures, targets, keys, progress)
    if len(keys) == 1:
        places, scan, monotone = _scan_and_solve(problem, targets[0])
    else:
        places, scan, monotone = [_solve_together(problem, targets)], xr.Dataset(), False
    roots = tuple(_describe(problem, at, again) for at in places)
    drawn, _ = problem.draws(places[0])
    return Solution(tuple(keys), tuple(targets), roots, scan, monotone, int(drawn[0][0].size))


def _scan_and_solve(
    problem: _Problem, target: Target
) -> tuple[list[list[float]], xr.Dataset, bool]:
    """The roots on the scale, what the scan found, and whether it rises or falls all along."""
    from scipy.optimize import brentq

    (key,) = problem.keys
    reached = {at: _reach(problem, at) for at in _places(key)}
    _find_ends(problem, reached)
    places, found = [list(of) for of in zip(*sorted(reached.items()), strict=True)]
    values = np.array([value for value, _ in found])
    numbers = [key.from_scale(at) for at in places]
    residual = values - target.number
    if not np.isfinite(residual).any():
        message = f"{target.statistic.text} is not known anywhere in the range"
        raise InputError([Fault(Location("--target"), target.text, message)])
    met = np.flatnonzero(residual == 0)
    if (np.diff(met) == 1).any():
        raise _no_single_number(target, key, [numbers[i] for i in met])
    roots = [places[i] for i in met]
    for i in np.flatnonzero(residual[:-1] * residual[1:] < 0):
        roots.append(
            float(brentq(lambda at: float(problem.residuals([at])[0]), places[i], places[i + 1],
                         xtol=CLOSE))
        )  # fmt: skip
    if not roots:
        raise _no_solution(target, key, values, numbers)
    roots = sorted(set(roots))
    points = sorted(
        {
            **dict(zip(numbers, found, strict=True)),
            **{key.from_scale(at): _reach(problem, at) for at in roots},
        }.items()
    )
    of_points = np.array([of for _, of in points])
    scan = xr.Dataset(
        {
            "statistic": ("point", of_points[:, 0]),
            "statistic_error": ("point", of_points[:, 1]),
        },
        {"number": ("point", [number for number, _ in points], {"units": key.unit})},
    )
    steps = np.diff(values[np.isfinite(values)])
    monotone = bool((steps >= 0).all() or (steps <= 0).all())
    return [[at] for at in roots], scan, monotone


def _find_ends(problem: _Problem, reached: dict[float, tuple[float, float]]) -> None:
    """Add the outermost places that the scenario can have, next to those that it cannot."""
    places = sorted(reached)
    for pair in pairwise(places):
        known = [not math.isnan(reached[at][0]) for at in pair]
        if known[0] == known[1]:
            continue
        inside, outside = pair if known[0] else pair[::-1]
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            there = _reach(problem, middle)
            if math.isnan(there[0]):
                outside = middle
            else:
                inside, reached[middle] = middle, there


def _reach(problem: _Problem, at: float) -> tuple[float, float]:
    """The statistic with its error; NaN where the scenario cannot have the number."""
    try:
        return problem.reached([at])[0]
    except InputError:
        return math.nan, math.nan


def _places(key: Varied) -> list[float]:
    """Where a statistic is scanned: evenly on the scale, and where the key stands now."""
    places = np.linspace(key.to_scale(key.low), key.to_scale(key.high), POINTS).tolist()
    if key.low < key.now < key.high:
        places.append(key.to_scale(key.now))
    return sorted(set(places))


def _no_single_number(target: Target, key: Varied, numbers: Sequence[float]) -> InputError:
    """The error that the target is met all along a part of the range, where no slope is."""
    unit = "" if key.unit == "1" else f" {key.unit}"
    message = (
        f"no single number: {target.statistic.text} is {target.number:.4g} at {len(numbers)} of the"
        f" numbers that were tried of {key.name}, from {min(numbers):.4g} to"
        f" {max(numbers):.4g}{unit}, and does not move between some of them"
    )
    return InputError([Fault(Location("--target"), target.text, message)])


def _no_solution(
    target: Target, key: Varied, values: Array, numbers: Sequence[float]
) -> InputError:
    """The error that no number meets the target, with what can be had."""
    least, most = int(np.nanargmin(values)), int(np.nanargmax(values))
    possible = [n for n, value in zip(numbers, values, strict=True) if not math.isnan(value)]
    unit = "" if key.unit == "1" else f" {key.unit}"
    message = (
        f"no solution: {target.statistic.text} ranges from {values[least]:.4g}"
        f" (at {numbers[least]:.4g}{unit}) to {values[most]:.4g} (at {numbers[most]:.4g}{unit}),"
        f" for {key.name} from {min(possible):.4g} to {max(possible):.4g}"
    )
    return InputError([Fault(Location("--target"), target.text, message)])


def _solve_together(problem: _Problem, targets: Sequence[Target]) -> list[float]:
    """The place on the scales at which all targets are met.

    Raises:
        InputError: With how near they come, where they are not.
    """
    from scipy.optimize import least_squares

    keys = problem.keys
    low, high = ([k.to_scale(end) for k, end in ((k, getattr(k, name)) for k in keys)]
                 for name in ("low", "high"))  # fmt: skip
    start = [
        k.to_scale(k.now) if k.low < k.now < k.high else (a + b) / 2
        for k, a, b in zip(keys, low, high, strict=True)
    ]
    # Errors of some statistics are thousands of times smaller than those of others.
    sizes = np.array(
        [
            max(error, SIZE * max(abs(value), abs(number)))
            for (value, error), number in zip(problem.reached(start), problem.numbers, strict=True)
        ]
    )

    def residuals(at: Array) -> Array:
        return np.asarray(problem.residuals(at.tolist()) / sizes)

    def slopes(at: Array) -> Array:
        return np.asarray(problem.slopes(at.tolist()) / sizes[:, None])

    found = least_squares(residuals, start, slopes, bounds=(low, high), xtol=CLOSE, ftol=1e-10)
    at = [float(x) for x in found.x]
    reached = problem.reached(at)
    apart = np.abs([v - n for (v, _), n in zip(reached, problem.numbers, strict=True)])
    allowed = np.maximum([error for _, error in reached], NEAR * sizes)
    if not (apart <= allowed).all():
        numbers = ", ".join(
            f"{k.name} = {k.from_scale(x):.4g}" for k, x in zip(keys, at, strict=True)
        )
        raise InputError(
            [
                Fault(
                    Location("--target"), target.text,
                    f"no solution: the nearest is {value:.4g} ±{error:.2g}, at {numbers}",
                )
                for target, (value, error) in zip(targets, reached, strict=True)
            ]
        )  # fmt: skip
    return at


def _describe(problem: _Problem, at: list[float], again: Worlds | None) -> Root:
    """A root with its errors, from deviations of the statistics by replicate over their slopes."""
    keys = problem.keys
    numbers = [key.from_scale(x) for key, x in zip(keys, at, strict=True)]
    slopes = problem.slopes(at)
    drawn, replicates = problem.draws(at)
    reached = tuple(problem.reached(at))
    deviations = np.array(
        [m.point(of, replicates)[1] for m, of in zip(problem.measures, drawn, strict=True)]
    )
    errors = _errors(slopes, deviations, [error for _, error in reached], replicates)
    per_unit = np.array([key.slope(number) for key, number in zip(keys, numbers, strict=True)])
    checked: tuple[tuple[float, float], ...] = ()
    if again is not None:
        other, of_other = again(numbers)
        checked = tuple(m.of(of, of_other) for m, of in zip(problem.measures, other, strict=True))
    return Root(
        tuple(numbers), tuple((errors * per_unit).tolist()), reached, slopes / per_unit, checked
    )


def _errors(
    slopes: Array, deviations: Array, errors: Sequence[float], replicates: Replicates
) -> Array:
    """Errors of roots [key] on the scale, with the dependence of the statistics."""
    if slopes.size == 1:
        with np.errstate(divide="ignore"):
            return np.abs(np.array(errors) / slopes[:, 0])
    try:
        moved = np.asarray(-np.linalg.solve(slopes, deviations), float)
    except np.linalg.LinAlgError:
        return np.full(len(slopes), math.inf)
    return np.asarray(standard_error(moved, replicates))
