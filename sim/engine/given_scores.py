"""Worlds of given independent scores: inputs that are formed of them, and the model of these.

Kernels draw scores by name. Here any scores are taken, such as those of draws that were moved: the
inputs follow from them as in the kernels (8.8 to 8.11), by the same tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from sim.distributions.copulas import mixing, score_matrix
from sim.distributions.quantile_tables import find_reach, needs_table, table_of
from sim.engine.sampling_plan import SamplingPlan, factor_name, name_hash
from sim.engine.state import Prepared
from sim.kernels.shipped.entries import lanes, run_blocks
from sim.model import sampling_records as records
from sim.model.blocks import BLOCK
from sim.model.dims import FACTORS
from sim.model.evaluation_records import make_workspace
from sim.parameters.scenario import Scenario

Array = NDArray[np.float64]
DRAWS_AT_A_TIME = 4096  # a multiple of BLOCK


class GivenScores:
    """Evaluates the kept columns of a run's plan for given independent scores.

    `names` are those of the scores, as `engine.scores.ScorePlans.dimensions` has them.

    Raises:
        ValueError: For a t copula, of which scores are no linear mixture, or where uncertainty is
            not 1.
    """

    def __init__(self, prepared: Prepared, names: Sequence[str]) -> None:
        scenario = prepared.scenario
        if prepared.options.uncertainty != 1.0:
            raise ValueError("scores are scaled by model.uncertainty")
        if any(group.copula == "t" for group in scenario.correlations):
            raise ValueError("members of a t copula are no mixture of scores")
        self.prepared = prepared
        self.row = {name: i for i, name in enumerate(names)}
        plan = prepared.scenario_plan.sampling
        self.sampled = plan.sampled
        by_hash = {name_hash(name): name for name in plan.sampled}
        quantities: Any = plan.sampling(0, "random").quantities
        self.quantities = [(by_hash[int(of["name"])], of) for of in quantities]
        distributions = {name: q.distribution for name, q in scenario.quantities.items()}
        self.groups = [
            (group.members, mixing(score_matrix(group, distributions)))
            for group in scenario.correlations
        ]

    def evaluate(self, scores: Array) -> Array:
        """The kept columns [column, draw] of draws with independent scores [score, draw]."""
        draws = scores.shape[1]
        kept = np.empty((self.prepared.rows, draws))
        for first in range(0, draws, DRAWS_AT_A_TIME):
            part = slice(first, min(first + DRAWS_AT_A_TIME, draws))
            kept[:, part] = self._model(self.inputs(scores[:, part]))
        return kept

    def inputs(self, scores: Array) -> Array:
        """The input columns [column, draw] of draws with independent scores [score, draw]."""
        plan, scenario = self.prepared.scenario_plan, self.prepared.scenario
        width = self.prepared.layout.input_width
        columns = np.repeat(plan.template[:width, None], scores.shape[1], axis=1)
        mixed = self._mixed(scores)
        for name, quantity in self.quantities:
            z = mixed[name] if name in mixed else self._score(scenario, name, scores)
            columns[int(quantity["column"])] = self._values(name, quantity, z, columns)
        return columns

    def _score(self, scenario: Scenario, name: str, scores: Array) -> Array:
        """The score [draw] of an input: its loadings times factors, and its own part (8.8)."""
        sampled = self.sampled[name]
        squares = math.fsum(load**2 for load in sampled.loads)
        z = math.sqrt(max(0.0, 1.0 - squares)) * scores[self.row[name]]
        for factor, load in zip(FACTORS, sampled.loads, strict=False):
            if load and factor in scenario.factors:
                z += load * scenario.factors[factor]
            elif load:
                z += load * scores[self.row[factor_name(factor)]]
        if sampled.own_factor:
            z += sampled.loads[len(FACTORS)] * scores[self.row[sampled.own_factor]]
        return np.asarray(z)

    def _mixed(self, scores: Array) -> dict[str, Array]:
        """The scores [draw] of members of correlation groups, by name."""
        return {
            member: z
            for members, rows in self.groups
            for member, z in zip(
                members, rows @ scores[[self.row[member] for member in members]], strict=True
            )
        }

    def _values(self, name: str, quantity: NDArray[np.void], z: Array, columns: Array) -> Array:
        """Values [draw] of an input at its scores (8.9 to 8.11)."""
        kind = int(quantity["distribution"])
        if kind == records.BERNOULLI:
            return np.asarray(ndtr(z) < columns[int(quantity["center_column"])], float)
        if kind == records.LOGNORMAL:
            center = int(quantity["center_column"])
            median = columns[center] if center >= 0 else float(quantity["factor"])
            return np.asarray(median * np.exp(columns[int(quantity["spread_column"])] * z))
        if kind == records.NORMAL:
            return np.asarray(float(quantity["shift"]) + float(quantity["factor"]) * z)
        distribution = self.prepared.scenario.quantities[name].distribution
        if not needs_table(distribution):
            return np.asarray(distribution.quantile(z), float)
        standard, shift, factor = distribution.standard()
        held = self.prepared.scenario.factors
        scores = [held.get(of, math.nan) for of in FACTORS]
        reach = find_reach(self.sampled[name].loads, [*scores, math.nan], 1.0)
        return np.clip(shift + factor * table_of(standard, reach).at(z), *distribution.support)

    def _model(self, inputs: Array) -> Array:
        """The kept columns [column, draw] of draws with these input columns [column, draw]."""
        prepared, draws = self.prepared, inputs.shape[1]
        none = SamplingPlan()
        plan = prepared.evaluation._replace(
            sampling=none.sampling(0, "random"), moments=0, drop_bad=False, drop_questionable=False,
            columns=prepared.evaluation.columns[len(prepared.evaluation.columns) - prepared.rows :],
            rules=prepared.evaluation.rules[len(prepared.evaluation.rules) - prepared.rows :],
        )  # fmt: skip
        of = prepared.scenario_plan
        blocks = -(-draws // BLOCK)
        scores = none.scores(blocks * BLOCK)  # as many draws are evaluated in one call
        space = make_workspace(
            plan, prepared.rows, prepared.layout, of.template, of.hosts, scores, lanes()
        )
        space.inputs[:, :draws] = inputs
        space.inputs[:, draws : blocks * BLOCK] = inputs[:, :1]
        kept, status = np.empty((prepared.rows, draws)), np.empty(draws, np.int8)
        sizes, nothing = np.zeros(blocks, np.int64), np.empty((blocks, 0))
        run_blocks(plan, space, 0, draws, kept, 0, sizes, nothing, nothing, status)
        return kept
