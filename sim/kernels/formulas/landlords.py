"""Section 7 of the model: landlords' books, and their exposure to labs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.kernels.formulas.buildout import (
    accelerators_per_gw,
    average_stock,
    host_share,
)
from sim.kernels.formulas.hardware import HOURS_PER_YEAR, capex, it_capex, it_power_kw
from sim.kernels.formulas.margins import lab_levies, lab_opex_ratio, reports_revenue
from sim.kernels.indices import QUARTERS, REFERENCE
from sim.kernels.jit import jit
from sim.kernels.simd.functions import is_nan, maximum, minimum
from sim.kernels.simd.vectors import where
from sim.model.inputs import Draw, Hardware, Lab, Landlord
from sim.model.world_records import WorldRecords


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
def quarterly_busd(accelerators_per_gw: float, gw_usd_per_hour: float) -> float:
    """Amount of a quarter for gigawatts times an hourly price [USD bn/quarter] (7.3, 7.8)."""
    return accelerators_per_gw * gw_usd_per_hour * (HOURS_PER_YEAR / 4.0 / 1e9)


@jit
def revenue_for_compute(inputs: Draw, lab: Lab, average_arr: float) -> float:
    """Revenue left after levies and other operating cost [USD bn/yr] (7.6)."""
    left = 1.0 - lab_levies(inputs.prices, lab) - lab_opex_ratio(inputs.finance, lab)
    return average_arr * left


@jit
def write_coverage(world: WorldRecords) -> None:
    """Write how much of its bill each lab's revenue covers (7.6).

    No more than the whole of it can fall short. NaN, of a lab without ARR, stays NaN.
    """
    for i in range(len(world.labs)):
        lab = world.lab_outputs[i]
        if not reports_revenue(world.labs[i]):
            for q in range(QUARTERS):
                lab.coverage[q] = np.nan
                lab.shortfall[q] = np.nan
                lab.funding_gap_busd[q] = np.nan
            continue
        for q in range(QUARTERS):
            bill = lab.compute_bill[q]
            revenue = revenue_for_compute(world.inputs, world.labs[i], lab.average_arr[q])
            lab.coverage[q] = revenue / bill
            lab.shortfall[q] = minimum(maximum(0.0, 1.0 - revenue / bill), 1.0)
            lab.funding_gap_busd[q] = maximum(0.0, bill - revenue)


@jit
def depreciation_coverage(rent: float, depreciation: float, rented_gw: float) -> float:
    """Rent over booked depreciation of rented capacity; NaN where there is none [1] (7.4)."""
    return where(rented_gw > 0.0, rent / depreciation, np.nan)


@jit
def landlord_margin(cost: float, rent: float, rented_gw: float) -> float:
    """Landlord's margin on rented capacity; NaN where there is none [1] (7.9, 7.11)."""
    return where(rented_gw > 0.0, 1.0 - cost / rent, np.nan)


@jit
def write_flows(world: WorldRecords) -> None:
    """Write rents, depreciation, costs and margins by landlord (7.1-7.4, 7.2a, 7.8, 7.9).

    `relative` gigawatts are weighted by the relative cost of the lab that they were bought for.
    """
    hardware, ledger, contracts = world.inputs.hardware, world.ledger, world.contracts
    g = gigawatt(hardware)
    economic = economic_rate(g, hardware)
    for k in range(len(world.landlords)):
        inputs, landlord = world.landlords[k], world.landlord_outputs[k]
        booked = booked_rate(g, hardware, inputs)
        contract = inputs.rent_busd_per_gw_year
        without = is_nan(contract)
        for q in range(QUARTERS):
            relative = 0.0
            relative_rented = 0.0
            rented = 0.0
            rent = 0.0
            running = 0.0
            for at in range(contracts.of_landlord[k].begin, contracts.of_landlord[k].end):
                c, i = contracts.by_landlord[at].number, contracts.by_landlord[at].lab
                average = ledger.average[c, q]
                outside = average * (1.0 - contracts.hosts[c].captive)
                relative_cost = world.labs[i].relative_cost
                relative += relative_cost * average
                relative_rented += relative_cost * outside
                rented += outside
                rent += outside * ledger.rent[i, q]
                running += outside * ledger.running_cost[i, q]
            rent = where(
                without, quarterly_busd(g.accelerators, rent), rented * contract * (1.0 / 4.0)
            )
            running = quarterly_busd(g.accelerators, running)
            quarterly = world.outputs.cost_index[q] / 4.0
            of_rented = relative_rented * booked * quarterly
            cost = of_rented + running + inputs.other_cost_busd_per_gw_year * rented / 4.0
            landlord.depreciation_booked[q] = relative * booked * quarterly
            landlord.depreciation_economic[q] = relative * economic * quarterly
            landlord.depreciation_gap[q] = relative * (economic - booked) * quarterly
            landlord.rent_received[q] = rent
            landlord.depreciation_booked_rented[q] = of_rented
            landlord.depreciation_coverage[q] = depreciation_coverage(rent, of_rented, rented)
            landlord.external_cost_busd[q] = cost
            landlord.landlord_gross_margin[q] = landlord_margin(cost, rent, rented)


@jit
def write_book_values(world: WorldRecords) -> None:
    """Write net book values, and interest on debt behind rented capacity (7.5, 7.10, 7.11)."""
    inputs, outputs, ledger, contracts = world.inputs, world.outputs, world.ledger, world.contracts
    g = gigawatt(inputs.hardware)
    opening = inputs.finance.opening_nbv_fraction
    facility_per_stated = inputs.buildout.gw_definition_ratio
    for k in range(len(world.landlords)):
        terms, landlord = world.landlords[k], world.landlord_outputs[k]
        booked = booked_rate(g, inputs.hardware, terms)
        for q in range(QUARTERS):
            landlord.net_book_value[q] = 0.0
            landlord.interest_busd[q] = 0.0
        for at in range(contracts.of_landlord[k].begin, contracts.of_landlord[k].end):
            c, i = contracts.by_landlord[at].number, contracts.by_landlord[at].lab
            host = contracts.hosts[c]
            values = world.host_outputs[i, k]
            relative_cost = world.labs[i].relative_cost
            hosted = host_share(host, -1) * facility_per_stated * world.labs[i].gw_2025q4
            value = relative_cost * hosted * outputs.capex_per_gw[REFERENCE] * opening
            for q in range(QUARTERS):
                before = value
                purchased = (values.hosted_gw[q] - hosted) * outputs.capex_per_gw[q]
                hosted = values.hosted_gw[q]
                depreciated = ledger.average[c, q] * booked * outputs.cost_index[q] / 4.0
                value = value + relative_cost * (purchased - depreciated)
                values.net_book_value_by_lab[q] = value
                landlord.net_book_value[q] += value
                landlord.interest_busd[q] += quarterly_interest_busd(
                    terms, (1.0 - host.captive) * average_stock(before, value)
                )
        for q in range(QUARTERS):
            cost, rent = landlord.external_cost_busd[q], landlord.rent_received[q]
            silent = is_nan(landlord.landlord_gross_margin[q])
            margin = 1.0 - (cost + landlord.interest_busd[q]) / rent
            landlord.landlord_margin_after_interest[q] = where(silent, np.nan, margin)


@jit
def quarterly_interest_busd(terms: Landlord, book_value: float) -> float:
    """Interest of a quarter on the debt behind a book value [USD bn/quarter] (7.10)."""
    return terms.debt_share * terms.interest_rate * book_value / 4.0


@jit
def due_within_a_year(firm_busd: float, duration_years: float) -> float:
    """Firm obligations due within 12 months, in a straight line [USD bn] (7.12).

    NaN where the duration is missing.
    """
    return firm_busd * minimum(1.0, 1.0 / duration_years)


@jit
def write_exposure(world: WorldRecords) -> None:
    """Write obligations, and what hangs on labs below the hurdle (7.7, 7.12, 7.13).

    All but (7.13) at the reference quarter. A lab without a margin counts as not below the hurdle
    and without shortfall.
    """
    hurdle = world.inputs.finance.hurdle_margin
    for k in range(len(world.landlords)):
        terms, landlord = world.landlords[k], world.landlord_outputs[k]
        dependence = 0.0
        rpo_under = 0.0
        rpo_short = 0.0
        nbv_under = 0.0
        for i in range(len(world.labs)):
            lab, host, pair = world.lab_outputs[i], world.hosts[i, k], world.host_outputs[i, k]
            rpo = terms.rpo_busd * host.rpo_share
            pair.rpo_by_lab = rpo
            if host.equity_busd > 0.0:  # of other pairs it stays NaN
                for q in range(QUARTERS):
                    pair.arr_over_equity[q] = lab.arr[q] / host.equity_busd
            dependence += host.rpo_share
            is_under = lab.lab_paid_margin[REFERENCE] < hurdle
            book_value = pair.net_book_value_by_lab[REFERENCE]
            value = (1.0 - host.captive) * book_value
            short = lab.shortfall[REFERENCE]
            rpo_under += where(is_under, rpo, 0.0)
            nbv_under += where(is_under, value, 0.0)
            rpo_short += where(short > 0.0, rpo * short, 0.0)
        landlord.lab_dependence = dependence
        landlord.rpo_under_hurdle = rpo_under
        landlord.rpo_shortfall = rpo_short
        landlord.nbv_under_hurdle = nbv_under
        landlord.rpo_firm_busd = terms.rpo_busd * terms.firm_share
        landlord.rpo_due_12m_busd = due_within_a_year(landlord.rpo_firm_busd, terms.duration_years)


@jit
def write_landlords(world: WorldRecords) -> None:
    """Write the landlords' books, and the labs' coverage of their bills (7.1-7.13)."""
    write_coverage(world)
    write_flows(world)
    write_book_values(world)
    write_exposure(world)
