"""Single worlds: the model for given inputs, and all inputs and outputs of one draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sim.engine.loop import evaluate_tiles
from sim.engine.prepare import Redrawn, prepare
from sim.engine.sampling_plan import SamplingPlan
from sim.kernels.shipped.entries import lanes, run_blocks
from sim.model.blocks import BLOCK, TILE
from sim.model.declarations import record
from sim.model.evaluation_records import EvaluationPlan, make_workspace
from sim.model.inputs import HOST_MATRICES, Host
from sim.model.record_layout import as_record, layout_of
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]


def evaluate(
    inputs: Mapping[str, Any],
    *,
    view: Literal["economic", "accounting"] = "economic",
    rental_mode: Literal["cost_plus", "market"] = "cost_plus",
) -> dict[str, Array]:
    """Evaluate the kernels for given inputs.

    Args:
        inputs: Every input by its short name, in the unit of its declaration: [draw, ...], or
            without the axis of draws where it is the same in all. Matrices of who houses whom are
            [lab, landlord] or [landlord, lab], as `HOST_MATRICES` has them, and the same in all.
        view: As `model.view` of a parameter file.
        rental_mode: As `model.rental_mode`.

    Returns:
        Every output of the model by name, [draw, ...].

    Raises:
        ValueError: If inputs are missing.
    """
    arrays = {name: np.asarray(value, float) for name, value in inputs.items()}
    needed = [name for name, _ in HOST_MATRICES.values()]
    if not (missing := sorted(set(needed) - set(arrays))):
        labs, landlords = arrays["host_share_2026"].shape
        layout = layout_of(labs, landlords)
        missing = sorted(set(layout.inputs) - set(arrays))
    if missing:
        raise ValueError(f"missing inputs: {', '.join(missing)}")
    draws = max(
        arrays[v.name].shape[0] if arrays[v.name].ndim > v.columns.ndim else 1
        for v in layout.inputs.values()
    )
    rows = np.zeros((-(-draws // BLOCK) * BLOCK, layout.width))
    for variable in layout.inputs.values():
        shape = (draws, *variable.columns.shape)
        values = np.broadcast_to(arrays[variable.name], shape).reshape(draws, -1)
        rows[:draws, variable.columns.ravel()] = values
    rows[draws:] = rows[:1]
    hosts = np.zeros((labs, landlords), as_record(record(Host)))
    for field, (name, dims) in HOST_MATRICES.items():
        hosts[field] = arrays[name] if dims[0] == "lab" else arrays[name].T
    output_columns = np.concatenate([v.columns.ravel() for v in layout.outputs.values()])
    nothing_sampled = SamplingPlan()
    plan = EvaluationPlan(
        sampling=nothing_sampled.sampling(0, "random"),
        market=rental_mode == "market",
        accounting=view == "accounting",
        columns=output_columns.astype(np.uint64),
        moments=0,
        rules=np.zeros(output_columns.size, np.int8),
        drop_bad=False,
        drop_questionable=False,
    )
    scores = nothing_sampled.scores(BLOCK)
    space = make_workspace(plan, output_columns.size, layout, rows[0], hosts, scores, lanes())
    kept = np.empty((output_columns.size, rows.shape[0]))
    for start in range(0, rows.shape[0], BLOCK):
        space.inputs[:, :BLOCK] = rows[start : start + BLOCK, : layout.input_width].T
        no_moments, status = np.empty((1, 0)), np.empty(BLOCK, np.int8)
        sizes = np.zeros(1, np.int64)
        run_blocks(plan, space, start, BLOCK, kept, start, sizes, no_moments, no_moments, status)
    results = {}
    begin = 0
    for variable in layout.outputs.values():
        values = kept[begin : begin + variable.columns.size, :draws]
        begin += variable.columns.size
        results[variable.name] = np.moveaxis(values.reshape(*variable.columns.shape, draws), -1, 0)
    return results


def draw_world(scenario: Scenario, options: RunOptions, number: int) -> dict[str, Array]:
    """Evaluate one draw of a scenario again, to the bits of its run.

    Args:
        scenario: The scenario.
        options: Of the run, of which the number of draws does not matter.
        number: The number of the draw, from 0 on.

    Returns:
        Every input and output by its short name, [...] with the dims of its declaration.
    """
    options = replace(options, draws=number + 1, keep="all")
    layout = layout_of(len(scenario.labs), len(scenario.landlords))
    names = [*layout.inputs, *layout.outputs]
    prepared = prepare(scenario, options, Redrawn(names, all_finite=True))
    first = number // TILE * TILE
    kept, status = np.empty((prepared.rows, TILE)), np.empty(number - first + 1, np.int8)
    evaluate_tiles(prepared.evaluation, prepared.workspace(), first, kept, 0, status, None)
    values = dict(prepared.fixed)
    for name in prepared.kept:
        columns = kept[prepared.slices[name], number - first]
        values[name] = columns.reshape(prepared.variables[name].columns.shape)
    return {name: values[name] for name in names}
