"""One draw of the whole model, or several side by side: the table of contents."""

from __future__ import annotations

from sim.kernels.formulas.buildout import write_build
from sim.kernels.formulas.fleet import write_fleets
from sim.kernels.formulas.hardware import write_hourly_cost
from sim.kernels.formulas.landlords import write_landlords
from sim.kernels.formulas.margins import write_lab_margins, write_margins
from sim.kernels.formulas.paths import write_paths
from sim.kernels.formulas.records import WorldRecords
from sim.kernels.formulas.throughput import write_throughput
from sim.kernels.formulas.training import write_training
from sim.kernels.formulas.unit_cost import write_unit_cost
from sim.kernels.jit import jit
from sim.kernels.simd.vectors import where
from sim.model.outputs import World


@jit
def evaluate(world: WorldRecords, market: bool, accounting: bool) -> None:
    """Every output of one draw, from its inputs (model.md 0, order of evaluation)."""
    write_throughput(world)  # section 2
    write_build(world)  # 6
    write_paths(world)  # section 8.1
    write_hourly_cost(world, market, accounting)  # section 1
    write_unit_cost(world, accounting)  # section 3
    write_margins(world, market, accounting)  # 4.1, 4.2
    write_fleets(world)  # 6.3
    write_training(world, accounting)  # section 5
    write_lab_margins(world)  # 4.3, 4.8
    write_landlords(world)  # section 7


@jit
def questionable(outputs: World) -> float:
    """1 where a draw is evaluated beyond what the model is meant for.

    The model and one sequence do not fit in HBM, or the facility draws more power at its pue than
    it is built for.
    """
    doubtful = (outputs.fits_in_memory == 0.0) | (outputs.pue_above_capacity_ratio != 0.0)
    return where(doubtful, 1.0, 0.0)
