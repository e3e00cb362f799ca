"""Section 8 of the model: paths of prices, duty, throughput and cost."""

from __future__ import annotations

from sim.kernels.indices import (
    FINE_TUNE,
    INFERENCE,
    QUARTERS,
    REFERENCE,
    TRAINING,
    YEARS_PER_QUARTER,
)
from sim.kernels.jit import jit
from sim.kernels.simd.functions import exp, expm1, log, log1p, sqrt
from sim.kernels.simd.vectors import where
from sim.model.world_records import WorldRecords


@jit
def years_from_reference(quarter: int) -> float:
    """t_q: years from the reference quarter [yr]."""
    return (quarter - REFERENCE) * YEARS_PER_QUARTER


@jit
def price_index(yearly_decline: float, volatility: float, walk: float, years: float) -> float:
    """Realised token price over that of the reference quarter [1] (8.1)."""
    return exp(log1p(-yearly_decline) * years + volatility * walk)


@jit
def decay(reversion: float) -> float:
    """A quarter's factor on log power price over its long run [1] (8.2)."""
    return exp(-reversion * YEARS_PER_QUARTER)


@jit
def spread(reversion: float) -> float:
    """Standard deviation of a quarter's power innovation, at volatility 1 [1] (8.2)."""
    reverting = sqrt(-expm1(-reversion / 2.0) / (2.0 * reversion))
    return where(reversion > 0.0, reverting, 0.5)


@jit
def next_distance(
    distance: float, decay: float, volatility: float, spread: float, innovation: float
) -> float:
    """Log power price over its long run, one quarter later (8.2).

    The exact step of an Ornstein-Uhlenbeck process.
    """
    return distance * decay + volatility * spread * innovation


@jit
def next_duty_shock(
    shock: float,
    persistence: float,
    volatility: float,
    correlation: float,
    price_innovation: float,
    own_innovation: float,
) -> float:
    """Duty shock one quarter later, on the logit scale (8.3)."""
    independent = sqrt(1.0 - correlation * correlation)
    innovation = correlation * price_innovation + independent * own_innovation
    return persistence * shock + volatility * innovation


@jit
def shifted_duty(duty: float, odds: float) -> float:
    """expit(logit(duty) + shock), with odds = exp(-shock) [1] (8.3).

    Exact where the shock is zero.
    """
    return duty / (duty + (1.0 - duty) * odds)


@jit
def quarterly(yearly: float) -> float:
    """A year's factor for one quarter: its fourth root [1]."""
    return sqrt(sqrt(yearly))


@jit
def raised(factor: float, times: int) -> float:
    """factor^times; exactly 1 where times is 0 [1]."""
    result = 1.0
    for _ in range(abs(times)):
        result = result * factor
    return result if times >= 0 else 1.0 / result


@jit
def write_paths(world: WorldRecords) -> None:
    """Write power prices, duty cycles, and indices (8.4, 8.5, 8.6, 8.1-8.6)."""
    inputs, outputs, shocks = world.inputs, world.outputs, world.inputs.shocks
    d, h, u = inputs.dynamics, inputs.hardware, inputs.utilisation
    power_price = h.power_price_usd_per_kwh
    long_run = h.power_price_long_run_usd_per_kwh
    distance = log(power_price / long_run)
    remaining, deviation = decay(d.power_price_reversion), spread(d.power_price_reversion)
    cost_growth = quarterly(1.0 + d.capex_cost_growth)
    efficiency_growth = quarterly(1.0 + d.hardware_efficiency_growth)
    software_growth = quarterly(1.0 + d.software_throughput_growth)
    walk = 0.0
    duty_shock = 0.0
    odds = 1.0
    fleet = 0.0  # gigawatts of all labs
    cost_weighted = 0.0  # weighted by the cost of their vintage (8.5)
    throughput_weighted = 0.0  # weighted by the throughput of their vintage (8.6)
    for q in range(QUARTERS):
        t = years_from_reference(q)
        gw = outputs.total_gw[q]
        if q <= REFERENCE:
            cost_weighted = gw
            throughput_weighted = gw
        else:
            distance = next_distance(
                distance, remaining, d.power_price_volatility, deviation, shocks.eps_power[q]
            )
            power_price = long_run * exp(distance)
            duty_shock = next_duty_shock(
                duty_shock,
                d.duty_persistence,
                d.duty_volatility,
                d.price_duty_shock_correlation,
                shocks.eps_price[q],
                shocks.eps_duty[q],
            )
            odds = exp(-duty_shock)
            walk = walk + 0.5 * shocks.eps_price[q]
            since = q - REFERENCE
            cost_weighted = cost_weighted + (gw - fleet) * raised(cost_growth, since)
            throughput_weighted = throughput_weighted + (gw - fleet) * raised(
                efficiency_growth, since
            )
        fleet = gw
        outputs.power_price[q] = power_price
        outputs.price_index[q] = price_index(
            d.token_price_decline, d.token_price_volatility, walk, t
        )
        outputs.cost_index[q] = cost_weighted / gw
        software = raised(software_growth, q - REFERENCE)
        outputs.throughput_index[q] = software * (throughput_weighted / gw)
        outputs.duty_cycle[q, TRAINING] = u.duty_cycle_frontier_training
        outputs.duty_cycle[q, FINE_TUNE] = shifted_duty(u.duty_cycle_fine_tune, odds)
        outputs.duty_cycle[q, INFERENCE] = shifted_duty(u.duty_cycle_online_inference, odds)
