"""A parameter file that is drawn again each time it is saved: what `sim watch` shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.analysis.compare import Measure, draw_measures, headline_measures
from sim.common.errors import Fault, InputError, RunError
from sim.parameters.edits import Edit, find_edits
from sim.parameters.loading import load
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.statistics.replicates import replicated, standard_error

Array = NDArray[np.float64]
Signature = tuple[tuple[str, int, int, int], ...]
SETTLED = 0.03  # seconds without a change, after which a save is over
FOLDERS = ("labs", "landlords")
BESIDE = ("sources.toml", "published.toml", "claims.toml")


@dataclass(frozen=True)
class Number:
    """A statistic now, and its paired change, each with its standard error."""

    measure: Measure
    value: float
    error: float
    change: float
    change_error: float
    of_base: float
    of_base_error: float


@dataclass(frozen=True)
class Version:
    """A version of the file that could be drawn: its numbers, and what differs from the last."""

    scenario: Scenario
    numbers: tuple[Number, ...]
    edits: tuple[Edit, ...]
    seconds: float


class Live:
    """A parameter file, its last good version, and the base with which it is compared.

    The base is the file that `base` names, or the root of the chain that the file extends.
    """

    def __init__(
        self,
        path: Path,
        base: Path | None,
        options: Callable[[Scenario], RunOptions],
    ) -> None:
        self.path, self.base, self._options = path, base, options
        self.last: Version | None = None
        self.faults: list[Fault] = []
        self.failure = ""
        self._points: dict[str, list[tuple[float, Array]]] = {}
        self._of_base: list[tuple[float, Array]] = []
        self._measures: list[Measure] = []
        self._files: tuple[str, ...] = (str(path),)
        self._signature: Signature = ()
        self._base_digest = ""

    def has_changed(self, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Whether a file that the scenario is made of is another since it was looked at last.

        Waits until the files are at rest: an editor may write several, or one in steps.
        """
        found = self.signature()
        if found == self._signature:
            return False
        while True:
            sleep(SETTLED)
            again = self.signature()
            if again == found:
                break
            found = again
        self._signature = found
        return True

    def signature(self) -> Signature:
        """Time, size and identity of each file of the scenario, and of files beside it."""
        roots = {str(Path(file).parent) for file in self._files}
        folders = [Path(root, name) for root in roots for name in FOLDERS]
        parties = [str(p) for folder in folders if folder.is_dir() for p in folder.glob("*.toml")]
        beside = [str(Path(root, name)) for root in roots for name in BESIDE]
        entries = []
        for file in sorted({*self._files, *parties, *beside}):
            try:
                status = Path(file).stat()
            except OSError:
                continue
            entries.append((file, status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(entries)

    def evaluate(self) -> bool:
        """Load and draw the file as it stands; returns whether there is a new version.

        Faults, or why it could not be drawn, are kept beside the last good version.
        """
        started = time.perf_counter()
        self.faults, self.failure = [], ""
        try:
            scenario = load(self.path)
            options = self._options(scenario)
            self._files = (*scenario.files, str(self.path), *self._draw_base(scenario, options))
            self._signature = self.signature()
            edits = find_edits(self.last.scenario, scenario) if self.last else []
            if self.last and not edits:
                self.last = replace(self.last, scenario=scenario, edits=())
                return False
            points = self._draw(scenario, options)
        except InputError as error:
            self.faults = error.faults
            return False
        except RunError as error:
            self.failure = str(error)
            return False
        replicates = replicated(min(options.draws, options.kept_draws), options.sampler)
        before = self._points.get("last", points)
        numbers = []
        for i, measure in enumerate(self._measures):
            value, deviations = points[i]
            spread = float(standard_error(deviations, replicates))
            changes = []
            for other in (before[i], self._of_base[i]):
                apart = float(standard_error(deviations - other[1], replicates))
                changes += [value - other[0], apart]
            numbers.append(Number(measure, value, spread, *changes))
        self._points["last"] = points
        seconds = time.perf_counter() - started
        self.last = Version(scenario, tuple(numbers), tuple(edits), seconds)
        return True

    def _draw_base(self, scenario: Scenario, options: RunOptions) -> Sequence[str]:
        """Draw the base where it has changed; returns its files."""
        path = self.base or Path(scenario.files[0])
        base = scenario if path.resolve() == self.path.resolve() else load(path)
        if not self._measures:
            labs = {party.id for party in base.labs}
            chosen = [lab for lab in scenario.settings.named_labs if lab in labs]
            self._measures = headline_measures(scenario, chosen)
        digest = base.digest(options.draws, options.seed, options.sampler)
        if self.last is None and path.resolve() == self.path.resolve():
            self._base_digest = digest  # the file as it was when it was first looked at
            self._of_base = self._draw(base, options)
        elif path.resolve() != self.path.resolve() and digest != self._base_digest:
            self._base_digest = digest
            self._of_base = self._draw(base, options)
        return base.files

    def _draw(self, scenario: Scenario, options: RunOptions) -> list[tuple[float, Array]]:
        """The statistics of a scenario, each with its deviations by replicate."""
        replicates = replicated(min(options.draws, options.kept_draws), options.sampler)
        drawn = draw_measures(scenario, options, self._measures)
        return [
            measure.point(draws, replicates)
            for measure, draws in zip(self._measures, drawn, strict=True)
        ]
