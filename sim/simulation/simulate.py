"""Draws of one scenario as a Dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from sim.engine import loop
from sim.engine.dask_backend import connected
from sim.engine.prepare import prepare
from sim.engine.state import SimulationState
from sim.model.blocks import KEPT_DRAWS
from sim.parameters.options import RunOptions, run_options
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset


def simulate(
    scenario: Scenario,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    keep: str | Sequence[str] | None = None,
    uncertainty: float | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
    kept_draws: int = KEPT_DRAWS,
    cluster: str | None = None,
) -> xr.Dataset:
    """Evaluate the model in every draw of a scenario.

    Args:
        scenario: What `load` gives.
        draws: Number of draws; that of the scenario's `[run]` unless given.
        seed: Seed of the random numbers; likewise.
        sampler: How to sample; likewise.
        keep: None keeps the draws of the headline outputs and the moments of other outputs in
            tables; "all" the draws of every output and input; a list of names only those.
        uncertainty: Multiplies every normal score; 0 makes each draw the point estimate.
        threads: All processors unless given; changes no number.
        progress: Called with the number of draws done since the last call.
        bad_draws: Treatment of draws in which a kept value is not finite although it
            must be ("Missing and infinite values" of `sim help model`): "fail" leaves up to 0.1 %
            of the draws out and refuses more, "drop" leaves out any number, "keep" keeps them, and
            statistics that they enter are NaN.
        drop_questionable: Leave out draws in which the model does not fit in memory, or pue is
            above the capacity ratio of the facility.
        kept_draws: The largest number of draws to keep, a multiple of 8,192: the first ones.
            With more draws the Dataset also holds moments and histograms of all draws, from which
            `summarise` takes its statistics; memory no longer grows.
        cluster: The address of a Dask cluster that evaluates the draws, to the same bits:
            `tcp://host:port`, `tls://host:port`, or `local:N` for N processes of this machine.

    Returns:
        A Dataset with the dims, names and units of `sim help model`. Draws that are left out
        are missing from the dim `draw`, whose coordinate is the number of the draw, and counted
        in the attributes `draws_not_finite` and `draws_questionable`; the attribute `draws` counts
        all evaluated draws, `draws_kept` those whose values are kept.
        `correlation` is JSON text, every correlation group with the rank correlations that its
        draws have.

    Raises:
        RunError: If more than 0.1 % of the draws are bad under "fail", or no draw is left.
        InputError: For an impossible number of draws, seed, sampler or uncertainty, if the kept
            draws do not fit in memory, or for a cluster that cannot be used.
        ValueError: For an unknown name in `keep`.
    """
    options = run_options(
        scenario, draws, seed, sampler, keep, uncertainty, threads, bad_draws, drop_questionable,
        kept_draws,
    )  # fmt: skip
    with connected(cluster, "simulate") as elsewhere:
        state = run_engine(scenario, options, progress=progress, elsewhere=elsewhere)
    return make_dataset(state)


def run_engine(
    scenario: Scenario,
    options: RunOptions,
    after: SimulationState | None = None,
    progress: loop.Progress | None = None,
    finished: Callable[[SimulationState], None] = lambda state: None,
    elsewhere: loop.Elsewhere | None = None,
) -> SimulationState:
    """Evaluate all draws of a scenario; return the final state.

    Draws of the state `after`, if given, are not evaluated again. `finished` is called from time to
    time with the state so far; `elsewhere` evaluates draws in place of threads
    (`dask_backend.connected`).

    Raises:
        InputError: If the kept draws do not fit in memory.
        ValueError: As `prepare`, or if `after` cannot be extended.
    """
    state = SimulationState.empty(prepare(scenario, options))
    return loop.run(state, progress, after, finished=finished, elsewhere=elsewhere)
