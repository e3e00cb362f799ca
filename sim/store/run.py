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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xarray as xr

from sim.common import atomic
from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import files_hash
from sim.engine import loop
from sim.engine.prepare import Options, digest_of, options, prepared
from sim.engine.state import KEPT_DRAWS, Draws
from sim.parameters.scenario import Scenario
from sim.plots import gallery
from sim.simulation.dataset import dataset
from sim.simulation.simulate import drawn
from sim.simulation.until import MAX_DRAWS, STEP, Target, drawn_until, reached, told
from sim.statistics.summary import summarise
from sim.store import checkpoint, locks, reader, run_files
from sim.store.figures_process import Pictures

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
    *,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    threads: int | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
    until: Sequence[Target] = (),
    max_draws: int = MAX_DRAWS,
    figures: bool = True,
    force: bool = False,
    progress: Callable[[int], None] = lambda draws: None,
    sized: Callable[[int], None] = lambda draws: None,
    stage: Callable[[str], None] = lambda what: None,
    elsewhere: loop.Elsewhere | None = None,
    pictures: Pictures | None = None,
) -> Run:
    """Simulate a scenario and store it in `out/<scenario>-<digest>/`.

    What that folder holds already is not drawn again: a run of as many draws is read from there, of
    fewer draws the new ones are added, and a run that was broken off goes on; all to the same bits
    as one run. Of more draws the first ones are used, and the folder is left as it is. With targets
    in `until`, draws are added until they are met, `max_draws` at most. `force` draws everything
    anew. `progress` hears of draws done, `sized` of how many there will be in all, `stage` of what
    comes after them. `elsewhere` draws in place of threads (`cluster.connected`), `pictures` draws
    the figures in place of this process.

    Raises:
        InputError: For impossible options, or a folder that cannot be written to.
        RunError: If too many draws are bad, or the result cannot be stored.
    """
    check_folder(out)
    started = time.time()
    wanted = options(
        scenario, draws, seed, sampler, None, None, threads, bad_draws, drop_questionable,
        KEPT_DRAWS,
    )  # fmt: skip
    folder = out / f"{scenario.name}-{digest_of(scenario, wanted)}"
    work = _Work(scenario, folder, wanted, started, stage, figures, elsewhere, pictures)
    with locks.exclusive_lock(folder, stage):
        if force:
            checkpoint.forget(locks.beside(folder, "unfinished"))
        else:
            answer = work.from_disk(until)
            if answer is not None:
                return answer
        # Sizes with targets are whole steps, so that what there is already may be too much.
        most = max_draws // STEP * STEP if until else wanted.draws
        before = None if force else work.begun(most)
        return work.drawn(before, until, max_draws, draws, progress, sized)


@dataclass
class _Work:
    """One question, while it is worked on."""

    scenario: Scenario
    folder: Path
    wanted: Options
    started: float
    stage: Callable[[str], None]
    figures: bool
    elsewhere: loop.Elsewhere | None = None
    pictures: Pictures | None = None
    saved: float = field(default_factory=time.monotonic)
    journal: list[dict[str, Any]] = field(default_factory=list)

    @property
    def unfinished(self) -> Path:
        return locks.beside(self.folder, "unfinished")

    def from_disk(self, targets: Sequence[Target]) -> Run | None:
        """The run as it is stored, where that answers the question as this code would."""
        there = stored_draws(self.folder)
        if there == 0 or (not targets and there != self.wanted.draws):
            return None
        try:
            with reader.opened(self.folder) as (ds, summary, manifest):
                if manifest.get("code") != files_hash():
                    return None
                ds.load(), summary.load()
        except InputError:
            return None  # damaged: it is made anew
        ds.attrs.pop("until", None)  # of another question to the same draws
        if targets:
            found = [reached(target, ds) for target in targets]
            if not all(one.met for one in found):
                return None
            ds.attrs["until"] = told(found)
        undrawn: dict[str, str] = {}
        if self.figures and not (self.folder / "figures").is_dir():
            self.stage("pictures")
            undrawn = self._draw_later(ds)
        return Run(self.folder, ds, summary, time.time() - self.started, True, there, undrawn)

    def _draw_later(self, ds: xr.Dataset) -> dict[str, str]:
        with locks.atomic_subdirectory(self.folder, "figures") as figures:
            return self._draw(ds, figures)()

    def _draw(self, ds: xr.Dataset, folder: Path) -> Callable[[], dict[str, str]]:
        """Begin to draw every picture; what is called ends when they are there."""
        if self.pictures is not None:
            return self.pictures.draw(ds, folder)
        return lambda: gallery.draw(ds, folder)

    def begun(self, most: int) -> Draws | None:
        """The farthest that the question has come, `most` draws at most."""
        candidates = []
        for folder in (self.unfinished, self.folder):
            if not (folder / checkpoint.STATE).exists():
                continue
            nothing = prepared(self.scenario, self.wanted)
            ds = None
            if folder is self.folder:
                try:
                    ds = reader.open_run(folder)
                except InputError:
                    continue
            if checkpoint.restored(nothing, folder, most, ds):
                candidates.append(nothing)
        with suppress(OSError, ValueError):
            found = json.loads((self.unfinished / _JOURNAL).read_bytes())
            self.journal = found if isinstance(found, list) else []
        return max(candidates, key=lambda done: done.completed.draws, default=None)

    def drawn(
        self,
        before: Draws | None,
        targets: Sequence[Target],
        max_draws: int,
        draws: int | None,
        progress: Callable[[int], None],
        sized: Callable[[int], None],
    ) -> Run:
        """Draw what is not there, and store all."""
        found = before.completed.draws if before else 0
        progress(found)
        self.journal.append({"started": _time(self.started), "from_draw": found})
        outcome = ""
        if targets:
            done, outcome = drawn_until(
                self.scenario, targets, max_draws, draws, self.wanted, sized, before, progress,
                self._keep, self.elsewhere,
            )  # fmt: skip
        else:
            done = drawn(self.scenario, self.wanted, before, progress, self._keep, self.elsewhere)
        self.stage("summary")
        ds = dataset(done, None, self.wanted.bad_draws, self.wanted.threads)
        if outcome:
            ds.attrs["until"] = outcome
        if stored_draws(self.folder) > done.draws:
            summary = _without_repetition(summarise(ds))
            return Run(self.folder, ds, summary, time.time() - self.started, False, found)
        summary, undrawn = self._stored(done, ds)
        return Run(self.folder, ds, summary, time.time() - self.started, True, found, undrawn)

    def _keep(self, done: Draws) -> None:
        """Store how far a long run has come, now and then."""
        if time.monotonic() - self.saved < STORED_EVERY:
            return
        try:
            checkpoint.save(done, self.unfinished)
            with atomic.replaced(self.unfinished / _JOURNAL) as temporary:
                temporary.write_text(json.dumps(self.journal))
        except OSError as error:
            raise locks.unwritten(self.folder, error) from error
        self.saved = time.monotonic()

    def _stored(self, done: Draws, ds: xr.Dataset) -> tuple[xr.Dataset, dict[str, str]]:
        """The summary, and what could not be drawn.

        All files are written beside the folder, and then put in its place.
        """
        same = stored_draws(self.folder) == done.draws
        undrawn: dict[str, str] = {}
        with locks.atomic_directory(self.folder) as staging:
            drawing = self._draw(ds, staging / "figures") if self.figures else None
            summary = _without_repetition(summarise(ds))
            self.stage("files")
            run_files.write_netcdf(ds, summary, staging / reader.DATA)
            run_files.write_csv(summary, staging / "summary.csv")
            run_files.write_parameters(self.scenario, staging / "parameters.toml")
            checkpoint.save_state(done, staging / checkpoint.STATE)
            if drawing is not None:
                self.stage("pictures")
                undrawn = drawing()
            elif same and (self.folder / "figures").is_dir():
                shutil.copytree(self.folder / "figures", staging / "figures")  # of the same draws
            manifest = run_files.manifest(self.scenario, ds, self.started)
            manifest |= reader.marks(staging / reader.DATA) | {"code": files_hash()}
            if len(self.journal) > 1:
                manifest["interruptions"] = self.journal
            text = json.dumps(manifest, indent=1, default=str) + "\n"
            (staging / "manifest.json").write_text(text, encoding="utf-8")
        checkpoint.forget(self.unfinished)
        return summary, undrawn


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _without_repetition(summary: xr.Dataset) -> xr.Dataset:
    """A summary without the values at risk, which are quantiles that it holds already."""
    return summary.drop_vars([n for n in summary if str(n).endswith(("_var", "_var_error"))])


def stored_draws(folder: Path) -> int:
    """The number of draws of the run in a folder; 0 if there is none, or none that is whole."""
    try:
        manifest = reader.read_manifest(folder)
        whole = manifest.get("run.nc", {}).get("bytes") == (folder / "run.nc").stat().st_size
        return int(manifest["draws"]) if whole else 0
    except (OSError, InputError):
        return 0
