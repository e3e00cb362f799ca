"""Draws that are bad or questionable: whether a run stands, which draws count, and why not all.

A draw is bad if a value that is kept, as draws or in moments, is not finite where the model says
that it must be. Draws are functions of their number, so bad ones are evaluated once more to tell
which inputs are extreme in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sim.common.errors import RunError
from sim.engine.state import Array, SimulationState
from sim.kernels.loop import ANYTHING, BAD, FINITE, run_blocks
from sim.model.blocks import BLOCK, REPLICATES, TILE
from sim.model.dims import COORDS
from sim.model.record_layout import RecordLayout
from sim.parameters.scenario import Scenario

TOLERATED = 0.001  # share of draws that may be bad under the policy `fail`
BEYOND_CHANCE = 5.0  # standard deviations of the number of bad draws that are tolerated
REFERENCE = 4 * TILE  # draws with which they are compared
MOST_NAMED = 3
SIGNIFICANT = 4.0  # standard errors of a mean percentile; some 200 inputs are looked at


def check_draws(state: SimulationState) -> str:
    """Refuse a run with too many bad draws; else explain those there are ("" where none is bad).

    Raises:
        RunError: If too many draws are bad for the policy `fail`, or none is left.
    """
    totals, policy = state.running, state.prepared.options.bad_draws
    why = explanation(state) if totals.bad else ""
    share = (
        f"{state.prepared.scenario.name}: {totals.bad:,} of {state.draws:,} draws gave a value that"
        " is not finite"
    )
    if policy == "fail" and totals.bad > TOLERATED * state.draws:
        most = f"{100 * TOLERATED:g} %"
        raise RunError(
            f"{share}, more than {most}. {why} Is a spread too wide, or a law outside its bounds?"
            " --bad-draws drop leaves such draws out, keep keeps them."
        )
    if not state.counted.any():
        count = totals.questionable
        others = f", and {count:,} are questionable" if count else ""
        raise RunError(f"{share}{others}; no draw is left. {why}".rstrip())
    return why


def cannot_succeed(state: SimulationState) -> bool:
    """Whether more draws would not save a run, beyond what chance explains.

    Either none counts, or bad ones are too many for the policy `fail`.
    """
    policy = state.prepared.options.bad_draws
    tolerated = TOLERATED * state.draws
    beyond = state.running.bad > tolerated + BEYOND_CHANCE * math.sqrt(tolerated)
    return (policy == "fail" and beyond) or not bool(state.counted.any())


def explanation(state: SimulationState) -> str:
    """Which outputs are not finite in bad draws, and which inputs are extreme in them.

    Inputs are compared by rank with the good draws among the first 4,096 of the same seed: those
    whose mean percentile is too far from the middle to be chance, the farthest first.
    """
    examined = state.running.bad_numbers
    rows, _ = _evaluated(state, examined)
    among = "" if len(examined) == state.running.bad else f" in the first {len(examined)} of them"
    sentences = [f"Not finite{among}: {', '.join(_outputs(state, rows))}."]
    reference, good = _evaluated(state, np.arange(REFERENCE))
    extreme = list(_extreme(state, rows, reference[good]))
    if extreme:
        sentences.append(f"In them {', '.join(extreme)}.")
    return " ".join(sentences)


def _evaluated(state: SimulationState, draws: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
    """Inputs and outputs [draw, column] of draws by number, ascending, and which are not bad."""
    plan = state.prepared.evaluation
    plan = plan._replace(
        columns=np.arange(state.prepared.layout.width, dtype=np.uint64),
        moments=0,
        rules=_rules(state),
        drop_bad=False,  # rows stay in the order of the draws
        drop_questionable=False,
    )
    space = state.prepared.workspace()
    values = np.empty((state.prepared.layout.width, BLOCK))
    sizes = np.zeros(REPLICATES, np.int64)
    mean, m2 = np.zeros((2, REPLICATES, 0))
    rows = np.empty((len(draws), state.prepared.layout.width))
    good = np.empty(len(draws), bool)
    status = np.empty(BLOCK, np.int8)
    for block in np.unique(draws // BLOCK):
        run_blocks(plan, space, int(block) * BLOCK, BLOCK, values, 0, sizes, mean, m2, status)
        here = draws // BLOCK == block
        rows[here] = values.T[draws[here] % BLOCK]
        good[here] = (status[draws[here] % BLOCK] & BAD) == 0
    return rows, good


def _rules(state: SimulationState) -> NDArray[np.int8]:
    """What all columns may hold: those of which nothing is told, anything."""
    rules = np.full(state.prepared.layout.width, ANYTHING, np.int8)
    rules[state.prepared.evaluation.columns] = state.prepared.evaluation.rules
    return rules


def _outputs(state: SimulationState, rows: Array) -> Iterator[str]:
    """The outputs that are not finite in the most of some bad draws [draw, column], in words."""
    rules = _rules(state)
    wrong = (np.isnan(rows) & (rules != ANYTHING)) | (np.isinf(rows) & (rules == FINITE))
    counts = {
        name: int(wrong[:, variable.columns.ravel()].any(axis=1).sum())
        for name, variable in state.prepared.layout.outputs.items()
    }
    found = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    for name in found[:MOST_NAMED]:
        yield f"{name} ({counts[name]:,} draw{'s' if counts[name] > 1 else ''})"
    if len(found) > MOST_NAMED:
        yield f"and {len(found) - MOST_NAMED} more"


def _extreme(state: SimulationState, rows: Array, reference: Array) -> Iterator[str]:
    """The inputs that are extreme in bad draws, in words; both are [draw, column]."""
    if not len(reference):
        return
    # As exact as the test of Wilcoxon, which knows that the reference has an error too.
    effective = len(rows) * len(reference) / (len(rows) + len(reference))
    found = []
    for column, name in input_names(state.prepared.scenario, state.prepared.layout).items():
        ordered, values = np.sort(reference[:, column]), rows[:, column]
        if not np.isfinite(ordered[[0, -1]]).all() or ordered[0] == ordered[-1]:
            continue  # not sampled
        below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
        ranks = (below + upto) / (2 * len(ordered))
        distance = float(ranks.mean()) - 0.5
        if abs(distance) * math.sqrt(12 * effective) > SIGNIFICANT:
            found.append((-abs(distance), name, distance, float(np.median(ranks))))
    for _, name, distance, median in sorted(found)[:MOST_NAMED]:
        side = "high" if distance > 0 else "low"
        yield f"{name} is {side} (median at its p{100 * median:.0f})"


def input_names(scenario: Scenario, layout: RecordLayout) -> dict[int, str]:
    """The full name of every input as files have it, by its column of a draw's row."""
    names = {}
    ids = {"labs": scenario.labs, "landlords": scenario.landlords}
    for variable in layout.inputs.values():
        group, _, rest = variable.full_name.partition(".")
        for place in np.ndindex(variable.columns.shape):
            parts = [group, rest]
            for dim, i in zip(variable.dims, place, strict=True):
                if f"{dim}s" in ids:
                    parts.insert(1, ids[f"{dim}s"][i].id)
                else:
                    parts.append(COORDS[dim][i])
            names[int(variable.columns[place])] = ".".join(parts)
    return names
