"""Section 5 of the model: was the training run worth it?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.kernels.formulas.hardware import (
    active_load,
    average_power_kw,
    hourly_cost,
    it_power_kw,
)
from sim.kernels.formulas.margins import lab_levies, reports_revenue
from sim.kernels.indices import INFERENCE, QUARTERS, REFERENCE, TRAINING
from sim.kernels.jit import jit
from sim.kernels.simd.functions import absolute, expm1, is_nan, log, log1p, maximum, minimum, power
from sim.kernels.simd.vectors import in_any_lane, where
from sim.model.inputs import Training
from sim.model.outputs import LabOutputs, World
from sim.model.world_records import WorldRecords

MONTHS_PER_YEAR = 12.0
CLOSE_ENOUGH = 1e-13  # relative; Newton's last step leaves an error far below it
MOST_STEPS = 200


class Generation(NamedTuple):
    """Business of a model generation, launched at the reference quarter (5.4)."""

    revenue: float  # R0, after levies [USD bn/yr]
    inference_cost: float  # C0 [USD bn/yr]
    revenue_growth: float  # g_R, continuous [1/yr]
    cost_growth: float  # g_C, continuous [1/yr]
    life_years: float
    cost: float  # of the generation itself [USD bn]


@jit
def run_hours(t: Training, tps_train: float, goodput: float) -> float:
    """Accelerator-hours of the final run with its post-training, or as measured [h] (5.1)."""
    hours = t.train_tokens * (1.0 + t.rl_compute_ratio) / (tps_train * goodput * 3600.0)
    return where(is_nan(t.measured_run_hours), hours, t.measured_run_hours)


@jit
def training_flop(t: Training) -> float:
    """FLOP of the final pre-training run, 6 by parameter and token [FLOP] (5.9)."""
    return 6.0 * t.train_active_params * t.train_tokens


@jit
def run_days(paid_hours: float, accelerators: float) -> float:
    """Days of the final run on its accelerators; NaN where missing [day] (5.9)."""
    return paid_hours / (24.0 * accelerators)


@jit
def run_gwh(paid_hours: float, average_kw: float, pue: float) -> float:
    """Energy of the final run at the meter [GWh] (5.9)."""
    return paid_hours * average_kw * pue / 1e6


@jit
def generation_cost_busd(training_bill: float, t: Training) -> float:
    """Research compute and staff between two generations [USD bn] (5.3)."""
    between = t.model_cadence_months / MONTHS_PER_YEAR
    return training_bill * between * (1.0 + t.rd_staff_ratio)


@jit
def credited_share(t: Training) -> float:
    """alpha: share of the lab's business credited to a generation [1] (5.3a)."""
    return minimum(1.0, t.model_cadence_months / t.model_life_months)


@jit
def accumulated(growth: float, years: float) -> float:
    """A(g, t) = (e^(g t) - 1)/g, or t at g = 0 [yr] (5.4).

    What a flow of 1 a year adds up to over t years as it grows.
    """
    return where(growth == 0.0, years, expm1(growth * years) / growth)


@jit
def gross_profit(g: Generation, years: float) -> float:
    """GP(t): gross profit since launch [USD bn] (5.4)."""
    earned = g.revenue * accumulated(g.revenue_growth, years)
    return earned - g.inference_cost * accumulated(g.cost_growth, years)


@jit
def turning_point(g: Generation) -> float:
    """When GP turns, at most once; NaN where it never does [yr] (5.6)."""
    apart = g.cost_growth != g.revenue_growth
    turns = (g.revenue > 0.0) & (g.inference_cost > 0.0) & apart
    years = log(g.revenue / g.inference_cost) / (g.cost_growth - g.revenue_growth)
    return where(turns, years, np.nan)


@jit
def crossing(
    g: Generation, low: float, high: float, before: float, after: float, crosses: bool
) -> float:
    """When GP reaches the generation's cost between `low` and `high` [yr] (5.6).

    GP is `before` and `after` there, and rises; `crosses` says whether it reaches the cost. By
    Newton's method; a step that leaves the bracket is replaced by the bracket's middle.
    """
    t = low + (high - low) * (g.cost - before) / (after - before)
    for _ in range(MOST_STEPS):
        if not in_any_lane(crosses):
            break
        earned, spent = accumulated(g.revenue_growth, t), accumulated(g.cost_growth, t)
        beyond = g.revenue * earned - g.inference_cost * spent - g.cost
        # GP'(t), in which e^(g t) is 1 + g * accumulated(g, t).
        rate = g.revenue * (1.0 + g.revenue_growth * earned)
        rate = rate - g.inference_cost * (1.0 + g.cost_growth * spent)
        low, high = where(beyond < 0.0, t, low), where(beyond < 0.0, high, t)
        following = t - beyond / rate
        within = (low <= following) & (following <= high)
        following = where(within, following, 0.5 * (low + high))
        step = absolute(following - t)
        following = where(crosses, following, t)
        crosses = crosses & (step > CLOSE_ENOUGH * t)
        t = following
    return t


@jit
def payback_years(g: Generation, profit: float) -> float:
    """First time at which GP repays the generation; +inf if never [yr] (5.6).

    `profit` is GP over the life.
    """
    turn = turning_point(g)
    turn = where((turn > 0.0) & (turn < g.life_years), turn, 0.0)
    at_turn = gross_profit(g, turn)
    rising = at_turn >= g.cost  # from launch to the turning point
    repays = rising | (profit >= g.cost)
    low, before = where(rising, 0.0, turn), where(rising, 0.0, at_turn)
    high, after = where(rising, turn, g.life_years), where(rising, at_turn, profit)
    crossed = crossing(g, low, high, before, after, repays & (g.cost > 0.0))
    years = where(g.cost <= 0.0, 0.0, where(repays, crossed, np.inf))
    return where(is_nan(g.revenue), np.nan, years)


@jit
def net_present_value(g: Generation, discount_rate: float) -> float:
    """Discounted gross profit over the life, less the generation's cost [USD bn] (5.5a)."""
    discount = log1p(discount_rate)
    discounted = Generation(
        g.revenue,
        g.inference_cost,
        g.revenue_growth - discount,
        g.cost_growth - discount,
        g.life_years,
        g.cost,
    )
    return gross_profit(discounted, g.life_years) - g.cost


@jit
def sustainable_growth(moic: float, reinvestment_share: float) -> float:
    """Next training budget over this one, self-funded; NaN stays NaN [x] (5.7)."""
    return reinvestment_share * maximum(moic, 0.0)


@jit
def external_funding_share(growth: float, needed: float) -> float:
    """Share of the next generation that others must fund [1] (5.7a).

    NaN stays NaN.
    """
    return minimum(maximum(1.0 - growth / needed, 0.0), 1.0)


@jit
def required_margin(needed: float, cost: float, reinvested_revenue: float) -> float:
    """Gross margin at which the lab funds its own training growth [1] (5.8).

    `reinvested_revenue` is what the lab would reinvest over the life at a margin of 1.
    """
    return needed * cost / reinvested_revenue


@jit
def relative_cost_growth(outputs: World) -> float:
    """g_C - g_R: log growth of cost over price in 2027 [1/yr] (5.4)."""
    last = QUARTERS - 1
    cost = outputs.compute_cost[last, INFERENCE] / outputs.compute_cost[REFERENCE, INFERENCE]
    price = outputs.revenue_per_mtok_paid[last] / outputs.revenue_per_mtok_paid[REFERENCE]
    return log(cost / price)


@jit
def generation(world: WorldRecords, i: int, relative_cost_growth: float) -> Generation:
    """Business and cost of a lab's model generation, as the reference quarter closes (5.3, 5.4)."""
    prices, training, lab = world.inputs.prices, world.inputs.training, world.lab_outputs[i]
    levies = lab_levies(prices, world.labs[i])
    bill = world.ledger.closing_bill[i]
    alpha = credited_share(training)
    growth = log(world.labs[i].arr_growth_2027)
    return Generation(
        alpha * lab.arr[REFERENCE] * (1.0 - levies),
        alpha * bill[INFERENCE],
        growth,
        growth + relative_cost_growth,
        training.model_life_months / MONTHS_PER_YEAR,
        generation_cost_busd(bill[TRAINING], training),
    )


@jit
def write_no_returns(lab: LabOutputs) -> None:
    """Write that a lab which reports no revenue has no returns either: NaN."""
    lab.lifetime_gross_profit_busd = np.nan
    lab.training_moic = np.nan
    lab.training_moic_final_run = np.nan
    lab.training_npv_busd = np.nan
    lab.payback_months = np.nan
    lab.sustainable_growth_per_generation = np.nan
    lab.sustainable_growth_annual = np.nan
    lab.external_funding_share = np.nan
    lab.required_margin = np.nan


@jit
def write_training(world: WorldRecords, accounting: bool) -> None:
    """Write the final run, and each lab's generation (5.2, 5.3b, 5.5, 5.7a, 5.1-5.9)."""
    inputs, outputs = world.inputs, world.outputs
    t = inputs.training
    hours = run_hours(t, outputs.tps_train, inputs.utilisation.goodput_frontier_training)
    paid_hours = hours / inputs.utilisation.duty_cycle_frontier_training
    h, u = inputs.hardware, inputs.utilisation
    average_kw = average_power_kw(
        it_power_kw(h.accelerator_tdp_kw, h.it_power_ratio),
        outputs.duty_cycle[REFERENCE, TRAINING],
        active_load(u, TRAINING),
        u.idle_load,
    )
    outputs.training_flop = training_flop(t)
    outputs.run_hours = hours
    outputs.run_days = run_days(paid_hours, t.run_accelerators)
    outputs.run_gwh = run_gwh(paid_hours, average_kw, h.pue)
    outputs.run_cost_usd = paid_hours * hourly_cost(outputs, accounting, REFERENCE, TRAINING)
    generations_per_year = MONTHS_PER_YEAR / t.model_cadence_months
    needed = power(t.required_training_growth, 1.0 / generations_per_year)
    relative = relative_cost_growth(outputs)
    for i in range(len(world.labs)):
        lab = world.lab_outputs[i]
        g = generation(world, i, relative)
        lab.generation_cost_busd = g.cost
        lab.final_run_share = outputs.run_cost_usd / 1e9 / g.cost
        if not reports_revenue(world.labs[i]):
            write_no_returns(lab)
            continue
        profit = gross_profit(g, g.life_years)
        moic = profit / g.cost
        growth = sustainable_growth(moic, t.reinvestment_share)
        earned = credited_share(t) * lab.arr[REFERENCE]
        reinvested = t.reinvestment_share * earned * accumulated(g.revenue_growth, g.life_years)
        lab.lifetime_gross_profit_busd = profit
        lab.training_moic = moic
        lab.training_moic_final_run = profit / (outputs.run_cost_usd / 1e9)
        lab.training_npv_busd = net_present_value(g, t.lab_discount_rate)
        lab.payback_months = MONTHS_PER_YEAR * payback_years(g, profit)
        lab.sustainable_growth_per_generation = growth
        lab.sustainable_growth_annual = power(growth, generations_per_year)
        lab.external_funding_share = external_funding_share(growth, needed)
        lab.required_margin = required_margin(needed, g.cost, reinvested)
