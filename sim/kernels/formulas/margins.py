"""Section 4 of the model: revenue, gross margins and break-evens."""

from __future__ import annotations

import numpy as np

from sim.kernels.formulas.hardware import active_load, hourly_cost, it_power_kw
from sim.kernels.formulas.records import WorldRecords
from sim.kernels.formulas.unit_cost import goodput, native_seconds
from sim.kernels.indices import (
    FINE_TUNE,
    INFERENCE,
    QUARTERS,
    REFERENCE,
    REVENUE_SHARE,
    SERVING_OVERHEAD,
    TRAINING,
)
from sim.kernels.jit import jit
from sim.kernels.simd.functions import is_nan
from sim.kernels.simd.vectors import where
from sim.model.inputs import Hardware, Prices, Workload


@jit
def list_bundle(p: Prices, w: Workload) -> float:
    """List price of an output token with its input tokens [USD/Mtok of output] (4.1)."""
    input_price = (1.0 - w.cache_hit_rate) + w.cache_hit_rate * p.cached_price_ratio
    return (
        p.price_output_usd_per_mtok
        + w.input_output_ratio * p.price_input_usd_per_mtok * input_price
    )


@jit
def realisation(p: Prices) -> float:
    """Revenue over list price, of the API and subscriptions together [1] (4.1a)."""
    api = p.api_token_share * (1.0 - p.api_discount)
    return api + (1.0 - p.api_token_share) * p.subscription_realisation


@jit
def revenue_per_mtok_paid(p: Prices, w: Workload, price_index: float) -> float:
    """Revenue per paid blended Mtok [USD/Mtok] (4.2)."""
    return list_bundle(p, w) * realisation(p) / (1.0 + w.input_output_ratio) * price_index


@jit
def gross_margin(cost: float, revenue: float) -> float:
    """1 - cost/revenue [1] (4.3, 4.4, 4.7)."""
    return 1.0 - cost / revenue


@jit
def price_multiplier_at_hurdle(margin: float, hurdle: float) -> float:
    """Factor on prices that puts the margin at the hurdle [1] (4.5)."""
    return (1.0 - margin) / (1.0 - hurdle)


@jit
def electricity_per_full_load_hour(
    h: Hardware, market: bool, it_kw: float, power_price: float
) -> float:
    """Electricity of an hour at nameplate, passed on to the lab [USD/h] (4.6)."""
    passed_on = 1.0 - h.rented_share if market else 1.0 + h.rented_share * h.landlord_markup
    return passed_on * it_kw * h.pue * power_price


@jit
def duty_at_hurdle(
    hourly_cost: float,
    electricity: float,
    duty: float,
    active_load: float,
    idle_load: float,
    affordable: float,
) -> float:
    """Duty cycle that puts margin at the hurdle; +inf if none [1] (4.6).

    `affordable` is the hourly cost per unit of duty that the hurdle allows,
    (1 - hurdle) * revenue per Mtok * Mtok per active hour.
    """
    load = duty * active_load + (1.0 - duty) * idle_load
    independent_of_duty = hourly_cost - electricity * load
    room = affordable - electricity * (active_load - idle_load)
    return where(room <= 0.0, np.inf, (independent_of_duty + electricity * idle_load) / room)


@jit
def training_margin(moic: float) -> float:
    """1 - 1/MOIC of frontier training; -inf where nothing comes back [1] (4.8)."""
    return where(moic <= 0.0, -np.inf, 1.0 - 1.0 / moic)


@jit
def pooled_training_margin(cost: float, profit: float) -> float:
    """Training margin of several labs; -inf where nothing comes back [1] (4.8)."""
    return where(profit <= 0.0, -np.inf, 1.0 - cost / profit)


@jit
def lab_paid_margin(inference_bill: float, free_share: float, arr: float) -> float:
    """Lab's inference margin on paid traffic; NaN without ARR [1] (4.9)."""
    return 1.0 - inference_bill * (1.0 - free_share) / arr


@jit
def lab_loaded_margin(p: Prices, inference_bill: float, arr: float) -> float:
    """Lab's inference margin after levies, all traffic; NaN without ARR [1] (4.10)."""
    return 1.0 - p.revenue_share_rate - p.serving_overhead_rate - inference_bill / arr


@jit
def write_lab_margins(world: WorldRecords) -> None:
    """Write margins of labs, and gross margins of the three regimes (4.8-4.10)."""
    outputs, prices = world.outputs, world.inputs.prices
    reporting = 0.0
    cost = 0.0
    profit = 0.0
    for i in range(len(world.labs)):
        lab = world.lab_outputs[i]
        for q in range(QUARTERS):
            bill = lab.compute_bill_regime[q, INFERENCE]
            free = world.labs[i].lab_free_token_share
            lab.lab_paid_margin[q] = lab_paid_margin(bill, free, lab.arr[q])
            lab.lab_loaded_margin[q] = lab_loaded_margin(prices, bill, lab.arr[q])
        lab.training_margin = training_margin(lab.training_moic)
        silent = is_nan(lab.lifetime_gross_profit_busd)
        reporting = reporting + where(silent, 0.0, 1.0)
        cost = cost + where(silent, 0.0, lab.generation_cost_busd)
        profit = profit + where(silent, 0.0, lab.lifetime_gross_profit_busd)
    for q in range(QUARTERS):
        outputs.gross_margin[q, TRAINING] = np.nan  # a run has a margin over its life only
        outputs.gross_margin[q, FINE_TUNE] = outputs.fine_tune_gross_margin[q]
        outputs.gross_margin[q, INFERENCE] = outputs.inference_gross_margin[q]
    pooled = pooled_training_margin(cost, profit)
    outputs.gross_margin[REFERENCE, TRAINING] = where(reporting > 0.0, pooled, np.nan)


@jit
def write_margins(world: WorldRecords, market: bool, accounting: bool) -> None:
    """Write revenue, gross margins, revenue-linked layers and break-evens (4.2a, 4.3-4.7)."""
    inputs, outputs = world.inputs, world.outputs
    p, w, u = inputs.prices, inputs.workload, inputs.utilisation
    hurdle = inputs.finance.hurdle_margin
    it_kw = it_power_kw(inputs.hardware.accelerator_tdp_kw, inputs.hardware.it_power_ratio)
    mtok_per_active_hour = (
        3600.0 * goodput(u, INFERENCE) / (1e6 * native_seconds(w, outputs, INFERENCE))
    )
    for q in range(QUARTERS):
        paid = revenue_per_mtok_paid(p, w, outputs.price_index[q])
        served = paid * (1.0 - p.free_token_share)
        cost = outputs.compute_cost[q, INFERENCE]
        margin = gross_margin(cost, paid)
        revenue_share = p.revenue_share_rate * served
        serving_overhead = p.serving_overhead_rate * served
        outputs.revenue_per_mtok_paid[q] = paid
        outputs.revenue_per_mtok_served[q] = served
        outputs.unit_cost[q, INFERENCE, REVENUE_SHARE] = revenue_share
        outputs.unit_cost[q, INFERENCE, SERVING_OVERHEAD] = serving_overhead
        outputs.inference_gross_margin[q] = margin
        outputs.loaded_gross_margin[q] = gross_margin(
            cost + revenue_share + serving_overhead, served
        )
        outputs.fine_tune_gross_margin[q] = gross_margin(
            outputs.compute_cost[q, FINE_TUNE],
            p.price_fine_tune_usd_per_mtok * outputs.price_index[q],
        )
        outputs.price_multiplier_at_hurdle[q] = price_multiplier_at_hurdle(margin, hurdle)
        outputs.duty_at_hurdle[q] = duty_at_hurdle(
            hourly_cost(outputs, accounting, q, INFERENCE),
            electricity_per_full_load_hour(inputs.hardware, market, it_kw, outputs.power_price[q]),
            outputs.duty_cycle[q, INFERENCE],
            active_load(u, INFERENCE),
            u.idle_load,
            (1.0 - hurdle) * paid * mtok_per_active_hour * outputs.throughput_index[q],
        )
