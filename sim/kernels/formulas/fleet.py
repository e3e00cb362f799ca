"""Section 6 of the model: bills, tokens, energy and revenue of labs."""

from __future__ import annotations

from sim.kernels.formulas.buildout import accelerators_per_gw, average_gw, is_contracted
from sim.kernels.formulas.hardware import HOURS_PER_YEAR, active_load, average_power_kw, it_power_kw
from sim.kernels.formulas.paths import quarterly, raised
from sim.kernels.formulas.records import WorldRecords
from sim.kernels.indices import FINE_TUNE, INFERENCE, QUARTERS, REFERENCE, REGIMES, TRAINING
from sim.kernels.jit import jit
from sim.kernels.simd.vectors import where
from sim.model.inputs import Lab
from sim.model.outputs import LabOutputs

TWH_PER_GW_YEAR = HOURS_PER_YEAR / 1000.0


@jit
def regime_share(inference_share: float, fine_tune_share: float, regime: int) -> float:
    """w: a regime's share of a lab's accelerator-hours [1] (6.7a)."""
    if regime == TRAINING:
        return 1.0 - inference_share - fine_tune_share
    if regime == FINE_TUNE:
        return fine_tune_share
    return inference_share


@jit
def rented_gw(world: WorldRecords, i: int, quarter: int) -> float:
    """A lab's gigawatts at outside landlords, on average over a quarter [GW] (6.7b)."""
    hosts, average = world.hosts, world.ledger.average
    rented = 0.0
    for k in range(len(world.landlords)):
        if is_contracted(hosts[i, k]):
            rented += average[i, k, quarter] * (1.0 - hosts[i, k].captive)
    return rented


@jit
def bill_busd(
    accelerators: float, regime_share: float, rented_share: float, owner_cost: float, rent: float
) -> float:
    """Compute bill: owner's economic cost, or rent where rented [USD bn/yr] (6.8)."""
    usd_per_hour = owner_cost + rented_share * (rent - owner_cost)
    return accelerators * regime_share * usd_per_hour * (HOURS_PER_YEAR / 1e9)


@jit
def tokens_per_s(accelerators: float, inference_share: float, paid_s: float) -> float:
    """Blended tokens that the fleet serves [tok/s] (6.8a)."""
    return accelerators * inference_share / paid_s


@jit
def capacity_revenue_busd(tokens_per_s: float, free_share: float, usd_per_mtok: float) -> float:
    """Revenue of the paid tokens at the price list [USD bn/yr] (6.9)."""
    mtok_per_year = tokens_per_s * (3600.0 * HOURS_PER_YEAR / 1e6)
    return mtok_per_year * (1.0 - free_share) * usd_per_mtok * 1e-9


@jit
def energy_twh(it_gw: float, load: float, pue: float) -> float:
    """Energy at the meter of IT gigawatts at an average load [TWh/yr] (6.9c)."""
    return it_gw * load * pue * TWH_PER_GW_YEAR


@jit
def write_arr(lab: Lab, outputs: LabOutputs) -> None:
    """Write a lab's annualised revenue [USD bn/yr] (6.9a).

    Geometric between the two year ends, then with the lab's growth. NaN where it reports none.
    """
    arr_2025, arr_2026 = lab.arr_2025q4_busd, lab.arr_2026q4_busd
    growth_2026 = quarterly(arr_2026 / arr_2025)
    growth_2027 = quarterly(lab.arr_growth_2027)
    for q in range(QUARTERS):
        if q < REFERENCE:
            outputs.arr[q] = arr_2025 * raised(growth_2026, q + 1)
        else:
            outputs.arr[q] = arr_2026 * raised(growth_2027, q - REFERENCE)


@jit
def average_load(world: WorldRecords, inference_share: float, quarter: int) -> float:
    """IT draw over nameplate, averaged over a fleet's regimes [1] (6.9c)."""
    inputs, duty_cycle = world.inputs, world.outputs.duty_cycle
    load = 0.0
    for r in range(REGIMES):
        share = regime_share(inference_share, inputs.training.fine_tune_share, r)
        active = active_load(inputs.utilisation, r)
        idle = inputs.utilisation.idle_load
        load += share * average_power_kw(1.0, duty_cycle[quarter, r], active, idle)
    return load


@jit
def write_fleets(world: WorldRecords) -> None:
    """Write bills, tokens, energy and revenue of every lab (6.7-6.9c).

    The last output is ARR over capacity revenue (6.9b).
    """
    inputs, outputs = world.inputs, world.outputs
    h = inputs.hardware
    it_kw = it_power_kw(h.accelerator_tdp_kw, h.it_power_ratio)
    per_gw = accelerators_per_gw(it_kw, h.facility_capacity_ratio)
    outputs.training_share_below_zero = 0.0
    for i in range(len(world.labs)):
        lab, fleet = world.labs[i], world.lab_outputs[i]
        write_arr(lab, fleet)
        left = regime_share(lab.inference_share, inputs.training.fine_tune_share, TRAINING)
        below_zero = where(left < 0.0, 1.0, outputs.training_share_below_zero)
        outputs.training_share_below_zero = below_zero
        for q in range(QUARTERS):
            gw = average_gw(lab, fleet, q)
            rented = rented_gw(world, i, q) / gw
            total = 0.0
            for r in range(REGIMES):
                share = regime_share(lab.inference_share, inputs.training.fine_tune_share, r)
                owner, rent = outputs.owner_cost_economic[q, r], outputs.rent_per_hour[q, r]
                bill = bill_busd(gw * per_gw, share, rented, owner, rent)
                fleet.compute_bill_regime[q, r] = bill
                total += bill
            fleet.compute_bill[q] = total
            served = tokens_per_s(
                gw * per_gw, lab.inference_share, outputs.paid_seconds_per_token[q, INFERENCE]
            )
            fleet.fleet_tokens_per_s[q] = served
            load = average_load(world, lab.inference_share, q)
            fleet.fleet_energy_twh[q] = energy_twh(gw / h.facility_capacity_ratio, load, h.pue)
            revenue = capacity_revenue_busd(
                served, lab.lab_free_token_share, outputs.revenue_per_mtok_paid[q]
            )
            fleet.capacity_revenue[q] = revenue
            fleet.arr_capacity_ratio[q] = fleet.arr[q] / revenue
