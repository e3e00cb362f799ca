"""Declarations of inputs and outputs, and the records that follow from them.

From a declaration follow the file schema, the checks of units and bounds, the records that
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
    """An input quantity: its unit, meaning, domain [lo, hi] and dims.

    `lo_open` excludes the lower bound; `whole` restricts to integers, `flag` to true and false. A
    file may leave out an `optional` field, whose value is then `default`; NaN says "missing" to
    the model.
    """

    unit: str
    meaning: str
    lo: float = -math.inf
    hi: float = math.inf
    lo_open: bool = False
    whole: bool = False
    flag: bool = False
    optional: bool = False
    default: float = math.nan
    dims: tuple[str, ...] = ()

    def fault(self, number: float) -> str | None:
        """The fault of a value or median as a message, or None."""
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
    """An output quantity: its unit, meaning, and dims.

    `dims` come after `draw` and the dims of its entity. `kept` is what a run keeps by default:
    "draws" (headline outputs), "moments" (mean and sd, for outputs that only tables print) or ""
    (nothing, unless it is named in `keep`). `kind` is the dtype of its draws in results. `basis`
    says what a gigawatt is: "stated", as the sources of a scenario speak of it, or "facility", at
    the utility meter.
    `may_be_infinite` allows infinite values. `missing` names the reason for which values may be
    NaN: the lab reports no ARR ("arr"), the landlord rents to no outside lab ("hosts"), an optional
    input is missing, or a cost and its price are both 0 ("inputs"), or the output is not defined in
    that quarter ("quarters"). See "Missing and infinite values" in docs/model.md. An `unbounded`
    ratio has quantiles and probabilities, and no mean ("Ratios of amounts" there).
    """

    unit: str
    meaning: str
    dims: tuple[str, ...] = ()
    kept: str = ""
    kind: str = "float64"
    may_be_infinite: bool = False
    missing: str = ""
    unbounded: bool = False
    basis: str = ""


Group = TypeVar("Group", covariant=True)


class Records(Protocol[Group]):
    """An array of records of a group, as in kernels: `labs[i].gw_2026q4`."""

    def __getitem__(self, index: int | tuple[int, int]) -> Group: ...

    def __len__(self) -> int: ...


@cache
def declared(group: type) -> Mapping[str, Any]:
    """Name -> declaration (`Field` or `Output`) of a group, in order."""
    hints = get_type_hints(group, include_extras=True)
    return MappingProxyType({name: hint.__metadata__[0] for name, hint in hints.items()})


@cache
def subgroups(group: type) -> Mapping[str, type]:
    """Name -> group, of a group of groups, in order."""
    return MappingProxyType(get_type_hints(group))


@cache
def record(group: type) -> np.dtype[Any]:
    """The structured dtype of a group in kernels; all fields are float64."""
    return np.dtype(
        [
            (name, np.float64, tuple(len(COORDS[dim]) for dim in declaration.dims))
            for name, declaration in declared(group).items()
        ]
    )


def record_of_groups(group: type) -> np.dtype[Any]:
    """The structured dtype of a group of groups: kernels read `x.hardware.pue`."""
    return np.dtype([(name, record(sub)) for name, sub in subgroups(group).items()])
