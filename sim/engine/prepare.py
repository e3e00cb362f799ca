"""What is asked of the engine: options, variables of which draws are kept, a name for it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import source_hash
from sim.common.text import nearest
from sim.engine.scenario_plan import Rows
from sim.engine.state import CHUNK, KEPT_DRAWS, Draws, Mask, Totals
from sim.kernels.loop import ANYTHING, FINITE, NUMBER, EvaluationPlan
from sim.model.declarations import Output
from sim.model.dims import QUARTERS, REFERENCE_QUARTER, REGIMES
from sim.model.inputs import HOST_MATRICES
from sim.model.outputs import PROBABILITIES
from sim.model.record_layout import Layout, Variable, layout_of
from sim.parameters.options import kept_draws_fault, option_faults
from sim.parameters.scenario import Scenario

# Inputs that results always carry: probabilities, tables and figures need them.
ALWAYS_KEPT = ("hurdle_margin", "lab_is_china", "rpo_busd")


@dataclass(frozen=True)
class Options:
    """How a scenario is drawn, checked; see `simulate`."""

    draws: int
    seed: int
    sampler: str
    keep: str | Sequence[str] | None
    uncertainty: float
    threads: int | None
    bad_draws: str
    drop_questionable: bool
    kept_draws: int


def options(
    scenario: Scenario,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    keep: str | Sequence[str] | None = None,
    uncertainty: float | None = None,
    threads: int | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
    kept_draws: int = KEPT_DRAWS,
) -> Options:
    """Options of `simulate`; those that are None are as the scenario says.

    Raises:
        InputError: As `simulate`.
    """
    run = scenario.run
    draws = run.draws if draws is None else draws
    seed = run.seed if seed is None else seed
    sampler = run.sampler if sampler is None else sampler
    uncertainty = scenario.settings.uncertainty if uncertainty is None else uncertainty
    faults = option_faults(
        draws=draws, seed=seed, sampler=sampler, uncertainty=uncertainty, threads=threads,
        bad_draws=bad_draws,
    )  # fmt: skip
    if message := kept_draws_fault(kept_draws, CHUNK):
        faults["kept_draws"] = message
    wrong = [Fault(Location("simulate"), name, message) for name, message in faults.items()]
    if wrong:
        raise InputError(wrong)
    return Options(
        int(draws), int(seed), sampler, keep, float(uncertainty), threads, bad_draws,
        bool(drop_questionable), int(kept_draws),
    )  # fmt: skip


def digest_of(scenario: Scenario, wanted: Options) -> str:
    """What names a run: parameters, source of the model, seed, sampler, and what is kept."""
    kept = "headline" if wanted.keep is None else wanted.keep
    return digest(
        scenario, wanted.seed, wanted.sampler, kept, wanted.uncertainty, wanted.bad_draws,
        wanted.drop_questionable,
    )  # fmt: skip


def digest(
    scenario: Scenario,
    seed: int,
    sampler: str,
    keep: Any,
    uncertainty: float,
    bad_draws: str,
    drop_questionable: bool,
) -> str:
    """`digest_of`, of options one by one."""
    usual = bad_draws == "fail" and not drop_questionable
    dropped = [] if usual else [bad_draws, drop_questionable]
    return scenario.digest(source_hash(), seed, sampler, keep, float(uncertainty), *dropped)


def prepared(scenario: Scenario, wanted: Options) -> Draws:
    """A result of no draws yet.

    Raises:
        ValueError: For an unknown name in `keep`.
    """
    layout = layout_of(len(scenario.labs), len(scenario.landlords))
    start = Rows(scenario, layout, wanted.uncertainty)
    kept, moments = selected(layout, wanted.keep)
    drawn = [v for v in kept if v.name in start.sampled or v.name in layout.outputs]
    told = [*moments, *drawn]
    columns = np.concatenate(
        [np.zeros(0, np.uint64), *(v.columns.ravel().astype(np.uint64) for v in told)]
    )
    kept_size, moments_size = (sum(v.columns.size for v in each) for each in (drawn, moments))
    settings = scenario.settings
    hosts = start.hosts
    reports = ~np.isnan(start.row[layout.inputs["arr_2026q4_busd"].columns])
    rents = ((hosts["share_2026"] > 0) & (hosts["captive"] == 0)).any(axis=0)
    rules = [_rules(v, reports, rents).ravel() for v in told]
    plan = EvaluationPlan(
        start.plan.sampling(wanted.seed, wanted.sampler),
        settings.rental_mode == "market",
        settings.view == "accounting",
        columns,
        moments_size,
        np.concatenate(rules or [np.zeros(0, np.int8)]),
        wanted.bad_draws != "keep",
        wanted.drop_questionable,
    )
    none = Totals.none(moments_size)
    return Draws(
        scenario,
        layout,
        plan,
        start,
        wanted.seed,
        wanted.sampler,
        wanted.uncertainty,
        wanted.kept_draws,
        slices=_slices(drawn),
        fixed={v.name: start.row[v.columns] for v in kept if v not in drawn},
        moments=_slices(moments),
        store=np.empty((kept_size, 0)),
        status=np.zeros(0, np.int8),
        completed=none,
        running=none,
    )


def _slices(variables: Sequence[Variable]) -> dict[str, slice]:
    """Where the columns of each variable are among those of all."""
    ends = [int(end) for end in np.cumsum([0, *(v.columns.size for v in variables)])]
    return {v.name: slice(a, b) for v, a, b in zip(variables, ends, ends[1:], strict=False)}


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
