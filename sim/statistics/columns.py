"""The draws of variables by column, in parts that fit in a processor's cache.

A column is what stays of a variable when `draw` and the pooled dims are taken away. A few columns
stay in the cache while all their statistics are taken, and threads share out such parts. Columns
with the same draws are evaluated once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.statistics.datasets import last

Array = NDArray[np.float64]
PART_BYTES = 4 * 2**20  # of the draws of a part
FINGERPRINT = 16  # draws by which columns that may be equal are found


class Estimate(NamedTuple):
    """A statistic [...] and its standard error, and the share of the worst draws in it if known."""

    value: Array
    error: Array
    worst: Array | None = None


Statistics = dict[str, Estimate]  # by name of the statistic


class Columns(NamedTuple):
    """The draws of a variable, with the dims that are pooled next to `draw`."""

    draws: NDArray[Any]  # [..., pooled dims, draw]
    dims: list[str]  # that remain
    pooled: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dims that remain."""
        return self.draws.shape[: self.draws.ndim - 1 - self.pooled]

    def column(self, position: int) -> NDArray[Any]:
        """Draws [pooled dims, draw] of the column at a position."""
        return np.asarray(self.draws[np.unravel_index(position, self.shape)])


class Part(NamedTuple):
    """Some columns of a variable."""

    name: str
    positions: list[int]


def pooled_last(values: NDArray[Any], dims: Iterable[str], pool: Sequence[str]) -> Columns:
    """Move the dims to pool next to `draw`, the last dim.

    `dims` are the dims of `values` without `draw`.
    """
    names = list(dims)
    remaining = [dim for dim in names if dim not in pool]
    pooled = [dim for dim in names if dim in pool]
    order = [names.index(dim) for dim in (*remaining, *pooled)]
    return Columns(values.transpose(*order, len(names)), remaining, len(pooled))


class DrawnVariables:
    """Variables with draws, and which of their columns are copies of others."""

    def __init__(self, ds: xr.Dataset, kinds: Mapping[str, object], pool: Sequence[str]) -> None:
        """Find the columns of variables.

        `kinds` maps their names to what decides, beside draws, which statistics they have.
        """
        self.columns: dict[str, Columns] = {}
        self._source: dict[str, list[tuple[str, int]]] = {}  # of each column: itself, or an equal
        seen: dict[object, list[tuple[str, int]]] = {}
        for name, kind in kinds.items():
            dims = [str(dim) for dim in ds.variables[name].dims if dim != "draw"]
            columns = self.columns[name] = pooled_last(last(ds, name), dims, pool)
            self._source[name] = [
                self._first_equal(columns.column(k), (name, k), kind, seen)
                for k in range(math.prod(columns.shape))
            ]

    def _first_equal(
        self,
        own: NDArray[Any],
        key: tuple[str, int],
        kind: object,
        seen: dict[object, list[tuple[str, int]]],
    ) -> tuple[str, int]:
        """The first column with the same draws and kind, or this one, which `seen` then holds."""
        step = max(own.shape[-1] // FINGERPRINT, 1)
        others = seen.setdefault((kind, own.dtype, own.shape, own[..., ::step].tobytes()), [])
        for name, position in others:
            if _have_same_bits(own, self.columns[name].column(position)):
                return name, position
        others.append(key)
        return key

    def parts(self, name: str) -> list[Part]:
        """The columns of a variable that are no copies, in parts that fit in the cache.

        One part, and without columns, where the variable has none.
        """
        own = [k for k, source in enumerate(self._source[name]) if source == (name, k)]
        columns = self.columns[name]
        draws = math.prod(columns.draws.shape[len(columns.shape) :])
        size = max(PART_BYTES // (8 * max(draws, 1)), 1)
        begins = range(0, len(own) or not self._source[name], size)
        return [Part(name, own[k : k + size]) for k in begins]

    def draws(self, part: Part) -> Array:
        """Draws [column, pooled dims, draw] of a part, in one order in memory.

        So sums do not depend on the source of the draws.
        """
        columns = self.columns[part.name]
        draws = np.empty((len(part.positions), *columns.draws.shape[len(columns.shape) :]))
        for row, position in zip(draws, part.positions, strict=True):
            row[...] = columns.column(position)
        return draws

    def join(self, name: str, statistics: Sequence[tuple[Part, Statistics]]) -> Statistics:
        """Statistics of a variable, in its shape, from those of the parts of all variables."""
        where = {
            (part.name, position): (values, k)
            for part, values in statistics
            for k, position in enumerate(part.positions)
        }
        sources = [where[source] for source in self._source[name]]
        shape = self.columns[name].shape
        template = next((values for values, _ in sources), None) or next(
            values for part, values in statistics if part.name == name
        )

        def gather(statistic: str, field: int) -> Any:
            """One array of a statistic [..., dims that remain]."""
            joined: Any = template[statistic][field]
            if joined is None:
                return None
            if sources:
                columns: list[Any] = [(values[statistic][field], k) for values, k in sources]
                joined = np.stack([array[..., k] for array, k in columns], axis=-1)
            return joined.reshape((*joined.shape[:-1], *shape))

        return {
            statistic: Estimate(*(gather(statistic, field) for field in range(3)))
            for statistic in template
        }


def _have_same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether arrays of one type and shape have the same bits; NaN may be equal."""
    if one.dtype.kind not in "fbiu" or one.dtype.itemsize > 8:
        return False
    bits = f"u{one.dtype.itemsize}"
    return np.array_equal(one.view(bits), other.view(bits))
