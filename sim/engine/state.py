"""What draws are evaluated with, and what a run has come to: first draws, totals of all."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.memory import check_memory
from sim.engine.histograms import Histograms
from sim.engine.scenario_plan import ScenarioPlan
from sim.kernels.formulas.buildout import Ledger
from sim.kernels.loop import BAD, QUESTIONABLE, RUN, RecordsByLane, Workspace, fold_moments
from sim.kernels.loop import Plan as EvaluationPlan
from sim.kernels.sampling.quantities import Scores
from sim.kernels.simd.memory import aligned
from sim.kernels.simd.vectors import LANES
from sim.model.blocks import REPLICATES
from sim.model.dims import QUARTERS
from sim.model.inputs import Draw, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World
from sim.model.record_layout import RecordLayout, Variable
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
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


@dataclass(frozen=True)
class Prepared:
    """All that draws of a scenario are evaluated with; the same for every draw.

    `slices` maps a variable whose draws are kept to its rows of `SimulationState.values`,
    `moment_slices` one of which only moments are kept to its columns of them, and `fixed` an input
    that is the same in every draw to its value.
    """

    scenario: Scenario
    options: RunOptions
    layout: RecordLayout
    scenario_plan: ScenarioPlan
    evaluation: EvaluationPlan
    slices: dict[str, slice]
    moment_slices: dict[str, slice]
    fixed: dict[str, Array]

    @property
    def variables(self) -> dict[str, Variable]:
        """Every input and output by name."""
        return {**self.layout.inputs, **self.layout.outputs}

    @property
    def evaluation_beyond(self) -> EvaluationPlan:
        """The plan for draws that are not kept: there are moments of all variables."""
        return self.evaluation._replace(moments=self.evaluation.columns.size)

    def workspace(self) -> Workspace:
        """Working space of one thread."""
        plan = self.scenario_plan
        return workspace(self.layout, plan.template, plan.sampling.scores(RUN))

    def gives_same_draws(self, other: Prepared) -> bool:
        """Whether draws of the same number, and what is kept of them, are the same bits."""

        def question(of: Prepared) -> tuple[object, ...]:
            options = of.options
            return (
                of.scenario, options.seed, options.sampler, options.uncertainty,
                options.kept_draws, options.drop_bad, options.drop_questionable,
                of.slices, of.moment_slices,
            )  # fmt: skip

        return question(self) == question(other)


@dataclass
class SimulationState:
    """What a run has come to.

    `values` holds the first draws of the variables that are kept, `status` whether each of these
    draws is questionable or bad. `running` are totals over all draws, `completed` over those that
    fill tiles, from which a run goes on; `checkpoints` are the latter where chunks end, as long as
    draws are kept.
    """

    prepared: Prepared
    values: Array  # [column, draw]
    status: NDArray[np.int8]  # [draw]
    completed: Totals
    running: Totals
    checkpoints: list[Totals] = field(default_factory=list)

    @classmethod
    def empty(cls, prepared: Prepared) -> SimulationState:
        """The state before the first draw."""
        kept = sum(part.stop - part.start for part in prepared.slices.values())
        totals = Totals.none(prepared.evaluation.moments)
        return cls(prepared, np.empty((kept, 0)), np.zeros(0, np.int8), totals, totals)

    @property
    def draws(self) -> int:
        """How many draws were evaluated."""
        return self.running.draws

    @property
    def counted(self) -> Mask:
        """Which of the draws that are kept count: those that are not left out."""
        return counted(self.status, self.prepared.evaluation)

    @property
    def moment_slices(self) -> dict[str, slice]:
        """Which columns of the moments are those of a variable."""
        prepared = self.prepared
        if self.running.histograms is None:
            return prepared.moment_slices
        before = prepared.evaluation.moments
        kept = {
            name: slice(before + part.start, before + part.stop)
            for name, part in prepared.slices.items()
        }
        return prepared.moment_slices | kept

    def kept(self, name: str, draws: Mask | slice = slice(None)) -> Array:
        """The first draws of a variable [..., draw], or some of them."""
        values = self.values[self.prepared.slices[name]][:, draws]
        shape = self.prepared.variables[name].columns.shape
        return values.reshape(*shape, values.shape[1])


def counted(status: NDArray[np.int8], plan: EvaluationPlan) -> Mask:
    """Which draws are not left out, by what they are."""
    dropped = (BAD if plan.drop_bad else 0) | (QUESTIONABLE if plan.drop_questionable else 0)
    return np.asarray((status & dropped) == 0)


def workspace(layout: RecordLayout, row: Array, scores: Scores) -> Workspace:
    """Working space of one thread, with `row` in every draw."""
    inputs = aligned(layout.input_width, scores.own.size + LANES)
    inputs[:] = row[: layout.input_width, None]
    columns = aligned(layout.width, LANES)
    columns[:] = row[:, None]
    shape = (layout.labs, layout.landlords)
    records = RecordsByLane(
        draw=layout.records(columns, Draw),
        labs=layout.records(columns, Lab),
        landlords=layout.records(columns, Landlord),
        out=layout.records(columns, World),
        lab_out=layout.records(columns, LabOutputs),
        landlord_out=layout.records(columns, LandlordOutputs),
        host_out=layout.records(columns, HostOutputs),
        ledger=Ledger(
            done=aligned(*shape, LANES),
            want=aligned(*shape, LANES),
            due=aligned(layout.labs, LANES),
            buildable=aligned(layout.landlords, LANES),
            average=aligned(*shape, len(QUARTERS), LANES),
            cost_growth=aligned(len(QUARTERS), LANES),
            rent=aligned(layout.labs, len(QUARTERS), LANES),
        ),
    )
    return Workspace(inputs, columns, records, scores)


def make_room(state: SimulationState, draws: int) -> None:
    """Make room for the draws that are kept of this number, after those that are there.

    Raises:
        InputError: If they do not fit in memory.
    """
    room = min(draws, state.prepared.options.kept_draws)
    if state.values.shape[1] == room:
        return
    check_memory(len(state.values), room)
    values, status = np.empty((len(state.values), room)), np.zeros(room, np.int8)
    there = min(state.values.shape[1], room)
    values[:, :there], status[:there] = state.values[:, :there], state.status[:there]
    state.values, state.status = values, status
