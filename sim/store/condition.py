"""`sim.condition`: worlds that are named as on the command line, given evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.store.folders import OUTPUTS

if TYPE_CHECKING:
    import xarray as xr

    from sim.analysis.condition import Conditioned
    from sim.analysis.evidence_lines import On
    from sim.parameters.scenario import Scenario


def condition(
    world: str | Path | Scenario | xr.Dataset | None = None,
    on: On | Sequence[On] = (),
    outputs: str | Sequence[str] = (),
    *,
    set: Mapping[str, Any] | None = None,
    labs: Sequence[str] = (),
    landlords: Sequence[str] = (),
    quarters: Sequence[str] = (),
    threads: int | None = None,
    out: str | Path = OUTPUTS,
    **options: Any,
) -> Conditioned:
    """Say what follows from a new fact: statistics before, and given the evidence.

    Args:
        world: A file, a run, a name, a scenario, or a Dataset of `simulate`, `open_run` or
            `sample`; params/base.toml unless given.
        on: Evidence such as `gw[openai]@2026Q4 = 2.2 +- 0.2`, `0.6 <= VALUE <= 0.8`, `routes`, or
            tables with the keys of `[[evidence]]`; several lines are independent.
        outputs: Further statistics; a value alone stands for its 5, 50 and 95 % quantiles.
        set: Changes on top of a file, by dotted key.
        labs: Labs of the headline, by id; the named ones unless given.
        landlords: Landlords whose rows are added.
        quarters: Quarters of the headline.
        threads: All processors unless given; changes no number.
        out: The folder that holds the runs.
        options: `draws`, `seed`, `sampler`, of a world that is drawn.

    Returns:
        As `analysis.condition.condition`: statistics, and draws with their `weight`.

    Raises:
        InputError: For a world or value that does not exist, evidence that cannot be read, or of
            which too few draws are near.
    """
    from sim.analysis.condition import condition as analyse
    from sim.analysis.shifted import shift_scores
    from sim.store.analyses import dataset_of

    lines: Any = [on] if isinstance(on, str | Mapping) or not isinstance(on, Sequence) else on
    given = {**options, "set": set} if set else options
    ds = dataset_of(world, out, threads, given)
    return analyse(
        ds,
        lines,
        outputs,
        labs=labs,
        quarters=quarters,
        landlords=landlords,
        threads=threads,
        shift=shift_scores,
    )
