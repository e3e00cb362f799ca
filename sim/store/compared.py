"""Worlds that are compared: of files, runs, scenarios, batches and sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.common.errors import Fault, InputError, Location
from sim.store import manifest
from sim.store.folders import OUTPUTS
from sim.store.locks import ignore
from sim.store.worlds import World, find_world, open_world

if TYPE_CHECKING:
    import xarray as xr

    from sim.parameters.options import RunOptions
    from sim.parameters.scenario import Scenario

    Given = str | Path | Scenario | xr.Dataset | None

COMPARED_DRAWS = 20_000  # of each world, unless others are asked for
EDITED = "edited"


def open_worlds(
    worlds: Sequence[Given],
    out: str | Path = OUTPUTS,
    *,
    set: Mapping[str, Any] | None = None,
    note: Callable[[str], None] = ignore,
    **options: Any,
) -> list[World]:
    """Open what is compared; the first world is the reference.

    A batch stands for its scenarios, a sweep for its points. One file with changes is compared with
    itself without; of several, the changes hold for each.

    Args:
        worlds: As of `open_world`, Datasets of `simulate_many` or `sweep`, or folders of sweeps.
        out: The folder that holds the runs.
        set: Changes on top of files, by dotted key.
        note: Called with what the user should know.
        options: `seed`, `sampler` and `threads` of `simulate`.

    Raises:
        InputError: As `open_world`, or for fewer than two worlds.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if len(worlds) < 2 and set:
        world = worlds[0] if worlds else None
        pair = [open_world(world, out, set=of, note=note, **given) for of in ({}, set)]
        return [pair[0], replace(pair[1], label=f"{pair[1].label} {EDITED}")]
    opened = [of for world in worlds for of in _expand(world, out, set, note, given)]
    if len(opened) < 2:
        message = "expected two worlds, or one file with --set"
        raise InputError([Fault(Location("compare"), "", message)])
    return opened


def common_options(
    worlds: Sequence[World], draws: int | None = None, note: Callable[[str], None] = ignore
) -> RunOptions:
    """Options of the draws of all worlds: those of the first, fewer draws unless given."""
    first = worlds[0].options
    for world in worlds[1:]:
        own, common = ((o.seed, o.sampler) for o in (world.options, first))
        if own != common:
            note(f"{world.label} is drawn with the seed and sampler of {worlds[0].label}")
    if any(world.options.drop_questionable for world in worlds):
        note("questionable draws, which a run leaves out, are compared, too")
    count = draws or min(COMPARED_DRAWS, *(world.options.draws for world in worlds))
    return replace(first, draws=int(count))


def scenario_of_world(world: World) -> Scenario:
    """The scenario of a world, whose settings have the uncertainty of its draws."""
    settings = replace(world.scenario.settings, uncertainty=world.options.uncertainty)
    return replace(world.scenario, settings=settings)


def _expand(
    world: Given,
    out: str | Path,
    changes: Mapping[str, Any] | None,
    note: Callable[[str], None],
    given: Mapping[str, Any],
) -> list[World]:
    """A world, or those of a batch or sweep."""
    if hasattr(world, "data_vars"):
        ds: Any = world
        if changes:
            raise InputError([Fault(Location("set"), "", "a Dataset is drawn already")])
        return _of_dataset(ds, out, given)
    found = find_world(world, out, set=changes, note=note, **given)
    if isinstance(found, World):
        return [found]
    if manifest.SWEPT in manifest.read(found)["checksums"]:
        from sim.store.reader import read_sweep

        return _of_dataset(read_sweep(found), out, given)
    return [open_world(world, out, set=changes, note=note, **given)]


def _of_dataset(ds: xr.Dataset, out: str | Path, given: Mapping[str, Any]) -> list[World]:
    """The worlds of a Dataset: of a run, a batch or a sweep."""
    from sim.parameters.options import run_options
    from sim.simulation.sweep import POINTS, points_of
    from sim.statistics.scenarios import DIM, is_batch, of_scenario

    if is_batch(ds):
        return [
            replace(open_world(of_scenario(ds, name), out, **given), label=name)
            for name in map(str, ds[DIM].values)
        ]
    if POINTS not in ds.attrs and "over" not in ds.attrs:
        return [open_world(ds, out, **given)]
    names = {"draws": int, "seed": int, "sampler": str}
    own = {name: kind(ds.attrs[name]) for name, kind in names.items() if name in ds.attrs}
    return [
        World(text, scenario, run_options(scenario, **{**own, **given}))
        for text, scenario in points_of(ds).items()
    ]
