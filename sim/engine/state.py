"""Plans of a run, and its state: kept draws, and totals."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.memory import MEMORY_PER_KEPT, check_memory
from sim.common.threads import in_chunks
from sim.engine.histograms import Histograms
from sim.engine.scenario_plan import ScenarioPlan
from sim.kernels.shipped.entries import fold_blocks, fold_moments, lanes
from sim.model.blocks import REPLICATES, SAMPLING_CHUNK, ends_span
from sim.model.dims import QUARTERS
from sim.model.evaluation_records import (
    BAD,
    QUESTIONABLE,
    EvaluationPlan,
    Workspace,
    make_workspace,
)
from sim.model.record_layout import RecordLayout, Variable
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
EVENT_BYTES = 4  # of a kept draw for each threshold, lab and quarter in a summary: 2, and as much
ROWS, PAGE = 16, 512  # rows that a thread takes over at a time, and numbers of a page of memory
BAD_NUMBERS = 500  # bad draws whose numbers are stored, to evaluate them again


@dataclass
class Moments:
    """Moments of draws, and the spread of the means of their blocks.

    `count`, `mean` and `m2` (sum of squared deviations) are moments by replicate, over the draws
    that count, of every variable that is evaluated for the run. `block_numbers` are the number of
    blocks and the sum of their weights, `block_mean` and `block_m2` the weighted mean of their
    means, and the weighted sum of squared deviations from it.
    """

    count: Integers  # [replicate]
    mean: Array  # [replicate, column]
    m2: Array  # [replicate, column]
    block_numbers: Array  # [2]
    block_mean: Array  # [column]
    block_m2: Array  # [column]

    @classmethod
    def empty(cls, columns: int) -> Moments:
        """Moments without draws, for this number of columns."""
        shape = (REPLICATES, columns)
        return Moments(
            np.zeros(REPLICATES, np.int64), np.zeros(shape), np.zeros(shape), np.zeros(2),
            np.zeros(columns), np.zeros(columns),
        )  # fmt: skip

    def add_tile(self, tile: Tile) -> None:
        """Add the draws of a tile, after those so far."""
        with np.errstate(invalid="ignore", over="ignore"):  # from values that are not finite
            fold_moments(self.count, self.mean, self.m2, tile.sizes, tile.mean, tile.m2)
            fold_blocks(self.block_numbers, self.block_mean, self.block_m2, tile.sizes, tile.mean)

    def add(self, more: Moments) -> None:
        """Add the moments of more draws, after those so far (Chan et al. 1979)."""
        if not more.block_numbers[0]:
            return
        with np.errstate(invalid="ignore", over="ignore"):
            fold_moments(self.count, self.mean, self.m2, more.count, more.mean, more.m2)
            before = self.block_numbers[1]
            self.block_numbers += more.block_numbers
            weight = more.block_numbers[1] / self.block_numbers[1]
            apart = more.block_mean - self.block_mean
            self.block_mean += apart * weight
            self.block_m2 += more.block_m2 + apart * apart * (before * weight)


@dataclass
class Totals(Moments):
    """Moments, histograms and numbers of the draws so far.

    The moments are those of complete spans (`model.blocks`), and `span` those of the draws since.
    `histograms` of the variables whose draws are in memory exist once there are more draws than
    are kept. `draws`, `bad` and `questionable` are numbers of draws, `bad_numbers` the numbers of
    the first bad ones.
    """

    span: Moments
    draws: int = 0
    bad: int = 0
    questionable: int = 0
    bad_numbers: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    histograms: Histograms | None = None

    @classmethod
    def empty(cls, columns: int) -> Totals:
        """Totals without draws, for this number of columns."""
        return cls(**vars(Moments.empty(columns)), span=Moments.empty(columns))

    def copy(self) -> Totals:
        """A copy that does not change with these totals."""
        return deepcopy(self)

    def fold(self, tile: Tile, options: RunOptions) -> None:
        """Add the next tile."""
        self.span.add_tile(tile)
        if self.histograms is not None and tile.ends is not None:
            self.histograms.fold(tile.ends)
        self._count(tile.status, options)

    def take(self, folded: FoldedDraws, options: RunOptions) -> None:
        """Add the next draws, which are folded into the span so far."""
        self.span = deepcopy(folded.span)  # what was received cannot be written to
        if self.histograms is not None:
            self.histograms.span_ends = folded.ends.copy()
        self._count(folded.status, options)

    def _count(self, status: NDArray[np.int8], options: RunOptions) -> None:
        """Count the next draws, whose moments are added; they may end a span."""
        bad = (status & BAD) != 0
        self.bad += int(bad.sum())
        dropped = bad & options.drop_bad
        self.questionable += int((((status & QUESTIONABLE) != 0) & ~dropped).sum())
        numbers = self.draws + np.flatnonzero(bad)
        self.bad_numbers = np.concatenate([self.bad_numbers, numbers])[:BAD_NUMBERS]
        self.draws += status.size
        if ends_span(self.draws, options.kept_draws):
            self.close_span()

    def close_span(self) -> None:
        """Add the draws since the last span to the moments of all."""
        self.add(self.span)
        self.span = Moments.empty(len(self.block_mean))
        if self.histograms is not None:
            self.histograms.close_span()


class Tile(NamedTuple):
    """Moments and statuses of 1,024 draws, or fewer at the end."""

    sizes: Integers  # [replicate]
    mean: Array  # [replicate, column]
    m2: Array  # [replicate, column]
    status: NDArray[np.int8]  # [draw]
    ends: Array | None  # [replicate, column, end], sums for histograms


class FoldedDraws(NamedTuple):
    """A span up to the last of some draws, and the statuses of these draws."""

    span: Moments
    ends: Array  # [replicate, column, end], sums for histograms
    status: NDArray[np.int8]  # [draw]


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

    def workspace(self, evaluation: EvaluationPlan | None = None, kept: int = -1) -> Workspace:
        """Working space of one thread, for the run's plan or another one of `kept` columns."""
        plan = self.scenario_plan
        if evaluation is None:
            evaluation, kept = self.evaluation, self.rows
        scores = plan.sampling.scores(SAMPLING_CHUNK)
        return make_workspace(
            evaluation, kept, self.layout, plan.template, plan.hosts, scores, lanes()
        )

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
    these draws. `running` are the totals of all draws, with no span left open, `completed` those of
    complete tiles, from which a longer run goes on.
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
    status[:stored] = state.status[:stored]
    before = state.values

    def worker() -> Callable[[int], None]:
        def fill(chunk: int) -> None:
            """Take over draws of some rows, and touch every page of memory of later ones.

            Threads that touch the same page for the first time would each clear it.
            """
            rows = slice(chunk * ROWS, (chunk + 1) * ROWS)
            values[rows, :stored] = before[rows, :stored]
            values[rows, stored::PAGE] = 0.0

        return fill

    in_chunks(math.ceil(len(values) / ROWS), state.prepared.options.threads, worker)
    state.values, state.status = values, status
