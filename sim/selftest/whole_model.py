"""Identities of every draw, and the memory of long runs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from sim.model.blocks import CHUNK
from sim.model.dims import LAYERS
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.selftest.check import Check, at_most
from sim.simulation.simulate import run_engine, simulate

DRAWS = 2048
MANY_DRAWS = 8 * CHUNK
ROUNDING = 1e-9
COMPUTE = slice(0, LAYERS.index("revenue_share"))
MEBIBYTE = 2.0**20


def checks(scenario: Scenario) -> Iterator[Check]:
    """Checks of sums, of draws without uncertainty, and of memory."""
    names = ["unit_cost", "compute_cost", "hosted_gw", "facility_gw"]
    ds = simulate(scenario, draws=DRAWS, seed=1, keep=names, bad_draws="keep")
    layers = ds["unit_cost"].isel(layer=COMPUTE)
    difference = abs(layers.sum("layer") - ds["compute_cost"]) / abs(layers).sum("layer")
    name = "token cost: sum of layers vs total, relative"
    yield at_most(name, float(difference.max()), ROUNDING)
    difference = abs(ds["hosted_gw"].sum("landlord") - ds["facility_gw"])
    yield at_most("lab's facility GW vs sum over its landlords", float(difference.max()), ROUNDING)
    names = ["inference_gross_margin", "gw"]
    point = simulate(scenario, draws=64, keep=names, uncertainty=0.0, bad_draws="keep")
    spreads = [float((point[name].max("draw") - point[name].min("draw")).max()) for name in names]
    yield at_most("spread of draws at uncertainty 0", max(spreads), 0.0)
    first, second = _peak_memory(scenario)
    name = "peak memory, second half of a long run"
    yield at_most(name, second / MEBIBYTE, 1.25 * first / MEBIBYTE, " MiB")


def _peak_memory(scenario: Scenario) -> tuple[int, int]:
    """Peak bytes of arrays in each half of a long run."""
    completed = 0
    peaks: list[int] = []

    def progress(draws: int) -> None:
        nonlocal completed
        completed += draws
        if completed >= MANY_DRAWS // 2 and not peaks:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        options = run_options(scenario, MANY_DRAWS, threads=1, kept_draws=CHUNK, bad_draws="keep")
        run_engine(scenario, options, progress=progress)
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    first, second = peaks
    return first, second
