"""A parameter file that is drawn again each time it is saved: what `sim watch` shows."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.analysis.measures import Measure, draw_measures, headline_measures, sides_of
from sim.common.errors import Fault, InputError, RunError
from sim.common.threads import available_threads
from sim.engine.prepare import digest
from sim.expressions.tree import references
from sim.parameters.edits import Edit, find_edits
from sim.parameters.loading import load
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.statistics.paired import PairedQuantile
from sim.statistics.replicates import Replicates, replicated, standard_error
from sim.store.watched_files import WatchedFiles

Array = NDArray[np.float64]
MOST_DRAWN = 4  # worlds whose draws stay in memory: an edit taken back is not drawn again


class Event(Enum):
    """What came of a look at the files."""

    NOTHING = "the files are as they were"
    FAULTS = "the file cannot be drawn"
    NUMBERS = "there is a new version"
    BASE = "the world with which it is compared has changed"
    MENDED = "the file can be drawn again, and gives the numbers of the last good version"
    TEXT = "what was saved moves no number"


@dataclass(frozen=True)
class Change:
    """A paired difference of a statistic, with its standard error.

    `same` says that no draw differs.
    """

    value: float
    error: float
    same: bool


@dataclass(frozen=True)
class Number:
    """A statistic now, with its standard error, and its changes.

    A change is None where there is nothing to compare with: of the first version, or of a lab that
    the other world has not.
    """

    measure: Measure
    value: float
    error: float
    change: Change | None
    of_base: Change | None


@dataclass(frozen=True)
class Version:
    """A version of the file that could be drawn, and what differs from the good one before.

    `remarks` are those of its checks that the version before did not have; `seconds` is the time
    from the reading of the files to the numbers.
    """

    scenario: Scenario
    options: RunOptions
    numbers: tuple[Number, ...]
    edits: tuple[Edit, ...]
    remarks: tuple[str, ...]
    base: Scenario
    draws: int
    seconds: float
    is_first: bool


@dataclass(frozen=True)
class _Drawn:
    """The draws of a measure, by statistic, and its value with deviations by replicate.

    `sides` are those of what its events compare. `quantile` is what paired differences of it need,
    where it is one.
    """

    draws: list[Array]
    sides: list[Array]
    value: float
    deviations: Array
    quantile: PairedQuantile | None

    @classmethod
    def of(
        cls, measure: Measure, draws: list[Array], sides: list[Array], replicates: Replicates
    ) -> _Drawn:
        statistic = measure.statistics[0]
        if measure.tree != statistic or statistic.kind != "quantile":
            return cls(draws, sides, *measure.point(draws, replicates), None)
        quantile = PairedQuantile(draws[0], replicates, statistic.level)
        value = float(np.quantile(draws[0], statistic.level))
        return cls(draws, sides, value, replicates.means(quantile.shift), quantile)

    def change_from(self, before: _Drawn, measure: Measure, replicates: Replicates) -> Change:
        """The paired difference from the draws of another world."""
        if _equal(before.draws, self.draws):
            if _equal(before.sides, self.sides):
                return Change(0.0, 0.0, same=True)
            return Change(0.0, 0.5 / replicates.draws, same=False)  # by chance, in these draws
        difference = self.value - before.value
        if math.isnan(difference):
            return Change(difference, math.nan, same=False)
        if before.quantile is not None and self.quantile is not None:
            error = before.quantile.difference_error(self.quantile)
        else:
            error = measure.difference_error(before.draws, self.draws, replicates)
        return Change(difference, error, same=False)


def _equal(first: Sequence[Array], second: Sequence[Array]) -> bool:
    return all(
        one is other or np.array_equal(one, other, equal_nan=True)
        for one, other in zip(first, second, strict=True)
    )


class Live:
    """A parameter file, its last good version, and the base with which it is compared.

    The base is the file that `base` names, or the root of the chain that the file extends. A file
    that extends none is compared with itself as it first was.
    """

    def __init__(
        self,
        path: Path,
        base: Path | None,
        options: Callable[[Scenario], RunOptions],
        files: WatchedFiles | None = None,
    ) -> None:
        """Watch a file; `options` are those with which a version of it is drawn."""
        self.path = path
        self.base = None if base is None or base.resolve() == path.resolve() else base
        self.files = files or WatchedFiles([path, *([base] if base else [])])
        self.last: Version | None = None
        self.faults: list[Fault] = []
        self.failure = ""
        self._options = options
        self._contents: dict[Path, str] = {}
        self._loaded: tuple[Path, str, Scenario] | None = None  # the base, and a hash of its files
        self._first: Scenario | None = None
        self._drawn: OrderedDict[tuple[str, int, tuple[str, ...]], dict[str, _Drawn]] = (
            OrderedDict()
        )

    def update(self) -> Event:
        """Read the files as they stand, and draw the scenario if it is another.

        Faults, or why it could not be drawn, are kept beside the last good version.
        """
        begin = time.perf_counter()
        contents = self.files.read()
        if contents == self._contents:
            return Event.NOTHING
        self._contents = contents
        was_good = not (self.faults or self.failure)
        self.faults, self.failure = [], ""
        try:
            scenario = load(self.path)
            version = self._evaluate(scenario, self._read_base(scenario), begin)
        except InputError as error:
            if self.path.is_file():
                self.faults = error.faults
            else:
                self.failure = f"{self.path}: no such file now: waiting for it"
            return Event.FAULTS
        except RunError as error:
            self.failure = str(error)
            return Event.FAULTS
        before, self.last = self.last, version
        if before is None or version.options != before.options or _differs(version):
            return Event.NUMBERS
        if find_edits(before.base, version.base):
            return Event.BASE
        # What was moved last stays on the page.
        self.last = replace(before, scenario=version.scenario, options=version.options)
        return Event.TEXT if was_good else Event.MENDED

    def _read_base(self, scenario: Scenario) -> Scenario:
        """The scenario with which this one is compared; read again only if it has changed."""
        path = self.base or self.files.root(self.path)
        if path == self.path:  # it extends no other
            self._first = self._first or scenario
            return self._first
        contents = self.files.hash(path)
        if self._loaded is None or self._loaded[:2] != (path, contents):
            self._loaded = (path, contents, load(path))
        return self._loaded[2]

    def _evaluate(self, scenario: Scenario, base: Scenario, begin: float) -> Version:
        """The numbers of a scenario, and their changes from the last version and from the base."""
        options = self._options(scenario)
        measures = headline_measures(scenario)
        now = self._draw(scenario, options, measures)
        before = self._draw(self.last.scenario, options, measures) if self.last else {}
        of_base = self._draw(base, options, measures)
        draws = min(options.draws, options.kept_draws)
        replicates = replicated(draws, options.sampler)

        def number(measure: Measure) -> Number:
            drawn = now[measure.text]
            changes = (
                drawn.change_from(others[measure.text], measure, replicates)
                if measure.text in others
                else None
                for others in (before, of_base)
            )
            error = float(standard_error(drawn.deviations, replicates))
            return Number(measure, drawn.value, error, *changes)

        known = self.last.scenario.remarks if self.last else ()
        with ThreadPoolExecutor(options.threads or available_threads()) as pool:
            numbers = tuple(pool.map(number, measures))
        return Version(
            scenario,
            options,
            numbers,
            tuple(find_edits(self.last.scenario, scenario)) if self.last else (),
            tuple(remark for remark in scenario.remarks if remark not in known),
            base,
            draws,
            time.perf_counter() - begin,
            self.last is None,
        )

    def _draw(
        self, scenario: Scenario, options: RunOptions, measures: Sequence[Measure]
    ) -> dict[str, _Drawn]:
        """The measures of a scenario by their text, without those of labs that it lacks.

        `options` are those of the watched file, but for the uncertainty, which is a setting.
        """
        options = replace(options, uncertainty=scenario.settings.uncertainty)
        labs = {lab.id for lab in scenario.labs}
        known = [
            measure
            for measure in measures
            if all(labs.issuperset(of.labels) for tree in measure.trees for of in references(tree))
        ]
        key = (digest(scenario, options), options.draws, tuple(measure.text for measure in known))
        if key not in self._drawn:
            draws = min(options.draws, options.kept_draws)
            replicates = replicated(draws, options.sampler)
            of_sides = sides_of(known)
            columns = draw_measures(scenario, options, [*known, *of_sides.values()])
            by_place = dict(zip(of_sides, columns[len(known) :], strict=True))
            sides = [by_place.get(place, []) for place in range(len(known))]
            with ThreadPoolExecutor(options.threads or available_threads()) as pool:
                parts = (known, columns[: len(known)], sides, repeat(replicates))
                drawn = list(pool.map(_Drawn.of, *parts))
            texts = [measure.text for measure in known]
            self._drawn[key] = dict(zip(texts, drawn, strict=True))
        self._drawn.move_to_end(key)
        while len(self._drawn) > MOST_DRAWN:
            self._drawn.popitem(last=False)
        return self._drawn[key]


def _differs(version: Version) -> bool:
    """Whether an edit is listed, or a number is another than in the version before."""
    changes = [number.change for number in version.numbers]
    return bool(version.edits) or any(change is None or not change.same for change in changes)
