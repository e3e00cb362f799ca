"""Plans of small sweeps of the base case, and their keys and outputs."""

from __future__ import annotations

from typing import Any

from conftest import ROOT

from sim.parameters import sweep_axes
from sim.simulation import sweep as sweeps

BASE = str(ROOT / "params" / "base.toml")
DUTY = "utilisation.duty_cycle_online_inference.median"
LIFE = "hardware.it_economic_life_years.median"
MEDIAN, LOW = "p50(inference_gross_margin@2026Q4)", "p5(inference_gross_margin@2026Q4)"
HURDLE = "P(inference_gross_margin@2026Q4 >= 0.7)"


def make_plan(over: dict[str, Any], outputs: Any = (MEDIAN,), **options: Any) -> sweeps.SweepPlan:
    """Plan of a sweep of the base case with 300 draws and seed 3, unless given."""
    faults: list[Any] = []
    defaults = {"seed": 3, "sampler": None, "threads": None, "bad_draws": "fail"}
    all_options = {**defaults, "draws": 300, "drop_questionable": False, **options}
    return sweeps.plan_sweep(
        BASE, sweep_axes.of_mapping(over, faults), outputs, {}, faults, **all_options
    )
