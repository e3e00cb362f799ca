"""What knowing more is worth, of a world that is named as on the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.store.folders import OUTPUTS

if TYPE_CHECKING:
    import xarray as xr

    from sim.parameters.scenario import Scenario


def voi(
    world: str | Path | Scenario | xr.Dataset | None = None,
    payoffs: Mapping[str, str] | None = None,
    *,
    when: str | None = None,
    odds: float | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
    studies: Sequence[str] = (),
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    **options: Any,
) -> xr.Dataset:
    """Say what knowing more is worth to a decision: inputs, sources, planned measurements.

    Args:
        world: A file, a run, a name, a scenario, or a Dataset of `simulate`, `open_run` or
            `sample`; params/base.toml unless given.
        payoffs: A value by the name of each choice; one alone stands beside doing nothing.
        when: In their place an event to bet on; that of the hurdle where there is neither.
        odds: The price of a bet that pays 1; 0.5 unless given.
        groups: Names of groups, each with keys or patterns of inputs that are learnt together.
        studies: Planned measurements, `VALUE +- sd`.
        threads: All processors unless given; changes no number.
        out: The folder that holds the runs.
        options: `set`, `draws`, `seed`, `sampler`, of a world that is drawn.

    Returns:
        As `analysis.voi.voi`.

    Raises:
        InputError: For a world, expression, group or measurement that does not exist or fit,
            payoffs whose mean need not exist, or too few draws.
    """
    from sim.analysis.voi import voi as analyse
    from sim.store.analyses import dataset_of

    ds = dataset_of(world, out, threads, options)
    return analyse(
        ds, payoffs, when=when, odds=odds, groups=groups, studies=studies, threads=threads
    )
