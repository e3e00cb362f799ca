"""Section 7 of the model: landlords' books, and their exposure to labs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.kernels.formulas.buildout import accelerators_per_gw, is_contracted
from sim.kernels.formulas.fleet import regime_share
from sim.kernels.formulas.hardware import HOURS_PER_YEAR, capex, it_capex, it_power_kw
from sim.kernels.formulas.records import WorldRecords
from sim.kernels.indices import QUARTERS, REFERENCE, REGIMES
from sim.kernels.jit import jit
from sim.kernels.simd.functions import maximum
from sim.kernels.simd.vectors import where
from sim.model.inputs import Draw, Hardware, Landlord


class Gigawatt(NamedTuple):
    """One facility gigawatt at the reference quarter: costs, and accelerators in it."""

    it_busd: float
    facility_busd: float
    accelerators: float


@jit
def gigawatt(h: Hardware) -> Gigawatt:
    """Purchase cost of a facility gigawatt by part [USD bn/GW] (6.2)."""
    c = capex(h)
    it_kw = it_power_kw(h.accelerator_tdp_kw, h.it_power_ratio)
    per_gw = accelerators_per_gw(it_kw, h.facility_capacity_ratio)
    return Gigawatt(it_capex(c) * per_gw / 1e9, c.facility * per_gw / 1e9, per_gw)


@jit
def depreciation_rate(g: Gigawatt, it_life: float, residual: float, facility_life: float) -> float:
    """Straight-line depreciation of a gigawatt [USD bn/GW/yr] (7.1, 7.2)."""
    return g.it_busd * (1.0 - residual) / it_life + g.facility_busd / facility_life


@jit
def booked_rate(g: Gigawatt, h: Hardware, landlord: Landlord) -> float:
    """Depreciation of a gigawatt over the landlord's own book life [USD bn/GW/yr] (7.1)."""
    life = h.it_book_life_years + landlord.book_life_offset_years
    return depreciation_rate(g, life, 0.0, h.facility_life_years)


@jit
def economic_rate(g: Gigawatt, h: Hardware) -> float:
    """Depreciation of a gigawatt over its economic life [USD bn/GW/yr] (7.2)."""
    return depreciation_rate(
        g, h.it_economic_life_years, h.it_residual_fraction, h.facility_life_years
    )


@jit
def mean_rent_per_hour(world: WorldRecords, i: int, quarter: int) -> float:
    """Rent of an accelerator-hour over a lab's regimes [USD/h] (7.3)."""
    inference_share = world.labs[i].inference_share
    fine_tune_share = world.inputs.training.fine_tune_share
    rent = 0.0
    for r in range(REGIMES):
        share = regime_share(inference_share, fine_tune_share, r)
        rent += share * world.outputs.rent_per_hour[quarter, r]
    return rent


@jit
def quarterly_rent_busd(rented_gw: float, accelerators_per_gw: float, rent: float) -> float:
    """Rent of rented gigawatts in a quarter [USD bn/quarter] (7.3)."""
    return rented_gw * accelerators_per_gw * rent * (HOURS_PER_YEAR / 4.0 / 1e9)


@jit
def revenue_for_compute(inputs: Draw, arr: float) -> float:
    """Revenue left after levies and other operating cost [USD bn/yr] (7.6)."""
    levies = inputs.prices.revenue_share_rate + inputs.prices.serving_overhead_rate
    return arr * (1.0 - levies - inputs.finance.noncompute_opex_ratio)


@jit
def write_coverage(world: WorldRecords) -> None:
    """Write how much of its bill each lab's revenue covers (7.6).

    NaN, of a lab without ARR, stays NaN.
    """
    for i in range(len(world.labs)):
        lab = world.lab_outputs[i]
        for q in range(QUARTERS):
            bill = lab.compute_bill[q]
            revenue = revenue_for_compute(world.inputs, lab.arr[q])
            lab.coverage[q] = revenue / bill
            lab.shortfall[q] = maximum(0.0, 1.0 - revenue / bill)
            lab.funding_gap_busd[q] = maximum(0.0, bill - revenue)


@jit
def write_flows(world: WorldRecords) -> None:
    """Write rents and depreciation by landlord (7.1, 7.2, 7.2a, 7.3, 7.4)."""
    hardware, hosts, ledger = world.inputs.hardware, world.hosts, world.ledger
    g = gigawatt(hardware)
    economic = economic_rate(g, hardware)
    for i in range(len(world.labs)):
        for q in range(QUARTERS):
            ledger.rent[i, q] = mean_rent_per_hour(world, i, q)
    for k in range(len(world.landlords)):
        landlord = world.landlord_outputs[k]
        booked = booked_rate(g, hardware, world.landlords[k])
        for q in range(QUARTERS):
            in_service = 0.0
            rented = 0.0
            rent = 0.0
            for i in range(len(world.labs)):
                if not is_contracted(hosts[i, k]):
                    continue
                average = ledger.average[i, k, q]
                outside = average * (1.0 - hosts[i, k].captive)
                in_service += average
                rented += outside
                paid = quarterly_rent_busd(outside, g.accelerators, ledger.rent[i, q])
                rent += where(outside > 0.0, paid, 0.0)
            quarterly = world.outputs.cost_index[q] / 4.0
            landlord.depreciation_booked[q] = in_service * booked * quarterly
            landlord.depreciation_economic[q] = in_service * economic * quarterly
            landlord.depreciation_gap[q] = in_service * (economic - booked) * quarterly
            of_rented = rented * booked * quarterly
            landlord.rent_received[q] = rent
            landlord.depreciation_booked_rented[q] = of_rented
            landlord.depreciation_coverage[q] = where(rented > 0.0, rent / of_rented, np.nan)


@jit
def write_book_values(world: WorldRecords) -> None:
    """Write net book values: purchases less booked depreciation (7.5)."""
    inputs, hosts, ledger = world.inputs, world.hosts, world.ledger
    g = gigawatt(inputs.hardware)
    purchase = g.it_busd + g.facility_busd
    for k in range(len(world.landlords)):
        landlord = world.landlord_outputs[k]
        booked = booked_rate(g, inputs.hardware, world.landlords[k])
        for q in range(QUARTERS):
            landlord.net_book_value[q] = 0.0
        for i in range(len(world.labs)):
            if not is_contracted(hosts[i, k]):
                continue
            host = world.host_outputs[i, k]
            hosted = hosts[i, k].share_2026 * world.labs[i].gw_2025q4
            value = hosted * purchase * inputs.finance.opening_nbv_fraction
            for q in range(QUARTERS):
                added = host.hosted_gw[q] - hosted
                hosted = host.hosted_gw[q]
                value = value + added * purchase * ledger.cost_growth[q]
                depreciated = ledger.average[i, k, q] * booked * world.outputs.cost_index[q] / 4.0
                value = value - depreciated
                host.net_book_value_by_lab[q] = value
                landlord.net_book_value[q] += value


@jit
def write_exposure(world: WorldRecords) -> None:
    """Write backlog and book value that hang on labs below the hurdle (7.7).

    All at the reference quarter. A lab without a margin counts as not below the hurdle and without
    shortfall.
    """
    hurdle = world.inputs.finance.hurdle_margin
    for k in range(len(world.landlords)):
        landlord = world.landlord_outputs[k]
        dependence = 0.0
        rpo_under = 0.0
        rpo_short = 0.0
        nbv_under = 0.0
        for i in range(len(world.labs)):
            lab, host = world.lab_outputs[i], world.hosts[i, k]
            rpo = world.landlords[k].rpo_busd * host.rpo_share
            dependence += host.rpo_share
            is_under = lab.lab_paid_margin[REFERENCE] < hurdle
            book_value = world.host_outputs[i, k].net_book_value_by_lab[REFERENCE]
            value = (1.0 - host.captive) * book_value
            short = lab.shortfall[REFERENCE]
            rpo_under += where(is_under, rpo, 0.0)
            nbv_under += where(is_under, value, 0.0)
            rpo_short += where(short > 0.0, rpo * short, 0.0)
        landlord.lab_dependence = dependence
        landlord.rpo_under_hurdle = rpo_under
        landlord.rpo_shortfall = rpo_short
        landlord.nbv_under_hurdle = nbv_under


@jit
def write_landlords(world: WorldRecords) -> None:
    """Write the landlords' books, and the labs' coverage of their bills (7.1-7.7)."""
    write_coverage(world)
    write_flows(world)
    write_book_values(world)
    write_exposure(world)
