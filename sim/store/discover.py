"""`sim.discover`: what must be true in worlds that are named as on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.store.folders import OUTPUTS

if TYPE_CHECKING:
    import xarray as xr

    from sim.analysis.discover import Discovery
    from sim.parameters.scenario import Scenario


def discover(
    world: str | Path | Scenario | xr.Dataset | None,
    when: str,
    *,
    on: str = "inputs",
    conditions: int = 4,
    set: Mapping[str, Any] | None = None,
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    **options: Any,
) -> Discovery:
    """Find the bounds on a few inputs within which an event is frequent.

    Args:
        world: A file, a run, a name, a scenario, or a Dataset of `simulate`, `open_run` or
            `sample`; params/base.toml if None.
        when: The event, such as `inference_gross_margin@2026Q4 >= 0.7`.
        on: "inputs", percentiles of inputs, or "factors", of the independent common factors.
        conditions: The largest number of inputs with a bound.
        set: Changes on top of a file, by dotted key.
        threads: All processors unless given; changes no number.
        out: The folder that holds the runs.
        options: `draws`, `seed`, `sampler`, of a world that is drawn.

    Returns:
        The box, with its density and coverage in draws that did not give it
        (`analysis.discover.Discovery`).

    Raises:
        InputError: For a world or event that does not exist, or an event that holds in no draw or
            in all.
    """
    from sim.analysis.discover import discover as analyse
    from sim.store.analyses import dataset_of

    given = {**options, "set": set} if set else options
    ds = dataset_of(world, out, threads, given)
    return analyse(ds, when, on=on, conditions=conditions, threads=threads)
