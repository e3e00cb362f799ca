"""The run that a folder holds: verified, and read for an answer or to go on with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from sim.common.errors import InputError
from sim.common.fingerprint import files_hash
from sim.engine.state import Prepared, Totals
from sim.store import checkpoint, leftovers, locks, manifest, reader


@dataclass
class StoredRun:
    """The run in a folder, which should have this digest, and keep draws of these variables.

    `kept` is that of `RunOptions.kept_names`: runs that differ in it alone share a folder. `note`
    is called once with each file that is damaged or of another run.
    """

    folder: Path
    digest: str
    kept: str | list[str]
    note: Callable[[str], None]
    noted: set[str] = field(default_factory=set)

    @property
    def draws(self) -> int:
        """Number of draws, by the manifest and the size of the data; 0 without a whole run."""
        return manifest.stored_draws(self.folder)

    def settle(self) -> None:
        """Take up or remove what killed processes left; put aside a folder of another run.

        Raises:
            RunError: If something cannot be renamed or removed.
        """
        try:
            leftovers.settle(self.folder, self.note)
            with suppress(InputError):  # damaged: it is noted when it is read
                if manifest.read(self.folder)["digest"] != self.digest:
                    locks.put_aside(self.folder, self.note)
        except OSError as error:
            raise locks.write_error(self.folder, error) from error

    def read(
        self, draws: int | None, writable: bool
    ) -> tuple[xr.Dataset, xr.Dataset, dict[str, Any]] | None:
        """Draws, summary and manifest, if the run has this number of draws (None: any number).

        None also where other code made its files, or where one is damaged. Where the folder is not
        writable, files other than the data are not looked at: they cannot be made anew.
        """
        if not self.folder.exists():
            return None
        try:
            about = manifest.read(self.folder)
            expected = self.digest, manifest.FORMAT, files_hash()
            if (about["digest"], about["format"], about["code"]) != expected:
                return None
            if about["kept"] != self.kept or draws not in (None, about["draws"]):
                return None
            if writable and self._damage(about):
                return None
            with reader.open_run_folder(self.folder) as (ds, summary, _):
                return ds.load(), summary.load(), about
        except Exception as error:
            self._note_unreadable(error)
        return None

    def totals(self, prepared: Prepared) -> Totals | None:
        """The totals to go on from; None if they are damaged or there are none."""
        if not self.folder.exists():
            return None
        try:
            recorded = manifest.read(self.folder)["checksums"].get(manifest.STATE)
            if recorded is None:
                return None  # of a run that keeps all its draws
            if reason := manifest.damage_of(self.folder / manifest.STATE, recorded):
                self._note_damage(manifest.STATE, reason)
                return None
            return checkpoint.restore(prepared, self.folder)
        except InputError as error:
            self._note_unreadable(error)
        return None

    def copy_into(self, staging: Path, figures_of: int | None) -> None:
        """Copy to a folder that will replace this one what is not made for it.

        That is files that others put here, such as notes; and undamaged figures, if they are of
        `figures_of` draws.
        """
        if not self.folder.exists():
            return
        for path in self.folder.rglob("*"):
            relative = path.relative_to(self.folder)
            if relative.parts[0] not in manifest.FILES:
                locks.link(path, staging / relative)
        figures = self.folder / manifest.FIGURES
        if self.draws == figures_of and figures.is_dir():
            damage = self._damage(manifest.read(self.folder))
            if not any(map(manifest.is_figure, damage)):
                shutil.copytree(figures, staging / manifest.FIGURES)

    def _damage(self, about: dict[str, Any]) -> dict[str, str]:
        """Damaged files other than the data, each with the reason, which is noted."""
        damage = manifest.damage(self.folder, about, leave_out=(manifest.DATA,))
        for name, reason in damage.items():
            self._note_damage(name, reason)
        return damage

    def _note_damage(self, name: str, reason: str) -> None:
        """Note once that a file of the run is damaged."""
        if name not in self.noted:
            self.noted.add(name)
            self.note(f"{self.folder / name}: {reason}: made anew")

    def _note_unreadable(self, error: Exception) -> None:
        """Note which file cannot be read; HDF5 raises various errors for bytes it cannot read."""
        if isinstance(error, InputError):
            for fault in error.faults:
                self._note_damage(Path(fault.location.file).name, fault.message)
        else:
            self._note_damage(manifest.DATA, f"cannot be read: {type(error).__name__}: {error}")
