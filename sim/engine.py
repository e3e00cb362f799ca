"""Running: what is to be drawn, and the loop over chunks of draws."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.fields import QUARTERS, REFERENCE_QUARTER, REGIMES, Output, nearest
from sim.files import Fault, InputError, Place
from sim.inputs import HOST_MATRICES, Draw, Lab, Landlord
from sim.kernels.buildout import Ledger
from sim.kernels.loops import (
    ANYTHING,
    BAD,
    FINITE,
    NUMBER,
    QUESTIONABLE,
    REPLICATES,
    TILE,
    Plan,
    Workspace,
    run_blocks,
)
from sim.kernels.quantities import Scores
from sim.kernels.samplers import BLOCK
from sim.layout import Layout, Variable
from sim.outputs import PROBABILITIES, HostOutputs, LabOutputs, LandlordOutputs, World
from sim.rows import Rows, hosts
from sim.scenario import Scenario
from sim.threads import in_chunks

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
TILES_PER_CHUNK = 8
# Peak memory of simulating, summarising and storing, over that of the draws that are kept:
# 2.5 at 200,000 and at 1,000,000 draws, rounded up.
MEMORY_PER_KEPT = 3
# Inputs that results always carry: probabilities, tables and figures need them.
ALWAYS_KEPT = ("hurdle_margin", "lab_is_china", "rpo_busd")


@dataclass
class Draws:
    """What a run leaves in memory.

    `kept` maps a variable to its draws [..., draw]; `fixed` maps inputs that are the same in every
    draw. `count`, `mean`, `m2` hold by replicate the moments of the variables in `moments`, over
    the draws that count. `plan` and `start` are what the draws were evaluated with, and `status`
    says of each of them whether it is questionable, and whether it is bad.
    """

    scenario: Scenario
    layout: Layout
    plan: Plan
    start: Rows
    draws: int
    seed: int
    sampler: str
    uncertainty: float
    kept: dict[str, Array]
    fixed: dict[str, Array]
    moments: dict[str, slice]
    count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(REPLICATES, np.int64))
    mean: Array = field(default_factory=lambda: np.zeros((REPLICATES, 0)))
    m2: Array = field(default_factory=lambda: np.zeros((REPLICATES, 0)))
    status: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))

    @property
    def bad(self) -> Mask:
        """The draws that hold a value which is not finite where it must be."""
        return np.asarray((self.status & BAD) != 0)

    @property
    def questionable(self) -> Mask:
        """The questionable draws, but for those that are left out because they are bad."""
        doubtful = (self.status & QUESTIONABLE) != 0
        return np.asarray(doubtful & ~(self.bad & self.plan.drop_bad))

    @property
    def counted(self) -> Mask:
        """The draws that count: those that are not left out."""
        return counted(self.status, self.plan)

    def workspace(self) -> Workspace:
        """Working space of one thread that evaluates draws of this result."""
        return workspace(self.layout, self.start.row, self.start.plan.scores(BLOCK))

    def fold(self, sizes: NDArray[np.int64], mean: Array, m2: Array) -> None:
        """Add the moments of one tile, by replicate (Chan et al. 1979)."""
        before = self.count
        total = before + sizes
        weight = (sizes / np.maximum(total, 1))[:, None]  # a replicate may have no draw here
        with np.errstate(invalid="ignore", over="ignore"):  # draws that are not finite
            delta = mean - self.mean
            self.mean += delta * weight
            self.m2 += m2 + delta * delta * (before[:, None] * weight)
        self.count = total


def counted(status: NDArray[np.int8], plan: Plan) -> Mask:
    """Which draws are not left out, by what they are."""
    dropped = (BAD if plan.drop_bad else 0) | (QUESTIONABLE if plan.drop_questionable else 0)
    return np.asarray((status & dropped) == 0)


def selected(
    layout: Layout, keep: str | Sequence[str] | None
) -> tuple[list[Variable], list[Variable]]:
    """The variables of which draws are kept, and those of which only moments are.

    Raises:
        ValueError: For a name that is neither an output nor an input.
    """
    if not isinstance(keep, str | Sequence | None) or isinstance(keep, bytes):
        raise ValueError(f'keep: expected None, "all" or a list of names, got {keep!r}')
    everything = {**layout.inputs, **layout.outputs}
    by_default = {
        kept: [v for v in layout.outputs.values() if _output(v).kept == kept]
        for kept in ("draws", "moments")
    }
    if keep == "all":
        return list(everything.values()), []
    if keep is None or keep == "headline":
        kept = by_default["draws"]
    else:
        names = [keep] if isinstance(keep, str) else list(keep)
        matrices = [matrix for matrix, _ in HOST_MATRICES.values()]
        for name in names:
            if name not in everything and name not in PROBABILITIES and name not in matrices:
                known = [*everything, *PROBABILITIES, *matrices]
                raise ValueError(f"keep: unknown variable '{name}'{nearest(name, known)}")
        names = [PROBABILITIES[name].of if name in PROBABILITIES else name for name in names]
        kept = [everything[name] for name in dict.fromkeys(names) if name in everything]
    chosen = {variable.name for variable in kept}
    kept = [everything[name] for name in ALWAYS_KEPT if name not in chosen] + kept
    moments = by_default["moments"] if keep is None or keep == "headline" else []
    return kept, moments


def _output(variable: Variable) -> Output:
    assert isinstance(variable.declaration, Output)
    return variable.declaration


def workspace(layout: Layout, row: Array, scores: Scores) -> Workspace:
    """Working space of one thread, with `row` in every draw of the block."""
    rows = np.tile(row, (BLOCK, 1))
    shape = (layout.labs, layout.landlords)
    return Workspace(
        rows,
        rows.T,
        draws=layout.records(rows, Draw),
        labs=layout.records(rows, Lab),
        landlords=layout.records(rows, Landlord),
        out=layout.records(rows, World),
        lab_out=layout.records(rows, LabOutputs),
        landlord_out=layout.records(rows, LandlordOutputs),
        host_out=layout.records(rows, HostOutputs),
        scores=scores,
        ledger=Ledger(
            done=np.empty(shape),
            want=np.empty(shape),
            due=np.empty(layout.labs),
            buildable=np.empty(layout.landlords),
            average=np.empty((*shape, len(QUARTERS))),
        ),
    )


def run(
    scenario: Scenario,
    draws: int,
    seed: int,
    sampler: str,
    keep: str | Sequence[str] | None,
    uncertainty: float,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    tiles_per_chunk: int = TILES_PER_CHUNK,
    drop_bad: bool = True,
    drop_questionable: bool = False,
    after: Draws | None = None,
) -> Draws:
    """Evaluate the model in `draws` draws.

    Draws that are bad or questionable do not count in the moments if they are to be dropped; those
    of kept variables are all there (`bad_draws.leave_out`).
    `after` is an earlier result of the same question, whole and of a whole number of tiles (1,024
    draws): it is copied rather than drawn anew, and the bits are those of one run.
    `threads` and `tiles_per_chunk` change how long it takes, and no bit of the result.
    `progress` is called with the number of draws done since it was last called.

    Raises:
        InputError: If what is kept does not fit in memory.
        ValueError: If `after` cannot be extended to this result.
    """
    layout = Layout(len(scenario.labs), len(scenario.landlords))
    start = Rows(scenario, layout, uncertainty)
    kept, moments = selected(layout, keep)
    drawn = [v for v in kept if v.name in start.sampled or v.name in layout.outputs]
    columns = np.concatenate([v.columns.ravel() for v in drawn] or [np.zeros(0, np.int64)])
    moment_columns = np.concatenate([v.columns.ravel() for v in moments] or [np.zeros(0, np.int64)])
    check_memory(columns.size, draws)
    store = np.empty((columns.size, draws))
    settings = scenario.settings
    housing = hosts(scenario)
    reports = ~np.isnan(start.row[layout.inputs["arr_2026q4_busd"].columns])
    rents = ((housing["share_2026"] > 0) & (housing["captive"] == 0)).any(axis=0)
    kept_rules, moment_rules = (
        np.concatenate(
            [_rules(v, reports, rents).ravel() for v in chosen] or [np.zeros(0, np.int8)]
        )
        for chosen in (drawn, moments)
    )
    plan = Plan(
        start.plan.sampling(seed, sampler),
        settings.rental_mode == "market",
        settings.view == "accounting",
        housing,
        columns,
        kept_rules,
        moment_columns,
        moment_rules,
        drop_bad,
        drop_questionable,
    )
    ends = np.cumsum([0, *(v.columns.size for v in drawn)])
    moment_ends = np.cumsum([0, *(v.columns.size for v in moments)])
    result = Draws(
        scenario,
        layout,
        plan,
        start,
        draws,
        seed,
        sampler,
        uncertainty,
        kept={
            v.name: store[a:b].reshape(*v.columns.shape, draws)
            for v, a, b in zip(drawn, ends, ends[1:], strict=False)
        },
        fixed={v.name: start.row[v.columns] for v in kept if v not in drawn},
        moments={
            v.name: slice(int(a), int(b))
            for v, a, b in zip(moments, moment_ends, moment_ends[1:], strict=False)
        },
        mean=np.zeros((REPLICATES, moment_columns.size)),
        m2=np.zeros((REPLICATES, moment_columns.size)),
        status=np.empty(draws, np.int8),
    )
    if after is not None:
        _take_over(result, after)
    begin = after.draws if after is not None else 0
    _run_chunks(result, store, begin, threads, progress, tiles_per_chunk)
    return result


def _take_over(result: Draws, after: Draws) -> None:
    """Copy an earlier result of fewer draws, on which later tiles are then folded in order."""

    def question(done: Draws) -> tuple[object, ...]:
        of = done.plan
        asked = (done.scenario, done.seed, done.sampler, done.uncertainty, done.moments)
        return *asked, list(done.kept), of.drop_bad, of.drop_questionable

    if question(after) != question(result):
        raise ValueError("after: expected a result of the same scenario, options and variables")
    if after.draws % TILE or after.draws > result.draws:
        message = f"expected a multiple of {TILE} draws, up to {result.draws}, got {after.draws}"
        raise ValueError(f"after: {message}")
    if any(values.shape[-1] != after.draws for values in after.kept.values()):
        raise ValueError("after: expected all its draws, and some are left out")
    for name, values in after.kept.items():
        result.kept[name][..., : after.draws] = values
    result.status[: after.draws] = after.status
    result.count[:], result.mean[:], result.m2[:] = after.count, after.mean, after.m2


def _rules(variable: Variable, reports: Mask, rents: Mask) -> NDArray[np.int8]:
    """What the columns of a variable may hold, in its shape (model.md 9.4).

    `reports` says which labs report ARR, `rents` which landlords let to outside labs throughout.
    """
    output = variable.declaration
    number = np.full(variable.columns.shape, isinstance(output, Output))
    if not isinstance(output, Output):
        return np.full(variable.columns.shape, ANYTHING, np.int8)
    if output.missing == "arr":
        number[~reports] = False
    elif output.missing == "hosts":
        number[~rents] = False
    elif output.missing == "quarters":
        number[:, REGIMES.index("frontier_training")] = False
        number[QUARTERS.index(REFERENCE_QUARTER)] |= reports.any()
    return np.where(number, NUMBER if output.may_be_infinite else FINITE, ANYTHING).astype(np.int8)


def memory() -> float:
    """Bytes of memory that this process may have; infinite where the platform does not tell."""
    there = math.inf
    with suppress(AttributeError, ValueError, OSError):  # not on every platform
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # a container may have less; "max" where it has not
        there = min(there, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return there


def most_draws(columns: int) -> int:
    """The most draws of so many values that fit in memory, as far as that is known."""
    return int(min(memory(), 2.0**60) // (8 * MEMORY_PER_KEPT * max(columns, 1)))


def check_memory(
    columns: int, draws: int, per_kept: float = MEMORY_PER_KEPT, caller: str = "simulate"
) -> None:
    """Refuse what cannot fit in memory before anything is computed.

    `per_kept` is the peak of memory over that of the values.

    Raises:
        InputError: With how much is needed, and how much there is.
    """
    needed, there = columns * draws * 8 * per_kept, memory()
    if needed > there:
        message = (
            f"{draws:,} draws of {columns} values need about {needed / 2**30:,.1f} GiB, and there"
            f" are {there / 2**30:,.1f} GiB; ask for fewer draws or outputs"
        )
        raise InputError([Fault(Place(caller), "draws", message)])


def _run_chunks(
    result: Draws,
    store: Array,
    begin: int,
    threads: int | None,
    progress: Callable[[int], None] | None,
    tiles_per_chunk: int,
) -> None:
    plan = result.plan
    size = tiles_per_chunk * TILE
    chunks = math.ceil((result.draws - begin) / size)
    lock = threading.Lock()
    waiting: dict[int, tuple[NDArray[np.int64], Array, Array]] = {}
    folded = 0

    def finish(chunk: int, moments: tuple[NDArray[np.int64], Array, Array]) -> None:
        """Fold the moments in the order of the draws, whichever thread is first."""
        nonlocal folded
        with lock:
            waiting[chunk] = moments
            while folded in waiting:
                sizes, mean, m2 = waiting.pop(folded)
                for tile in range(0, len(sizes), REPLICATES):
                    part = slice(tile, tile + REPLICATES)
                    result.fold(sizes[part], mean[part], m2[part])
                folded += 1

    def worker() -> Callable[[int], None]:
        space = result.workspace()

        def evaluate(chunk: int) -> None:
            first = begin + chunk * size
            count = min(size, result.draws - first)
            rows = math.ceil(count / TILE) * REPLICATES
            sizes = np.zeros(rows, np.int64)
            mean, m2 = np.zeros((2, rows, plan.moment_columns.size))
            status = result.status[first : first + count]
            run_blocks(plan, space, first, count, store, sizes, mean, m2, status)
            finish(chunk, (sizes, mean, m2))
            if progress is not None:
                progress(count)

        return evaluate

    in_chunks(chunks, threads, worker)
