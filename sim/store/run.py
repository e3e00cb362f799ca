"""Runs on disk: a folder for every question, answered from there, extended, or gone on with.

One process at a time works on a question. Files are made in a hidden folder beside that of the
run, which then takes its place whole; how far a long run has come is stored in another one.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from sim.common import atomic
from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import files_hash
from sim.engine import loop
from sim.engine.prepare import digest, prepare
from sim.engine.state import SimulationState
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.plots import gallery
from sim.simulation.dataset import make_dataset
from sim.simulation.simulate import run_engine
from sim.simulation.until import (
    MAX_DRAWS,
    STEP,
    Target,
    outcome_json,
    run_until,
    target_status,
)
from sim.statistics.summary import summarise, without_value_at_risk
from sim.store import checkpoint, folders, locks, manifest, reader, run_files
from sim.store.figures_process import FiguresProcess
from sim.store.run_files import iso_time

STORED_EVERY = 5.0  # seconds between two states of a run that are stored, at least
_JOURNAL = "interruptions.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its folder, the draws, their summary, and how long it took.

    `stored` is false where the folder keeps a run of more draws. `found` is the number of draws
    that were there already. `undrawn` says which pictures could not be drawn, and why.
    """

    folder: Path
    ds: xr.Dataset
    summary: xr.Dataset
    seconds: float
    stored: bool = True
    found: int = 0
    undrawn: dict[str, str] = field(default_factory=dict)

    @property
    def drawn(self) -> int:
        """The draws that were evaluated for it."""
        return int(self.ds.attrs["draws"]) - self.found


def check_folder(out: Path) -> None:
    """Make the folder for runs, and see that it can be written to.

    Raises:
        InputError: If it cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
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
    force: bool = False,
    progress: Callable[[int], None] = lambda draws: None,
    sized: Callable[[int], None] = lambda draws: None,
    stage: Callable[[str], None] = lambda name: None,
    elsewhere: loop.Elsewhere | None = None,
    figures_process: FiguresProcess | None = None,
) -> Run:
    """Simulate a scenario and store it in `out/<scenario>-<digest>/`.

    What that folder holds already is not drawn again: a run of as many draws is read from there, of
    fewer draws the new ones are added, and a run that was broken off goes on; all to the same bits
    as one run. Of more draws the first ones are used, and the folder is left as it is. With targets
    in `until`, draws are added until they are met: `first_draws` at first, `max_draws` at most,
    whatever `options.draws` says. `force` draws everything anew. `progress` is called with numbers
    of draws done, `sized` with how many there will be in all, `stage` with the name of what comes
    after them. `elsewhere` draws in place of threads (`dask_backend.connected`), `figures_process`
    draws the figures in place of this process.

    Raises:
        InputError: For a folder that cannot be written to.
        RunError: If too many draws are bad, or the result cannot be stored.
    """
    check_folder(out)
    folder = out / f"{scenario.name}-{digest(scenario, options)}"
    work = _Work(scenario, folder, options, time.time(), stage, figures, elsewhere, figures_process)
    with locks.exclusive_lock(folder, stage):
        if force:
            checkpoint.forget(locks.beside(folder, "unfinished"))
        else:
            answer = work.from_disk(until)
            if answer is not None:
                return answer
        # Sizes with targets are whole steps, so that what there is already may be too much.
        most = max_draws // STEP * STEP if until else options.draws
        before = None if force else work.resume(most)
        return work.draw(before, until, max_draws, first_draws, progress, sized)


@dataclass
class _Work:
    """One run, while it is worked on."""

    scenario: Scenario
    folder: Path
    options: RunOptions
    started: float
    stage: Callable[[str], None]
    figures: bool
    elsewhere: loop.Elsewhere | None
    figures_process: FiguresProcess | None
    saved: float = field(default_factory=time.monotonic)
    journal: list[dict[str, Any]] = field(default_factory=list)

    @property
    def unfinished(self) -> Path:
        return locks.beside(self.folder, "unfinished")

    def from_disk(self, targets: Sequence[Target]) -> Run | None:
        """The run as it is stored, where that is what this code would store."""
        stored = stored_draws(self.folder)
        if stored == 0 or (not targets and stored != self.options.draws):
            return None
        try:
            with reader.open_run_folder(self.folder) as (ds, summary, manifest):
                if manifest.get("code") != files_hash():
                    return None
                ds.load(), summary.load()
        except InputError:
            return None  # damaged: it is made anew
        ds.attrs.pop("until", None)  # of other targets with the same draws
        if targets:
            statuses = [target_status(target, ds) for target in targets]
            if not all(status.met for status in statuses):
                return None
            ds.attrs["until"] = outcome_json(statuses)
        undrawn: dict[str, str] = {}
        if self.figures and not (self.folder / "figures").is_dir():
            self.stage("pictures")
            with locks.atomic_subdirectory(self.folder, "figures") as figures:
                undrawn = self._draw_figures(ds, figures)()
        return Run(self.folder, ds, summary, time.time() - self.started, True, stored, undrawn)

    def _draw_figures(self, ds: xr.Dataset, folder: Path) -> Callable[[], dict[str, str]]:
        """Begin to draw every figure; what comes back waits for them (`FiguresProcess.draw`)."""
        if self.figures_process is not None:
            return self.figures_process.draw(ds, folder)
        return lambda: gallery.draw(ds, folder)

    def resume(self, most: int) -> SimulationState | None:
        """The state of most draws that was stored for this run, `most` draws at most; else None."""
        candidates = []
        prepared = prepare(self.scenario, self.options)
        for folder in (self.unfinished, self.folder):
            if not (folder / checkpoint.STATE).exists():
                continue
            ds = None
            if folder is self.folder:
                try:
                    ds = reader.open_run(folder)
                except InputError:
                    continue
            if (state := checkpoint.restore(prepared, folder, most, ds)) is not None:
                candidates.append(state)
        with suppress(OSError, ValueError):
            journal = json.loads((self.unfinished / _JOURNAL).read_bytes())
            self.journal = journal if isinstance(journal, list) else []
        return max(candidates, key=lambda state: state.completed.draws, default=None)

    def draw(
        self,
        before: SimulationState | None,
        targets: Sequence[Target],
        max_draws: int,
        first_draws: int | None,
        progress: Callable[[int], None],
        sized: Callable[[int], None],
    ) -> Run:
        """Draw what is not there, and store all."""
        resumed = before.completed.draws if before else 0
        progress(resumed)
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
        if stored_draws(self.folder) > state.draws:
            summary = self._summarise(ds)
            return Run(self.folder, ds, summary, time.time() - self.started, False, resumed)
        summary, undrawn = self._store(state, ds)
        return Run(self.folder, ds, summary, time.time() - self.started, True, resumed, undrawn)

    def _summarise(self, ds: xr.Dataset) -> xr.Dataset:
        return without_value_at_risk(summarise(ds, threads=self.options.threads))

    def _save_checkpoint(self, state: SimulationState) -> None:
        """Store how far a long run has come, every few seconds."""
        if time.monotonic() - self.saved < STORED_EVERY:
            return
        try:
            checkpoint.save(state, self.unfinished)
            with atomic.atomic_file(self.unfinished / _JOURNAL) as temporary:
                temporary.write_text(json.dumps(self.journal))
        except OSError as error:
            raise locks.unwritten(self.folder, error) from error
        self.saved = time.monotonic()

    def _store(self, state: SimulationState, ds: xr.Dataset) -> tuple[xr.Dataset, dict[str, str]]:
        """Write all files beside the folder, and put them in its place.

        Returns:
            The summary, and the figures that could not be drawn, each with the reason.
        """
        same = stored_draws(self.folder) == state.draws
        undrawn: dict[str, str] = {}
        with locks.atomic_directory(self.folder) as staging:
            drawing = self._draw_figures(ds, staging / "figures") if self.figures else None
            summary = self._summarise(ds)
            self.stage("files")
            run_files.write_netcdf(
                ds, staging / folders.DATA, summary=summary, threads=self.options.threads
            )
            run_files.write_csv(summary, staging / "summary.csv")
            run_files.write_parameters(self.scenario, staging / "parameters.toml")
            checkpoint.save_state(state, staging / checkpoint.STATE)
            if drawing is not None:
                self.stage("pictures")
                undrawn = drawing()
            elif same and (self.folder / "figures").is_dir():
                shutil.copytree(self.folder / "figures", staging / "figures")  # of the same draws
            interruptions = {"interruptions": self.journal} if len(self.journal) > 1 else {}
            about = (
                run_files.run_manifest(self.scenario, self.options, ds, self.started)
                | interruptions
            )
            manifest.write(about, staging, folders.DATA)
        checkpoint.forget(self.unfinished)
        return summary, undrawn


def stored_draws(folder: Path) -> int:
    """The number of draws of the run in a folder; 0 if there is none, or none that is whole."""
    try:
        about = manifest.read(folder)
        complete = about.get("run.nc", {}).get("bytes") == (folder / "run.nc").stat().st_size
        return int(about["draws"]) if complete else 0
    except (OSError, InputError):
        return 0
