"""Where a draw's numbers stand in its row: inputs, then outputs, by declaration."""

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


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a draw: its declaration, dims without `draw`, and columns in that shape.

    `full_name` is that of a parameter file up to the lab or landlord, e.g. `hardware.pue`.
    """

    name: str
    full_name: str
    declaration: Field | Output
    dims: tuple[str, ...]
    columns: Columns


class Layout:
    """The row of a draw for so many labs and landlords, and the blocks of records in it."""

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
            start = self.width
            self._block(party, record(party), tuple(sizes[d] for d in own))
            self._add(self.inputs, prefix, party, own, sizes, start)
        self.input_width = self.width
        for entity, dims in ENTITIES.items():
            start = self.width
            self._block(entity, record(entity), tuple(sizes[d] for d in dims))
            self._add(self.outputs, "", entity, dims, sizes, start)

    def _block(self, group: type, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.blocks[group] = (self.width, dtype, shape)
        self.width += math.prod(shape) * dtype.itemsize // 8

    def _add(
        self,
        into: dict[str, Variable],
        prefix: str,
        group: type,
        dims: tuple[str, ...],
        sizes: dict[str, int],
        offset: int,
    ) -> int:
        """Add a group's variables, whose records begin at a column; the column after them."""
        width = record(group).itemsize // 8
        shape = tuple(sizes[dim] for dim in dims)
        starts = offset + width * np.arange(math.prod(shape)).reshape(shape)
        for name, declaration in declared(group).items():
            own = tuple(len(COORDS[dim]) for dim in declaration.dims)
            count = math.prod(own)
            within = (offset - starts.flat[0] if starts.size else 0) + np.arange(count).reshape(own)
            columns = starts.reshape(shape + (1,) * len(own)) + within
            full = f"{prefix}.{name}" if prefix else name
            into[name] = Variable(name, full, declaration, dims + declaration.dims, columns)
            offset += count
        return offset

    def records(self, columns: NDArray[np.float64], group: type) -> NDArray[Any]:
        """The records of a group in `columns` [column, lane].

        They are an array over labs and landlords where the group has them, else of one record.
        """
        offset, dtype, shape = self.blocks[group]
        lanes = columns.shape[1]
        return np.ndarray(
            shape or (1,),
            dtype=as_record(with_lanes(dtype, lanes)),
            buffer=columns,
            offset=offset * 8 * lanes,
        )


@lru_cache(maxsize=16)
def layout_of(labs: int, landlords: int) -> Layout:
    """The layout for so many labs and landlords, made once."""
    return Layout(labs, landlords)


def with_lanes(dtype: np.dtype[Any], lanes: int) -> np.dtype[Any]:
    """The same dtype with so many numbers, side by side, in place of each; as it is for one."""
    if lanes == 1:
        return dtype
    if dtype.fields is not None:
        return np.dtype([(name, with_lanes(dtype[name], lanes)) for name in dtype.names or ()])
    return np.dtype((dtype.base, (*dtype.shape, lanes)))


def as_record(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same structured dtype with fields as attributes, so that kernels also run uncompiled."""
    return np.dtype((np.record, dtype))
