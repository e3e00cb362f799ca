"""Draws of values, of the prior or of a proposal, to be weighted by likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.evidence import log_likelihood
from sim.analysis.weighted import Sorted, Weights
from sim.expressions.parse import unit
from sim.expressions.percent import is_fraction
from sim.expressions.tree import ExpressionError, Tree, statistics_of
from sim.parameters.evidence import Line
from sim.statistics.replicates import Replicates
from sim.statistics.values import draw_value

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sampled:
    """Draws of values: of the prior, or of a proposal with the log of prior over proposal.

    `values` are by tree; `log_ratio` [draw] is 0 where draws are of the prior.
    """

    values: dict[Tree, Sorted]
    log_ratio: Array
    replicates: Replicates

    def log_likelihoods(self, lines: Sequence[Line]) -> Array:
        """Log likelihoods [line, draw]."""
        return np.array([log_likelihood(line, self.values[line.value].draws) for line in lines])

    def weights(self, likelihoods: Array) -> Weights:
        """Weights by the product of likelihoods [line, draw], of none those of the prior."""
        return Weights(self.log_ratio + likelihoods.sum(axis=0), self.replicates)

    def effective(self, lines: Sequence[Line]) -> float:
        """Effective draws given evidence; 0 where no draw is near."""
        try:
            return self.weights(self.log_likelihoods(lines)).effective
        except ValueError:
            return 0.0


def draw_numbers(tree: Tree, ds: xr.Dataset) -> Array:
    """The draws [draw] of a value or event as numbers, NaN where they are not known."""
    found = draw_value(tree, ds)
    numbers = np.where(found.known, found.draws, np.nan).astype(float)
    return np.array(np.broadcast_to(numbers, (ds.sizes["draw"],)))


def unit_of_tree(tree: Tree) -> str:
    """The unit of a value; "" of a variable of a user's own."""
    try:
        return unit(tree)
    except (ExpressionError, KeyError):
        return ""


def scale_of(tree: Tree) -> float:
    """By what a value, or what is formed of statistics, is multiplied for display.

    It is 100 of margins, shares and probabilities.
    """
    parts = list(statistics_of(tree))
    fractions = [is_fraction(part) for part in parts] if parts else [is_fraction(tree)]
    return 100.0 if all(fractions) else 1.0
