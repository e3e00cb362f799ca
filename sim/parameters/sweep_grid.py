"""The points of a sweep: one scenario for every combination of the values of its axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sim.common.errors import Fault, InputError, Location
from sim.common.text import in_words, words
from sim.parameters.document import Key
from sim.parameters.loading import load
from sim.parameters.scenario import Scenario
from sim.parameters.sweep_axes import TABLE, Axis, Value

MOST_NAMED = 4  # values that a fault names


# Numbers of a law that are no amounts of its quantity.
WITHOUT_UNIT = frozenset({"sigma", "shape", "a", "b", "df", "c", "s", "p", "weights"})


@dataclass(frozen=True)
class Grid:
    """Axes, and a scenario for every point of their product, the last axis the fastest."""

    axes: tuple[Axis, ...]
    scenarios: tuple[Scenario, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(axis.values) for axis in self.axes)

    def at(self, point: int) -> dict[str, Value]:
        """The values at a point, by key."""
        locations = np.unravel_index(point, self.shape)
        return {a.key: a.values[int(i)] for a, i in zip(self.axes, locations, strict=True)}

    def about(self, axis: Axis) -> dict[str, str]:
        """The attributes of an axis' coordinate: `units` and `long_name`; no unit for words."""
        unit, meaning = _meaning(axis.key, self.scenarios[0])
        return {"units": unit, "long_name": meaning} if axis.numeric else {"long_name": meaning}


def _points(axes: Sequence[Axis]) -> list[dict[str, Value]]:
    keys = [axis.key for axis in axes]
    combinations = itertools.product(*(axis.values for axis in axes))
    return [dict(zip(keys, values, strict=True)) for values in combinations]


def _meaning(key: str, scenario: Scenario) -> tuple[str, str]:
    """The unit of a key, and what it is."""
    parts: Key = tuple(key.split("."))
    for length in range(len(parts), 1, -1):
        quantity = scenario.quantities.get(".".join(parts[:length]))
        if quantity is None:
            continue
        within = ".".join(parts[length:])
        plain = within in WITHOUT_UNIT or within.startswith("loads.")
        party = [p for p in (*scenario.labs, *scenario.landlords) if p.id == parts[1]]
        whose = f"{party[0].name}: " if party and parts[0] in ("labs", "landlords") else ""
        said = "" if within == "value" else f", {words(within.replace('.', ' '))}"
        return "1" if plain else quantity.field.unit, f"{whose}{quantity.field.meaning}{said}"
    if parts[0] == "factors":
        return "1", f"Score of the common factor {parts[-1]}"
    meaning = words(" ".join(parts[1:] if parts[0] == "model" else parts))
    return "1", meaning[:1].upper() + meaning[1:]


def load_grid(
    path: str | Path,
    over: Sequence[Axis],
    set: Mapping[str, Any] | None = None,
    faults: list[Fault] | None = None,
) -> Grid:
    """Read a parameter file once for every point of a grid.

    Args:
        path: A TOML file, as of `load`.
        over: The axes; those of the file's `[sweep]` where there are none.
        set: Changes on top, the same at every point, as of `load`.
        faults: What else is wrong already; it is raised together with the faults found here.

    Returns:
        The grid, all of its scenarios checked.

    Raises:
        InputError: With the faults of all points, each once; one that only some points have
            names the values that these have in common.
    """
    found = list(faults or [])
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
            found.append(Fault(axis.location, axis.key, "is swept, and given by --set too"))
    if not axes:
        if base is not None and not found:
            message = f"nothing is swept: give --over KEY=VALUES, or a table [{TABLE}] in the file"
            found.append(Fault(Location(str(path)), "", message))
        raise InputError(found + plain)
    scenarios = []
    points = _points(axes)
    at: dict[Fault, list[int]] = {}
    for number, point in enumerate(points):
        try:
            scenarios.append(load(path, {**changes, **point}))
        except InputError as error:
            for fault in error.faults:
                at.setdefault(fault, []).append(number)
    for fault, locations in at.items():
        found.append(fault if fault in plain else _placed(fault, axes, points, locations))
    if found:
        raise InputError(found)
    return Grid(axes, tuple(scenarios))


def check_sweeps(
    paths: Sequence[str | Path], scenarios: Sequence[Scenario], set: Mapping[str, Any]
) -> None:
    """See that the sweeps of files can be made.

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


def _placed(
    fault: Fault, axes: Sequence[Axis], points: Sequence[dict[str, Value]], at: Sequence[int]
) -> Fault:
    """A fault where its axis was given, with the values at which it occurs if not everywhere."""
    given = {axis.key: [v for v in axis.values if any(points[i][axis.key] == v for i in at)]
             for axis in axes}  # fmt: skip
    partial = {
        axis.key: given[axis.key] for axis in axes if len(given[axis.key]) < len(axis.values)
    }
    if len(at) < math.prod(map(len, given.values())):  # no product: the first of the points
        partial = {key: [value] for key, value in points[at[0]].items()}
    blamed = max(axes, key=lambda axis: (_common(axis.key, fault.key), axis.key in partial))
    location = blamed.location if fault.location.file == "--set" else fault.location
    # The message tells a value that is wrong by itself.
    exclusive_lock = list(partial) == [blamed.key] and len(partial[blamed.key]) == 1
    if not partial or (exclusive_lock and fault.key == blamed.key):
        return replace(fault, location=location)
    said = [f"{key} = {_some(values)}" for key, values in partial.items()]
    more = len(at) - math.prod(map(len, partial.values())) if len(partial) == len(axes) else 0
    others = f" and {more} more points" if more > 1 else " and 1 more point" if more else ""
    return replace(
        fault, location=location, message=f"{fault.message} (at {', '.join(said)}{others})"
    )


def _some(values: Sequence[Value]) -> str:
    shown = [in_words(value) for value in values[:MOST_NAMED]]
    return ", ".join([*shown, "..."] if len(values) > MOST_NAMED else shown)


def _common(one: str, other: str) -> int:
    """How many parts two keys have in common from the beginning."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
