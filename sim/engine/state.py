"""What a run leaves in memory: the first draws, and totals of all."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.memory import check_memory
from sim.engine.histograms import Histograms
from sim.engine.scenario_plan import Rows
from sim.kernels.formulas.records import Ledger, WorldRecords
from sim.kernels.loop import (
    BAD,
    QUESTIONABLE,
    SAMPLING_CHUNK,
    EvaluationPlan,
    Workspace,
    fold_moments,
)
from sim.kernels.sampling.quantities import Scores
from sim.kernels.simd.memory import aligned, zeros_by_lane
from sim.kernels.simd.vectors import LANES
from sim.model.blocks import REPLICATES, TILE
from sim.model.dims import QUARTERS
from sim.model.inputs import Draw, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World
from sim.model.record_layout import Layout
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
CHUNK = 8 * TILE  # draws that a thread evaluates at a time
KEPT_DRAWS = 13 * CHUNK  # the first draws, of which values are kept: those of a usual run, 100,000
BAD_NUMBERS = 500  # bad draws whose numbers are kept, to evaluate them again


@dataclass
class Totals:
    """What is known of all draws together, over those that count.

    `count`, `mean` and `m2` are moments by replicate, of the variables of which only these are
    told, and beyond the draws that are kept of all variables; `bad` and `questionable` are numbers
    of draws, `bad_numbers` the first of the bad ones. `histograms` holds the kept variables beyond
    the draws that are kept.
    """

    count: Integers  # [replicate]
    mean: Array  # [replicate, column]
    m2: Array  # [replicate, column]
    draws: int = 0
    bad: int = 0
    questionable: int = 0
    bad_numbers: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    histograms: Histograms | None = None

    @classmethod
    def none(cls, columns: int) -> Totals:
        """Those of no draws."""
        shape = (REPLICATES, columns)
        return cls(np.zeros(REPLICATES, np.int64), np.zeros(shape), np.zeros(shape))

    def copy(self) -> Totals:
        """The same, which does not change with these."""
        return deepcopy(self)

    def fold(self, tile: Tile, drop_bad: bool) -> None:
        """Add the next tile."""
        with np.errstate(invalid="ignore", over="ignore"):  # draws that are not finite
            fold_moments(self.count, self.mean, self.m2, tile.sizes, tile.mean, tile.m2)
        bad = (tile.status & BAD) != 0
        self.bad += int(bad.sum())
        self.questionable += int((((tile.status & QUESTIONABLE) != 0) & ~(bad & drop_bad)).sum())
        found = self.draws + np.flatnonzero(bad)
        self.bad_numbers = np.concatenate([self.bad_numbers, found])[:BAD_NUMBERS]
        if self.histograms is not None and tile.ends is not None:
            self.histograms.fold(tile.ends)
        self.draws += tile.status.size


class Tile(NamedTuple):
    """What 1,024 draws, or those that are left, add to the totals."""

    sizes: Integers  # [replicate]
    mean: Array  # [replicate, column]
    m2: Array  # [replicate, column]
    status: NDArray[np.int8]  # [draw]
    ends: Array | None  # of the sketch


@dataclass
class Draws:
    """What a run leaves in memory.

    `store` holds the first draws of variables, `status` says of each of them whether it is
    questionable, and whether it is bad; `places` says which rows are those of a variable, `moments`
    which columns of the moments. `fixed` maps inputs that are the same in every draw. `plan` and
    `start` are what draws are evaluated with. `totals` are over all draws, `whole` over those that
    fill whole tiles, from which a run goes on; `marks` are the latter where chunks end, as long as
    draws are kept.
    """

    scenario: Scenario
    layout: Layout
    plan: EvaluationPlan
    start: Rows
    seed: int
    sampler: str
    uncertainty: float
    kept_draws: int
    slices: dict[str, slice]
    fixed: dict[str, Array]
    moments: dict[str, slice]
    store: Array  # [column, draw]
    status: NDArray[np.int8]  # [draw]
    completed: Totals
    running: Totals
    checkpoints: list[Totals] = field(default_factory=list)

    @property
    def draws(self) -> int:
        """How many draws there are."""
        return self.running.draws

    @property
    def counted(self) -> Mask:
        """Which of the draws that are kept count: those that are not left out."""
        return counted(self.status, self.plan)

    @property
    def moment_slices(self) -> dict[str, slice]:
        """Which columns of the moments are those of a variable."""
        if self.running.histograms is None:
            return self.moments
        before = self.plan.moments
        kept = {n: slice(before + p.start, before + p.stop) for n, p in self.slices.items()}
        return self.moments | kept

    def kept(self, name: str, draws: Mask | slice = slice(None)) -> Array:
        """The first draws of a variable [..., draw], or some of them."""
        shape = {**self.layout.inputs, **self.layout.outputs}[name].columns.shape
        found = self.store[self.slices[name]][:, draws]
        return found.reshape(*shape, found.shape[1])

    def plan_beyond(self) -> EvaluationPlan:
        """The plan for draws that are not kept: there are moments of all variables."""
        return self.plan._replace(moments=self.plan.columns.size)

    def workspace(self) -> Workspace:
        """Working space of one thread that evaluates draws of this result."""
        return workspace(
            self.layout, self.start.row, self.start.hosts, self.start.plan.scores(SAMPLING_CHUNK)
        )


def counted(status: NDArray[np.int8], plan: EvaluationPlan) -> Mask:
    """Which draws are not left out, by what they are."""
    dropped = (BAD if plan.drop_bad else 0) | (QUESTIONABLE if plan.drop_questionable else 0)
    return np.asarray((status & dropped) == 0)


def workspace(layout: Layout, row: Array, hosts: NDArray[np.void], scores: Scores) -> Workspace:
    """Working space of one thread, with `row` and `hosts` [lab, landlord] in every draw."""
    inputs = aligned(layout.input_width, scores.own.size + LANES)
    inputs[:] = row[: layout.input_width, None]
    columns = aligned(layout.width, LANES)
    columns[:] = row[:, None]
    shape = (layout.labs, layout.landlords)
    world = WorldRecords(
        inputs=layout.records(columns, Draw)[0],
        labs=layout.records(columns, Lab),
        landlords=layout.records(columns, Landlord),
        hosts=hosts,
        outputs=layout.records(columns, World)[0],
        lab_outputs=layout.records(columns, LabOutputs),
        landlord_outputs=layout.records(columns, LandlordOutputs),
        host_outputs=layout.records(columns, HostOutputs),
        ledger=Ledger(
            done=zeros_by_lane(*shape),
            want=zeros_by_lane(*shape),
            due=zeros_by_lane(layout.labs),
            buildable=zeros_by_lane(layout.landlords),
            average=zeros_by_lane(*shape, len(QUARTERS)),
            cost_growth=zeros_by_lane(len(QUARTERS)),
            rent=zeros_by_lane(layout.labs, len(QUARTERS)),
        ),
    )
    return Workspace(inputs, columns, world, scores)


def make_room(result: Draws, draws: int) -> None:
    """Make room for the draws that are kept of so many, after those that are there.

    Raises:
        InputError: If they do not fit in memory.
    """
    room = min(draws, result.kept_draws)
    if result.store.shape[1] == room:
        return
    check_memory(len(result.store), room)
    store, status = np.empty((len(result.store), room)), np.zeros(room, np.int8)
    there = min(result.store.shape[1], room)
    store[:, :there], status[:there] = result.store[:, :there], result.status[:there]
    result.store, result.status = store, status
