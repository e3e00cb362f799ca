"""The run that a Dataset holds: its scenario and options, from its attributes."""

from __future__ import annotations

import math

import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.engine.prepare import digest
from sim.model.blocks import CHUNK
from sim.parameters.options import RunOptions
from sim.parameters.resolved import scenario_of
from sim.parameters.scenario import Scenario
from sim.statistics.datasets import json_attribute
from sim.statistics.scenarios import is_batch

ATTRIBUTES = (
    "parameters", "sources", "digest", "draws", "draws_kept", "draws_not_finite", "keep",
)  # fmt: skip


def run_of(ds: xr.Dataset, threads: int | None = None) -> tuple[Scenario, RunOptions]:
    """Scenario and options of the run that a Dataset holds, which follow from its attributes.

    Raises:
        InputError: For a Dataset that another version of the model made, or that is none of
            `simulate` of one scenario.
    """
    if is_batch(ds):
        raise origin_error("a Dataset of several scenarios: take one with of_scenario")
    lacking = [name for name in ATTRIBUTES if name not in ds.attrs]
    if lacking:
        raise origin_error(
            f"no Dataset of simulate of this version: it lacks the attribute {lacking[0]}"
        )
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
        raise origin_error(
            "another version of the model made this run: what it does not hold cannot be drawn"
            " again; run it anew"
        )
    return scenario, options


def origin_error(message: str) -> InputError:
    """The error that draws cannot be made again."""
    return InputError([Fault(Location("redraw"), "", message)])
