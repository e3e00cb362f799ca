"""One draw of the whole model, or several side by side: the table of contents."""

from __future__ import annotations

from sim.kernels.formulas.buildout import Ledger, write_build
from sim.kernels.formulas.fleet import write_fleets
from sim.kernels.formulas.hardware import write_hourly_cost
from sim.kernels.formulas.landlords import write_landlords
from sim.kernels.formulas.margins import write_lab_margins, write_margins
from sim.kernels.formulas.paths import write_paths
from sim.kernels.formulas.throughput import write_throughput
from sim.kernels.formulas.training import write_training
from sim.kernels.formulas.unit_cost import write_unit_cost
from sim.kernels.jit import jit
from sim.kernels.simd.vectors import where
from sim.model.declarations import Records
from sim.model.inputs import Draw, Host, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World


@jit
def evaluate(
    x: Draw,
    labs: Records[Lab],
    landlords: Records[Landlord],
    hosts: Records[Host],
    market: bool,
    accounting: bool,
    out: World,
    lab_out: Records[LabOutputs],
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
    ledger: Ledger,
) -> None:
    """Every output of one draw, from its inputs (model.md 0, order of evaluation)."""
    write_throughput(x, out)  # section 2
    write_build(x, labs, landlords, hosts, out, lab_out, landlord_out, host_out, ledger)  # 6
    write_paths(x, lab_out, out)  # section 8.1
    write_hourly_cost(x, market, accounting, out)  # section 1
    write_unit_cost(x, accounting, out)  # section 3
    write_margins(x, market, accounting, out)  # 4.1, 4.2
    write_fleets(x, labs, hosts, out, lab_out, ledger)  # 6.3
    write_training(x, labs, accounting, out, lab_out)  # section 5
    write_lab_margins(x, labs, out, lab_out)  # 4.3, 4.8
    write_landlords(
        x, labs, landlords, hosts, out, lab_out, landlord_out, host_out, ledger
    )  # section 7


@jit
def questionable(out: World) -> float:
    """1 where a draw is evaluated beyond what the model is meant for.

    The model and one sequence do not fit in HBM, or the facility draws more power at its pue than
    it is built for.
    """
    doubtful = (out.fits_in_memory == 0.0) | (out.pue_above_capacity_ratio != 0.0)
    return where(doubtful, 1.0, 0.0)
