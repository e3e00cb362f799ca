"""Runs on disk: simulated, read from their folder, extended, or resumed.

A run has one folder, named by a digest of its scenario and options. One process at a time works on
it. Files are written to a hidden folder next to it, which then replaces it; checkpoints of a long
run are stored in another hidden folder.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xarray as xr

from sim.common import atomic
from sim.common.errors import Fault, InputError, Location
from sim.common.regular_files import read_regular
from sim.engine import loop
from sim.engine.prepare import digest, prepare
from sim.engine.state import SimulationState
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset
from sim.simulation.redraw import redraw
from sim.simulation.simulate import run_engine
from sim.simulation.until import (
    MAX_DRAWS,
    STEP,
    Target,
    outcome_json,
    refuse_targets,
    run_until,
    target_status,
)
from sim.statistics import expressions
from sim.statistics.summary import summarise, without_value_at_risk
from sim.store import checkpoint, locks, manifest, run_files, run_names, tables_file
from sim.store.figures_process import FiguresProcess
from sim.store.headline import make_headline
from sim.store.run_files import iso_time
from sim.store.stored_run import StoredRun
from sim.tables.asked import LONG
from sim.tables.table import Headline

STORED_EVERY = 5.0  # least number of seconds between two checkpoints
_JOURNAL, _MOST_JOURNAL = "interruptions.json", 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its folder, draws, summary, and duration in seconds.

    `folder` is None where nothing is stored, and `stored` is false where the folder keeps a run of
    more draws. `reused` is the number of draws that were stored before and not evaluated again.
    Draws of a run that was read are rounded (`simulation.redraw`). `undrawn` holds the figures that
    failed, each with the reason. `headline` is what is printed of it, where that was stored.
    """

    folder: Path | None
    ds: xr.Dataset
    summary: xr.Dataset
    seconds: float
    stored: bool = True
    reused: int = 0
    undrawn: dict[str, str] = field(default_factory=dict)
    headline: Headline | None = None

    @property
    def drawn(self) -> int:
        """Number of draws that were evaluated for it."""
        return int(self.ds.attrs["draws"]) - self.reused


def check_folder(out: Path) -> None:
    """Create the folder for runs, and check that it is writable.

    Raises:
        InputError: If it cannot be created or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):  # leaves nothing behind, unlike a file
            raise PermissionError(errno.EACCES, "no permission, or a read-only file system")
    except OSError as error:
        message = f"{out}: cannot be written to: {error.strerror or error}"
        raise InputError([Fault(Location("--out"), "", message)]) from error


def run(
    scenario: Scenario,
    out: Path,
    options: RunOptions,
    *,
    until: Sequence[Target] = (),
    first_draws: int | None = None,
    max_draws: int = MAX_DRAWS,
    figures: bool = True,
    tables: bool = False,
    force: bool = False,
    progress: Callable[[int], None] = lambda draws: None,
    sized: Callable[[int], None] = lambda draws: None,
    stage: Callable[[str], None] = lambda name: None,
    note: Callable[[str], None] = locks.ignore,
    elsewhere: loop.Elsewhere | None = None,
    figures_process: FiguresProcess | None = None,
) -> Run:
    """Simulate a scenario and store it in `out/<scenario>-<digest>/`.

    A run of the same number of draws is read from the folder, one of fewer draws is extended, and
    an interrupted one is resumed; all to the bits of a single run. The draws that are kept are
    evaluated again then, since they are stored rounded. Fewer draws than are stored are evaluated
    in memory, and the folder is not changed. As many draws of which other variables are kept
    replace it. Files of the folder that are damaged or of another run are made anew. With targets
    in `until`, draws are added until they are met, `first_draws` first
    and `max_draws` at most; `options.draws` is not used. `force` evaluates all draws again.
    `progress` is called with numbers of draws done, `sized` with every new total number of draws,
    `stage` with the name of each later stage, `note` with what was wrong in the folder. `elsewhere`
    evaluates draws in place of threads (`dask_backend.connected`), `figures_process` draws the
    figures in place of this process. With `tables` the headline of a run of up to a million draws
    is stored, too: of more draws, those that it needs again take long.

    Raises:
        InputError: For a name that begins with a dot, or for a folder that cannot be written to,
            unless the stored run is the result.
        RunError: If too many draws are bad, or the result cannot be stored.
    """
    own_digest = digest(scenario, options)
    folder = out / f"{scenario.name}-{own_digest}"
    stored_run = StoredRun(folder, own_digest, options.kept_names, note)
    work = _Work(
        scenario, stored_run, options, time.time(), stage, figures, tables, elsewhere,
        figures_process,
    )  # fmt: skip
    try:
        check_folder(out)
    except InputError:
        if force or (stored := work.read_stored(until, writable=False)) is None:
            raise
        return stored
    with locks.exclusive_lock(folder, stage):
        stored_run.settle()
        if force:
            checkpoint.forget(work.unfinished)
        elif (stored := work.read_stored(until)) is not None:
            return stored
        # Sizes with targets are whole steps: more draws than that may be stored.
        most = max_draws // STEP * STEP if until else options.draws
        work.in_memory = stored_run.draws > most
        before = None if force or work.in_memory else work.resume(most, progress)
        return work.simulate(before, until, max_draws, first_draws, progress, sized)


def draw(
    scenario: Scenario,
    options: RunOptions,
    *,
    until: Sequence[Target] = (),
    first_draws: int | None = None,
    max_draws: int = MAX_DRAWS,
    progress: Callable[[int], None] = lambda draws: None,
    sized: Callable[[int], None] = lambda draws: None,
    stage: Callable[[str], None] = lambda name: None,
    elsewhere: loop.Elsewhere | None = None,
) -> Run:
    """Simulate a scenario as `run` does, without a folder: nothing is read or written.

    Raises:
        InputError: If the kept draws do not fit in memory.
        RunError: If too many draws are bad.
    """
    nowhere = StoredRun(Path(), "", options.kept_names, locks.ignore)
    work = _Work(
        scenario, nowhere, options, time.time(), stage, figures=False, tables=False,
        elsewhere=elsewhere, figures_process=None, in_memory=True,
    )  # fmt: skip
    return replace(work.simulate(None, until, max_draws, first_draws, progress, sized), folder=None)


@dataclass
class _Work:
    """Work on one run.

    `started` is in seconds since the epoch; `saved` is the monotonic time of the last checkpoint;
    `journal` has an entry for each process that worked on the run. Nothing is stored if it is done
    `in_memory`.
    """

    scenario: Scenario
    stored: StoredRun
    options: RunOptions
    started: float
    stage: Callable[[str], None]
    figures: bool
    tables: bool
    elsewhere: loop.Elsewhere | None
    figures_process: FiguresProcess | None
    saved: float = field(default_factory=time.monotonic)
    journal: list[dict[str, Any]] = field(default_factory=list)
    in_memory: bool = False

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.stored.folder

    @property
    def unfinished(self) -> Path:
        """Hidden folder of checkpoints."""
        return locks.hidden_sibling(self.folder, "unfinished")

    def read_stored(self, targets: Sequence[Target], writable: bool = True) -> Run | None:
        """Read the stored run, if it is the result; otherwise None.

        It is so if this code made its files, none is damaged, and it has the number of draws of the
        options or meets all targets. Missing figures are drawn, unless it is not writable.
        """
        contents = self.stored.read(None if targets else self.options.draws, writable)
        if contents is None:
            return None
        ds, summary, about = contents
        headline, _ = tables_file.read(self.folder, about)
        ds.attrs.pop("until", None)  # of other targets with the same draws
        if headline is not None:
            headline.attributes.pop("until", None)
            headline = None if targets else headline._replace(targets=[])
        if targets:
            refused = refuse_targets(targets, self.scenario, self.options)
            needed = expressions.draws_needed((target.expression for target in targets), ds)
            exact = redraw(ds, needed, self.options.threads)
            statuses = [target_status(target, exact, refused) for target in targets]
            if not all(status.met for status in statuses):
                return None
            ds.attrs["until"] = outcome_json(statuses)
        undrawn: dict[str, str] = {}
        if self.figures and writable and not (self.folder / manifest.FIGURES).is_dir():
            self.stage("pictures")
            exact = redraw(ds, threads=self.options.threads)
            with locks.atomic_update(self.folder, self.stored.note) as staging:
                undrawn = self._draw_figures(exact, staging / manifest.FIGURES)()
                manifest.bind_figures(about, staging)
        draws = int(about["draws"])
        seconds = time.time() - self.started
        return Run(self.folder, ds, summary, seconds, True, draws, undrawn, headline)

    def _draw_figures(self, ds: xr.Dataset, folder: Path) -> Callable[[], dict[str, str]]:
        """Begin to draw all figures; returns as `FiguresProcess.draw`."""
        if self.figures_process is not None:
            return self.figures_process.draw(ds, folder)
        from sim.plots import gallery  # matplotlib is slow to import, and not every run draws

        return lambda: gallery.draw(ds, folder)

    def resume(self, most: int, progress: Callable[[int], None]) -> SimulationState | None:
        """The state of the stored totals with most draws, up to `most`; None without any.

        They are those of a checkpoint or of the stored run. The kept draws are evaluated again. The
        journal of earlier processes is read, too.
        """
        prepared = prepare(self.scenario, self.options)
        stored = [self.stored.totals(prepared)]
        if self.unfinished.exists():
            totals = checkpoint.restore(prepared, self.unfinished)
            if totals is None:
                self.stored.note(f"{self.unfinished}: a checkpoint that is damaged is not used")
                checkpoint.forget(self.unfinished)
            stored.append(totals)
        with suppress(OSError, ValueError, RecursionError):
            journal = json.loads(read_regular(self.unfinished / _JOURNAL, _MOST_JOURNAL))
            self.journal = journal if isinstance(journal, list) else []
        candidates = [totals for totals in stored if totals and totals.draws <= most]
        totals = max(candidates, key=lambda totals: totals.draws, default=None)
        return None if totals is None else loop.rebuild(prepared, totals, progress)

    def simulate(
        self,
        before: SimulationState | None,
        targets: Sequence[Target],
        max_draws: int,
        first_draws: int | None,
        progress: Callable[[int], None],
        sized: Callable[[int], None],
    ) -> Run:
        """Evaluate draws beyond the state `before`, and store the run.

        The other arguments are as of `run`.
        """
        resumed = before.completed.draws if before else 0
        stored = resumed - min(resumed, self.options.kept_draws)  # the kept ones are drawn again
        progress(stored)
        self.journal.append({"started": iso_time(self.started), "from_draw": resumed})
        outcome = ""
        if targets:
            state, outcome = run_until(
                self.scenario, self.options, targets, max_draws, first_draws, sized, before,
                progress, self._save_checkpoint, self.elsewhere,
            )  # fmt: skip
        else:
            state = run_engine(
                self.scenario, self.options, before, progress, self._save_checkpoint,
                self.elsewhere,
            )  # fmt: skip
        self.stage("summary")
        ds = make_dataset(state)
        if outcome:
            ds.attrs["until"] = outcome
        if self.in_memory:
            summary = self._summarise(ds)
            return Run(self.folder, ds, summary, time.time() - self.started, False, stored)
        summary, undrawn, headline = self._store(state, ds)
        seconds = time.time() - self.started
        return Run(self.folder, ds, summary, seconds, True, stored, undrawn, headline)

    def _summarise(self, ds: xr.Dataset) -> xr.Dataset:
        """The summary that is stored."""
        return without_value_at_risk(summarise(ds, threads=self.options.threads))

    def _save_checkpoint(self, state: SimulationState) -> None:
        """Store a checkpoint, if the last one is old enough."""
        if self.in_memory or time.monotonic() - self.saved < STORED_EVERY:
            return
        try:
            if not checkpoint.save(state, self.unfinished):
                return
            with atomic.atomic_file(self.unfinished / _JOURNAL) as temporary:
                temporary.write_text(json.dumps(self.journal), encoding="utf-8")
        except OSError as error:
            raise locks.write_error(self.folder, error) from error
        self.saved = time.monotonic()

    def _store(
        self, state: SimulationState, ds: xr.Dataset
    ) -> tuple[xr.Dataset, dict[str, str], Headline | None]:
        """Write all files, and replace the folder by them.

        Returns:
            The summary, the figures that failed, each with the reason, and what is printed.
        """
        undrawn: dict[str, str] = {}
        headline = None
        with locks.atomic_directory(self.folder, self.stored.note) as staging:
            drawing = None
            if self.figures:
                drawing = self._draw_figures(ds, staging / manifest.FIGURES)
            summary = self._summarise(ds)
            self.stage("files")
            precision = run_files.write_netcdf(
                ds, staging / manifest.DATA, summary=summary, threads=self.options.threads
            )
            run_files.write_csv(summary, staging / "summary.csv")
            run_files.write_parameters(self.scenario, staging / "parameters.toml")
            checkpoint.save(state, staging)
            if self.tables and state.draws <= LONG:
                headline = make_headline(
                    ds, summary, note=self.stored.note, threads=self.options.threads
                )
                tables_file.write(headline, staging)
            if drawing is not None:
                self.stage("pictures")
                undrawn = drawing()
            self.stored.copy_into(staging, None if self.figures else state.draws)
            interruptions = {"interruptions": self.journal} if len(self.journal) > 1 else {}
            name = run_names.given_name(self.folder)
            about = (
                run_files.run_manifest(self.scenario, self.options, ds, self.started)
                | interruptions
                | {"precision": precision}
                | ({"name": name} if name else {})
            )
            manifest.write(about, staging)
        checkpoint.forget(self.unfinished)
        return summary, undrawn, headline
