"""Section 1 of the model: cost of a paid accelerator-hour, by layer."""

from __future__ import annotations

from typing import NamedTuple

from sim.kernels.indices import (
    ACCELERATOR_DEPRECIATION,
    COST_OF_CAPITAL,
    ELECTRICITY_IT,
    ELECTRICITY_OVERHEAD,
    FACILITY_DEPRECIATION,
    FINE_TUNE,
    HBM_DEPRECIATION,
    LANDLORD_MARGIN,
    MAINTENANCE,
    NETWORK_DEPRECIATION,
    QUARTERS,
    REFERENCE,
    REGIMES,
    REVENUE_SHARE,
    SERVER_DEPRECIATION,
    SERVING_OVERHEAD,
    SITE_OPERATIONS,
    TRAINING,
)
from sim.kernels.jit import jit
from sim.kernels.simd.functions import expm1, is_nan, log1p
from sim.kernels.simd.vectors import where
from sim.model.inputs import Hardware, Utilisation
from sim.model.outputs import World
from sim.model.world_records import WorldRecords

HOURS_PER_YEAR = 8760.0


class Capex(NamedTuple):
    """Purchase cost of an accelerator and its share of the rest [USD]."""

    logic: float
    hbm: float
    server: float
    network: float
    facility: float


class CapitalLayers(NamedTuple):
    """Hourly layers that scale with the cost of a vintage [USD/h]."""

    facility_depreciation: float
    accelerator_depreciation: float
    hbm_depreciation: float
    server_depreciation: float
    network_depreciation: float
    maintenance: float
    site_operations: float
    cost_of_capital: float


@jit
def it_power_kw(accelerator_tdp_kw: float, it_power_ratio: float) -> float:
    """IT nameplate power behind one accelerator [kW] (1.1)."""
    return accelerator_tdp_kw * it_power_ratio


@jit
def capex(h: Hardware) -> Capex:
    """Purchase cost by part [USD] (1.2)."""
    accelerator = h.accelerator_price_usd
    return Capex(
        accelerator * (1.0 - h.hbm_value_share),
        accelerator * h.hbm_value_share,
        accelerator * h.server_cost_ratio,
        accelerator * h.network_cost_ratio,
        h.facility_capex_usd_per_kw_it * it_power_kw(h.accelerator_tdp_kw, h.it_power_ratio),
    )


@jit
def it_capex(c: Capex) -> float:
    """Purchase cost of everything but the facility [USD] (1.2)."""
    return c.logic + c.hbm + c.server + c.network


@jit
def straight_line(cost: float, residual_fraction: float, life_years: float) -> float:
    """Straight-line depreciation [USD/h] (1.3)."""
    return cost * (1.0 - residual_fraction) / (life_years * HOURS_PER_YEAR)


@jit
def capital_recovery_factor(rate: float, years: float) -> float:
    """CRF(rate, n): yearly payment per dollar lent for n years [1/yr] (1.4)."""
    return where(rate == 0.0, 1.0 / years, rate / -expm1(-years * log1p(rate)))


@jit
def annuity(
    it_cost: float,
    facility_cost: float,
    residual_fraction: float,
    rate: float,
    it_life_years: float,
    facility_life_years: float,
) -> float:
    """Yearly payment that recovers capital, less the residual's sinking fund [USD/yr] (1.4)."""
    it_factor = capital_recovery_factor(rate, it_life_years)
    sinking_fund_factor = it_factor - rate
    return (
        it_cost * it_factor
        - residual_fraction * it_cost * sinking_fund_factor
        + facility_cost * capital_recovery_factor(rate, facility_life_years)
    )


@jit
def capital_layers(h: Hardware, life_years: float, residual: float, rate: float) -> CapitalLayers:
    """Layers other than electricity, for one life, residual and rate [USD/h] (1.3, 1.4, 1.4a).

    `rate` = 0 leaves the capital charge out, as the accounting view does.
    """
    c = capex(h)
    it_cost = it_capex(c)
    facility = straight_line(c.facility, 0.0, h.facility_life_years)
    logic = straight_line(c.logic, residual, life_years)
    hbm = straight_line(c.hbm, residual, life_years)
    server = straight_line(c.server, residual, life_years)
    network = straight_line(c.network, residual, life_years)
    payment = annuity(it_cost, c.facility, residual, rate, life_years, h.facility_life_years)
    depreciation = facility + logic + hbm + server + network
    charge = where(rate > 0.0, payment / HOURS_PER_YEAR - depreciation, 0.0)
    return CapitalLayers(
        facility,
        logic,
        hbm,
        server,
        network,
        h.maintenance_rate * it_cost / HOURS_PER_YEAR,
        h.site_opex_usd_per_kw_year
        * it_power_kw(h.accelerator_tdp_kw, h.it_power_ratio)
        / HOURS_PER_YEAR,
        charge,
    )


@jit
def capital_total(layers: CapitalLayers) -> float:
    """Sum of the layers that scale with a vintage's cost [USD/h] (1.5b)."""
    return (
        layers.facility_depreciation
        + layers.accelerator_depreciation
        + layers.hbm_depreciation
        + layers.server_depreciation
        + layers.network_depreciation
        + layers.maintenance
        + layers.site_operations
        + layers.cost_of_capital
    )


@jit
def average_load(duty: float, active_load: float, idle_load: float) -> float:
    """Average IT draw over nameplate of a paid accelerator [1] (1.5)."""
    return duty * active_load + (1.0 - duty) * idle_load


@jit
def average_power_kw(it_kw: float, duty: float, active_load: float, idle_load: float) -> float:
    """Average IT draw of a paid accelerator [kW] (1.5)."""
    return it_kw * average_load(duty, active_load, idle_load)


@jit
def rent_per_hour(h: Hardware, market: bool, owner_cost_economic: float) -> float:
    """Rent of an accelerator-hour: cost plus markup, or market price [USD/h] (1.6)."""
    if market:
        return h.rental_price_usd_per_hour
    return (1.0 + h.landlord_markup) * owner_cost_economic


@jit
def landlord_margin_layer(rented_share: float, rent: float, owner_cost: float) -> float:
    """Rent less owner's cost in the chosen view, where rented [USD/h] (1.7)."""
    return rented_share * (rent - owner_cost)


@jit
def active_load(u: Utilisation, regime: int) -> float:
    """IT draw over nameplate of an active accelerator in a regime [1]."""
    if regime == TRAINING:
        return u.active_load_frontier_training
    if regime == FINE_TUNE:
        return u.active_load_fine_tune
    return u.active_load_online_inference


@jit
def measured_over_computed(measured: float, computed: float) -> float:
    """omega: owner's cost as measured over that of the layers; 1 where missing [1] (1.8)."""
    return where(is_nan(measured), 1.0, measured / computed)


@jit
def write_hourly_cost(world: WorldRecords, market: bool, accounting: bool) -> None:
    """Write hourly layers, owner's costs, rents and landlord margins (1.5a, 1.5b, 1.7a, 1.8)."""
    outputs, ledger = world.outputs, world.ledger
    h, utilisation = world.inputs.hardware, world.inputs.utilisation
    economic = capital_layers(
        h, h.it_economic_life_years, h.it_residual_fraction, h.cost_of_capital
    )
    book = capital_layers(h, h.it_book_life_years, 0.0, 0.0)
    chosen = book if accounting else economic
    it_kw = it_power_kw(h.accelerator_tdp_kw, h.it_power_ratio)
    outputs.pue_above_capacity_ratio = where(h.pue > h.facility_capacity_ratio, 1.0, 0.0)
    for r in range(REGIMES):
        for q in range(QUARTERS):
            active, idle = active_load(utilisation, r), utilisation.idle_load
            ledger.load[q, r] = average_load(outputs.duty_cycle[q, r], active, idle)
        electricity = it_kw * ledger.load[REFERENCE, r] * outputs.power_price[REFERENCE] * h.pue
        computed = electricity + outputs.cost_index[REFERENCE] * capital_total(economic)
        scaled = measured_over_computed(h.measured_owner_cost_usd_per_hour, computed)
        ledger.measured_over_computed[r] = scaled
        for q in range(QUARTERS):
            cost_index = scaled * outputs.cost_index[q]
            electricity_it = scaled * (it_kw * ledger.load[q, r] * outputs.power_price[q])
            electricity_overhead = (h.pue - 1.0) * electricity_it
            electricity = electricity_it + electricity_overhead
            owner_economic = electricity + cost_index * capital_total(economic)
            owner_book = electricity + cost_index * capital_total(book)
            rent = rent_per_hour(h, market, owner_economic)
            owner = owner_book if accounting else owner_economic
            outputs.owner_cost_economic[q, r] = owner_economic
            outputs.owner_cost_book[q, r] = owner_book
            outputs.rent_per_hour[q, r] = rent
            outputs.landlord_margin_economic[q, r] = 1.0 - owner_economic / rent
            outputs.landlord_margin_book[q, r] = 1.0 - owner_book / rent
            layers = outputs.accelerator_hour_cost[q, r]
            layers[ELECTRICITY_IT] = electricity_it
            layers[ELECTRICITY_OVERHEAD] = electricity_overhead
            layers[FACILITY_DEPRECIATION] = cost_index * chosen.facility_depreciation
            layers[ACCELERATOR_DEPRECIATION] = cost_index * chosen.accelerator_depreciation
            layers[HBM_DEPRECIATION] = cost_index * chosen.hbm_depreciation
            layers[SERVER_DEPRECIATION] = cost_index * chosen.server_depreciation
            layers[NETWORK_DEPRECIATION] = cost_index * chosen.network_depreciation
            maintenance = cost_index * chosen.maintenance
            site_operations = cost_index * chosen.site_operations
            layers[MAINTENANCE] = maintenance
            layers[SITE_OPERATIONS] = site_operations
            ledger.electricity[q, r] = electricity
            ledger.upkeep[q, r] = maintenance + site_operations
            layers[COST_OF_CAPITAL] = cost_index * chosen.cost_of_capital
            layers[LANDLORD_MARGIN] = landlord_margin_layer(h.rented_share, rent, owner)
            layers[REVENUE_SHARE] = 0.0
            layers[SERVING_OVERHEAD] = 0.0


@jit
def hourly_cost(outputs: World, accounting: bool, quarter: int, regime: int) -> float:
    """Lab's cost of an accelerator-hour: owner's cost and landlord margin [USD/h] (1.7)."""
    if accounting:
        owner = outputs.owner_cost_book[quarter, regime]
    else:
        owner = outputs.owner_cost_economic[quarter, regime]
    return owner + outputs.accelerator_hour_cost[quarter, regime, LANDLORD_MARGIN]
