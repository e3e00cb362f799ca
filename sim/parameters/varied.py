"""A key of a scenario that is varied: what it is, between which numbers, and on what scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import expit, logit

from sim.common.errors import Fault, InputError, Location
from sim.common.text import nearest
from sim.parameters.describe import find_full_names
from sim.parameters.fields import short_name
from sim.parameters.resolved import scenario_of, with_changes
from sim.parameters.scenario import Quantity, Scenario

FAR = 100.0  # a number without bounds is varied from a hundredth to a hundred times of what it is
END = 1e-3  # of an interval: how near to its open ends a number is varied
OF_LEVEL = ("value", "median")  # parameters that have the unit and the domain of their input


@dataclass(frozen=True)
class Varied:
    """A number that is varied: where it stands `now`, and from `low` to `high`.

    It is searched on a scale on which changes are alike: "log", "logit" or "linear".
    """

    name: str
    low: float
    high: float
    now: float = math.nan
    scale: str = "log"
    unit: str = "1"
    meaning: str = ""

    def to_scale(self, number: float) -> float:
        """A number on the scale."""
        if self.scale == "log":
            return math.log(number)
        if self.scale == "logit":
            return float(logit((number - self._ends[0]) / (self._ends[1] - self._ends[0])))
        return number

    def from_scale(self, at: float) -> float:
        """The number at a place on the scale, within its range."""
        if self.scale == "log":
            number = math.exp(at)
        elif self.scale == "logit":
            number = self._ends[0] + (self._ends[1] - self._ends[0]) * float(expit(at))
        else:
            number = at
        return min(max(number, self.low), self.high)

    def slope(self, number: float) -> float:
        """How much the number changes for one unit of the scale."""
        if self.scale == "log":
            return number
        if self.scale == "logit":
            low, high = self._ends
            return (number - low) * (high - number) / (high - low)
        return 1.0

    @property
    def label(self) -> str:
        """The input, and its parameter where that is not its level."""
        head, _, last = self.name.rpartition(".")
        return short_name(head) if last in OF_LEVEL else f"{short_name(head)}.{last}".strip(".")

    @property
    def _ends(self) -> tuple[float, float]:
        """The interval of which the range is all but the outermost parts."""
        width = (self.high - self.low) / (1 - 2 * END)
        return self.low - END * width, self.high + END * width


def find_varied(scenario: Scenario, keys: Sequence[str], option: str = "--vary") -> list[Varied]:
    """What keys of a scenario name: an input stands for its median, or its fixed value.

    Raises:
        InputError: With every key that names no number of an input, and the nearest one.
    """
    faults: list[Fault] = []
    found = []
    for key in keys:
        try:
            found.append(_find(scenario, key, option))
        except InputError as error:
            faults += error.faults
    if len({of.name for of in found}) < len(found):
        faults.append(Fault(Location(option), found[-1].name, "is there twice"))
    if faults:
        raise InputError(faults)
    return found


def _find(scenario: Scenario, key: str, option: str) -> Varied:
    head, _, last = key.rpartition(".")
    try:
        (name,) = find_full_names(scenario, [key])
        parameter = ""
    except InputError as error:
        try:
            (name,) = find_full_names(scenario, [head])
            parameter = last
        except InputError:
            faults = [Fault(Location(option), of.key or key, of.message) for of in error.faults]
            raise InputError(faults) from None
    quantity = scenario.quantities.get(name)
    if quantity is None:
        raise InputError([Fault(Location(option), key, "is no input, and cannot be varied")])
    entry = quantity.distribution.as_entry()
    numbers = [of for of, number in entry.items() if isinstance(number, int | float)]
    if not parameter:
        parameter = next((of for of in OF_LEVEL if of in numbers), "")
    if parameter not in numbers:
        hint = nearest(parameter, numbers) if parameter else ""
        what = f"has no number '{parameter}'" if parameter else "has neither a median nor a value"
        known = f"; name one of {', '.join(numbers)}" if numbers and not hint else ""
        raise InputError([Fault(Location(option), key, f"{what}{hint}{known}")])
    return _range(quantity, parameter, entry)


def _range(quantity: Quantity, parameter: str, entry: Mapping[str, Any]) -> Varied:
    """The range of a parameter: the domain of its input, or far to both sides."""
    now, field = float(entry[parameter]), quantity.field
    name, meaning = f"{quantity.name}.{parameter}", field.meaning
    if parameter not in OF_LEVEL:
        positive = now > 0
        low, high = (now / FAR, now * FAR) if positive else (now - 1, now + 1)
        scale, unit = ("log" if positive else "linear"), "1"
        return Varied(name, low, high, now, scale, unit, f"{meaning}, {parameter}")
    low, high = (
        max(field.lo, entry.get("min", -math.inf)),
        min(field.hi, entry.get("max", math.inf)),
    )
    if math.isfinite(low) and math.isfinite(high) and high - low <= 10 * max(abs(now), 1e-12):
        width = high - low
        return Varied(
            name, low + END * width, high - END * width, now, "logit", field.unit, meaning
        )
    if low >= 0 and now > 0:
        ends = max(low, now / FAR), min(high, now * FAR)
        return Varied(name, *ends, now, "log", field.unit, meaning)
    reach = FAR * max(abs(now), 1.0)
    return Varied(
        name, max(low, now - reach), min(high, now + reach), now, "linear", field.unit, meaning
    )


def vary(scenario: Scenario, numbers: Mapping[str, float]) -> Scenario:
    """The scenario with other numbers, by the names of what is varied.

    Raises:
        InputError: Where the scenario has faults with them.
    """
    resolved = scenario.resolved()
    changed: dict[str, dict[str, Any]] = {}
    for key, number in numbers.items():
        name, _, parameter = key.rpartition(".")
        entry = changed.setdefault(name, dict(resolved["quantities"][name]))
        entry[parameter] = number
    return scenario_of(
        with_changes(resolved, {"quantities": changed}), scenario.sources, scenario.name
    )
