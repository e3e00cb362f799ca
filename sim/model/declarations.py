"""What a quantity is: the words in which inputs and outputs are declared, each once.

From one declaration follow the file schema, the checks of units and bounds, the records that
kernels read (`h.pue`), and the units and long names of results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, get_type_hints

import numpy as np

from sim.model.dims import COORDS


@dataclass(frozen=True, slots=True)
class Field:
    """One input quantity: unit (a string of model.md 9.1), meaning, and its domain.

    `lo_open` excludes the lower bound; `whole` asks for an integer, `flag` for true or false;
    `optional` fields may be left out of a file, which reads as NaN.
    """

    unit: str
    meaning: str
    lo: float = -math.inf
    hi: float = math.inf
    lo_open: bool = False
    whole: bool = False
    flag: bool = False
    optional: bool = False
    dims: tuple[str, ...] = ()

    def fault(self, number: float) -> str | None:
        """What is wrong with a value or a median, in words; None if it lies in the domain."""
        if not math.isfinite(number):
            return f"{number} is not a finite number ({self.meaning})"
        if number < self.lo or (self.lo_open and number == self.lo):
            relation = "is not above the bound" if self.lo_open else "is below the bound"
            return f"{number:g} {relation} {self.lo:g} ({self.meaning})"
        if number > self.hi:
            return f"{number:g} is above the bound {self.hi:g} ({self.meaning})"
        if (self.whole or self.flag) and number != round(number):
            return f"{number:g} is not a whole number ({self.meaning})"
        return None


@dataclass(frozen=True, slots=True)
class Output:
    """One output quantity: unit, meaning, dims beyond `draw` and its entity.

    `kept` says what a run keeps by default: "draws" (headline outputs), "moments" (mean and sd,
    for the outputs that only tables print) or "" (only when asked for). `kind` is the type of a
    draw. `may_be_infinite` marks the outputs of which model.md 9.4 says so, and `missing` says
    where it lets them be NaN: of labs that report no ARR ("arr"), of landlords that rent to no
    outside lab ("hosts"), or in quarters of which they do not speak ("quarters"). An `unbounded`
    ratio has quantiles and probabilities, and no mean (model.md 11.15).
    """

    unit: str
    meaning: str
    dims: tuple[str, ...] = ()
    kept: str = ""
    kind: str = "float64"
    may_be_infinite: bool = False
    missing: str = ""
    unbounded: bool = False


Group = TypeVar("Group", covariant=True)


class Records(Protocol[Group]):
    """An array of records of a group, as kernels see it: `labs[i].gw_2026q4`."""

    def __getitem__(self, place: int | tuple[int, int]) -> Group: ...

    def __len__(self) -> int: ...


@cache
def declared(group: type) -> Mapping[str, Any]:
    """Name -> declaration (a `Field` or an `Output`) of a group, in order."""
    hints = get_type_hints(group, include_extras=True)
    return MappingProxyType({name: hint.__metadata__[0] for name, hint in hints.items()})


@cache
def subgroups(group: type) -> Mapping[str, type]:
    """Name -> group, of a group made of groups."""
    return MappingProxyType(get_type_hints(group))


@cache
def record(group: type) -> np.dtype[Any]:
    """The structured dtype (float64 throughout) in which kernels read or write a group."""
    return np.dtype(
        [
            (name, np.float64, tuple(len(COORDS[dim]) for dim in declaration.dims))
            for name, declaration in declared(group).items()
        ]
    )


def record_of_groups(group: type) -> np.dtype[Any]:
    """The structured dtype of a group made of groups, so that kernels read `x.hardware.pue`."""
    return np.dtype([(name, record(sub)) for name, sub in subgroups(group).items()])
