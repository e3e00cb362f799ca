"""Section 7 of the model: who books the depreciation, and what hangs on the labs' margins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.kernels.formulas.buildout import Ledger, accelerators_per_gw, is_contracted
from sim.kernels.formulas.fleet import regime_share
from sim.kernels.formulas.hardware import HOURS_PER_YEAR, capex, it_capex, it_power_kw
from sim.kernels.indices import QUARTERS, REFERENCE, REGIMES
from sim.kernels.jit import jit
from sim.kernels.simd.functions import maximum
from sim.kernels.simd.vectors import where
from sim.model.declarations import Records
from sim.model.inputs import Draw, Hardware, Host, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World


class Gigawatt(NamedTuple):
    """One facility gigawatt at the reference quarter: purchase costs, and accelerators in it."""

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
def mean_rent_per_hour(x: Draw, lab: Lab, out: World, quarter: int) -> float:
    """Rent of an accelerator-hour over the lab's regimes [USD/h]."""
    rent = 0.0
    for r in range(REGIMES):
        share = regime_share(lab.inference_share, x.training.fine_tune_share, r)
        rent += share * out.rent_per_hour[quarter, r]
    return rent


@jit
def quarterly_rent_busd(rented_gw: float, accelerators_per_gw: float, rent: float) -> float:
    """Rent of so many gigawatts in a quarter [USD bn/quarter] (7.3)."""
    return rented_gw * accelerators_per_gw * rent * (HOURS_PER_YEAR / 4.0 / 1e9)


@jit
def revenue_for_compute(x: Draw, arr: float) -> float:
    """Revenue left for compute after levies and other operating cost [USD bn/yr] (7.6)."""
    levies = x.prices.revenue_share_rate + x.prices.serving_overhead_rate
    return arr * (1.0 - levies - x.finance.noncompute_opex_ratio)


@jit
def write_coverage(x: Draw, lab_out: Records[LabOutputs]) -> None:
    """What of its compute bill each lab's revenue covers; NaN stays NaN (7.6)."""
    for i in range(len(lab_out)):
        for q in range(QUARTERS):
            bill = lab_out[i].compute_bill[q]
            revenue = revenue_for_compute(x, lab_out[i].arr[q])
            lab_out[i].coverage[q] = revenue / bill
            lab_out[i].shortfall[q] = maximum(0.0, 1.0 - revenue / bill)
            lab_out[i].funding_gap_busd[q] = maximum(0.0, bill - revenue)


@jit
def write_flows(
    x: Draw,
    labs: Records[Lab],
    landlords: Records[Landlord],
    hosts: Records[Host],
    out: World,
    landlord_out: Records[LandlordOutputs],
    ledger: Ledger,
) -> None:
    """Rent received and depreciation, booked and economic, by landlord and quarter (7.1-7.4)."""
    g = gigawatt(x.hardware)
    economic = economic_rate(g, x.hardware)
    for i in range(len(labs)):
        for q in range(QUARTERS):
            ledger.rent[i, q] = mean_rent_per_hour(x, labs[i], out, q)
    for k in range(len(landlords)):
        booked = booked_rate(g, x.hardware, landlords[k])
        for q in range(QUARTERS):
            in_service = 0.0
            rented = 0.0
            rent = 0.0
            for i in range(len(labs)):
                if not is_contracted(hosts[i, k]):
                    continue
                average = ledger.average[i, k, q]
                outside = average * (1.0 - hosts[i, k].captive)
                in_service += average
                rented += outside
                paid = quarterly_rent_busd(outside, g.accelerators, ledger.rent[i, q])
                rent += where(outside > 0.0, paid, 0.0)
            quarterly = out.cost_index[q] / 4.0
            landlord_out[k].depreciation_booked[q] = in_service * booked * quarterly
            landlord_out[k].depreciation_economic[q] = in_service * economic * quarterly
            landlord_out[k].depreciation_gap[q] = in_service * (economic - booked) * quarterly
            of_rented = rented * booked * quarterly
            landlord_out[k].rent_received[q] = rent
            landlord_out[k].depreciation_booked_rented[q] = of_rented
            landlord_out[k].depreciation_coverage[q] = where(rented > 0.0, rent / of_rented, np.nan)


@jit
def write_book_values(
    x: Draw,
    labs: Records[Lab],
    landlords: Records[Landlord],
    hosts: Records[Host],
    out: World,
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
    ledger: Ledger,
) -> None:
    """Net book value by lab and landlord: what is bought less what is booked (7.5)."""
    g = gigawatt(x.hardware)
    purchase = g.it_busd + g.facility_busd
    for k in range(len(landlords)):
        booked = booked_rate(g, x.hardware, landlords[k])
        for q in range(QUARTERS):
            landlord_out[k].net_book_value[q] = 0.0
        for i in range(len(labs)):
            if not is_contracted(hosts[i, k]):
                continue
            hosted = hosts[i, k].share_2026 * labs[i].gw_2025q4
            value = hosted * purchase * x.finance.opening_nbv_fraction
            for q in range(QUARTERS):
                added = host_out[i, k].hosted_gw[q] - hosted
                hosted = host_out[i, k].hosted_gw[q]
                value = value + added * purchase * ledger.cost_growth[q]
                value = value - ledger.average[i, k, q] * booked * out.cost_index[q] / 4.0
                host_out[i, k].net_book_value_by_lab[q] = value
                landlord_out[k].net_book_value[q] += value


@jit
def write_exposure(
    hurdle: float,
    landlords: Records[Landlord],
    hosts: Records[Host],
    lab_out: Records[LabOutputs],
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
) -> None:
    """Obligations and book value that hang on labs under the hurdle, at the reference quarter.

    A lab without a margin counts as not under the hurdle and without shortfall (7.7).
    """
    for k in range(len(landlords)):
        dependence = 0.0
        rpo_under = 0.0
        rpo_short = 0.0
        nbv_under = 0.0
        for i in range(len(lab_out)):
            share = hosts[i, k].rpo_share
            rpo = landlords[k].rpo_busd * share
            dependence += share
            is_under = lab_out[i].lab_paid_margin[REFERENCE] < hurdle
            value = (1.0 - hosts[i, k].captive) * host_out[i, k].net_book_value_by_lab[REFERENCE]
            short = lab_out[i].shortfall[REFERENCE]
            rpo_under += where(is_under, rpo, 0.0)
            nbv_under += where(is_under, value, 0.0)
            rpo_short += where(short > 0.0, rpo * short, 0.0)
        landlord_out[k].lab_dependence = dependence
        landlord_out[k].rpo_under_hurdle = rpo_under
        landlord_out[k].rpo_shortfall = rpo_short
        landlord_out[k].nbv_under_hurdle = nbv_under


@jit
def write_landlords(
    x: Draw,
    labs: Records[Lab],
    landlords: Records[Landlord],
    hosts: Records[Host],
    out: World,
    lab_out: Records[LabOutputs],
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
    ledger: Ledger,
) -> None:
    """The landlords' books, and the labs' coverage that they rest on (7)."""
    write_coverage(x, lab_out)
    write_flows(x, labs, landlords, hosts, out, landlord_out, ledger)
    write_book_values(x, labs, landlords, hosts, out, landlord_out, host_out, ledger)
    hurdle = x.finance.hurdle_margin
    write_exposure(hurdle, landlords, hosts, lab_out, landlord_out, host_out)
