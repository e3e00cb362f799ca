"""Preparation of a run: its kept variables, plans and digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.fingerprint import source_hash
from sim.engine.scenario_plan import ScenarioPlan
from sim.engine.state import Mask, Prepared
from sim.model.catalogue import hint
from sim.model.declarations import Output
from sim.model.dims import QUARTERS, REFERENCE_QUARTER, REGIMES
from sim.model.evaluation_records import ANYTHING, FINITE, NUMBER, EvaluationPlan
from sim.model.inputs import HOST_MATRICES
from sim.model.outputs import PROBABILITIES
from sim.model.record_layout import CELL, RecordLayout, Variable, layout_of
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario

# Inputs that results always carry: probabilities, tables and figures need them.
ALWAYS_KEPT = ("hurdle_margin", "lab_is_china", "rpo_busd", "gw_definition_ratio")


class Redrawn(NamedTuple):
    """What is kept of draws that are made again.

    `names` are inputs and outputs, `cells` of some of them the indices of the cells that are kept,
    along a dim `<name>_cell`. Where `all_finite`, it is known that no draw is bad.
    """

    names: Sequence[str]
    cells: Mapping[str, Sequence[tuple[int, ...]]] = {}
    all_finite: bool = False


def digest(scenario: Scenario, options: RunOptions) -> str:
    """The digest that names a run.

    It depends on parameters, code, seed, sampler, uncertainty and dropped draws, and neither on the
    number of draws nor on which variables are kept.
    """
    usual = options.bad_draws == "fail" and not options.drop_questionable
    dropped = [] if usual else [options.bad_draws, options.drop_questionable]
    return scenario.digest(
        source_hash(), options.seed, options.sampler, options.uncertainty, *dropped
    )


def prepare(scenario: Scenario, options: RunOptions, redrawn: Redrawn | None = None) -> Prepared:
    """Make the plans of a run.

    With `redrawn` they are for the same draws, of which these inputs and outputs are kept in place
    of those of the options. Which draws are bad depends on the options alone.

    Returns:
        The layout of a draw, the plans of sampling and evaluation, and the kept variables.

    Raises:
        ValueError: For an unknown name in `options.keep` or `redrawn`.
    """
    layout = layout_of(len(scenario.labs), len(scenario.landlords))
    plan = ScenarioPlan(scenario, layout, options.uncertainty)
    kept, moments = select_variables(layout, options.keep)
    usual = options.keep is None or options.keep == "headline"
    varying = _varying(kept, plan, layout)
    counted = _counted(layout, varying) if usual else []
    others = _without(moments, counted)
    rules = _rules([*others, *counted, *varying], plan, layout)
    in_cells: dict[str, Variable] = {}
    if redrawn is not None:
        others = [] if redrawn.all_finite else [*others, *counted, *varying]
        kept = select_variables(layout, redrawn.names)[0]
        counted, varying = [], _varying(kept, plan, layout)
        in_cells = {
            v.name: _some_cells(v, redrawn.cells[v.name])
            for v in varying
            if v.name in redrawn.cells
        }
        varying = [in_cells.get(v.name, v) for v in varying]
        free = [np.full(v.columns.shape, ANYTHING, np.int8) for v in varying]
        rules = [*rules[: len(others)], *free]
    reported = [*others, *counted, *varying]
    columns = np.concatenate(
        [np.zeros(0, np.uint64), *(v.columns.ravel().astype(np.uint64) for v in reported)]
    )
    # Of draws that are made again at once moments are needed beside histograms alone.
    at_once = redrawn is not None and redrawn.all_finite
    moments_of = [] if at_once and options.draws <= options.kept_draws else reported
    evaluation = EvaluationPlan(
        sampling=plan.sampling.sampling(options.seed, options.sampler),
        market=scenario.settings.rental_mode == "market",
        accounting=scenario.settings.view == "accounting",
        columns=columns,
        moments=sum(v.columns.size for v in moments_of),
        rules=np.concatenate([np.zeros(0, np.int8), *map(np.ravel, rules)]),
        drop_bad=options.drop_bad,
        drop_questionable=options.drop_questionable,
    )
    has_mean = [v.name for v in (*moments, *varying) if not _is_unbounded(v)]
    return Prepared(
        scenario=scenario,
        options=options,
        layout=layout,
        scenario_plan=plan,
        evaluation=evaluation,
        slices=_slices([*counted, *varying]),
        moment_slices=_slices(moments_of),
        kept=tuple(v.name for v in varying),
        with_moments=tuple(has_mean) if usual and redrawn is None else (),
        fixed={v.name: plan.template[v.columns] for v in _without(kept, varying)},
        in_cells=in_cells,
    )


def _some_cells(variable: Variable, cells: Sequence[tuple[int, ...]]) -> Variable:
    """A variable of some of its cells, along a dim of its own."""
    columns = np.array([variable.columns[cell] for cell in cells], np.int64)
    return replace(variable, dims=(f"{variable.name}{CELL}",), columns=columns)


def _varying(
    variables: Sequence[Variable], plan: ScenarioPlan, layout: RecordLayout
) -> list[Variable]:
    """The variables that are not the same in every draw."""
    return [v for v in variables if v.name in plan.sampled or v.name in layout.outputs]


def _without(variables: Sequence[Variable], others: Sequence[Variable]) -> list[Variable]:
    """Variables that are not among others."""
    names = {variable.name for variable in others}
    return [variable for variable in variables if variable.name not in names]


def _counted(layout: RecordLayout, kept: Sequence[Variable]) -> list[Variable]:
    """Outputs of which probabilities are declared, and no draws are kept.

    Their draws are in memory while events are counted, and not in results.
    """
    names = dict.fromkeys(probability.of for probability in PROBABILITIES.values())
    return _without([layout.outputs[name] for name in names], kept)


def _slices(variables: Sequence[Variable]) -> dict[str, slice]:
    """Name -> slice of a variable among the columns of all."""
    ends = [int(end) for end in np.cumsum([0, *(v.columns.size for v in variables)])]
    return {
        variable.name: slice(begin, end)
        for variable, begin, end in zip(variables, ends, ends[1:], strict=False)
    }


def select_variables(
    layout: RecordLayout, keep: str | Sequence[str] | None
) -> tuple[list[Variable], list[Variable]]:
    """Select the variables to keep, by names or `keep` options of `simulate`.

    Returns:
        The variables whose draws are kept, and those that are kept as moments alone.

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
                raise ValueError(f"keep: unknown variable '{name}'{hint(name, known)}")
        names = [PROBABILITIES[name].of if name in PROBABILITIES else name for name in names]
        kept = [everything[name] for name in dict.fromkeys(names) if name in everything]
    chosen = {variable.name for variable in kept}
    kept = [everything[name] for name in ALWAYS_KEPT if name not in chosen] + kept
    moments = by_default["moments"] if keep is None or keep == "headline" else []
    return kept, moments


def _output(variable: Variable) -> Output:
    assert isinstance(variable.declaration, Output)
    return variable.declaration


def _is_unbounded(variable: Variable) -> bool:
    """Whether it is an unbounded ratio, of which no mean need exist."""
    return isinstance(variable.declaration, Output) and variable.declaration.unbounded


def _rules(
    variables: Sequence[Variable], plan: ScenarioPlan, layout: RecordLayout
) -> list[NDArray[np.int8]]:
    """The values that columns may hold, for each variable in its shape."""
    hosting = plan.hosts
    reports = ~np.isnan(plan.template[layout.inputs["arr_2026q4_busd"].columns])
    rents = ((hosting["share_2026"] > 0) & (hosting["captive"] == 0)).any(axis=0)
    return [_rule(variable, reports, rents) for variable in variables]


def _rule(variable: Variable, reports: Mask, rents: Mask) -> NDArray[np.int8]:
    """The values that columns of a variable may hold, in its shape.

    The rules are ANYTHING, NUMBER (not NaN) and FINITE of `kernels.loop`; see "Missing and infinite
    values" in docs/model.md. `reports` [lab] is True for labs that report ARR, `rents` [landlord]
    for landlords that let to an outside lab in every quarter: those with a share of 2026.
    """
    output = variable.declaration
    number = np.full(variable.columns.shape, isinstance(output, Output))
    if not isinstance(output, Output):
        return np.full(variable.columns.shape, ANYTHING, np.int8)
    if output.missing == "arr":
        number[~reports] = False
    elif output.missing == "hosts":
        number[~rents] = False
    elif output.missing == "inputs":
        number[...] = False
    elif output.missing == "quarters":
        number[:, REGIMES.index("frontier_training")] = False
        number[QUARTERS.index(REFERENCE_QUARTER)] |= reports.any()
    return np.where(number, NUMBER if output.may_be_infinite else FINITE, ANYTHING).astype(np.int8)
