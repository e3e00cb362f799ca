"""Runs of several files, each beside the first."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.analysis.compare import MeasuredRun
    from sim.analysis.measures import Measure
    from sim.parameters.scenario import Scenario
    from sim.store.run import Run
    from sim.tables.table import Selection, Table


class SideBySide:
    """Several runs against the first, from the draws of the headline's statistics.

    Of a single run nothing is kept.
    """

    def __init__(self, scenarios: list[Scenario], selection: Selection) -> None:
        self.measures: list[Measure] = []
        self.runs: list[MeasuredRun] = []
        if len(scenarios) > 1:
            from sim.analysis.measures import common_measures

            self.measures = common_measures(
                scenarios, selection.labs, selection.quarters, selection.landlords
            )

    def add(self, result: Run, scenario: Scenario, label: str) -> None:
        """Take what is needed of the draws of a run."""
        if self.measures:
            from sim.analysis.compare import measure_run

            self.runs.append(measure_run(result.ds, scenario, self.measures, label))

    def tables(self, folded: bool = True) -> list[Table]:
        """Each run but the first beside the first; `folded` for a terminal."""
        if not self.runs:
            return []
        from sim.analysis.compare import compare_runs
        from sim.tables import compare

        first, *others = self.runs
        found = [compare_runs(first, other, self.measures) for other in others]
        shown = [
            compare.side_by_side(of.first, of.second, of.data, of.share_of, folded) for of in found
        ]
        for table, following in itertools.pairwise(shown):
            if table.remarks == following.remarks:
                table.remarks = []
        return shown
