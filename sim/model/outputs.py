"""Every output of the model, declared once ("Outputs" in docs/model.md).

A class is the entity of an output: the world, a lab, a landlord, or a pair of lab and landlord.
Kernels write outputs as records of a draw (`unit_cost[q, r, layer] = ...`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated as A
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.model.declarations import Output

Array = NDArray[np.float64]


# fmt: off
_Q = ("quarter",)
_QR = ("quarter", "regime")
_QRL = ("quarter", "regime", "layer")


class World:
    """Outputs of the world, some by quarter, regime and layer."""

    # Section 1: hardware and facility, by accelerator-hour.
    accelerator_hour_cost: A[Array, Output("USD/h", "Cost of a paid accelerator-hour by layer", _QRL)]
    rent_per_hour: A[Array, Output("USD/h", "Rent of an accelerator-hour", _QR)]
    owner_cost_economic: A[Array, Output("USD/h", "Owner's levelised cost of an accelerator-hour", _QR)]
    owner_cost_book: A[Array, Output("USD/h", "Owner's cost of an accelerator-hour on the books", _QR)]
    landlord_margin_book: A[Array, Output("1", "Landlord's gross margin on the books", _QR)]
    landlord_margin_economic: A[Array, Output("1", "Landlord's margin over levelised cost", _QR)]
    pue_above_capacity_ratio: A[float, Output("1", "Draw with pue above the capacity ratio (questionable)", kept="moments", kind="bool")]
    capex_per_gw: A[Array, Output("USD bn/GW", "Purchase cost of a gigawatt of the quarter's vintage", _Q, kept="moments", basis="facility")]
    owner_cost_per_gw_year: A[Array, Output("USD bn/GW/yr", "Owner's levelised cost of a gigawatt", _Q, kept="moments", basis="facility")]
    rent_per_gw_year: A[Array, Output("USD bn/GW/yr", "Rent of a gigawatt at the reference lab", _Q, kept="moments", basis="facility")]

    # Section 2: throughput.
    instance_accelerators: A[float, Output("1", "Accelerators that serve one model instance together")]
    instance_grown: A[float, Output("1", "The model needs a larger instance than is given", kept="moments", kind="bool")]
    batch: A[float, Output("1", "Sequences in flight in one instance")]
    step_time_s: A[float, Output("s", "Duration of one decode step")]
    user_speed: A[float, Output("tok/s", "Output speed that a user sees")]
    full_batch_speed: A[float, Output("tok/s", "Output speed at the largest batch that fits in memory")]
    half_speed: A[float, Output("tok/s", "Output speed at which throughput is half of the roofline's")]
    speed_cost: A[float, Output("1", "Share of throughput given up for the promised speed", kept="moments")]
    speed_unreachable: A[float, Output("1", "Less than one sequence in flight at the promised speed (questionable)", kept="moments", kind="bool")]
    tps_decode: A[float, Output("tok/s/accelerator", "Decode throughput of an active accelerator", kept="draws")]
    tps_prefill: A[float, Output("tok/s/accelerator", "Prefill throughput of an active accelerator", kept="draws")]
    tps_train: A[float, Output("tok/s/accelerator", "Training throughput of an active accelerator", kept="draws")]
    tps_fine_tune: A[float, Output("tok/s/accelerator", "Fine-tuning throughput of an active accelerator", kept="draws")]
    hbm_bytes_per_output_token: A[float, Output("B", "HBM bytes moved per output token")]
    hbm_bandwidth_s_per_output_token: A[float, Output("s", "One package's whole HBM bandwidth per output token", kept="draws")]
    hbm_capacity_byte_s_per_output_token: A[float, Output("B s", "HBM footprint times residence per output token")]

    # Section 8: paths over quarters.
    power_price: A[Array, Output("USD/kWh", "Delivered power price", _Q)]
    duty_cycle: A[Array, Output("1", "Share of paid hours at the operating point", _QR, kept="moments")]
    price_index: A[Array, Output("1", "Realised token price over that of the reference quarter", _Q)]
    throughput_index: A[Array, Output("1", "Throughput over that of the reference quarter", _Q)]
    cost_index: A[Array, Output("1", "Hardware cost per kW over that of the reference quarter", _Q)]

    # Section 3: cost per token.
    paid_seconds_per_token: A[Array, Output("s", "Paid accelerator-seconds per useful native token", _QR)]
    unit_cost: A[Array, Output("USD/Mtok", "Cost per native Mtok by layer", _QRL, kept="moments")]
    compute_cost: A[Array, Output("USD/Mtok", "Compute cost per native Mtok (11 layers)", _QR, kept="draws")]
    cost_output: A[Array, Output("USD/Mtok", "Compute cost per output Mtok", _Q)]
    cost_input: A[Array, Output("USD/Mtok", "Compute cost per uncached input Mtok", _Q)]
    cost_cached: A[Array, Output("USD/Mtok", "Compute cost per cached input Mtok", _Q)]
    wh_per_token: A[Array, Output("Wh", "Energy at the meter per blended token", _Q, kept="draws")]
    wh_per_query: A[Array, Output("Wh", "Energy at the meter per query", _Q, kept="moments")]
    tokens_per_s_per_mw: A[Array, Output("tok/s/MW", "Blended tokens per paid megawatt", _Q, kept="moments", basis="facility")]

    # Section 4: revenue and gross margin, bottom-up.
    revenue_per_mtok_paid: A[Array, Output("USD/Mtok", "Revenue per paid blended Mtok", _Q, kept="moments")]
    revenue_per_mtok_served: A[Array, Output("USD/Mtok", "Revenue per served blended Mtok", _Q, kept="moments")]
    revenue_per_gw_year: A[Array, Output("USD bn/GW/yr", "Revenue of a gigawatt that serves paid tokens only", _Q, kept="moments", basis="facility")]
    inference_gross_margin: A[Array, Output("1", "Inference gross margin on paid traffic", _Q, kept="draws")]
    loaded_gross_margin: A[Array, Output("1", "Inference gross margin with free tier and levies", _Q, kept="draws")]
    fine_tune_gross_margin: A[Array, Output("1", "Fine-tuning gross margin", _Q, kept="draws")]
    margin_output: A[Array, Output("1", "Gross margin of output tokens at their own price", _Q, kept="moments", may_be_infinite=True, missing="inputs")]
    margin_input: A[Array, Output("1", "Gross margin of uncached input tokens at their own price", _Q, kept="moments", may_be_infinite=True, missing="inputs")]
    margin_cached: A[Array, Output("1", "Gross margin of cached input tokens at their own price", _Q, kept="moments", may_be_infinite=True, missing="inputs")]
    gross_margin: A[Array, Output("1", "Gross margin by regime; frontier training over its life, all labs together", _QR, kept="draws", may_be_infinite=True, missing="quarters", unbounded=True)]
    price_multiplier_at_hurdle: A[Array, Output("1", "Price change that puts the inference margin at the hurdle", _Q)]
    duty_at_hurdle: A[Array, Output("1", "Inference duty cycle that puts the margin at the hurdle", _Q, may_be_infinite=True, unbounded=True)]

    # Section 5: the final training run.
    run_hours: A[float, Output("h", "Useful accelerator-hours of the final training run", kept="moments")]
    run_cost_usd: A[float, Output("USD", "Cost of the final training run", kept="moments")]
    training_flop: A[float, Output("FLOP", "FLOP of the final pre-training run", kept="moments")]
    run_days: A[float, Output("day", "Days of the final training run on its accelerators", missing="inputs")]
    run_gwh: A[float, Output("GWh", "Energy of the final training run at the meter", kept="moments")]

    # Section 6: the build-out, and flags of it and of labs' hours.
    total_gw: A[Array, Output("GW", "Gigawatts of all labs at quarter end, as stated", _Q, kept="moments", basis="stated")]
    training_share_below_zero: A[float, Output("1", "Draw in which inference and fine-tuning exceed a lab's hours", kept="moments", kind="bool")]
    power_scale: A[Array, Output("1", "What the power cap leaves of the quarter's western additions", _Q)]
    power_binds: A[Array, Output("1", "The power cap binds in the quarter", _Q, kept="moments", kind="bool")]


class LabOutputs:
    """Outputs of a lab."""

    gw: A[Array, Output("GW", "Gigawatts at quarter end, as stated", _Q, kept="draws", basis="stated")]
    facility_gw: A[Array, Output("GW", "Facility gigawatts at quarter end", _Q, kept="moments", basis="facility")]
    accelerators: A[Array, Output("1", "Reference accelerators at quarter end", _Q)]
    withheld_by_crunch_gw: A[float, Output("GW", "Planned 2027 gigawatts given up in a capital crunch", kept="moments", basis="stated")]
    withheld_by_delay_gw: A[float, Output("GW", "Planned 2027 gigawatts not energised by 2027Q4", kept="moments", basis="stated")]
    withheld_by_capex_gw: A[float, Output("GW", "Planned 2027 gigawatts that landlords' capex does not pay for", kept="moments", basis="stated")]
    withheld_by_power_gw: A[float, Output("GW", "Planned 2027 gigawatts beyond the western power cap", kept="moments", basis="stated")]

    # Section 6: bills, tokens, energy, revenue.
    compute_bill: A[Array, Output("USD bn/yr", "Compute bill", _Q, kept="moments")]
    compute_bill_regime: A[Array, Output("USD bn/yr", "Compute bill by regime", _QR, kept="moments")]
    bill_per_gw_year: A[Array, Output("USD bn/GW/yr", "Compute bill of a facility gigawatt", _Q, kept="moments", basis="facility")]
    fleet_tokens_per_s: A[Array, Output("tok/s", "Blended tokens served by the fleet", _Q, kept="moments")]
    fleet_energy_twh: A[Array, Output("TWh/yr", "Energy of the fleet at the meter", _Q, kept="moments")]
    arr: A[Array, Output("USD bn/yr", "Annualised revenue at quarter end", _Q, kept="moments", missing="arr")]
    average_arr: A[Array, Output("USD bn/yr", "Annualised revenue on average over the quarter", _Q, kept="moments", missing="arr")]
    quarter_revenue_busd: A[Array, Output("USD bn/quarter", "Revenue of the quarter", _Q, missing="arr")]
    arr_per_gw: A[Array, Output("USD bn/GW/yr", "Annualised revenue per gigawatt as stated, at quarter end", _Q, missing="arr", unbounded=True, basis="stated")]
    capacity_revenue: A[Array, Output("USD bn/yr", "Revenue of the fleet's tokens at the price list", _Q, kept="moments")]
    arr_capacity_ratio: A[Array, Output("1", "Revenue over capacity revenue", _Q, missing="arr", unbounded=True)]
    tokens_demanded_per_s: A[Array, Output("tok/s", "Blended tokens that the lab's revenue buys", _Q, missing="arr")]
    implied_duty: A[Array, Output("1", "Duty cycle at which the fleet serves what is demanded", _Q, kept="moments", missing="arr", unbounded=True)]
    demand_exceeds_capacity: A[Array, Output("1", "Demand beyond the fleet at full duty (questionable)", _Q, kind="bool")]

    # Section 4: margins of labs, bottom-up and top-down.
    lab_unit_margin: A[Array, Output("1", "Lab's inference gross margin at its own price and throughput", _Q, kept="moments")]
    lab_paid_margin: A[Array, Output("1", "Lab's inference gross margin on paid traffic", _Q, kept="draws", missing="arr", unbounded=True)]
    lab_loaded_margin: A[Array, Output("1", "Lab's inference gross margin with free tier and levies", _Q, kept="moments", missing="arr", unbounded=True)]
    operating_margin: A[Array, Output("1", "Lab's margin after all compute, levies and other operating cost", _Q, kept="moments", missing="arr", unbounded=True)]

    # Section 5: was the training run worth it?
    generation_cost_busd: A[float, Output("USD bn", "Research compute and staff between two model generations", kept="moments")]
    final_run_share: A[float, Output("1", "Final training run over the cost of a generation", unbounded=True)]
    lifetime_gross_profit_busd: A[float, Output("USD bn", "Inference gross profit of a generation over its life", kept="moments", missing="arr")]
    training_moic: A[float, Output("x", "Return multiple: lifetime gross profit over generation cost", kept="draws", missing="arr", unbounded=True)]
    training_moic_final_run: A[float, Output("x", "Lifetime gross profit over the final run's cost", missing="arr", unbounded=True)]
    training_npv_busd: A[float, Output("USD bn", "Net present value of a generation", kept="draws", missing="arr")]
    payback_months: A[float, Output("month", "Months until gross profit repays the generation (inf: never)", kept="draws", may_be_infinite=True, missing="arr", unbounded=True)]
    training_margin: A[float, Output("1", "Margin of frontier training: 1 - 1/multiple", kept="draws", may_be_infinite=True, missing="arr", unbounded=True)]
    sustainable_growth_per_generation: A[float, Output("x", "Next self-funded training budget over this one", missing="arr", unbounded=True)]
    sustainable_growth_annual: A[float, Output("x/yr", "Self-funded growth of training budgets", kept="draws", missing="arr", unbounded=True)]
    external_funding_share: A[float, Output("1", "Share of the next generation that others must fund", kept="moments", missing="arr")]
    required_margin: A[float, Output("1", "Gross margin at which the lab funds its own training growth", kept="draws", may_be_infinite=True, missing="arr", unbounded=True)]

    # Section 7: funding of the bill.
    coverage: A[Array, Output("1", "Revenue left for compute over the compute bill", _Q, missing="arr", unbounded=True)]
    shortfall: A[Array, Output("1", "Share of the compute bill that revenue does not cover", _Q, missing="arr")]
    funding_gap_busd: A[Array, Output("USD bn/yr", "Compute bill that revenue does not cover", _Q, kept="moments", missing="arr")]


class LandlordOutputs:
    """Outputs of a landlord."""

    hosted_gw_landlord: A[Array, Output("GW", "Facility gigawatts of labs hosted at quarter end", _Q, kept="moments", basis="facility")]
    landlord_capex_busd: A[Array, Output("USD bn/quarter", "Capital expenditure in the quarter", _Q, kept="moments")]
    capex_scale: A[Array, Output("1", "What capex leaves of the quarter's wanted additions", _Q)]
    capex_binds: A[Array, Output("1", "The landlord's capex binds in the quarter", _Q, kept="moments", kind="bool")]

    # Section 7: landlords' books.
    depreciation_booked: A[Array, Output("USD bn/quarter", "Depreciation of labs' capacity on the books", _Q, kept="moments")]
    depreciation_economic: A[Array, Output("USD bn/quarter", "Depreciation of labs' capacity over its economic life", _Q, kept="moments")]
    depreciation_gap: A[Array, Output("USD bn/quarter", "Economic less booked depreciation", _Q, kept="moments")]
    rent_received: A[Array, Output("USD bn/quarter", "Rent from outside labs", _Q, kept="moments")]
    depreciation_booked_rented: A[Array, Output("USD bn/quarter", "Booked depreciation of capacity rented to outside labs", _Q, kept="moments")]
    depreciation_coverage: A[Array, Output("1", "Rent over the booked depreciation of rented capacity", _Q, kept="moments", missing="hosts")]
    external_cost_busd: A[Array, Output("USD bn/quarter", "Booked cost of capacity rented to outside labs, before interest", _Q, kept="moments")]
    landlord_gross_margin: A[Array, Output("1", "Margin on rented capacity as reported, before interest", _Q, kept="moments", missing="hosts", unbounded=True)]
    net_book_value: A[Array, Output("USD bn", "Net book value of labs' capacity at quarter end", _Q, kept="moments")]
    interest_busd: A[Array, Output("USD bn/quarter", "Interest on debt behind rented capacity", _Q, kept="moments")]
    landlord_margin_after_interest: A[Array, Output("1", "Margin on rented capacity after interest", _Q, kept="moments", missing="hosts", unbounded=True)]
    lab_dependence: A[float, Output("1", "Labs' share of remaining performance obligations", kept="moments")]
    rpo_under_hurdle: A[float, Output("USD bn", "Obligations of labs whose margin is under the hurdle", kept="draws")]
    rpo_shortfall: A[float, Output("USD bn", "Labs' obligations times the share of bills not covered", kept="draws")]
    nbv_under_hurdle: A[float, Output("USD bn", "Net book value rented to labs whose margin is under the hurdle", kept="moments")]
    rpo_firm_busd: A[float, Output("USD bn", "Remaining performance obligations that cannot be cancelled", kept="moments")]
    rpo_due_12m_busd: A[float, Output("USD bn", "Firm obligations that fall due within 12 months", kept="moments", missing="inputs")]


class HostOutputs:
    """Outputs of a pair of lab and landlord."""

    hosted_gw: A[Array, Output("GW", "Facility gigawatts of the lab hosted by the landlord at quarter end", _Q, basis="facility")]
    net_book_value_by_lab: A[Array, Output("USD bn", "Net book value of the lab's capacity at quarter end", _Q)]
    arr_over_equity: A[Array, Output("1", "Lab's annualised revenue over the landlord's equity in it", _Q, missing="inputs")]
    rpo_by_lab: A[float, Output("USD bn", "Landlord's remaining performance obligations of the lab")]


# fmt: on

# Entity of an output -> the dims that come before its own.
ENTITIES: dict[type, tuple[str, ...]] = {
    World: (),
    LabOutputs: ("lab",),
    LandlordOutputs: ("landlord",),
    HostOutputs: ("lab", "landlord"),
}


EVERY_THRESHOLD, FIRST_THRESHOLD = "threshold", "threshold[0]"


@dataclass(frozen=True, slots=True)
class Probability:
    """The share of draws in which an output passes a threshold.

    `of` is the name of the output, `relation` the comparison. `threshold` is a number, the name of
    an input, EVERY_THRESHOLD (each of the scenario's `thresholds_gw`, along the dim `threshold`),
    or FIRST_THRESHOLD. `count` is the number of labs that must pass in a draw: "each" (labs stay a
    dim), "all named" (those of the scenario's `named_labs`), or "at least two" of all labs. The
    comparisons of kernels, indicators, dims and texts follow from this. See "Probabilities" in
    docs/model.md.
    """

    of: str
    meaning: str
    relation: Literal[">=", ">"] = ">="
    threshold: float | str = "hurdle_margin"
    count: Literal["each", "all named", "at least two"] = "each"


# fmt: off
PROBABILITIES: dict[str, Probability] = {
    "p_margin_above_hurdle": Probability("inference_gross_margin", "P(inference gross margin >= hurdle)"),
    "p_loaded_margin_above_hurdle": Probability("loaded_gross_margin", "P(loaded gross margin >= hurdle)"),
    "p_fine_tune_margin_above_hurdle": Probability("fine_tune_gross_margin", "P(fine-tuning gross margin >= hurdle)"),
    "p_lab_margin_above_hurdle": Probability("lab_paid_margin", "P(lab's paid margin >= hurdle)"),
    "p_lab_loaded_margin_above_hurdle": Probability("lab_loaded_margin", "P(lab's loaded margin >= hurdle)"),
    "p_training_worth_it": Probability("training_moic", "P(return multiple >= 1)", threshold=1.0),
    "p_npv_positive": Probability("training_npv_busd", "P(net present value >= 0)", threshold=0.0),
    "p_gw_above": Probability("gw", "P(gigawatts > threshold)", ">", EVERY_THRESHOLD),
    "p_both_named": Probability("gw", "P(every named lab > the first threshold)", ">", FIRST_THRESHOLD, "all named"),
    "p_top_two": Probability("gw", "P(second largest lab > the first threshold)", ">", FIRST_THRESHOLD, "at least two"),
    "p_facility_gw_above": Probability("facility_gw", "P(facility gigawatts > threshold)", ">", EVERY_THRESHOLD),
    "p_both_named_facility": Probability("facility_gw", "P(every named lab > the first threshold, in facility gigawatts)", ">", FIRST_THRESHOLD, "all named"),
    "p_top_two_facility": Probability("facility_gw", "P(second largest lab > the first threshold, in facility gigawatts)", ">", FIRST_THRESHOLD, "at least two"),
    "p_demand_exceeds_capacity": Probability("implied_duty", "P(demand > the fleet at full duty)", ">", 1.0),
}
# fmt: on
