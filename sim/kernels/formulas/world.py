"""Evaluate one draw of the model, section by section."""

from __future__ import annotations

from sim.kernels.formulas.buildout import write_build
from sim.kernels.formulas.fleet import write_fleets
from sim.kernels.formulas.hardware import write_hourly_cost
from sim.kernels.formulas.landlords import write_landlords
from sim.kernels.formulas.margins import write_lab_margins, write_margins
from sim.kernels.formulas.paths import write_paths
from sim.kernels.formulas.throughput import write_throughput
from sim.kernels.formulas.training import write_training
from sim.kernels.formulas.unit_cost import write_unit_cost
from sim.kernels.indices import QUARTERS
from sim.kernels.jit import jit
from sim.kernels.simd.vectors import where
from sim.model.world_records import WorldRecords


@jit
def evaluate(world: WorldRecords, market: bool, accounting: bool) -> None:
    """Write every output of a draw (order of evaluation of docs/model.md)."""
    write_throughput(world)  # section 2
    write_build(world)  # section 6: gigawatts
    write_paths(world)  # section 8
    write_hourly_cost(world, market, accounting)  # section 1
    write_unit_cost(world, accounting)  # section 3
    write_margins(world, market, accounting)  # section 4: inference and fine-tuning
    write_fleets(world, market)  # section 6: bills, tokens, energy, revenue
    write_training(world, accounting)  # section 5
    write_lab_margins(world)  # section 4: labs and regimes
    write_landlords(world)  # section 7


@jit
def questionable(world: WorldRecords) -> float:
    """1 where a draw is outside what the model describes, else 0.

    `pue` exceeds `facility_capacity_ratio`, the promised speed is out of reach, or some lab's
    demand exceeds its capacity in some quarter.
    """
    outputs = world.outputs
    doubtful = outputs.pue_above_capacity_ratio + outputs.speed_unreachable
    for i in range(len(world.labs)):
        for q in range(QUARTERS):
            doubtful = doubtful + world.lab_outputs[i].demand_exceeds_capacity[q]
    return where(doubtful > 0.0, 1.0, 0.0)
