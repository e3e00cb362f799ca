"""Records that sampling reads: quantities, factors, groups and tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.model.declarations import Records
from sim.model.dims import LOADINGS

Word = np.uint64
Array = NDArray[np.float64]
Bits = NDArray[np.uint64]
RANDOM, STRATIFIED, SOBOL = range(3)
# Over the 32 points of 1,024 draws no two of the first 8 dimensions have the same first digits.
SOBOL_DIMENSIONS = 8
SPLIT = 4  # cells into which one is cut

# Probabilities p of 2^-53 to 1/2 by their exponent and the first bits of their mantissa.
OCTAVES = 52
CELLS_PER_OCTAVE = 32

# Octaves on either side of 1/2 in which values follow from probabilities at once, all but 1 of
# 4,096 draws. Rows of a side: one for what is farther out, the cells, and 1/2 itself.
NEAR_OCTAVES = 12
NEAR_ROWS = NEAR_OCTAVES * CELLS_PER_OCTAVE + 2


class TableSlot(NamedTuple):
    """Where a table stands among all, and the scores that it spans.

    Its rows, or the numbers of a step table's guide, begin at `first`: `rows` of them side by side
    from score `left_end` on, `per_unit` to a unit of score. `edges` is the number of a step table's
    edges.
    """

    first: int
    rows: int
    edges: int
    left_end: float
    per_unit: float


TABLE_SLOT = np.dtype(
    (
        np.record,
        [
            *((name, np.int64) for name in ("first", "rows", "edges")),
            *((name, np.float64) for name in ("left_end", "per_unit")),
        ],
    )
)


NORMAL, LOGNORMAL, TABLE, STEPS, BERNOULLI = range(5)


class Quantity(NamedTuple):
    """One sampled quantity, whose values go to `column` of a draw.

    NORMAL is shift + factor z, TABLE shift + factor T(z) for the table in `slot`, both between
    `low` and `high`; STEPS is the step table in `slot`. LOGNORMAL and BERNOULLI have parameters
    that differ by draw: a median from `center_column` (`factor` where this is negative) and a sigma
    from `spread_column`, or a probability from `center_column`. `member` is the index of a member
    of a correlation group among those of all groups, and -1 of others. The last of `loadings` is on
    the factor of a lab's own, whose index is `own_factor` (-1: none). `near` is the row at which
    values over probabilities begin, where nothing but a quantity's own probability determines its
    value, and else -1.
    """

    name: np.uint64
    dimension: int
    column: int
    distribution: int
    member: int
    own_factor: int
    center_column: int
    spread_column: int
    shift: float
    factor: float
    low: float
    high: float
    own_weight: float
    loadings: Array  # [factor], common ones and own
    slot: TableSlot
    near: int


class Factor(NamedTuple):
    """A factor, common or of a lab's own, with its fixed score or NaN."""

    name: np.uint64
    dimension: int
    score: float


class Group(NamedTuple):
    """A correlation group: `size` members from `first` on, tied by a copula.

    Their scores are mixed by the rows of a lower triangular matrix [size, size] that begins at
    `mixing`. For a t copula, `name` is that of its common variable, `scale` the table of
    sqrt(nu / chi-square) over that variable's score, and `score` the table of normal scores over
    sign(t) sqrt(log(1 + t^2)).
    """

    name: np.uint64
    dimension: int
    first: int
    size: int
    mixing: int
    is_t: bool
    scale: TableSlot
    score: TableSlot


QUANTITY = np.dtype(
    (
        np.record,
        [
            ("name", np.uint64),
            *(
                (name, np.int64)
                for name in (
                    "dimension", "column", "distribution", "member", "own_factor", "center_column",
                    "spread_column",
                )
            ),
            *((name, np.float64) for name in ("shift", "factor", "low", "high", "own_weight")),
            ("loadings", np.float64, (len(LOADINGS),)),
            ("slot", TABLE_SLOT),
            ("near", np.int64),
        ],
    )
)  # fmt: skip
FACTOR = np.dtype(
    (np.record, [("name", np.uint64), ("dimension", np.int64), ("score", np.float64)])
)
GROUP = np.dtype(
    (
        np.record,
        [
            ("name", np.uint64),
            *((name, np.int64) for name in ("dimension", "first", "size", "mixing")),
            ("is_t", np.bool_),
            ("scale", TABLE_SLOT),
            ("score", TABLE_SLOT),
        ],
    )
)


class Sampling(NamedTuple):
    """What is sampled and how; scores are multiplied by `uncertainty`."""

    seed: Word
    sampler: int
    uncertainty: float
    factors: Records[Factor]
    groups: Records[Group]
    quantities: Records[Quantity]
    normal: Array  # [cell, 4]: normal scores of probabilities
    cells: Array  # [row, 4]: all tables
    steps: Array  # all step tables
    mixing: Array  # the matrices of all groups, row by row
    directions: Bits  # [dimension, bit]: direction numbers of Sobol' sequences


class Scores(NamedTuple):
    """Working space of one thread for a multiple of 32 draws."""

    own: Array  # [draw]
    own_bits: Bits  # the memory of `own`
    words: Bits  # [draw]
    strata: Bits  # [draw]
    values: Array  # [draw]
    bits: Bits  # the memory of `values`
    factors: Array  # [factor, draw]
    members: Array  # [member, draw]
