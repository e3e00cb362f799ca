"""The points of a sweep: a scenario for every combination of values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sim.common.errors import Fault, InputError, Location
from sim.common.text import in_words, words
from sim.parameters.loading import load
from sim.parameters.locations import Key
from sim.parameters.scenario import Scenario
from sim.parameters.sweep_axes import TABLE, Axis, Value

MOST_NAMED = 4  # values that a fault names
# Parameters of a distribution that do not have the unit of its quantity.
WITHOUT_UNIT = frozenset({"sigma", "shape", "a", "b", "df", "c", "s", "p", "weights"})


@dataclass(frozen=True)
class Grid:
    """Axes, and a scenario for every point of their product.

    The last axis varies fastest.
    """

    axes: tuple[Axis, ...]
    scenarios: tuple[Scenario, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of every axis."""
        return tuple(len(axis.values) for axis in self.axes)

    def at(self, point: int) -> dict[str, Value]:
        """The values at a point, by key."""
        indices = np.unravel_index(point, self.shape)
        return {a.key: a.values[int(i)] for a, i in zip(self.axes, indices, strict=True)}

    def about(self, axis: Axis) -> dict[str, str]:
        """The attributes of an axis' coordinate: `long_name`, and `units` of numbers."""
        unit, meaning = _describe_key(axis.key, self.scenarios[0])
        return {"units": unit, "long_name": meaning} if axis.numeric else {"long_name": meaning}


def _points(axes: Sequence[Axis]) -> list[dict[str, Value]]:
    """The values by key at every point, the last axis fastest."""
    keys = [axis.key for axis in axes]
    combinations = itertools.product(*(axis.values for axis in axes))
    return [dict(zip(keys, values, strict=True)) for values in combinations]


def _ends(axes: Sequence[Axis]) -> list[dict[str, Value]]:
    """The values by key at the first and at the last point."""
    first, last = ({axis.key: axis.values[i] for axis in axes} for i in (0, -1))
    return [first] if first == last else [first, last]


def _describe_key(key: str, scenario: Scenario) -> tuple[str, str]:
    """The unit and the meaning of a dotted key, such as `hardware.pue.median`."""
    parts: Key = tuple(key.split("."))
    for length in range(len(parts), 1, -1):
        quantity = scenario.quantities.get(".".join(parts[:length]))
        if quantity is None:
            continue
        within = ".".join(parts[length:])
        is_plain = within in WITHOUT_UNIT or within.startswith("loads.")
        party = [p for p in (*scenario.labs, *scenario.landlords) if p.id == parts[1]]
        owner = f"{party[0].name}: " if party and parts[0] in ("labs", "landlords") else ""
        parameter = "" if within == "value" else f", {words(within.replace('.', ' '))}"
        unit = "1" if is_plain else quantity.field.unit
        return unit, f"{owner}{quantity.field.meaning}{parameter}"
    if parts[0] == "factors":
        return "1", f"Score of the common factor {parts[-1]}"
    meaning = words(" ".join(parts[1:] if parts[0] == "model" else parts))
    return "1", meaning[:1].upper() + meaning[1:]


def load_grid(
    path: str | Path,
    over: Sequence[Axis],
    set: Mapping[str, Any] | None = None,
    faults: list[Fault] | None = None,
    check: Callable[[Scenario, list[Fault]], None] = lambda scenario, faults: None,
) -> Grid:
    """Read a parameter file once for every point of a grid.

    Where something is wrong already, only the first and the last point are read: all of them may
    take minutes, or be without end.

    Args:
        path: A TOML file, as of `load`.
        over: The axes; those of the file's `[sweep]` where there are none.
        set: Changes on top, the same at every point, as of `load`.
        faults: What is wrong already, such as with the axes; it is raised with all else.
        check: Adds to a list of faults what is wrong with a scenario for this sweep; called with
            the first that has no faults of its own.

    Returns:
        The grid, all of its scenarios checked.

    Raises:
        InputError: With the faults of all points that were read, each once; one that only some
            points have names the values that these have in common.
    """
    faults = list(faults or [])
    changes = dict(set or {})
    plain: list[Fault] = []
    base: Scenario | None = None
    try:
        base = load(path, changes)
    except InputError as error:
        plain = error.faults
    axes = tuple(over) or (base.sweep if base is not None else ())
    for axis in axes:
        if axis.key in changes:
            faults.append(Fault(axis.location, axis.key, "is swept, and given by --set too"))
    if not axes:
        if base is not None and not faults:
            message = f"nothing is swept: give --over KEY=VALUES, or a table [{TABLE}] in the file"
            faults.append(Fault(Location(str(path)), "", message))
        raise InputError(faults + plain)
    if base is not None:
        check(base, faults)
    scenarios: list[Scenario] = []
    points = _points(axes) if not faults else _ends(axes)
    faulty: dict[Fault, list[int]] = {}  # the points at which each occurs
    for number, point in enumerate(points):
        try:
            scenarios.append(load(path, {**changes, **point}))
        except InputError as error:
            for fault in error.faults:
                faulty.setdefault(fault, []).append(number)
            continue
        if base is None and len(scenarios) == 1:
            check(scenarios[0], faults)
            if faults:
                break
    for fault, numbers in faulty.items():
        faults.append(fault if fault in plain else _locate_fault(fault, axes, points, numbers))
    if faults:
        raise InputError(faults)
    return Grid(axes, tuple(scenarios))


def check_sweeps(
    paths: Sequence[str | Path], scenarios: Sequence[Scenario], set: Mapping[str, Any]
) -> None:
    """Check that the sweeps of files can be run.

    Raises:
        InputError: With the faults of all of them.
    """
    faults: list[Fault] = []
    for path, scenario in zip(paths, scenarios, strict=True):
        if scenario.sweep:
            try:
                load_grid(path, scenario.sweep, set)
            except InputError as error:
                faults += error.faults
    if faults:
        raise InputError(faults)


def _locate_fault(
    fault: Fault, axes: Sequence[Axis], points: Sequence[dict[str, Value]], numbers: Sequence[int]
) -> Fault:
    """A fault of some points, located where its axis was given.

    Args:
        fault: The fault, as loading a point raised it.
        axes: The axes of the sweep.
        points: The values at every point, by key.
        numbers: The points at which the fault occurs.

    Returns:
        The fault; unless it occurs everywhere, its message names the values of its points.
    """
    occurring = {
        axis.key: [v for v in axis.values if any(points[i][axis.key] == v for i in numbers)]
        for axis in axes
    }
    partial = {
        axis.key: occurring[axis.key]
        for axis in axes
        if len(occurring[axis.key]) < len(axis.values) and len(numbers) < len(points)
    }
    product = math.prod(map(len, occurring.values()))
    if len(numbers) < min(product, len(points)):  # no product: name the first point
        partial = {key: [value] for key, value in points[numbers[0]].items()}
    blamed = max(axes, key=lambda axis: (_count_common(axis.key, fault.key), axis.key in partial))
    location = blamed.location if fault.location.file == "--set" else fault.location
    # The message names a value that is wrong by itself.
    is_single = list(partial) == [blamed.key] and len(partial[blamed.key]) == 1
    if not partial or (is_single and fault.key == blamed.key):
        return replace(fault, location=location)
    texts = [f"{key} = {_list_values(values)}" for key, values in partial.items()]
    more = len(numbers) - math.prod(map(len, partial.values())) if len(partial) == len(axes) else 0
    others = f" and {more} more points" if more > 1 else " and 1 more point" if more else ""
    return replace(
        fault, location=location, message=f"{fault.message} (at {', '.join(texts)}{others})"
    )


def _list_values(values: Sequence[Value]) -> str:
    """The first `MOST_NAMED` values in words."""
    texts = [in_words(value) for value in values[:MOST_NAMED]]
    return ", ".join([*texts, "..."] if len(values) > MOST_NAMED else texts)


def _count_common(key: str, other: str) -> int:
    """The number of leading parts that two keys have in common."""
    pairs = zip(key.split("."), other.split("."), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
