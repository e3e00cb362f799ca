"""Section 8.1 of the model: quarterly paths of prices, duty, throughput and cost."""

from __future__ import annotations

import numpy as np

from sim.fields import Records
from sim.inputs import Draw
from sim.kernels.jit import jit
from sim.kernels.places import (
    FINE_TUNE,
    INFERENCE,
    QUARTERS,
    REFERENCE,
    TRAINING,
    YEARS_PER_QUARTER,
)
from sim.outputs import LabOutputs, World


@jit
def years_from_reference(quarter: int) -> float:
    """t_q: years from the reference quarter [yr]."""
    return (quarter - REFERENCE) * YEARS_PER_QUARTER


@jit
def price_index(yearly_decline: float, volatility: float, walk: float, years: float) -> float:
    """Realised token price over that of the reference quarter, Pi_q [1] (8.1)."""
    return np.exp(np.log1p(-yearly_decline) * years + volatility * walk)


@jit
def next_power_price(
    price: float, long_run: float, reversion: float, volatility: float, innovation: float
) -> float:
    """Power price one quarter on: exact Ornstein-Uhlenbeck step of its log [USD/kWh] (8.2)."""
    spread = 0.5
    if reversion > 0.0:
        spread = np.sqrt(-np.expm1(-reversion / 2.0) / (2.0 * reversion))
    distance = np.exp(-reversion * YEARS_PER_QUARTER) * np.log(price / long_run)
    return long_run * np.exp(distance + volatility * spread * innovation)


@jit
def next_duty_shock(
    shock: float,
    persistence: float,
    volatility: float,
    correlation: float,
    price_innovation: float,
    own_innovation: float,
) -> float:
    """Duty shock one quarter on, on the logit scale (8.3)."""
    independent = np.sqrt(1.0 - correlation * correlation)
    innovation = correlation * price_innovation + independent * own_innovation
    return persistence * shock + volatility * innovation


@jit
def shifted_duty(duty: float, shock: float) -> float:
    """expit(logit(duty) + shock), exact where the shock is zero [1] (8.3)."""
    return duty / (duty + (1.0 - duty) * np.exp(-shock))


@jit
def compound(yearly_growth: float, years: float) -> float:
    """(1 + growth)^years [1]."""
    return (1.0 + yearly_growth) ** years


@jit
def write_paths(x: Draw, lab_out: Records[LabOutputs], out: World) -> None:
    """Power price, duty cycles, and the indices of price, throughput and cost (8.1-8.6)."""
    d, h, u = x.dynamics, x.hardware, x.utilisation
    power_price = h.power_price_usd_per_kwh
    walk = 0.0
    duty_shock = 0.0
    fleet = 0.0  # all labs' gigawatts
    cost_weighted = 0.0  # the same, weighted by the cost index of their vintage
    throughput_weighted = 0.0
    for q in range(QUARTERS):
        t = years_from_reference(q)
        gw = 0.0
        for i in range(len(lab_out)):
            gw += lab_out[i].gw[q]
        if q <= REFERENCE:
            cost_weighted = gw
            throughput_weighted = gw
        else:
            power_price = next_power_price(
                power_price,
                h.power_price_long_run_usd_per_kwh,
                d.power_price_reversion,
                d.power_price_volatility,
                x.shocks.eps_power[q],
            )
            duty_shock = next_duty_shock(
                duty_shock,
                d.duty_persistence,
                d.duty_volatility,
                d.price_duty_shock_correlation,
                x.shocks.eps_price[q],
                x.shocks.eps_duty[q],
            )
            walk += 0.5 * x.shocks.eps_price[q]
            cost_weighted += (gw - fleet) * compound(d.capex_cost_growth, t)
            throughput_weighted += (gw - fleet) * compound(d.hardware_efficiency_growth, t)
        fleet = gw
        out.power_price[q] = power_price
        out.price_index[q] = price_index(d.token_price_decline, d.token_price_volatility, walk, t)
        out.cost_index[q] = cost_weighted / gw
        out.throughput_index[q] = (
            compound(d.software_throughput_growth, t) * throughput_weighted / gw
        )
        out.duty_cycle[q, TRAINING] = u.duty_cycle_frontier_training
        out.duty_cycle[q, FINE_TUNE] = shifted_duty(u.duty_cycle_fine_tune, duty_shock)
        out.duty_cycle[q, INFERENCE] = shifted_duty(u.duty_cycle_online_inference, duty_shock)
