"""Every input of the model, declared once ("Inputs" in docs/model.md)."""

from __future__ import annotations

from typing import Annotated as A
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.model.declarations import Field

Array = NDArray[np.float64]


# fmt: off

class Hardware(NamedTuple):
    """A. Costs, power and rent of an accelerator-hour."""

    accelerator_price_usd: A[float, Field("USD", "Price of one accelerator, HBM included", lo=1e3, hi=2e5)]
    hbm_value_share: A[float, Field("1", "Share of the accelerator price attributed to HBM", lo=0, hi=1)]
    server_cost_ratio: A[float, Field("1", "Rest of the server over the accelerator price", lo=0, hi=2)]
    network_cost_ratio: A[float, Field("1", "Network over the accelerator price", lo=0, hi=2)]
    facility_capex_usd_per_kw_it: A[float, Field("USD/kW_IT", "Shell, power and cooling per kW of IT", lo=2e3, hi=5e4)]
    it_book_life_years: A[float, Field("yr", "Depreciation life of IT on the landlord's books", lo=3, hi=8)]
    it_economic_life_years: A[float, Field("yr", "Economic life of IT", lo=1, hi=10)]
    facility_life_years: A[float, Field("yr", "Depreciation life of the facility", lo=8, hi=30)]
    it_residual_fraction: A[float, Field("1", "Resale value of IT at the end of its economic life", lo=0, hi=0.5)]
    cost_of_capital: A[float, Field("1/yr", "Landlord's weighted average cost of capital", lo=0, hi=0.3)]
    accelerator_tdp_kw: A[float, Field("kW", "Nameplate power of one accelerator", lo=0.1, hi=5)]
    it_power_ratio: A[float, Field("1", "All IT power over accelerator power", lo=1, hi=3)]
    facility_capacity_ratio: A[float, Field("1", "Facility kW provisioned over IT kW nameplate", lo=1, hi=2)]
    pue: A[float, Field("1", "Facility energy over IT energy, annual", lo=1, hi=2)]
    power_price_usd_per_kwh: A[float, Field("USD/kWh", "Delivered power price in 2026Q4", lo=0.005, hi=0.5)]
    power_price_long_run_usd_per_kwh: A[float, Field("USD/kWh", "Power price to which it reverts", lo=0.005, hi=0.5)]
    maintenance_rate: A[float, Field("1/yr", "Spares, repair, insurance, property tax over IT capex", lo=0, hi=0.1)]
    site_opex_usd_per_kw_year: A[float, Field("USD/kW_IT/yr", "Site staff and operations per kW of IT", lo=0, hi=1e3)]
    landlord_markup: A[float, Field("1", "Landlord's markup on the owner's economic cost", lo=0, hi=3)]
    rental_price_usd_per_hour: A[float, Field("USD/h", "Market rent of one accelerator (rental_mode market)", lo=0.1, hi=50)]
    rented_share: A[float, Field("1", "Rented share of the reference lab's accelerator-hours", lo=0, hi=1)]
    measured_owner_cost_usd_per_hour: A[float, Field("USD/h", "Owner's cost of an accelerator-hour in 2026Q4, in place of the sum of its layers", lo=0.01, hi=1e3, optional=True)]


class Accelerator(NamedTuple):
    """B. Capability of the accelerator and of its serving instance."""

    peak_flops_serving: A[float, Field("FLOP/s", "Dense peak FLOP/s at serving precision", lo=1e13, hi=1e18)]
    peak_flops_training: A[float, Field("FLOP/s", "Dense peak FLOP/s at training precision", lo=1e13, hi=1e18)]
    hbm_bandwidth_bytes_per_s: A[float, Field("B/s", "HBM bandwidth", lo=1e11, hi=1e15)]
    hbm_capacity_bytes: A[float, Field("B", "HBM capacity", lo=1e9, hi=1e14)]
    hbm_usable_fraction: A[float, Field("1", "Share of HBM left for weights and KV cache", lo=0.1, hi=1)]
    accelerators_per_instance: A[float, Field("1", "Accelerators that serve one model instance together", lo=1, hi=4096)]
    mbu_decode: A[float, Field("1", "Achieved over peak HBM bandwidth in decode", lo=0.05, hi=0.95)]
    mfu_decode: A[float, Field("1", "Achieved over peak FLOP/s in decode", lo=0.02, hi=0.8)]
    mfu_prefill: A[float, Field("1", "Achieved over peak FLOP/s in prefill", lo=0.02, hi=0.85)]
    mfu_training: A[float, Field("1", "Achieved over peak FLOP/s in training (6N convention)", lo=0.05, hi=0.7)]
    mfu_fine_tune: A[float, Field("1", "Achieved over peak FLOP/s in fine-tuning", lo=0.02, hi=0.7)]
    step_overhead_s: A[float, Field("s", "Launch and collective latency of one decode step", lo=0, hi=0.2)]
    latency_exponent: A[float, Field("1", "Power by which throughput falls beyond half speed", lo=1, hi=10)]
    max_weight_share_of_hbm: A[float, Field("1", "Weights over usable HBM above which an instance grows", lo=0.05, hi=0.99)]
    throughput_multiplier: A[float, Field("1", "Serving throughput over that of the roofline", lo=0.001, hi=1e3)]
    measured_tps_decode: A[float, Field("tokens/s", "Decode throughput, in place of the roofline's", lo=1e-3, hi=1e9, optional=True)]
    measured_tps_prefill: A[float, Field("tokens/s", "Prefill throughput, in place of the roofline's", lo=1e-3, hi=1e9, optional=True)]
    measured_tps_train: A[float, Field("tokens/s", "Training throughput, in place of the roofline's", lo=1e-3, hi=1e9, optional=True)]


class Workload(NamedTuple):
    """C. The served model mix and its requests."""

    active_params: A[float, Field("params", "Parameters active per token, served mix", lo=1e8, hi=1e13)]
    total_to_active_ratio: A[float, Field("1", "Total over active parameters", lo=1, hi=200)]
    weight_bytes_per_param: A[float, Field("B", "Bytes per stored weight", lo=0.5, hi=2)]
    kv_bytes_per_token: A[float, Field("B", "KV cache bytes per token of context", lo=0, hi=5e6)]
    attention_flop_per_token_pair: A[float, Field("FLOP", "Attention FLOP per pair of tokens", lo=0, hi=1e9)]
    mean_context_tokens: A[float, Field("tokens", "Mean KV length while decoding", lo=1, hi=2e6)]
    input_output_ratio: A[float, Field("1", "Input tokens per output token", lo=0, hi=1e3)]
    cache_hit_rate: A[float, Field("1", "Share of input tokens found in the prefix cache", lo=0, hi=0.99)]
    cached_prefill_cost_ratio: A[float, Field("1", "Compute of a cached over an uncached input token", lo=0, hi=1)]
    draft_tokens: A[float, Field("tokens/step", "Speculative tokens drafted per step", lo=0, hi=8, whole=True)]
    draft_acceptance: A[float, Field("1", "Probability that a drafted token is accepted", lo=0, hi=0.99)]
    draft_overhead: A[float, Field("1/draft token", "Extra step time per drafted token", lo=0, hi=1)]
    user_speed_tokens_per_s: A[float, Field("tokens/s/user", "Output speed promised to a user", lo=1, hi=2e3)]
    query_output_tokens: A[float, Field("tokens", "Output tokens of one query", lo=1, hi=1e6)]


class Utilisation(NamedTuple):
    """D. Duty cycle, power load and goodput by regime."""

    duty_cycle_frontier_training: A[float, Field("1", "Share of paid hours at the operating point, training", lo=0, hi=1, lo_open=True)]
    duty_cycle_fine_tune: A[float, Field("1", "Share of paid hours at the operating point, fine-tuning", lo=0, hi=1, lo_open=True)]
    duty_cycle_online_inference: A[float, Field("1", "Share of paid hours at the operating point, inference", lo=0, hi=1, lo_open=True)]
    active_load_frontier_training: A[float, Field("1", "IT draw over nameplate when active, training", lo=0, hi=1)]
    active_load_fine_tune: A[float, Field("1", "IT draw over nameplate when active, fine-tuning", lo=0, hi=1)]
    active_load_online_inference: A[float, Field("1", "IT draw over nameplate when active, inference", lo=0, hi=1)]
    idle_load: A[float, Field("1", "IT draw over nameplate when idle", lo=0, hi=1)]
    goodput_frontier_training: A[float, Field("1", "Useful over processed tokens, training", lo=0, hi=1, lo_open=True)]
    goodput_fine_tune: A[float, Field("1", "Useful over processed tokens, fine-tuning", lo=0, hi=1, lo_open=True)]
    goodput_online_inference: A[float, Field("1", "Useful over processed tokens, inference", lo=0, hi=1, lo_open=True)]


class Prices(NamedTuple):
    """E. List prices, their realisation, and revenue-linked costs."""

    price_input_usd_per_mtok: A[float, Field("USD/Mtok", "List price of uncached input tokens, mix-weighted", lo=0, hi=1e3)]
    price_output_usd_per_mtok: A[float, Field("USD/Mtok", "List price of output tokens, mix-weighted", lo=0, hi=1e4)]
    cached_price_ratio: A[float, Field("1", "Price of cached over uncached input tokens", lo=0, hi=1)]
    api_discount: A[float, Field("1", "Mean discount on API list prices", lo=0, hi=0.9)]
    api_token_share: A[float, Field("1", "Share of paid tokens sold through the API", lo=0, hi=1)]
    subscription_realisation: A[float, Field("1", "Subscription revenue per token over list price", lo=0, hi=10)]
    free_token_share: A[float, Field("1", "Share of served tokens that nobody pays for", lo=0, hi=0.95)]
    revenue_share_rate: A[float, Field("1", "Partners' and marketplaces' share of revenue", lo=0, hi=0.5)]
    serving_overhead_rate: A[float, Field("1", "Other cost of revenue: support, payments, storage", lo=0, hi=0.5)]
    price_fine_tune_usd_per_mtok: A[float, Field("USD/Mtok", "Price per tuned Mtok", lo=0, hi=1e4)]
    lora_share: A[float, Field("1", "Share of tuned tokens that are LoRA", lo=0, hi=1)]


class Training(NamedTuple):
    """F. Training runs and the life of a model."""

    train_active_params: A[float, Field("params", "Active parameters of the final training run", lo=1e8, hi=1e14)]
    train_tokens: A[float, Field("tokens", "Tokens of the final pre-training run", lo=1e9, hi=1e16)]
    rl_compute_ratio: A[float, Field("1", "Post-training over pre-training accelerator-hours", lo=0, hi=20)]
    model_cadence_months: A[float, Field("month", "Time between model generations", lo=1, hi=36)]
    model_life_months: A[float, Field("month", "Revenue life of a generation", lo=1, hi=60)]
    reinvestment_share: A[float, Field("1", "Share of gross profit available for the next generation", lo=0, hi=1)]
    required_training_growth: A[float, Field("x/yr", "Growth of training budgets that the frontier asks for", lo=1, hi=10)]
    rd_staff_ratio: A[float, Field("1", "R&D staff over R&D compute", lo=0, hi=5)]
    lab_discount_rate: A[float, Field("1/yr", "Lab's discount rate, for NPV", lo=0, hi=0.6)]
    fine_tune_share: A[float, Field("1", "Fine-tuning share of a lab's accelerator-hours", lo=0, hi=0.3)]
    measured_run_hours: A[float, Field("h", "Useful accelerator-hours of the final run, in place of computed ones", lo=1, hi=1e12, optional=True)]
    run_accelerators: A[float, Field("1", "Accelerators of the final run, for its days", lo=1, hi=1e8, optional=True)]


class Dynamics(NamedTuple):
    """G. Drifts and volatilities over the eight quarters."""

    token_price_decline: A[float, Field("1/yr", "Yearly fall of the realised token price", lo=-0.5, hi=0.9)]
    software_throughput_growth: A[float, Field("1/yr", "Yearly throughput gain from serving software", lo=0, hi=5)]
    hardware_efficiency_growth: A[float, Field("1/yr", "Yearly throughput gain per kW of new vintages", lo=0, hi=5)]
    capex_cost_growth: A[float, Field("1/yr", "Yearly growth of cost per kW of new vintages", lo=0, hi=1)]
    token_price_volatility: A[float, Field("1/sqrt(yr)", "Volatility of the log token price", lo=0, hi=1)]
    power_price_reversion: A[float, Field("1/yr", "Speed at which the power price reverts", lo=0, hi=20)]
    power_price_volatility: A[float, Field("1/sqrt(yr)", "Volatility of the log power price", lo=0, hi=2)]
    duty_persistence: A[float, Field("1/quarter", "Persistence of a duty shock, per quarter", lo=0, hi=0.999)]
    duty_volatility: A[float, Field("logit/quarter", "Duty shock on the logit scale, per quarter", lo=0, hi=2)]
    price_duty_shock_correlation: A[float, Field("1", "Correlation of price and duty shocks", lo=-1, hi=1)]


class Buildout(NamedTuple):
    """H. Delays and caps of the build-out."""

    gw_definition_ratio: A[float, Field("1", "Facility gigawatts per gigawatt as stated", lo=0.3, hi=3)]
    power_additions_cap_gw_per_year: A[float, Field("GW/yr", "Facility power that western labs together can add", lo=0, hi=500)]
    energisation_delay_quarters: A[float, Field("quarter", "Delay of planned capacity", lo=0, hi=12)]
    energisation_delay_lab_sigma: A[float, Field("ln", "Spread of the delay between labs, log scale", lo=0, hi=3)]
    capital_crunch_probability: A[float, Field("1", "Probability of a financing stop from 2027Q2", lo=0, hi=1)]
    capital_crunch_multiplier: A[float, Field("1", "What a financing stop leaves of planned additions", lo=0, hi=1)]
    capex_sigma: A[float, Field("ln", "Spread of a landlord's 2026 capex, log scale", lo=0, hi=1)]
    capex_growth_sigma: A[float, Field("ln", "Spread of a landlord's 2027 capex growth, log scale", lo=0, hi=1)]


class Finance(NamedTuple):
    """I. Finance of labs and landlords."""

    noncompute_opex_ratio: A[float, Field("1", "Operating cost other than compute, levies and R&D, over ARR", lo=0, hi=2)]
    opening_nbv_fraction: A[float, Field("1", "Net over gross book value of capacity at 2025Q4", lo=0, hi=1)]
    hurdle_margin: A[float, Field("1", "Gross margin below which a lab lives on borrowed time", lo=0, hi=1)]


class Scalars(NamedTuple):
    """The groups of scalar inputs: the tables of `params/base.toml`, in their order."""

    hardware: Hardware
    accelerator: Accelerator
    workload: Workload
    utilisation: Utilisation
    prices: Prices
    training: Training
    dynamics: Dynamics
    buildout: Buildout
    finance: Finance


class Lab(NamedTuple):
    """Inputs of a lab; `lab_delay_quarters` follows from the build-out group."""

    lab_is_china: A[float, Field("1", "Chinese lab: outside the western power cap", lo=0, hi=1, flag=True)]
    gw_2025q4: A[float, Field("GW", "Gigawatts at the end of 2025, as stated", lo=0, hi=1e3, lo_open=True)]
    gw_2026q4: A[float, Field("GW", "Gigawatts at the end of 2026, as stated", lo=0, hi=1e3, lo_open=True)]
    planned_additions_2027_gw: A[float, Field("GW", "Gigawatts planned to be added in 2027, as stated", lo=0, hi=1e3)]
    lab_delay_quarters: A[float, Field("quarter", "Delay of the lab's planned capacity", lo=0, hi=100)]
    arr_2025q4_busd: A[float, Field("USD bn", "Annualised revenue at the end of 2025", lo=0, hi=1e4, lo_open=True, optional=True)]
    arr_2026q1_busd: A[float, Field("USD bn", "Annualised revenue at the end of 2026Q1", lo=1e-4, hi=1e5, optional=True)]
    arr_2026q2_busd: A[float, Field("USD bn", "Annualised revenue at the end of 2026Q2", lo=1e-4, hi=1e5, optional=True)]
    arr_2026q3_busd: A[float, Field("USD bn", "Annualised revenue at the end of 2026Q3", lo=1e-4, hi=1e5, optional=True)]
    arr_2026q4_busd: A[float, Field("USD bn", "Annualised revenue at the end of 2026", lo=0, hi=1e4, lo_open=True, optional=True)]
    arr_growth_2027: A[float, Field("x/yr", "Growth of annualised revenue in 2027", lo=0, hi=100, lo_open=True, optional=True)]
    inference_share: A[float, Field("1", "Inference share of the lab's accelerator-hours", lo=0, hi=1)]
    lab_free_token_share: A[float, Field("1", "Share of the lab's served tokens that nobody pays for", lo=0, hi=1)]
    lab_revenue_share_rate: A[float, Field("1", "Lab's partners' and marketplaces' share of revenue", lo=0, hi=0.5, optional=True)]
    lab_noncompute_opex_ratio: A[float, Field("1", "Lab's operating cost other than compute, levies and R&D, over ARR", lo=0, hi=3, optional=True)]
    relative_throughput: A[float, Field("1", "Lab's throughput over the reference lab's", lo=0.01, hi=100, optional=True, default=1)]
    relative_price: A[float, Field("1", "Lab's price of a paid token over the reference lab's", lo=0.01, hi=100, optional=True, default=1)]
    relative_cost: A[float, Field("1", "Capital cost of the lab's accelerators over the reference", lo=0.01, hi=100, optional=True, default=1)]


class Landlord(NamedTuple):
    """Inputs of a landlord."""

    capex_2026_busd: A[float, Field("USD bn", "Capital expenditure in calendar 2026", lo=0, hi=1e4)]
    capex_growth_2027: A[float, Field("x", "Calendar 2027 over calendar 2026 capital expenditure", lo=0, hi=100)]
    ai_capex_share: A[float, Field("1", "AI share of capital expenditure", lo=0, hi=1)]
    lab_capacity_share: A[float, Field("1", "Share of AI capacity built for the labs of the model", lo=0, hi=1)]
    book_life_offset_years: A[float, Field("yr", "Landlord's book life less the central one", lo=-3, hi=10)]
    rpo_busd: A[float, Field("USD bn", "Remaining performance obligations", lo=0, hi=1e5)]
    rent_busd_per_gw_year: A[float, Field("USD bn/GW/yr", "Contract rent of a facility gigawatt", lo=0.1, hi=200, optional=True)]
    other_cost_busd_per_gw_year: A[float, Field("USD bn/GW/yr", "Leased shells, network and corporate cost of a facility gigawatt", lo=0, hi=50, optional=True, default=0)]
    debt_share: A[float, Field("1", "Share of book value that debt finances", lo=0, hi=1, optional=True, default=0)]
    interest_rate: A[float, Field("1/yr", "Interest on that debt", lo=0, hi=0.5, optional=True, default=0)]
    firm_share: A[float, Field("1", "Share of remaining performance obligations that cannot be cancelled", lo=0, hi=1, optional=True, default=1)]
    duration_years: A[float, Field("yr", "Years over which the obligations fall due, in a straight line", lo=0.25, hi=40, optional=True)]


class Host(NamedTuple):
    """Inputs of a lab and landlord: `[host.LANDLORD]` of a lab's file."""

    share_2025: A[float, Field("1", "Landlord's share of the lab's gigawatts at the end of 2025; missing: `share_2026`", lo=0, hi=1, optional=True)]
    share_2026: A[float, Field("1", "Landlord's share of the lab's gigawatts at the end of 2026", lo=0, hi=1)]
    share_2027: A[float, Field("1", "Landlord's share of the lab's additions in 2027", lo=0, hi=1)]
    captive: A[float, Field("1", "The landlord is the lab's parent", lo=0, hi=1, flag=True)]
    rpo_share: A[float, Field("1", "Lab's share of the landlord's remaining performance obligations", lo=0, hi=1)]
    equity_busd: A[float, Field("USD bn", "Equity that the landlord has put into the lab", lo=0, hi=1e4, optional=True, default=0)]


class Shocks(NamedTuple):
    """Innovations after the reference quarter, and the capital crunch.

    They are always sampled; no file gives them.
    """

    eps_price: A[Array, Field("1", "Innovation of the token price", dims=("quarter",))]
    eps_duty: A[Array, Field("1", "Innovation of the duty cycle", dims=("quarter",))]
    eps_power: A[Array, Field("1", "Innovation of the power price", dims=("quarter",))]
    capital_crunch: A[float, Field("1", "A financing stop happens (0 or 1)", lo=0, hi=1, flag=True)]


# fmt: on

# Host field -> its name in results, and its dims there.
HOST_MATRICES = {
    "share_2025": ("host_share_2025", ("lab", "landlord")),
    "share_2026": ("host_share_2026", ("lab", "landlord")),
    "share_2027": ("host_share_2027", ("lab", "landlord")),
    "captive": ("captive", ("lab", "landlord")),
    "rpo_share": ("rpo_lab_share", ("landlord", "lab")),
    "equity_busd": ("host_equity_busd", ("lab", "landlord")),
}
# What a lab that reports ARR gives, and the published points between, which it may give.
ARR_FIELDS = ("arr_2025q4_busd", "arr_2026q4_busd", "arr_growth_2027")
ARR_POINTS = ("arr_2026q1_busd", "arr_2026q2_busd", "arr_2026q3_busd")
DERIVED_LAB_FIELDS = ("lab_delay_quarters",)


# Landlord fields whose spread is a scalar of the build-out group.
SPREAD_FROM = {
    "capex_2026_busd": ("buildout", "capex_sigma"),
    "capex_growth_2027": ("buildout", "capex_growth_sigma"),
}


# Landlord fields that may be given in fiscal years.
IN_FISCAL_YEARS = ("capex_2026_busd",)


class Draw(NamedTuple):
    """The inputs of a draw, without those of labs and landlords."""

    hardware: Hardware
    accelerator: Accelerator
    workload: Workload
    utilisation: Utilisation
    prices: Prices
    training: Training
    dynamics: Dynamics
    buildout: Buildout
    finance: Finance
    shocks: Shocks
