"""Values of what can be learnt for one decision, from the draws of a Dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.conditional_means import (
    Regression,
    gain,
    index_of_several,
    parts_to_choose,
    terms_of_index,
    terms_of_one,
)
from sim.analysis.decisions import Decision, draw_known, draw_payoffs
from sim.analysis.learnt import Learnt
from sim.analysis.regression import groups_of
from sim.analysis.targets import normal_scores
from sim.common.errors import Fault, InputError, Location
from sim.common.threads import in_chunks
from sim.expressions.studies import Study
from sim.simulation.scores import draw_fresh
from sim.statistics.estimators import mean_with_error
from sim.statistics.replicates import Replicates, numbers_of, replicates_of, sampler_of

Array = NDArray[np.float64]


class Valuation:
    """Values of a decision's information, from the draws of a Dataset.

    `increments` [choice - 1, draw] are payoffs less that of the choice with the best mean.
    """

    def __init__(
        self,
        ds: xr.Dataset,
        decision: Decision,
        learnt: Learnt,
        threads: int | None,
        progress: Callable[[int], None],
    ) -> None:
        """Draw what the choices pay.

        Raises:
            InputError: As `draw_payoffs`, or for payoffs that differ by the same in every draw.
        """
        self.ds, self.decision, self.learnt = ds, decision, learnt
        self.threads, self.progress = threads, progress
        self.replicates: Replicates = replicates_of(ds)
        self.parts = groups_of(self.replicates)
        self.first = parts_to_choose(numbers_of(ds), sampler_of(ds))
        self.payoffs = draw_payoffs(decision, ds)
        self.best = int(self.payoffs.mean(axis=1).argmax())
        self.increments = np.delete(self.payoffs, self.best, axis=0) - self.payoffs[self.best]
        if np.ptp(self.increments, axis=1).max() == 0:
            message = "payoffs differ by the same in every draw: nothing is worth knowing"
            raise InputError([Fault(Location("payoff" if decision.event is None else "when"), "",
                                    message)])  # fmt: skip
        self.perfect = np.maximum(self.increments.max(axis=0), 0.0)

    def mean(self, draws: Array) -> tuple[float, float]:
        """The mean of draws and its error."""
        value, error = mean_with_error(np.ascontiguousarray(draws), self.replicates)
        return float(value), float(error)

    def of_scores(self, scores: Array) -> Array:
        """Values and errors [score, 2] of learning each of some scores [score, draw]."""
        found = np.empty((len(scores), 2))

        def worker() -> Callable[[int], None]:
            def fit(i: int) -> None:
                terms = terms_of_one(scores[i], self.increments, self.first)
                found[i] = self.mean(gain(Regression(terms), self.increments))
                self.progress(1)

            return fit

        in_chunks(len(scores), self.threads, worker)
        return found

    def of_sets(self, sets: Mapping[str, list[int]], alone: Array) -> Array:
        """Values and errors [set, 2] of learning sets of inputs together.

        Those of one input are in `alone` [input, 2]. Who knows all inputs knows all. NaN where
        there are too few draws for so many inputs.
        """
        found = np.full((len(sets), 2), math.nan)
        entire = len(self.learnt.inputs)
        for row, members in zip(found, sets.values(), strict=True):
            if len(members) == 1:
                row[:] = alone[members[0]]
            elif len(members) == entire:
                row[:] = self.mean(self.perfect)
            else:
                scores = self.learnt.values[members]
                index = index_of_several(scores, self.increments, self.parts)
                if index is not None:
                    terms = terms_of_index(index, self.increments, self.first)
                    row[:] = self.mean(gain(Regression(terms), self.increments))
            self.progress(1)
        return found

    def event(self) -> NDArray[np.bool_]:
        """The event that a bet is on, or that the choice with the best mean is best."""
        if self.decision.event is not None:
            return np.asarray(self.payoffs[1] > 0)
        return np.asarray(self.increments.max(axis=0) <= 0)

    def measure(self, studies: Sequence[Study]) -> Array:
        """Normal scores [study, draw] of what each study would measure, with its error.

        The error is a score that is keyed by the text of the study.
        """
        names = [f"study.{study.text}" for study in studies]
        found = np.empty((len(studies), self.increments.shape[1]))
        noise = draw_fresh(self.ds, names, self.threads) if names else found
        for row, study, error in zip(found, studies, noise, strict=True):
            value = draw_known(study.tree, self.ds, "study", study.text)
            row[:] = normal_scores(value + study.sd * error)
        return found
