"""Section 4 of the model: revenue, gross margins and break-evens."""

from __future__ import annotations

import numpy as np

from sim.kernels.formulas.buildout import accelerators_per_gw
from sim.kernels.formulas.hardware import HOURS_PER_YEAR, active_load, hourly_cost, it_power_kw
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
from sim.kernels.simd.vectors import in_any_lane, where
from sim.model.inputs import Finance, Hardware, Lab, Prices, Workload
from sim.model.world_records import WorldRecords


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
    """1 - cost/revenue [1] (4.3, 4.4, 4.7, 4.11, 4.12)."""
    return 1.0 - cost / revenue


@jit
def busd_per_gw_year(usd_per_hour: float, accelerators_per_gw: float) -> float:
    """Yearly amount of a facility gigawatt for an accelerator-hour's [USD bn/GW/yr] (1.9)."""
    return usd_per_hour * accelerators_per_gw * (HOURS_PER_YEAR / 1e9)


@jit
def price_multiplier_at_hurdle(margin: float, hurdle: float) -> float:
    """Factor on prices that puts the margin at the hurdle [1] (4.5)."""
    return (1.0 - margin) / (1.0 - hurdle)


@jit
def electricity_per_full_load_hour(
    h: Hardware, market: bool, it_kw: float, power_price: float, measured_over_computed: float
) -> float:
    """Electricity of an hour at nameplate, passed on to the lab [USD/h] (4.6).

    Scaled as the other layers are where the owner's cost is measured (1.8).
    """
    passed_on = 1.0 - h.rented_share if market else 1.0 + h.rented_share * h.landlord_markup
    return passed_on * measured_over_computed * it_kw * h.pue * power_price


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
def revenue_per_gw_year(usd_per_mtok: float, paid_s: float, accelerators_per_gw: float) -> float:
    """Revenue of a facility gigawatt of paid tokens [USD bn/GW/yr] (4.11)."""
    mtok_per_hour = 3600.0 / paid_s / 1e6
    return usd_per_mtok * mtok_per_hour * HOURS_PER_YEAR * accelerators_per_gw / 1e9


@jit
def lab_paid_margin(inference_bill: float, free_share: float, average_arr: float) -> float:
    """Lab's inference margin on paid traffic; NaN without ARR [1] (4.9)."""
    return 1.0 - inference_bill * (1.0 - free_share) / average_arr


@jit
def lab_loaded_margin(levies: float, inference_bill: float, average_arr: float) -> float:
    """Lab's inference margin after levies, all traffic; NaN without ARR [1] (4.10)."""
    return 1.0 - levies - inference_bill / average_arr


@jit
def operating_margin(levies: float, opex_ratio: float, bill: float, average_arr: float) -> float:
    """Lab's margin after all compute, research too; NaN without ARR [1] (4.13)."""
    return 1.0 - levies - opex_ratio - bill / average_arr


@jit
def lab_levies(p: Prices, lab: Lab) -> float:
    """Partners' share of a lab's revenue, and other cost of revenue [1] (4.10)."""
    own = lab.lab_revenue_share_rate
    return where(is_nan(own), p.revenue_share_rate, own) + p.serving_overhead_rate


@jit
def lab_opex_ratio(f: Finance, lab: Lab) -> float:
    """A lab's other operating cost over ARR [1] (4.13)."""
    own = lab.lab_noncompute_opex_ratio
    return where(is_nan(own), f.noncompute_opex_ratio, own)


@jit
def reports_revenue(lab: Lab) -> bool:
    """Whether a lab reports ARR in some lane.

    Where it does not, all that follows from revenue is NaN, and need not be computed (6.11).
    """
    return in_any_lane(lab.arr_2025q4_busd > 0.0)


@jit
def write_lab_margins(world: WorldRecords) -> None:
    """Write margins of labs, and gross margins of the three regimes (4.8-4.10, 4.13)."""
    outputs, inputs = world.outputs, world.inputs
    reporting = 0.0
    cost = 0.0
    profit = 0.0
    for i in range(len(world.labs)):
        lab = world.lab_outputs[i]
        free = world.labs[i].lab_free_token_share
        levies = lab_levies(inputs.prices, world.labs[i])
        opex = lab_opex_ratio(inputs.finance, world.labs[i])
        if not reports_revenue(world.labs[i]):
            for q in range(QUARTERS):
                lab.lab_paid_margin[q] = np.nan
                lab.lab_loaded_margin[q] = np.nan
                lab.operating_margin[q] = np.nan
            lab.training_margin = np.nan
            continue
        for q in range(QUARTERS):
            bill, arr = lab.compute_bill_regime[q, INFERENCE], lab.average_arr[q]
            lab.lab_paid_margin[q] = lab_paid_margin(bill, free, arr)
            lab.lab_loaded_margin[q] = lab_loaded_margin(levies, bill, arr)
            lab.operating_margin[q] = operating_margin(levies, opex, lab.compute_bill[q], arr)
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
    """Write revenue, gross margins, revenue-linked layers and break-evens (4.2a, 4.3-4.7, 4.11).

    And what a gigawatt costs, rents for and earns (1.9, 4.11).
    """
    inputs, outputs = world.inputs, world.outputs
    p, w, u = inputs.prices, inputs.workload, inputs.utilisation
    hurdle = inputs.finance.hurdle_margin
    it_kw = it_power_kw(inputs.hardware.accelerator_tdp_kw, inputs.hardware.it_power_ratio)
    mtok_per_active_hour = (
        3600.0 * goodput(u, INFERENCE) / (1e6 * native_seconds(w, outputs, INFERENCE))
    )
    per_gw = accelerators_per_gw(it_kw, inputs.hardware.facility_capacity_ratio)
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
        realised = realisation(p) * outputs.price_index[q]
        uncached = p.price_input_usd_per_mtok * realised
        outputs.margin_output[q] = gross_margin(
            outputs.cost_output[q], p.price_output_usd_per_mtok * realised
        )
        outputs.margin_input[q] = gross_margin(outputs.cost_input[q], uncached)
        outputs.margin_cached[q] = gross_margin(
            outputs.cost_cached[q], uncached * p.cached_price_ratio
        )
        owner, rent = outputs.owner_cost_economic[q, INFERENCE], outputs.rent_per_hour[q, INFERENCE]
        outputs.owner_cost_per_gw_year[q] = busd_per_gw_year(owner, per_gw)
        outputs.rent_per_gw_year[q] = busd_per_gw_year(rent, per_gw)
        outputs.revenue_per_gw_year[q] = revenue_per_gw_year(
            paid, outputs.paid_seconds_per_token[q, INFERENCE], per_gw
        )
        outputs.price_multiplier_at_hurdle[q] = price_multiplier_at_hurdle(margin, hurdle)
        outputs.duty_at_hurdle[q] = duty_at_hurdle(
            hourly_cost(outputs, accounting, q, INFERENCE),
            electricity_per_full_load_hour(
                inputs.hardware,
                market,
                it_kw,
                outputs.power_price[q],
                world.ledger.measured_over_computed[INFERENCE],
            ),
            outputs.duty_cycle[q, INFERENCE],
            active_load(u, INFERENCE),
            u.idle_load,
            (1.0 - hurdle) * paid * mtok_per_active_hour * outputs.throughput_index[q],
        )
