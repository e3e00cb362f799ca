"""Runs under every sampler and with draws left out, each beside all of its inputs and outputs.

Figures and tables are made of what a run keeps. What they show is held against `sim.summarise` of
the same draws with every input and output kept, and of sums and differences formed in each draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from replicates_of_32 import replicates_of_32

import sim
from sim.statistics.estimators import mean_with_error

BASE = Path(__file__).parent.parent / "params" / "base.toml"
# Obligations of a landlord that draws change, beside those of the others, which are fixed.
SAMPLED_RPO = {"landlords.oracle.rpo_busd": {"family": "lognormal", "median": 553, "sigma": 0.1}}
DRAWS = 3_072  # whole tiles: of others, draws and moments make replicates of other draws
CASES: dict[str, dict[str, Any]] = {
    "random": {"sampler": "random"},
    "stratified": {"sampler": "stratified"},
    "sobol": {"sampler": "sobol"},
    "sobol, questionable draws dropped": {"sampler": "sobol", "drop_questionable": True},
    "stratified, questionable draws dropped": {"drop_questionable": True},
    "sobol, bad draws dropped": {"sampler": "sobol", "uncertainty": 3.0, "bad_draws": "drop"},
    "stratified, bad draws dropped": {"uncertainty": 3.0, "bad_draws": "drop"},
}


@dataclass(frozen=True)
class FullRun:
    """A run as the command makes it, its summary, and the same draws with everything kept."""

    ds: xr.Dataset
    summary: xr.Dataset
    everything: xr.Dataset

    def mean_of_32(self, values: xr.DataArray) -> xr.Dataset:
        """The same, with the error of the 32 replicates of which moments are kept."""
        replicates = replicates_of_32(values["draw"].values, self.ds.attrs["sampler"])
        draws = values.astype(float).transpose(..., "draw")
        mean, error = mean_with_error(np.ascontiguousarray(draws.values), replicates)
        dims = draws.dims[:-1]
        return xr.Dataset(
            {"mean": (dims, mean), "error": (dims, error)}, draws.drop_vars("draw").coords
        )

    def mean(self, values: xr.DataArray) -> xr.Dataset:
        """`mean` and `error` [...] over draws of values [..., draw] formed of `everything`."""
        attrs = {**self.everything.attrs}
        whole = xr.Dataset({"values": values.astype(float)}, attrs=attrs)
        summary = sim.summarise(whole, ["values"], quantiles=[], tails=[])
        return xr.Dataset({"mean": summary.values_mean, "error": summary.values_mean_error})


@cache
def full_run(case: str) -> FullRun:
    scenario = sim.load(BASE, set=SAMPLED_RPO)
    options: dict[str, Any] = {"draws": DRAWS, "seed": 3, **CASES[case]}
    ds = sim.simulate(scenario, **options)
    everything = sim.simulate(scenario, keep="all", **options)
    assert (ds.sizes["draw"] < DRAWS) == ("dropped" in case)
    return FullRun(ds, sim.summarise(ds), everything)


def assert_estimate(
    found: tuple[float, float],
    value: float,
    error: float,
    largest: float,
    name: object,
) -> None:
    """A value and its error are the expected ones, up to rounding of sums in another order.

    Rounding is in proportion to the `largest` of the terms of which a number is made.
    """
    size = max(abs(value), largest) if math.isfinite(value) else 0.0
    assert found[0] == pytest.approx(value, rel=1e-9, abs=1e-11 * size, nan_ok=True), name
    assert found[1] == pytest.approx(error, rel=1e-6, abs=1e-11 * size, nan_ok=True), name
