"""Runs on disk: simulated, read from their folder, extended, or resumed.

A run has one folder, named by a digest of its scenario and options. One process at a time works on
it. Files are written to a hidden folder next to it, which then replaces it; checkpoints of a long
run are stored in another hidden folder.
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
from sim.simulation.dataset import make_dataset
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
from sim.statistics.summary import summarise, without_value_at_risk
from sim.store import checkpoint, folders, locks, manifest, reader, run_files
from sim.store.figures_process import FiguresProcess
from sim.store.run_files import iso_time

STORED_EVERY = 5.0  # least number of seconds between two checkpoints
_JOURNAL = "interruptions.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its folder, draws, summary, and duration in seconds.

    `stored` is false where the folder keeps a run of more draws. `reused` is the number of draws
    that were stored before. `undrawn` holds the figures that failed, each with the reason.
    """

    folder: Path
    ds: xr.Dataset
    summary: xr.Dataset
    seconds: float
    stored: bool = True
    reused: int = 0
    undrawn: dict[str, str] = field(default_factory=dict)

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

    Draws that the folder holds are not evaluated again: a run of the same number of draws is read,
    one of fewer draws is extended, and an interrupted one is resumed; all to the bits of a single
    run. Of a run of more draws the first ones are used, and the folder is not changed. With targets
    in `until`, draws are added until they are met, `first_draws` first and `max_draws` at most;
    `options.draws` is not used. `force` evaluates all draws again. `progress` is called with
    numbers of draws done, `sized` with every new total number of draws, `stage` with the name of
    each later stage. `elsewhere` evaluates draws in place of threads (`dask_backend.connected`),
    `figures_process` draws the figures in place of this process.

    Raises:
        InputError: For a folder that cannot be written to.
        RunError: If too many draws are bad, or the result cannot be stored.
    """
    check_folder(out)
    folder = out / f"{scenario.name}-{digest(scenario, options)}"
    work = _Work(scenario, folder, options, time.time(), stage, figures, elsewhere, figures_process)
    with locks.exclusive_lock(folder, stage):
        if force:
            checkpoint.forget(locks.hidden_sibling(folder, "unfinished"))
        else:
            stored = work.read_stored(until)
            if stored is not None:
                return stored
        # Sizes with targets are whole steps: more draws than that may be stored.
        most = max_draws // STEP * STEP if until else options.draws
        before = None if force else work.resume(most)
        return work.simulate(before, until, max_draws, first_draws, progress, sized)


@dataclass
class _Work:
    """Work on one run.

    `started` is in seconds since the epoch; `saved` is the monotonic time of the last checkpoint;
    `journal` has an entry for each process that worked on the run.
    """

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
        """Hidden folder of checkpoints."""
        return locks.hidden_sibling(self.folder, "unfinished")

    def read_stored(self, targets: Sequence[Target]) -> Run | None:
        """Read the stored run, if it is the result; otherwise None.

        It is so if this code made its files, and it has the number of draws of the options or meets
        all targets. Missing figures are drawn.
        """
        stored = stored_draws(self.folder)
        if stored == 0 or (not targets and stored != self.options.draws):
            return None
        try:
            with reader.open_run_folder(self.folder) as (ds, summary, manifest):
                if manifest.get("code") != files_hash():
                    return None
                ds.load(), summary.load()
        except InputError:
            return None  # damaged: it is replaced
        ds.attrs.pop("until", None)  # of other targets with the same draws
        if targets:
            refused = refuse_targets(targets, self.scenario, self.options)
            statuses = [target_status(target, ds, refused) for target in targets]
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
        """Begin to draw all figures; returns as `FiguresProcess.draw`."""
        if self.figures_process is not None:
            return self.figures_process.draw(ds, folder)
        from sim.plots import gallery  # matplotlib is slow to import, and not every run draws

        return lambda: gallery.draw(ds, folder)

    def resume(self, most: int) -> SimulationState | None:
        """The stored state with most draws, up to `most`; None without any.

        Either a checkpoint or the stored run. The journal of earlier processes is read, too.
        """
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

        The other arguments are as of `run`. A stored run of more draws is not replaced.
        """
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
        """The summary that is stored."""
        return without_value_at_risk(summarise(ds, threads=self.options.threads))

    def _save_checkpoint(self, state: SimulationState) -> None:
        """Store a checkpoint, if the last one is old enough."""
        if time.monotonic() - self.saved < STORED_EVERY:
            return
        try:
            checkpoint.save(state, self.unfinished)
            with atomic.atomic_file(self.unfinished / _JOURNAL) as temporary:
                temporary.write_text(json.dumps(self.journal))
        except OSError as error:
            raise locks.write_error(self.folder, error) from error
        self.saved = time.monotonic()

    def _store(self, state: SimulationState, ds: xr.Dataset) -> tuple[xr.Dataset, dict[str, str]]:
        """Write all files, and replace the folder by them.

        Returns:
            The summary, and the figures that failed, each with the reason.
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
    """Number of draws of a stored run; 0 without a complete one."""
    try:
        about = manifest.read(folder)
        complete = about.get("run.nc", {}).get("bytes") == (folder / "run.nc").stat().st_size
        return int(about["draws"]) if complete else 0
    except (OSError, InputError):
        return 0
