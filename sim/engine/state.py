"""Plans of a run, and its state: kept draws, and totals."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.memory import MEMORY_PER_KEPT, check_memory
from sim.engine.histograms import Histograms
from sim.engine.scenario_plan import ScenarioPlan, contracts
from sim.kernels.formulas.records import Ledger, WorldRecords
from sim.kernels.loop import (
    BAD,
    QUESTIONABLE,
    SAMPLING_CHUNK,
    EvaluationPlan,
    Workspace,
    fold_blocks,
    fold_moments,
)
from sim.kernels.sampling.quantities import Scores
from sim.kernels.simd.memory import aligned, zeros_by_lane
from sim.kernels.simd.vectors import LANES
from sim.model.blocks import REPLICATES
from sim.model.dims import QUARTERS, REGIMES
from sim.model.inputs import Draw, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World
from sim.model.record_layout import RecordLayout, Variable
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
EVENT_BYTES = 4  # of a kept draw for each threshold, lab and quarter in a summary: 2, and as much
BAD_NUMBERS = 500  # bad draws whose numbers are stored, to evaluate them again


@dataclass
class Totals:
    """Moments, histograms and numbers of the draws so far.

    `count`, `mean` and `m2` (sum of squared deviations) are moments by replicate, over the draws
    that count, of every variable that is evaluated for the run. `histograms` of the variables whose
    draws are in memory exist once there are more draws than are kept. `draws`, `bad` and
    `questionable` are numbers of draws, `bad_numbers` the numbers of the first bad ones.
    """

    count: Integers  # [replicate]
    mean: Array  # [replicate, column]
    m2: Array  # [replicate, column]
    block_numbers: Array  # [2]
    block_mean: Array  # [column]
    block_m2: Array  # [column]
    draws: int = 0
    bad: int = 0
    questionable: int = 0
    bad_numbers: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    histograms: Histograms | None = None

    @classmethod
    def empty(cls, columns: int) -> Totals:
        """Totals without draws, for this number of columns."""
        shape = (REPLICATES, columns)
        moments = np.zeros(shape), np.zeros(shape)
        return cls(
            np.zeros(REPLICATES, np.int64), *moments, np.zeros(2), np.zeros(columns),
            np.zeros(columns),
        )  # fmt: skip

    def copy(self) -> Totals:
        """A copy that does not change with these totals."""
        return deepcopy(self)

    def fold(self, tile: Tile, drop_bad: bool) -> None:
        """Add the next tile; `drop_bad` says that bad draws do not count."""
        with np.errstate(invalid="ignore", over="ignore"):  # from values that are not finite
            fold_moments(self.count, self.mean, self.m2, tile.sizes, tile.mean, tile.m2)
            fold_blocks(self.block_numbers, self.block_mean, self.block_m2, tile.sizes, tile.mean)
        bad = (tile.status & BAD) != 0
        self.bad += int(bad.sum())
        self.questionable += int((((tile.status & QUESTIONABLE) != 0) & ~(bad & drop_bad)).sum())
        numbers = self.draws + np.flatnonzero(bad)
        self.bad_numbers = np.concatenate([self.bad_numbers, numbers])[:BAD_NUMBERS]
        if self.histograms is not None and tile.ends is not None:
            self.histograms.fold(tile.ends)
        self.draws += tile.status.size


class Tile(NamedTuple):
    """Moments and statuses of 1,024 draws, or fewer at the end."""

    sizes: Integers  # [replicate]
    mean: Array  # [replicate, column]
    m2: Array  # [replicate, column]
    status: NDArray[np.int8]  # [draw]
    ends: Array | None  # [replicate, column, end], sums for histograms


@dataclass(frozen=True)
class Prepared:
    """Layout, plans and options of a run, the same for every draw.

    `moment_slices` maps a variable that is evaluated to its columns of the moments, `slices` one
    whose draws are in memory while they are made to its rows of `SimulationState.values`, and
    `fixed` an input that is the same in every draw to its value. Of the variables in `slices`
    results hold the draws of those in `kept`, and only probabilities of the others; of those in
    `with_moments` they hold moments. `in_cells` are the variables of which only some cells are
    kept.
    """

    scenario: Scenario
    options: RunOptions
    layout: RecordLayout
    scenario_plan: ScenarioPlan
    evaluation: EvaluationPlan
    slices: dict[str, slice]
    moment_slices: dict[str, slice]
    kept: tuple[str, ...]
    with_moments: tuple[str, ...]
    fixed: dict[str, Array]
    in_cells: dict[str, Variable]

    @property
    def variables(self) -> dict[str, Variable]:
        """Name -> variable, of every input and output."""
        return {**self.layout.inputs, **self.layout.outputs, **self.in_cells}

    @property
    def rows(self) -> int:
        """The number of rows of `SimulationState.values`."""
        return sum(part.stop - part.start for part in self.slices.values())

    def workspace(self) -> Workspace:
        """Working space of one thread."""
        plan = self.scenario_plan
        scores = plan.sampling.scores(SAMPLING_CHUNK)
        return workspace(self.layout, plan.template, plan.hosts, scores)

    def gives_same_draws(self, other: Prepared) -> bool:
        """Whether draws of the same number have the same bits.

        The same variables are kept then, too.
        """

        def determinants(prepared: Prepared) -> tuple[object, ...]:
            options = prepared.options
            return (
                prepared.scenario, options.seed, options.sampler, options.uncertainty,
                options.kept_draws, options.drop_bad, options.drop_questionable,
                prepared.slices, prepared.moment_slices,
            )  # fmt: skip

        return determinants(self) == determinants(other)


@dataclass
class SimulationState:
    """The state of a run: kept draws, and totals of all draws.

    `values` are the kept draws of the kept variables, `status` the flags QUESTIONABLE and BAD of
    these draws. `running` are the totals of all draws, `completed` those of complete tiles, from
    which a longer run goes on.
    """

    prepared: Prepared
    values: Array  # [column, draw]
    status: NDArray[np.int8]  # [draw]
    completed: Totals
    running: Totals

    @classmethod
    def empty(cls, prepared: Prepared) -> SimulationState:
        """The state before the first draw."""
        totals = Totals.empty(prepared.evaluation.moments)
        return cls(prepared, np.empty((prepared.rows, 0)), np.zeros(0, np.int8), totals, totals)

    @property
    def draws(self) -> int:
        """The number of draws evaluated so far."""
        return self.running.draws

    @property
    def counted(self) -> Mask:
        """Which kept draws count [draw]: those that are not left out."""
        return counted_draws(self.status, self.prepared.evaluation)

    @property
    def moment_slices(self) -> dict[str, slice]:
        """Name -> columns of the moments, of every variable of which results hold moments.

        With histograms those are kept variables too, whatever the options.
        """
        prepared = self.prepared
        kept = () if self.running.histograms is None else prepared.kept
        names = (*prepared.with_moments, *kept)
        return {name: part for name, part in prepared.moment_slices.items() if name in names}

    def kept(self, name: str, draws: Mask | slice = slice(None)) -> Array:
        """The draws in memory of a variable [..., draw], or some of them."""
        values = self.values[self.prepared.slices[name]][:, draws]
        shape = self.prepared.variables[name].columns.shape
        return values.reshape(*shape, values.shape[1])


def counted_draws(status: NDArray[np.int8], plan: EvaluationPlan) -> Mask:
    """Which draws count [draw]: those whose status the plan does not drop."""
    dropped = (BAD if plan.drop_bad else 0) | (QUESTIONABLE if plan.drop_questionable else 0)
    return np.asarray((status & dropped) == 0)


def workspace(
    layout: RecordLayout, template: Array, hosts: NDArray[np.void], scores: Scores
) -> Workspace:
    """Working space of one thread, with the `template` [column] and `hosts` in every draw.

    `hosts` are records [lab, landlord], the same in every draw.
    """
    inputs = aligned(layout.input_width, scores.own.size + LANES)
    inputs[:] = template[: layout.input_width, None]
    columns = aligned(layout.width, LANES)
    columns[:] = template[:, None]
    layout.records(columns, HostOutputs)["arr_over_equity"][...] = np.nan  # without equity
    listed = contracts(hosts)
    of_contracts = len(listed.by_lab)
    world = WorldRecords(
        inputs=layout.records(columns, Draw)[0],
        labs=layout.records(columns, Lab),
        landlords=layout.records(columns, Landlord),
        hosts=hosts,
        contracts=listed,
        outputs=layout.records(columns, World)[0],
        lab_outputs=layout.records(columns, LabOutputs),
        landlord_outputs=layout.records(columns, LandlordOutputs),
        host_outputs=layout.records(columns, HostOutputs),
        ledger=Ledger(
            done=zeros_by_lane(of_contracts),
            want=zeros_by_lane(of_contracts),
            due=zeros_by_lane(layout.labs),
            buildable=zeros_by_lane(layout.landlords),
            average=zeros_by_lane(of_contracts, len(QUARTERS)),
            measured_over_computed=zeros_by_lane(len(REGIMES)),
            electricity=zeros_by_lane(len(QUARTERS), len(REGIMES)),
            upkeep=zeros_by_lane(len(QUARTERS), len(REGIMES)),
            load=zeros_by_lane(len(QUARTERS), len(REGIMES)),
            rent=zeros_by_lane(layout.labs, len(QUARTERS)),
            running_cost=zeros_by_lane(layout.labs, len(QUARTERS)),
            inference_bill=zeros_by_lane(layout.labs, len(QUARTERS)),
            closing_bill=zeros_by_lane(layout.labs, len(REGIMES)),
        ),
    )
    return Workspace(inputs, columns, world, scores)


def make_room(state: SimulationState, draws: int) -> None:
    """Resize the arrays of kept draws for this number of draws.

    Draws that are stored already stay; kept draws are at most those that the options allow.

    Raises:
        InputError: If the kept draws do not fit in memory.
    """
    room = min(draws, state.prepared.options.kept_draws)
    if state.values.shape[1] == room:
        return
    scenario = state.prepared.scenario
    events = len(scenario.settings.thresholds_gw) * len(scenario.labs) * len(QUARTERS)
    check_memory(len(state.values) + math.ceil(events * EVENT_BYTES / (8 * MEMORY_PER_KEPT)), room)
    values, status = np.empty((len(state.values), room)), np.zeros(room, np.int8)
    stored = min(state.values.shape[1], room)
    values[:, :stored], status[:stored] = state.values[:, :stored], state.status[:stored]
    state.values, state.status = values, status
