"""Records of histograms: tiles of draws, and the bins of columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
CELLS = 4096  # of the guide


class Tiles(NamedTuple):
    """Which draws there are, from the first of a tile on.

    `counted` [draw] says which count, `every` whether all do. `held` [tile and replicate] is the
    number of those that count. `by_sequence` says that replicates are taken in turn, draw by draw,
    and not block by block.
    """

    counted: NDArray[np.bool_]
    every: bool
    held: Integers
    by_sequence: bool


class Grid(NamedTuple):
    """The bins of every column: (-inf, edge 0], (edge 0, edge 1], ..., (last edge, inf).

    Edges are quantiles of the first draws, so several may be equal; the bin before the first of
    equal edges holds what the others might. `edges` [column, BINS - 1] are the distinct ones, then
    +inf; `bins` [column, distinct edge] the bin before each of them. `guide` [column, cell] is the
    first edge in a cell, or an earlier one, and `steps` [column] the number of halvings that find
    an edge in a cell. Cells lie densest around `middle`, and half of them within `scale` of it.
    `at_ends` is the number of bins at either end that have sums.
    """

    edges: Array
    bins: NDArray[np.int16]
    guide: NDArray[np.int16]
    middle: Array
    scale: Array
    steps: Integers
    at_ends: int
