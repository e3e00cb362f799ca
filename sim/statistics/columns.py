"""The draws of variables by column, in parts that fit in a processor's cache.

A column is what stays of a variable when `draw` and the pooled dims are taken away. A few columns
stay in the cache while all their statistics are taken, and threads share out such parts. Columns
with the same draws are evaluated once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.threads import map_in_threads
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


Key = tuple[str, int]  # of a column: its variable, and its position there
Kind = tuple[bool, ...]  # what decides, beside its draws, which statistics a column has
Evaluate = Callable[[Array, int, Kind], Statistics]  # of draws, the number of pooled dims, a kind


class Part(NamedTuple):
    """Some columns of one kind, with draws of the shape `inner` [pooled dims, draw]."""

    columns: list[Key]
    inner: tuple[int, ...]
    kind: Kind


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

    def __init__(self, ds: xr.Dataset, kinds: Mapping[str, Kind], pool: Sequence[str]) -> None:
        """Find the columns of variables, of these kinds by name; `pool` are the dims to pool."""
        self.kinds = kinds
        self.columns: dict[str, Columns] = {}
        self._sources: dict[str, list[Key]] = {}  # of each column: itself, or an equal one
        seen: dict[object, list[Key]] = {}
        for name, kind in kinds.items():
            dims = [str(dim) for dim in ds.variables[name].dims if dim != "draw"]
            columns = self.columns[name] = pooled_last(last(ds, name), dims, pool)
            self._sources[name] = [
                self._first_equal(columns.column(k), (name, k), kind, seen)
                for k in range(math.prod(columns.shape))
            ]

    def _first_equal(
        self,
        own: NDArray[Any],
        key: Key,
        kind: Kind,
        seen: dict[object, list[Key]],
    ) -> Key:
        """The first column with the same draws and kind, or this one, which `seen` then holds."""
        step = max(own.shape[-1] // FINGERPRINT, 1)
        others = seen.setdefault((kind, own.dtype, own.shape, own[..., ::step].tobytes()), [])
        for name, position in others:
            if _have_same_bits(own, self.columns[name].column(position)):
                return name, position
        others.append(key)
        return key

    def evaluate(self, evaluate: Evaluate, threads: int | None) -> dict[str, Statistics]:
        """Statistics of the variables by name, in their shapes, from those of parts."""

        def statistics_of(part: Part) -> Statistics:
            return evaluate(self._draws(part), len(part.inner) - 1, part.kind)

        parts = self._parts()
        results = map_in_threads(statistics_of, parts, threads)
        columns = {
            key: (statistics, k)
            for part, statistics in zip(parts, results, strict=True)
            for k, key in enumerate(part.columns)
        }
        joined: dict[str, Statistics] = {}
        for name, sources in self._sources.items():
            if sources:
                joined[name] = self._join(name, [columns[key] for key in sources])
            else:  # a dim without labels
                draws, pooled = self.columns[name].draws, self.columns[name].pooled
                joined[name] = evaluate(draws.astype(np.float64), pooled, self.kinds[name])
        return joined

    def _parts(self) -> list[Part]:
        """The columns that are no copies, in parts that fit in the cache."""
        alike: dict[tuple[Kind, tuple[int, ...]], list[Key]] = {}
        for name, sources in self._sources.items():
            columns = self.columns[name]
            inner = columns.draws.shape[len(columns.shape) :]
            own = [(name, k) for k, source in enumerate(sources) if source == (name, k)]
            alike.setdefault((self.kinds[name], inner), []).extend(own)
        parts = []
        for (kind, inner), keys in alike.items():
            size = max(PART_BYTES // (8 * math.prod(inner)), 1)
            parts += [Part(keys[k : k + size], inner, kind) for k in range(0, len(keys), size)]
        return parts

    def _draws(self, part: Part) -> Array:
        """Draws [column, pooled dims, draw] of a part, in one order in memory.

        So sums do not depend on the source of the draws.
        """
        draws = np.empty((len(part.columns), *part.inner))
        for row, (name, position) in zip(draws, part.columns, strict=True):
            row[...] = self.columns[name].column(position)
        return draws

    def _join(self, name: str, sources: list[tuple[Statistics, int]]) -> Statistics:
        """Statistics of a variable, in its shape, from those of its columns.

        `sources` [column] are statistics [..., column], and the column that is meant.
        """
        shape = self.columns[name].shape

        def gather(statistic: str, field: int) -> Any:
            """One array of a statistic [..., dims that remain]."""
            arrays: list[Any] = [(values[statistic][field], k) for values, k in sources]
            if arrays[0][0] is None:
                return None
            joined = np.stack([array[..., k] for array, k in arrays], axis=-1)
            return joined.reshape((*joined.shape[:-1], *shape))

        return {
            statistic: Estimate(*(gather(statistic, field) for field in range(3)))
            for statistic in sources[0][0]
        }


def _have_same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether arrays of one type and shape have the same bits; NaN may be equal."""
    if one.dtype.kind not in "fbiu" or one.dtype.itemsize > 8:
        return False
    bits = f"u{one.dtype.itemsize}"
    return np.array_equal(one.view(bits), other.view(bits))
