"""Distributions before and after evidence, as shares by bin, for figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.analysis.measures import Measure
from sim.analysis.regression import jackknife_error
from sim.analysis.sampled import Sampled, unit_of_tree
from sim.analysis.weighted import Weights, estimate
from sim.expressions.tree import Statistic, Tree, write
from sim.parameters.evidence import Line

Array = NDArray[np.float64]
BINS = 48
ENDS = (0.005, 0.995)  # quantiles between which bins lie
MOST_CURVES = 6


def curves_of(
    prior: Sampled,
    before: Weights,
    sampled: Sampled,
    after: Weights,
    lines: Sequence[Line],
    measures: Sequence[Measure],
) -> dict[str, Any]:
    """Shares [curve, bin] of draws before and after, with errors, and edges of bins.

    Of the values of evidence and then of those whose quantiles are measures, six at most.

    Returns:
        Variables of a Dataset by name; `curve` are the texts of the values.
    """
    # What was asked for has no label.
    asked_first = sorted(measures, key=lambda measure: measure.label != "")
    asked = [s.of for measure in asked_first for s in measure.statistics if s.kind == "quantile"]
    names = {line.value: line.name for line in lines if line.name}
    trees: list[Tree] = list(dict.fromkeys([*(line.value for line in lines), *asked]))
    chosen = [tree for tree in trees if prior.values[tree].all_known][:MOST_CURVES]
    edges, shares, medians = [], [], []
    for tree in chosen:
        first, second = prior.values[tree], sampled.values[tree]
        ends = np.array([first.quantiles(before, ENDS), second.quantiles(after, ENDS)])
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        if not np.isfinite([low, high]).all() or not low < high:
            low, high = 0.0, 1.0
        edge = np.linspace(low, high, BINS + 1)
        edges.append(edge)
        medians.append(
            [
                estimate(Statistic("quantile", tree, 50.0), *of)
                for of in ((first, before), (second, after))
            ]
        )
        shares.append([_shares(of.draws, w, edge) for of, w in ((first, before), (second, after))])
    found = np.array(shares).reshape(len(chosen), 2, 2, BINS)
    dims = ("curve", "bin")
    middle = {
        name: [pair[i] for pair in medians]
        for i, name in enumerate(("curve_prior_median", "curve_posterior_median"))
    }
    return {
        "curve": [names.get(tree, write(tree)) for tree in chosen],
        "curve_unit": ("curve", [unit_of_tree(tree) for tree in chosen]),
        **{name: ("curve", [of.value for of in row]) for name, row in middle.items()},
        **{f"{name}_error": ("curve", [of.error for of in row]) for name, row in middle.items()},
        "edge": (("curve", "edge_number"), np.array(edges).reshape(len(chosen), BINS + 1)),
        "curve_prior": (dims, found[:, 0, 0]),
        "curve_prior_error": (dims, found[:, 0, 1]),
        "curve_posterior": (dims, found[:, 1, 0]),
        "curve_posterior_error": (dims, found[:, 1, 1]),
    }


def _shares(draws: Array, weights: Weights, edge: Array) -> tuple[Array, Array]:
    """Weighted shares of draws by bin, and their errors."""
    at = np.clip(np.searchsorted(edge, draws, "right"), 0, BINS + 1)  # 0 and BINS + 1 lie beyond
    flat = weights.group * (BINS + 2) + at
    size = weights.groups * (BINS + 2)
    sums = np.bincount(flat, weights.values, size).reshape(weights.groups, -1)[:, 1 : BINS + 1]
    total = weights.totals[:, None]
    left = (sums.sum(axis=0) - sums) / (total.sum() - total)
    return sums.sum(axis=0), jackknife_error(left)
