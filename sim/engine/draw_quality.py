"""Bad draws: the limit of their number, and an explanation.

A draw is bad if a value that is kept, as draws or in moments, is not finite where the model says
that it must be. Bad draws are evaluated a second time, by their numbers, to find the inputs that
are extreme in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sim.common.errors import RunError
from sim.engine.state import Array, SimulationState
from sim.kernels.shipped.entries import run_blocks
from sim.model.blocks import BLOCK, REPLICATES, TILE
from sim.model.dims import COORDS
from sim.model.evaluation_records import ANYTHING, BAD, FINITE
from sim.model.record_layout import RecordLayout
from sim.parameters.scenario import Scenario

TOLERATED = 0.001  # share of draws that may be bad under the policy `fail`
BEYOND_CHANCE = 5.0  # standard deviations of the number of bad draws that are tolerated
REFERENCE = 4 * TILE  # first draws of the run, with which bad draws are compared
MOST_NAMED = 3  # outputs, and inputs, that an explanation names
SIGNIFICANT = 4.0  # standard errors of a mean percentile; some 200 inputs are tested


def check_draws(state: SimulationState) -> str:
    """Explain the bad draws of a run, or refuse the run.

    Returns:
        The text of `explain_bad_draws`; "" where no draw is bad.

    Raises:
        RunError: If too many draws are bad for the policy `fail`, or no draw counts.
    """
    totals, policy = state.running, state.prepared.options.bad_draws
    why = explain_bad_draws(state) if totals.bad else ""
    share = (
        f"{state.prepared.scenario.name}: {totals.bad:,} of {state.draws:,} draws gave a value that"
        " is not finite"
    )
    if policy == "fail" and totals.bad > TOLERATED * state.draws:
        most = f"{100 * TOLERATED:g} %"
        raise RunError(
            f"{share}, more than {most}. {why} Is a spread too wide, or a distribution outside its"
            " bounds? --bad-draws drop leaves such draws out, keep keeps them."
        )
    if not state.counted.any():
        count = totals.questionable
        others = f", and {count:,} are questionable" if count else ""
        raise RunError(f"{share}{others}; no draw is left. {why}".rstrip())
    return why


def cannot_succeed(state: SimulationState) -> bool:
    """Whether a run would fail even if more draws were evaluated.

    That is where no draw counts, or where there are more bad draws than the policy `fail` tolerates
    by over 5 standard deviations of their number.
    """
    policy = state.prepared.options.bad_draws
    tolerated = TOLERATED * state.draws
    beyond = state.running.bad > tolerated + BEYOND_CHANCE * math.sqrt(tolerated)
    return (policy == "fail" and beyond) or not bool(state.counted.any())


def explain_bad_draws(state: SimulationState) -> str:
    """Explain bad draws by the outputs and inputs that they have in common.

    Outputs are those not finite in the largest numbers of bad draws. Inputs are compared by rank
    with the good draws among the first 4,096 of the same seed: those whose mean percentile differs
    significantly from 1/2, the most different first.
    """
    examined = state.running.bad_numbers
    rows, _ = _evaluated(state, examined)
    subset = "" if len(examined) == state.running.bad else f" in the first {len(examined)} of them"
    sentences = [f"Not finite{subset}: {', '.join(_outputs(state, rows))}."]
    reference, good = _evaluated(state, np.arange(REFERENCE))
    extreme = list(_extreme(state, rows, reference[good]))
    if extreme:
        sentences.append(f"In them {', '.join(extreme)}.")
    return " ".join(sentences)


def _evaluated(state: SimulationState, draws: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
    """Evaluate draws by their numbers, which are in ascending order.

    Returns:
        Inputs and outputs [draw, column], and which draws are not bad [draw].
    """
    plan = state.prepared.evaluation
    plan = plan._replace(
        columns=np.arange(state.prepared.layout.width, dtype=np.uint64),
        moments=0,
        rules=_rules(state),
        drop_bad=False,  # rows stay in the order of the draws
        drop_questionable=False,
    )
    width = state.prepared.layout.width
    space = state.prepared.workspace(plan, width)
    values = np.empty((width, BLOCK))
    sizes = np.zeros(REPLICATES, np.int64)
    mean, m2 = np.zeros((2, REPLICATES, 0))
    rows = np.empty((len(draws), width))
    good = np.empty(len(draws), bool)
    status = np.empty(BLOCK, np.int8)
    for block in np.unique(draws // BLOCK):
        run_blocks(plan, space, int(block) * BLOCK, BLOCK, values, 0, sizes, mean, m2, status)
        in_block = draws // BLOCK == block
        rows[in_block] = values.T[draws[in_block] % BLOCK]
        good[in_block] = (status[draws[in_block] % BLOCK] & BAD) == 0
    return rows, good


def _rules(state: SimulationState) -> NDArray[np.int8]:
    """The rule of every column; ANYTHING where it is not kept."""
    rules = np.full(state.prepared.layout.width, ANYTHING, np.int8)
    rules[state.prepared.evaluation.columns] = state.prepared.evaluation.rules
    return rules


def _outputs(state: SimulationState, rows: Array) -> Iterator[str]:
    """Texts of outputs not finite in bad draws, the most frequent first.

    `rows` [draw, column] are the bad draws.
    """
    rules = _rules(state)
    wrong = (np.isnan(rows) & (rules != ANYTHING)) | (np.isinf(rows) & (rules == FINITE))
    counts = {
        name: int(wrong[:, variable.columns.ravel()].any(axis=1).sum())
        for name, variable in state.prepared.layout.outputs.items()
    }
    names = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    for name in names[:MOST_NAMED]:
        yield f"{name} ({counts[name]:,} draw{'s' if counts[name] > 1 else ''})"
    if len(names) > MOST_NAMED:
        yield f"and {len(names) - MOST_NAMED} more"


def _extreme(state: SimulationState, rows: Array, reference: Array) -> Iterator[str]:
    """Texts of inputs extreme in bad draws, the most extreme first.

    `rows` [draw, column] are the bad draws, `reference` [draw, column] the good ones. The statistic
    is the mean percentile of the bad draws in the reference, 0 to 1; its standard error is that
    of the Wilcoxon rank-sum test, with the sampling error of both samples.
    """
    if not len(reference):
        return
    effective = len(rows) * len(reference) / (len(rows) + len(reference))
    extreme = []
    for column, name in input_names(state.prepared.scenario, state.prepared.layout).items():
        ordered, values = np.sort(reference[:, column]), rows[:, column]
        if not np.isfinite(ordered[[0, -1]]).all() or ordered[0] == ordered[-1]:
            continue  # not sampled
        below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
        percentiles = (below + upto) / (2 * len(ordered))
        distance = float(percentiles.mean()) - 0.5
        if abs(distance) * math.sqrt(12 * effective) > SIGNIFICANT:
            extreme.append((-abs(distance), name, distance, float(np.median(percentiles))))
    for _, name, distance, median in sorted(extreme)[:MOST_NAMED]:
        side = "high" if distance > 0 else "low"
        yield f"{name} is {side} (median at its p{100 * median:.0f})"


def input_names(scenario: Scenario, layout: RecordLayout) -> dict[int, str]:
    """Column of a draw -> full name of the input."""
    names = {}
    ids = {"labs": scenario.labs, "landlords": scenario.landlords}
    for variable in layout.inputs.values():
        group, _, rest = variable.full_name.partition(".")
        for index in np.ndindex(variable.columns.shape):
            parts = [group, rest]
            for dim, i in zip(variable.dims, index, strict=True):
                if f"{dim}s" in ids:
                    parts.insert(1, ids[f"{dim}s"][i].id)
                else:
                    parts.append(COORDS[dim][i])
            names[int(variable.columns[index])] = ".".join(parts)
    return names
