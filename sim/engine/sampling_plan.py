"""What is to be sampled, as the numbers that the kernels read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.common.memory import aligned
from sim.distributions.base import Distribution
from sim.distributions.copulas import mixing, score_matrix, t_scale_table, t_score_table
from sim.distributions.discrete import Steps
from sim.distributions.groups import Group
from sim.distributions.normal import Normal
from sim.distributions.quantile_tables import (
    Table,
    TooRoughError,
    check_drawable,
    find_reach,
    needs_table,
    normal_scores,
    over_probabilities,
    steps_of,
    table_of,
)
from sim.model import sampling_records as records
from sim.model.dims import LOADINGS, OWN_FACTOR

SAMPLERS = {
    "stratified": records.STRATIFIED,
    "random": records.RANDOM,
    "sobol": records.SOBOL,
}
STANDARD_NORMAL = Normal(family="normal", mean=0.0, sd=1.0)
COMMON_VARIABLE = "correlation\0"  # begins the name of that of a t copula; no input is called so
_SOBOL_BITS = 32
Array = NDArray[np.float64]


class Sampled(NamedTuple):
    """A sampled input: its loadings on the common factors and on one of a lab's own, by name."""

    loads: tuple[float, ...]
    dimension: int
    own_factor: str


def name_hash(name: str) -> int:
    """The 64-bit number that stands for a quantity's full name in the counter."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def factor_name(factor: str) -> str:
    """The full name of a common factor."""
    return f"factors.{factor}"


def own_factor_name(lab: str) -> str:
    """The full name of the factor of a lab's own."""
    return f"labs.{lab}.{OWN_FACTOR}"


@lru_cache(maxsize=4)
def direction_numbers(dimensions: int) -> NDArray[np.uint64]:
    """Joe and Kuo's direction numbers [dimension, bit] as scipy has them, last bit first."""
    from scipy.stats import qmc

    numbers = np.asarray(qmc.Sobol(dimensions, scramble=False, bits=_SOBOL_BITS)._sv, np.uint64)
    turned = np.zeros_like(numbers)
    for bit in range(_SOBOL_BITS):
        turned |= ((numbers >> np.uint64(bit)) & np.uint64(1)) << np.uint64(_SOBOL_BITS - 1 - bit)
    return turned


class SamplingPlan:
    """Collects what is to be sampled; `sampling` is that as the kernels read it.

    Quantities are sampled in the order in which they are added, those that read other columns of
    a draw (`of_columns`) after all others. Under Sobol' sequences factors and quantities have a
    dimension each, also those that are held or fixed, in the order in which they are added, and
    then the labs' own factors and the groups; every 8 of these are the first 8 of Joe and Kuo's.
    `in_tiles` says that draws are made many at a time: tables over probabilities then pay, while
    for the few of a block they take more of the processor's cache than they save.
    """

    def __init__(self, uncertainty: float = 1.0, in_tiles: bool = False) -> None:
        self.uncertainty = uncertainty
        self._over_probabilities = in_tiles and uncertainty == 1.0
        self.dimensions = 0
        self._held: list[float] = []  # the score of each common factor, NaN where it is drawn
        self._factors: list[NDArray[np.void]] = []
        self._own_factors: dict[str, int] = {}  # name -> its index among all factors
        self._quantities: list[NDArray[np.void]] = []
        self._late: list[NDArray[np.void]] = []
        self._groups: list[NDArray[np.void]] = []
        self._cells: list[Array] = []
        self._rows = 0
        self._steps: list[Array] = []
        self._stepped = 0
        self._mixing: list[Array] = []
        self._slots: dict[tuple[Distribution, float], NDArray[np.void]] = {}
        self._near: dict[Distribution, int] = {}
        self._members: dict[str, int] = {}
        self.sampled: dict[str, Sampled] = {}  # by full name, in the order in which they are added

    def factor(self, name: str, score: float = math.nan) -> None:
        """A common factor; NaN where its score is drawn."""
        made = np.zeros((), records.FACTOR)
        made["name"], made["dimension"], made["score"] = name_hash(name), self.dimension(), score
        self._factors.append(made)
        self._held.append(score)

    def own_factor(self, name: str) -> int:
        """The index of a factor on which some quantities load beside the common ones.

        It is always drawn. Common factors are added before it.
        """
        if name not in self._own_factors:
            made = np.zeros((), records.FACTOR)
            made["name"], made["score"] = name_hash(name), math.nan
            self._own_factors[name] = len(self._factors)
            self._factors.append(made)
        return self._own_factors[name]

    def dimension(self) -> int:
        """The next dimension of Sobol' sequences."""
        self.dimensions += 1
        return self.dimensions - 1

    def group(self, group: Group, distributions: Mapping[str, Distribution]) -> None:
        """A correlation group; its members are added after it.

        Raises:
            GroupError: If there is no such dependence between these distributions.
        """
        size = len(group.members)
        made = np.zeros((), records.GROUP)
        made["name"] = name_hash(f"{COMMON_VARIABLE}{group.name}")
        made["first"], made["size"] = len(self._members), size
        made["mixing"] = sum(part.size for part in self._mixing)
        made["is_t"] = group.copula == "t"
        if group.nu is not None:
            made["scale"] = self._slot(t_scale_table(group.nu))
            made["score"] = self._slot(t_score_table(group.nu))
        self._mixing.append(mixing(score_matrix(group, distributions)).ravel())
        for member in group.members:
            self._members[member] = len(self._members)
        self._groups.append(made)

    def add(
        self,
        name: str,
        column: int,
        distribution: Distribution,
        loads: Sequence[float] = (),
        dimension: int = -1,
        own_factor: int = -1,
    ) -> None:
        """A quantity of which the values go to a column.

        `loads` [factor] are those on the common factors, then that on `own_factor`, if any.

        Raises:
            InputError: If it cannot be drawn.
        """
        made = self._quantity(name, column, loads, dimension, own_factor)
        standard, shift, factor = distribution.standard()
        made["shift"], made["factor"] = shift, factor
        made["low"], made["high"] = distribution.support
        held = [*self._held, math.nan]  # a factor of a lab's own is never held
        reach = find_reach(loads, held, self.uncertainty)
        try:
            check_drawable(distribution, reach)
        except TooRoughError as error:
            raise InputError([Fault(Location("distribution"), name, str(error))]) from None
        if isinstance(standard, Steps):
            made["distribution"] = records.STEPS
            made["slot"] = self._step_slot(standard, reach)
        elif isinstance(distribution, Normal) and not needs_table(distribution):
            made["distribution"] = records.NORMAL
            made["shift"], made["factor"] = distribution.mean, distribution.sd
        else:
            slot = self._slots.get((standard, reach))
            if slot is None:
                slot = self._slots[standard, reach] = self._slot(table_of(standard, reach))
            made["distribution"], made["slot"] = records.TABLE, slot
            stands_alone = made["own_weight"] == 1.0 and made["member"] < 0
            if stands_alone and self._over_probabilities:
                made["near"] = self._near_rows(standard)
        self._quantities.append(made)

    def of_columns(
        self,
        name: str,
        column: int,
        distribution: int,
        *,
        center: float = math.nan,
        center_column: int = -1,
        spread_column: int = -1,
        loads: Sequence[float] = (),
        dimension: int = -1,
        own_factor: int = -1,
    ) -> None:
        """A quantity whose distribution has parameters that are in other columns of a draw."""
        made = self._quantity(name, column, loads, dimension, own_factor)
        made["distribution"], made["factor"] = distribution, center
        made["center_column"], made["spread_column"] = center_column, spread_column
        self._late.append(made)

    def sampling(self, seed: int, sampler: str) -> records.Sampling:
        """All that was added, as the kernels read it."""
        directions = np.zeros((1, _SOBOL_BITS), np.uint64)
        if sampler == "sobol":
            directions = direction_numbers(records.SOBOL_DIMENSIONS)
            own = [self._factors[index] for index in self._own_factors.values()]
            for i, late in enumerate([*own, *self._groups]):
                late["dimension"] = self.dimensions + i
        return records.Sampling(
            np.uint64(seed),
            SAMPLERS[sampler],
            float(self.uncertainty),
            np.array(self._factors, records.FACTOR),
            np.array(self._groups, records.GROUP),
            np.array(self._quantities + self._late, records.QUANTITY),
            normal_scores(records.OCTAVES, records.CELLS_PER_OCTAVE),
            np.concatenate([np.zeros((0, 4)), *self._cells]),
            np.concatenate([np.zeros(0), *self._steps]),
            np.concatenate([np.zeros(0), *self._mixing]),
            directions,
        )

    def scores(self, draws: int) -> records.Scores:
        """One thread's working space for so many draws, a multiple of 32."""
        own, words, strata, values = (aligned(draws) for _ in range(4))
        return records.Scores(
            own,
            own.view(np.uint64),
            words.view(np.uint64),
            strata.view(np.uint64),
            values,
            values.view(np.uint64),
            aligned(len(self._factors), draws),
            aligned(len(self._members), draws),
        )

    def _quantity(
        self,
        name: str,
        column: int,
        loads: Sequence[float] = (),
        dimension: int = -1,
        own_factor: int = -1,
    ) -> NDArray[np.void]:
        made = np.zeros((), records.QUANTITY)
        made["name"], made["column"] = name_hash(name), column
        made["dimension"] = self.dimension() if dimension < 0 else dimension
        made["member"], made["own_factor"] = self._members.get(name, -1), own_factor
        made["center_column"] = made["spread_column"] = made["near"] = -1
        made["low"], made["high"] = -math.inf, math.inf
        own_name = [*self._own_factors][own_factor - len(self._held)] if own_factor >= 0 else ""
        self.sampled[name] = Sampled(tuple(loads), int(made["dimension"]), own_name)
        made["own_weight"] = math.sqrt(max(0.0, 1.0 - math.fsum(load**2 for load in loads)))
        made["loadings"] = (*loads, *[0.0] * (len(LOADINGS) - len(loads)))
        return made

    def _slot(self, table: Table) -> NDArray[np.void]:
        made = np.zeros((), records.TABLE_SLOT)
        made["rows"], made["left_end"], made["per_unit"] = table.rows, table.start, table.per_unit
        made["first"] = self._added(table.cells)
        return made

    def _added(self, cells: Array) -> int:
        """Where these rows begin among all."""
        self._cells.append(cells)
        self._rows += len(cells)
        return self._rows - len(cells)

    def _near_rows(self, distribution: Distribution) -> int:
        if distribution not in self._near:
            cells = over_probabilities(distribution, records.NEAR_OCTAVES, records.CELLS_PER_OCTAVE)
            self._near[distribution] = -1 if cells is None else self._added(cells)
        return self._near[distribution]

    def _step_slot(self, distribution: Steps, reach: float) -> NDArray[np.void]:
        if (distribution, reach) in self._slots:
            return self._slots[distribution, reach]
        table = steps_of(distribution, reach)
        made = np.zeros((), records.TABLE_SLOT)
        made["first"], made["rows"], made["edges"] = (
            self._stepped, len(table.guide) - 1, len(table.edges),
        )  # fmt: skip
        made["left_end"], made["per_unit"] = table.start, table.per_unit
        part = np.concatenate([table.guide.astype(float), table.edges, table.values])
        self._steps.append(part)
        self._stepped += len(part)
        self._slots[distribution, reach] = made
        return made
