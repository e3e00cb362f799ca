"""Draws that a Dataset lacks, or holds rounded, made again to the same bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.engine.loop import run
from sim.engine.prepare import digest, prepare
from sim.engine.state import SimulationState
from sim.model.blocks import CHUNK
from sim.model.outputs import PROBABILITIES
from sim.parameters.options import RunOptions
from sim.parameters.resolved import scenario_of
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import partial_dataset
from sim.statistics.datasets import PRECISION, is_rounded, json_attribute
from sim.statistics.scenarios import is_batch

ATTRIBUTES = ("parameters", "sources", "digest", "draws", "draws_kept", "keep")


def redraw(
    ds: xr.Dataset, names: Sequence[str] | None = None, threads: int | None = None
) -> xr.Dataset:
    """Make draws again that a Dataset lacks, or holds rounded, to the bits of its run.

    A run keeps draws of its headline outputs alone, and a stored one as float32. From parameters,
    seed and sampler, which the Dataset holds as attributes, all draws follow: 100,000 of them take
    a third of a second.

    Args:
        ds: What `simulate` or `open_run` gives, or some of its draws.
        names: Outputs, inputs or probabilities; unless given the variables of which `ds` holds
            rounded draws.
        threads: All processors unless given; changes no number.

    Returns:
        The Dataset with float64 draws of these variables, as `simulate` with `keep` gives them, of
        the same draws. Where the run has more draws than it keeps, also their histograms and
        moments. Other variables are as they were; nothing is drawn where none is missing.

    Raises:
        InputError: For a Dataset that another version of the model made, or that is none of
            `simulate` of one scenario.
        ValueError: For an unknown name.
    """
    if names is None:
        names = [str(name) for name in ds.data_vars if is_rounded(ds, str(name))]
    if isinstance(names, str):
        raise ValueError(f"names: expected a list of names, got '{names}'")
    names = [PROBABILITIES[name].of if name in PROBABILITIES else name for name in names]
    missing = [name for name in dict.fromkeys(names) if name not in ds or is_rounded(ds, name)]
    if not missing:
        return ds
    if np.unique(ds["draw"]).size < ds.sizes["draw"]:
        raise _error("runs that were joined: draw each again, and join them then")
    scenario, options = _question(ds, threads)
    if all(name in ds for name in missing):  # statistics of draws beyond the kept ones are there
        options = replace(options, draws=int(ds.attrs["draws_kept"]))
    state = draw_again(scenario, options, missing)
    drawn = partial_dataset(state, missing)
    new = [name for name in drawn.data_vars if name in missing or name not in ds]
    drawn = drawn[new]
    if not np.array_equal(drawn["draw"], ds["draw"]):
        drawn = drawn.sel(draw=ds["draw"])
    result = ds.assign(drawn.data_vars)
    if not any(is_rounded(result, str(name)) for name in result.data_vars):
        result.attrs.pop(PRECISION, None)
    return result


def draw_again(
    scenario: Scenario,
    options: RunOptions,
    names: Sequence[str],
    after: SimulationState | None = None,
) -> SimulationState:
    """The state of a run that keeps these variables, in the draws that count under its options.

    Draws of the state `after` are not evaluated again.

    Raises:
        InputError: If they do not fit in memory.
        ValueError: For an unknown name.
    """
    state = SimulationState.empty(prepare(scenario, options, names))
    return run(state, after=after)


def _question(ds: xr.Dataset, threads: int | None) -> tuple[Scenario, RunOptions]:
    """Scenario and options of the run that a Dataset holds.

    Raises:
        InputError: As `redraw`.
    """
    if is_batch(ds):
        raise _error("a Dataset of several scenarios: take one with of_scenario")
    lacking = [name for name in ATTRIBUTES if name not in ds.attrs]
    if lacking:
        raise _error(f"no Dataset of simulate of this version: it lacks the attribute {lacking[0]}")
    attrs = ds.attrs
    kept = math.ceil(int(attrs["draws_kept"]) / CHUNK) * CHUNK
    try:
        parameters, sources = json_attribute(ds, "parameters"), json_attribute(ds, "sources")
        scenario = scenario_of(parameters, sources, str(attrs["scenario"]))
        options = RunOptions.of(
            scenario, int(attrs["draws"]), int(attrs["seed"]), str(attrs["sampler"]),
            json_attribute(ds, "keep"), float(attrs["uncertainty"]), threads,
            str(attrs["bad_draws"]), bool(attrs["drop_questionable"]), kept,
        )  # fmt: skip
        same = digest(scenario, options) == attrs["digest"]
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        same = False
    if not same:
        raise _error(
            "another version of the model made this run: what it does not hold cannot be drawn"
            " again; run it anew"
        )
    return scenario, options


def _error(message: str) -> InputError:
    return InputError([Fault(Location("redraw"), "", message)])
