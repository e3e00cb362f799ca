"""The columns of a draw: inputs, then outputs, as they are declared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.model.declarations import Field, Output, declared, record, record_of_groups, subgroups
from sim.model.dims import COORDS
from sim.model.inputs import Draw, Lab, Landlord, Scalars, Shocks
from sim.model.outputs import ENTITIES

Columns = NDArray[np.int64]
CELL = "_cell"  # ends the name of the dim of a variable of which there are only some cells


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a draw: its names, declaration, dims and columns.

    `dims` are without `draw`, and `columns` have their shape. `full_name` is that of a parameter
    file without the lab or landlord, e.g. `hardware.pue` or `labs.gw_2026q4`.
    """

    name: str
    full_name: str
    declaration: Field | Output
    dims: tuple[str, ...]
    columns: Columns

    @property
    def default(self) -> float:
        """The value of an optional input that a file leaves out; NaN for other variables."""
        return self.declaration.default if isinstance(self.declaration, Field) else math.nan


class RecordLayout:
    """The columns of a draw, and the records in them.

    `labs` and `landlords` are their numbers, `inputs` and `outputs` map a name to its variable.
    `width` is the number of columns, `input_width` that of the inputs, which come first. `blocks`
    maps a group to its first column, its dtype and the shape of its records over labs and
    landlords.
    """

    def __init__(self, labs: int, landlords: int) -> None:
        self.labs, self.landlords = labs, landlords
        self.inputs: dict[str, Variable] = {}
        self.outputs: dict[str, Variable] = {}
        self.blocks: dict[type, tuple[int, np.dtype[Any], tuple[int, ...]]] = {}
        sizes = {"lab": labs, "landlord": landlords}
        self.width = 0
        groups = {**subgroups(Scalars), "shocks": Shocks}
        offset = 0
        for prefix, group in groups.items():
            offset = self._add(self.inputs, prefix, group, (), {}, offset)
        self._block(Draw, record_of_groups(Draw), ())
        parties: dict[str, tuple[type, tuple[str, ...]]] = {
            "labs": (Lab, ("lab",)),
            "landlords": (Landlord, ("landlord",)),
        }
        for prefix, (party, own) in parties.items():
            offset = self.width
            self._block(party, record(party), tuple(sizes[d] for d in own))
            self._add(self.inputs, prefix, party, own, sizes, offset)
        self.input_width = self.width
        for entity, dims in ENTITIES.items():
            offset = self.width
            self._block(entity, record(entity), tuple(sizes[d] for d in dims))
            self._add(self.outputs, "", entity, dims, sizes, offset)

    def _block(self, group: type, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        """Append the columns of a group, in this shape of records."""
        self.blocks[group] = (self.width, dtype, shape)
        self.width += math.prod(shape) * dtype.itemsize // 8

    def _add(
        self,
        variables: dict[str, Variable],
        prefix: str,
        group: type,
        dims: tuple[str, ...],
        sizes: dict[str, int],
        offset: int,
    ) -> int:
        """Add the variables of a group, whose records begin at column `offset`.

        The records have the shape of `dims`, of these `sizes`, and follow one another. The column
        of a variable is that of its record plus its offset within a record.

        Returns:
            The column after the first record.
        """
        first, width = offset, record(group).itemsize // 8
        shape = tuple(sizes[dim] for dim in dims)
        starts = first + width * np.arange(math.prod(shape)).reshape(shape)
        for name, declaration in declared(group).items():
            own_shape = tuple(len(COORDS[dim]) for dim in declaration.dims)
            count = math.prod(own_shape)
            within = offset - first + np.arange(count).reshape(own_shape)
            columns = starts.reshape(shape + (1,) * len(own_shape)) + within
            full = f"{prefix}.{name}" if prefix else name
            variables[name] = Variable(name, full, declaration, dims + declaration.dims, columns)
            offset += count
        return offset

    def records(self, columns: NDArray[np.float64], group: type) -> NDArray[Any]:
        """The records of a group in `columns` [column, lane].

        They share the memory of `columns`. The array has the shape of labs and landlords where the
        group has these dims, else (1,). Each field has the lane as its last axis.
        """
        offset, dtype, shape = self.blocks[group]
        lanes = columns.shape[1]
        return np.ndarray(
            shape or (1,),
            dtype=as_record(add_lane_axis(dtype, lanes)),
            buffer=columns,
            offset=offset * 8 * lanes,
        )


@lru_cache(maxsize=16)
def layout_of(labs: int, landlords: int) -> RecordLayout:
    """The layout for these numbers of labs and landlords; cached."""
    return RecordLayout(labs, landlords)


def add_lane_axis(dtype: np.dtype[Any], lanes: int) -> np.dtype[Any]:
    """The same dtype with a last axis of lanes in each field; unchanged for one lane."""
    if lanes == 1:
        return dtype
    if dtype.fields is not None:
        return np.dtype([(name, add_lane_axis(dtype[name], lanes)) for name in dtype.names or ()])
    return np.dtype((dtype.base, (*dtype.shape, lanes)))


def as_record(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same structured dtype with fields as attributes, for uncompiled kernels."""
    return np.dtype((np.record, dtype))
