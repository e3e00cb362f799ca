"""WORLD: what a command reads, a parameter file, a stored run or a name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.errors import Fault, InputError, Location
from sim.common.shipped import shipped_parameters
from sim.parameters.document import NO_SCENARIOS, SCENARIO_FOLDERS
from sim.store import folders, manifest
from sim.store.locks import ignore

if TYPE_CHECKING:
    import xarray as xr

    from sim.parameters.options import RunOptions
    from sim.parameters.scenario import Scenario

LATEST = "latest"
DEFAULT = "params/base.toml"
ENDING = ".toml"  # of a parameter file


@dataclass(frozen=True)
class World:
    """Draws of a scenario: stored in a folder, or made in memory when they are first asked for.

    `label` names it in tables. `folder` is None where nothing is stored.
    """

    label: str
    scenario: Scenario
    options: RunOptions
    folder: Path | None = None
    progress: Callable[[int], None] | None = None
    _drawn: list[xr.Dataset] = field(default_factory=list, repr=False, compare=False)

    @property
    def is_drawn(self) -> bool:
        """Whether its draws are in memory."""
        return bool(self._drawn)

    def dataset(self) -> xr.Dataset:
        """The draws as `open_run` or `simulate` gives them.

        Raises:
            InputError: If the stored run cannot be read, or the draws do not fit in memory.
            RunError: If too many draws are bad.
        """
        if not self._drawn:
            if self.folder is not None:
                from sim.store.reader import open_run

                self._drawn.append(open_run(self.folder))
            else:
                from sim.simulation.dataset import make_dataset
                from sim.simulation.simulate import run_engine

                state = run_engine(self.scenario, self.options, progress=self.progress)
                self._drawn.append(make_dataset(state))
        return self._drawn[0]

    def draws_of(self, names: Sequence[str]) -> xr.Dataset:
        """The draws with exact ones of these inputs, outputs, and scores of factors.

        Raises:
            InputError: As `redraw`.
        """
        from sim.simulation.redraw import redraw

        return redraw(self.dataset(), names, self.options.threads)


def open_world(
    world: str | Path | Scenario | xr.Dataset | None = None,
    out: str | Path = folders.OUTPUTS,
    *,
    set: Mapping[str, Any] | None = None,
    note: Callable[[str], None] = ignore,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> World:
    """Find what a command works on.

    Args:
        world: A parameter file (a path that ends in .toml), a run (its folder, the folder's name,
            the beginning of its name), a name (`base`: the run of params/base.toml as it stands,
            `bear`: of params/scenarios/bear.toml, or what `sim run --name` gave), `latest`, a
            scenario, or a Dataset of one. None is params/base.toml of the current folder, else the
            shipped one, which is noted.
        out: The folder that holds the runs.
        set: Changes on top of a file, by dotted key.
        note: Called with what the user should know.
        progress: Called with numbers of draws, where some are made.
        options: `draws`, `seed`, `sampler`, `threads` of `simulate`, for what is drawn.

    Returns:
        The world; a file is answered from the store where its run is there.

    Raises:
        InputError: If there is no such file or run, or several runs; or for options and changes
            that a stored run cannot have.
    """
    found = find_world(world, out, set=set, note=note, progress=progress, **options)
    if isinstance(found, World):
        return found
    return _of_folder(found, set, {k: v for k, v in options.items() if v is not None}, note)


def find_world(
    world: str | Path | Scenario | xr.Dataset | None,
    out: str | Path = folders.OUTPUTS,
    *,
    set: Mapping[str, Any] | None = None,
    note: Callable[[str], None] = ignore,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> World | Path:
    """As `open_world`, but of a run that is named the folder alone, which is not opened.

    Raises:
        InputError: If there is no such file or run, or several runs; or for options that are
            impossible.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if world is None:
        world = _default_file(note)
    if not isinstance(world, str | Path):
        return _in_memory(world, set, given, progress)
    path = None if world == LATEST else _file_of(str(world), Path(out), note)
    if path is None:
        if world == LATEST:
            folder = _latest(Path(out), note)
        else:
            folder = folders.find(world, Path(out), note, names_of_files())
        if set or given:
            _check_drawn(manifest.read(folder), set, given)
        return folder
    from sim.parameters.loading import load
    from sim.parameters.options import run_options

    scenario = load(path, set)
    checked = run_options(scenario, **given, caller="options")
    found = World(scenario.name, scenario, checked, None, progress)
    stored = _stored(found, Path(out))
    if stored is None and not str(world).endswith(ENDING):
        _note_others(found, path, Path(out), note)
    return replace(found, folder=stored)


def _in_memory(
    world: Scenario | xr.Dataset,
    set: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    progress: Callable[[int], None] | None,
) -> World:
    """The world of a scenario or of a Dataset of one.

    Raises:
        InputError: For changes, or for options that it cannot have.
    """
    from sim.parameters.options import run_options
    from sim.parameters.scenario import Scenario

    if not isinstance(world, Scenario):
        return _of_dataset(world, set, given)
    if set:
        raise _error("--set", "a scenario in memory: load its file with these changes")
    return World(world.name, world, run_options(world, **given, caller="options"), None, progress)


def names_of_files() -> list[str]:
    """Names by which parameter files are known here, and `latest`."""
    shipped = shipped_parameters()
    parts = [*SCENARIO_FOLDERS, shipped, shipped / "scenarios"]
    stems = [path.stem for part in parts for path in sorted(part.glob(f"*{ENDING}"))]
    return [*dict.fromkeys(stem for stem in stems if stem not in NO_SCENARIOS), LATEST]


def _note_others(world: World, path: Path, out: Path, note: Callable[[str], None]) -> None:
    """Note that a name is drawn in memory although runs of that name are stored."""
    names = [folder.name for folder in folders.run_folders(out)] if out.is_dir() else []
    others = [name for name in names if name.rpartition("-")[0] == world.scenario.name]
    if others:
        number = "a run" if len(others) == 1 else f"{len(others)} runs"
        example = others[0] if len(others) == 1 else "sim list shows them"
        note(
            f"{world.scenario.name} is {path} as it stands, drawn in memory:"
            f" {world.options.draws:,} draws; {number} of other draws or parameters"
            f" {'is' if len(others) == 1 else 'are'} stored ({example})"
        )


def _default_file(note: Callable[[str], None]) -> Path:
    """The file of commands without a WORLD, which is noted."""
    path = Path(DEFAULT)
    if not path.is_file():
        path = shipped_parameters() / "base.toml"
        note(f"no WORLD given, and no {DEFAULT} here: the shipped base case")
    else:
        note(f"no WORLD given: {path}")
    return path


def _file_of(text: str, out: Path, note: Callable[[str], None]) -> Path | None:
    """The parameter file that a text names; None where it names a run.

    A run that bears exactly this name comes first.
    """
    if text.endswith(ENDING) and not folders.is_run(Path(text)):
        return Path(text)
    if Path(text).name != text or folders.is_run(Path(text)) or folders.is_run(out / text):
        return None
    if folders.named(text, out):
        return None
    here = [folder / f"{text}{ENDING}" for folder in SCENARIO_FOLDERS]
    for path in here:
        if path.is_file():
            return path
    known = [path.name for path in folders.run_folders(out)] if out.is_dir() else []
    if any(name.startswith(text) for name in known):
        return None
    shipped = shipped_parameters()
    for path in (shipped / f"{text}{ENDING}", shipped / "scenarios" / f"{text}{ENDING}"):
        if path.is_file():
            note(f"no run and no file '{text}' here: the shipped {path.name}")
            return path
    return None


def _latest(out: Path, note: Callable[[str], None]) -> Path:
    """The folder of the run that was started last."""
    for row in reversed(folders.listed(out, note)):
        folder = Path(row["folder"])
        if row["state"] == "whole" and manifest.DATA in manifest.read(folder)["checksums"]:
            return folder
    raise _error(LATEST, f"no runs in {out}{os.sep}")


def _stored(world: World, out: Path) -> Path | None:
    """The folder of the stored run of a scenario and its options, if it has its draws."""
    from sim.engine.prepare import digest

    folder = out / f"{world.scenario.name}-{digest(world.scenario, world.options)}"
    return folder if manifest.stored_draws(folder) == world.options.draws else None


def _of_folder(
    folder: Path,
    set: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    note: Callable[[str], None],
) -> World:
    """The world of a stored run."""
    from sim.store.reader import read_draws

    ds, about = read_draws(folder)
    if text := manifest.other_version(about):
        note(f"{folder.name}: {text}")
    return replace(_of_dataset(ds, set, given), label=folder.name, folder=folder)


def _of_dataset(ds: xr.Dataset, set: Mapping[str, Any] | None, given: Mapping[str, Any]) -> World:
    """The world of a Dataset of one scenario.

    Raises:
        InputError: For changes, or for options that it does not have.
    """
    from sim.simulation.origin import run_of

    scenario, options = run_of(ds, given.get("threads"))
    _check_drawn(asdict(options), set, given)
    return World(scenario.name, scenario, options, None, None, [ds])


def _check_drawn(
    about: Mapping[str, Any], set: Mapping[str, Any] | None, given: Mapping[str, Any]
) -> None:
    """Refuse changes, and options that a run does not have; `about` holds those that it has.

    Raises:
        InputError: For either.
    """
    if set:
        raise _error("--set", "a run is drawn already: name its parameter file to change it")
    for name in ("draws", "seed", "sampler"):
        if name in given and given[name] != about[name]:
            message = f"the run has {name} {about[name]}: name its parameter file to draw it anew"
            raise _error(f"--{name}", message)


def _error(option: str, message: str) -> InputError:
    return InputError([Fault(Location(option), "", message)])
