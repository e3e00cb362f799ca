"""Section 6 of the model: bills, tokens, energy and revenue of labs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.kernels.formulas.buildout import accelerators_per_gw, average_gw
from sim.kernels.formulas.hardware import (
    HOURS_PER_YEAR,
    it_power_kw,
    rent_per_hour,
)
from sim.kernels.formulas.margins import gross_margin, reports_revenue
from sim.kernels.formulas.paths import quarterly, raised
from sim.kernels.indices import (
    FINE_TUNE,
    INFERENCE,
    QUARTERS,
    REFERENCE,
    REGIMES,
    TRAINING,
)
from sim.kernels.jit import jit
from sim.kernels.simd.functions import absolute, expm1, is_nan, log
from sim.kernels.simd.vectors import where
from sim.model.inputs import Lab
from sim.model.outputs import LabOutputs
from sim.model.world_records import WorldRecords

TWH_PER_GW_YEAR = HOURS_PER_YEAR / 1000.0


@jit
def regime_share(inference_share: float, fine_tune_share: float, regime: int) -> float:
    """w: a regime's share of a lab's accelerator-hours [1] (6.7a)."""
    if regime == TRAINING:
        return 1.0 - inference_share - fine_tune_share
    if regime == FINE_TUNE:
        return fine_tune_share
    return inference_share


class HostedGw(NamedTuple):
    """A lab's facility gigawatts by what they cost (6.8).

    `contracts_busd` is the sum over contracts of gigawatts times their yearly rent: it depends on
    no hardware.
    """

    captive: float
    rented: float  # without a contract
    contracts_busd: float


@jit
def owner_cost_for_lab(electricity: float, owner_cost: float, relative_cost: float) -> float:
    """Owner's levelised cost of an accelerator-hour bought for a lab [USD/h] (6.12)."""
    return electricity + relative_cost * (owner_cost - electricity)


@jit
def hosted_by_price(world: WorldRecords, i: int, quarter: int, closing: bool) -> HostedGw:
    """A lab's gigawatts by what they cost, on average over a quarter or as it closes (6.8, 5.3)."""
    zero = 0.0 * world.labs[i].gw_2025q4  # of lanes, so that the sums have one type from the first
    captive, rented, contracts = zero, zero, zero
    for c in range(world.contracts.of_lab[i].begin, world.contracts.of_lab[i].end):
        k = world.contracts.by_lab[c].landlord
        host = world.contracts.hosts[c]
        if closing:
            hosted = world.host_outputs[i, k].hosted_gw[quarter]
        else:
            hosted = world.ledger.average[c, quarter]
        outside = hosted * (1.0 - host.captive)
        contract = world.landlords[k].rent_busd_per_gw_year
        without = is_nan(contract)
        captive = captive + hosted * host.captive  # no `+=`: without a compiler these are one array
        rented = rented + where(without, outside, 0.0)
        contracts = contracts + where(without, 0.0, outside * contract)
    return HostedGw(captive, rented, contracts)


@jit
def full_bill_busd(
    hosted: HostedGw, accelerators_per_gw: float, owner_cost: float, rent: float
) -> float:
    """Compute bill if a regime had all hours: owner's cost, rent, contracts [USD bn/yr] (6.8)."""
    usd_per_hour = hosted.captive * owner_cost + hosted.rented * rent
    hourly = accelerators_per_gw * usd_per_hour * (HOURS_PER_YEAR / 1e9)
    return hourly + hosted.contracts_busd


@jit
def full_tokens_per_s(accelerators: float, relative_throughput: float, paid_s: float) -> float:
    """Blended tokens that the fleet serves if inference has all hours [tok/s] (6.9)."""
    return accelerators * relative_throughput / paid_s


@jit
def revenue_busd(tokens_per_s: float, usd_per_mtok: float) -> float:
    """Revenue of tokens that are all paid for [USD bn/yr] (6.9)."""
    return tokens_per_s * (3600.0 * HOURS_PER_YEAR / 1e6) * usd_per_mtok * 1e-9


@jit
def energy_twh(it_gw: float, load: float, pue: float) -> float:
    """Energy at the meter of IT gigawatts at an average load [TWh/yr] (6.9c)."""
    return it_gw * load * pue * TWH_PER_GW_YEAR


@jit
def average_arr(before: float, growth: float) -> float:
    """Annualised revenue over a quarter in which it grows at one rate [USD bn/yr] (6.10).

    `growth` is the logarithm of its end over its beginning; nothing cancels where that is small.
    """
    grown = expm1(growth)
    flat = absolute(growth) < 1e-6
    return before * where(flat, 1.0 + 0.5 * grown, grown / where(flat, 1.0, growth))


@jit
def tokens_demanded_per_s(revenue_busd: float, paid_share: float, usd_per_mtok: float) -> float:
    """Blended tokens, free ones included, that come with a revenue [tok/s] (6.14)."""
    mtok_per_year = revenue_busd * 1e9 / (usd_per_mtok * paid_share)
    return mtok_per_year * (1e6 / (3600.0 * HOURS_PER_YEAR))


@jit
def implied_duty(duty: float, arr_capacity_ratio: float) -> float:
    """Duty cycle at which the fleet would serve what is demanded [1] (6.15)."""
    return duty * arr_capacity_ratio


@jit
def growth_to_next_point(points: tuple[float, ...], arr: float, quarter: int) -> float:
    """Growth of ARR in a quarter of 2026 on its way to the next point, as a logarithm (6.11).

    `points` are those at the quarters' ends, NaN where missing; `arr` is that at its beginning.
    """
    ahead, share = points[REFERENCE], 1.0 / (REFERENCE - quarter + 1)
    for later in range(REFERENCE - 1, quarter - 1, -1):
        missing = is_nan(points[later])
        ahead = where(missing, ahead, points[later])
        share = where(missing, share, 1.0 / (later - quarter + 1))
    return log(ahead / arr) * share


@jit
def write_arr(lab: Lab, outputs: LabOutputs) -> None:
    """Write a lab's annualised revenue, at quarter ends and on average (6.10, 6.11).

    Through the published points; between them it grows at one rate, then with the lab's growth.
    NaN where it reports none.
    """
    points = (
        lab.arr_2026q1_busd,
        lab.arr_2026q2_busd,
        lab.arr_2026q3_busd,
        lab.arr_2026q4_busd,
    )
    before = lab.arr_2025q4_busd
    if not reports_revenue(lab):
        for q in range(QUARTERS):
            outputs.arr[q] = before
            outputs.average_arr[q] = before
            outputs.quarter_revenue_busd[q] = before
            outputs.arr_per_gw[q] = before
        return
    for q in range(REFERENCE + 1):
        growth = growth_to_next_point(points, before, q)
        after = where(is_nan(points[q]), before + before * expm1(growth), points[q])
        outputs.arr[q] = after
        outputs.average_arr[q] = average_arr(before, growth)
        before = after
    growth = 0.25 * log(lab.arr_growth_2027)
    growth_2027 = quarterly(lab.arr_growth_2027)
    for q in range(REFERENCE + 1, QUARTERS):
        outputs.arr[q] = lab.arr_2026q4_busd * raised(growth_2027, q - REFERENCE)
        outputs.average_arr[q] = average_arr(outputs.arr[q - 1], growth)
    for q in range(QUARTERS):
        outputs.quarter_revenue_busd[q] = outputs.average_arr[q] / 4.0
        outputs.arr_per_gw[q] = outputs.arr[q] / outputs.gw[q]


@jit
def fleet_load(world: WorldRecords, inference_share: float, quarter: int) -> float:
    """IT draw over nameplate, averaged over a fleet's regimes [1] (6.9c)."""
    load = 0.0
    for r in range(REGIMES):
        share = regime_share(inference_share, world.inputs.training.fine_tune_share, r)
        load += share * world.ledger.load[quarter, r]
    return load


@jit
def write_bills(world: WorldRecords, market: bool, i: int, per_gw: float) -> None:
    """Write a lab's bills over quarters, and those of the closing stock (6.8, 6.12, 6.13, 6.18).

    The ledger gets its rent and running cost of an accelerator-hour over regimes (7.3, 7.8).
    """
    outputs, ledger, h = world.outputs, world.ledger, world.inputs.hardware
    lab, fleet = world.labs[i], world.lab_outputs[i]
    fine_tune_share = world.inputs.training.fine_tune_share
    closing = hosted_by_price(world, i, REFERENCE, True)
    for q in range(QUARTERS):
        hosted = hosted_by_price(world, i, q, False)
        total = 0.0
        mean_rent = 0.0
        running = 0.0
        for r in range(REGIMES):
            electricity, upkeep = ledger.electricity[q, r], ledger.upkeep[q, r]
            owner = owner_cost_for_lab(
                electricity, outputs.owner_cost_economic[q, r], lab.relative_cost
            )
            rent = rent_per_hour(h, market, owner)  # without a contract (6.13)
            share = regime_share(lab.inference_share, fine_tune_share, r)
            full_bill = full_bill_busd(hosted, per_gw, owner, rent)
            bill = share * full_bill
            fleet.compute_bill_regime[q, r] = bill
            total += bill
            mean_rent += share * rent
            running += share * (electricity + lab.relative_cost * upkeep)
            if r == INFERENCE:
                ledger.inference_bill[i, q] = full_bill
            if q == REFERENCE:
                full_bill = full_bill_busd(closing, per_gw, owner, rent)
                ledger.closing_bill[i, r] = share * full_bill
        fleet.compute_bill[q] = total
        ledger.rent[i, q] = mean_rent
        ledger.running_cost[i, q] = running
        gw = average_gw(lab, fleet, q, world.inputs.buildout.gw_definition_ratio)
        fleet.bill_per_gw_year[q] = total / gw


@jit
def write_tokens(world: WorldRecords, i: int, per_gw: float) -> None:
    """Write a lab's tokens, energy, revenue and unit margin (4.12, 6.9-6.15).

    From the unit margin, the shares of hours that serve and of tokens that are paid for drop out.
    """
    inputs, outputs = world.inputs, world.outputs
    h, lab, fleet = inputs.hardware, world.labs[i], world.lab_outputs[i]
    paid_share = 1.0 - lab.lab_free_token_share
    it_per_facility, reports = 1.0 / h.facility_capacity_ratio, reports_revenue(lab)
    for q in range(QUARTERS):
        gw = average_gw(lab, fleet, q, inputs.buildout.gw_definition_ratio)
        paid_s = outputs.paid_seconds_per_token[q, INFERENCE]
        tokens = full_tokens_per_s(gw * per_gw, lab.relative_throughput, paid_s)
        fleet.fleet_tokens_per_s[q] = lab.inference_share * tokens
        load = fleet_load(world, lab.inference_share, q)
        fleet.fleet_energy_twh[q] = energy_twh(gw * it_per_facility, load, h.pue)
        usd_per_mtok = lab.relative_price * outputs.revenue_per_mtok_paid[q]
        full_revenue = revenue_busd(tokens, usd_per_mtok)
        fleet.lab_unit_margin[q] = gross_margin(world.ledger.inference_bill[i, q], full_revenue)
        revenue = lab.inference_share * paid_share * full_revenue
        fleet.capacity_revenue[q] = revenue
        if not reports:
            fleet.arr_capacity_ratio[q] = np.nan
            fleet.tokens_demanded_per_s[q] = np.nan
            fleet.implied_duty[q] = np.nan
            fleet.demand_exceeds_capacity[q] = 0.0
            continue
        ratio = fleet.average_arr[q] / revenue
        duty = implied_duty(outputs.duty_cycle[q, INFERENCE], ratio)
        fleet.arr_capacity_ratio[q] = ratio
        fleet.tokens_demanded_per_s[q] = tokens_demanded_per_s(
            fleet.average_arr[q], paid_share, usd_per_mtok
        )
        fleet.implied_duty[q] = duty
        fleet.demand_exceeds_capacity[q] = where(duty > 1.0, 1.0, 0.0)


@jit
def write_fleets(world: WorldRecords, market: bool) -> None:
    """Write bills, tokens, energy and revenue of every lab (6.7-6.18)."""
    inputs = world.inputs
    h = inputs.hardware
    it_kw = it_power_kw(h.accelerator_tdp_kw, h.it_power_ratio)
    per_gw = accelerators_per_gw(it_kw, h.facility_capacity_ratio)
    below_zero = 0.0
    for i in range(len(world.labs)):
        lab = world.labs[i]
        left = regime_share(lab.inference_share, inputs.training.fine_tune_share, TRAINING)
        below_zero = where(left < 0.0, 1.0, below_zero)
        write_arr(lab, world.lab_outputs[i])
        write_bills(world, market, i, per_gw)
        write_tokens(world, i, per_gw)
    world.outputs.training_share_below_zero = below_zero
