"""Tables of labs: their lines, gaps, fleets and return on training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim.model.dims import REFERENCE_QUARTER, REGIMES
from sim.tables.cells import Reader, hurdle_label
from sim.tables.table import Cell, Table, plus_minus, wrap_head

NAMES = {
    "labs": "a line for each lab: tokens/s, margins, gigawatts, duty, funding gap",
    "gaps": "the labs' funding gaps, laid on their landlords",
    "fleets": "bills by regime, energy and revenue of each lab",
    "training": "whether the training run was worth it",
}

QUANTILES = (0.05, 0.5, 0.95)


def tables(reader: Reader) -> list[Table]:
    """The labs' lines and books of each quarter, and the generation launched at 2026Q4."""
    quarters = reader.quarters(REFERENCE_QUARTER)
    return [
        *(_lines(reader, quarter) for quarter in quarters),
        *([_gaps(reader)] if REFERENCE_QUARTER in quarters else []),
        *(_fleets(reader, quarter) for quarter in quarters),
        _training(reader),
    ]


def _lines(reader: Reader, quarter: str) -> Table:
    """What each lab serves and earns, on what, and what it lacks."""
    heads = [
        "lab",
        "tokens/s\nmillion\np50",
        "own unit\nmargin\np50",
        "paid\nmargin\np50",
        f"P(paid\n>= {hurdle_label(reader.ds)})\n%",
        "stated\nGW\np50",
        "facility\nGW\np50",
        "implied\nduty\np50",
        "operating\nmargin\np50",
        *(f"funding gap\nUSD bn/yr\np{100 * level:g}" for level in QUANTILES),
    ]
    table = Table(f"Labs, {quarter} (margins and duty in %)", heads, name="labs")
    for lab, name in reader.labels("lab"):
        at: dict[str, Any] = {"lab": lab, "quarter": quarter}
        median = {**at, "quantile": 0.5}
        cells: list[Cell | str] = [
            reader.cell("fleet_tokens_per_s_quantile", 1e-6, **median),
            reader.cell("lab_unit_margin_quantile", 100.0, **median),
            reader.cell("lab_paid_margin_quantile", 100.0, **median),
            reader.probability("p_lab_margin_above_hurdle", **at),
            reader.cell("gw_quantile", **median),
            reader.cell("facility_gw_quantile", **median),
            reader.cell("implied_duty_quantile", 100.0, **median),
            reader.cell("operating_margin_quantile", 100.0, **median),
            *(reader.cell("funding_gap_busd_quantile", quantile=q, **at) for q in QUANTILES),
        ]
        table.rows.append((name, cells))
    table.remarks = [
        "Tokens: what the fleet serves at its duty cycle. Own unit margin: of inference, at the"
        " lab's own price, throughput and cost. Paid: of inference, its bill against the revenue of"
        " the quarter. Implied duty: at which the fleet would serve what the revenue buys."
        " Operating margin: after all compute, levies and other operating cost. Funding gap: what"
        " revenue leaves uncovered of the compute bill; 0 in draws in which it covers it.",
    ]
    return table


def _gaps(reader: Reader) -> Table:
    """The mean funding gap of each lab, laid on its landlords."""
    landlords = reader.labels("landlord")
    heads = ["lab", "funding\ngap", *(wrap_head(name) for _, name in landlords)]
    title = f"Who carries the funding gaps, {REFERENCE_QUARTER} (mean, USD bn/yr)"
    table = Table(title, heads, name="gaps")
    at: dict[str, Any] = {"quarter": REFERENCE_QUARTER}
    shown = [(i, name) for i, name in reader.labels("lab") if i not in reader.silent]
    for lab, name in shown:
        gap = reader.cell("funding_gap_busd_mean", lab=lab, **at)
        cells: list[Cell | str] = [gap]
        for landlord, _ in landlords:
            share = reader.fixed("host_share_2026", lab=lab, landlord=landlord)
            laid = replace(
                gap, **{k: share * getattr(gap, k) for k in ("value", "error", "spread")}
            )
            cells.append(laid if share else "")
        table.rows.append((name, cells))
    silent = [name for lab, name in reader.labels("lab") if lab in reader.silent]
    table.remarks = [
        "Laid on each landlord by its share of the lab's gigawatts at the end of 2026: rent that"
        " revenue does not pay, and that equity, debt or the landlord has to.",
    ]
    if silent:
        table.remarks.append(f"Not reported, so that no gap is known: {', '.join(silent)}.")
    return table


def _fleets(reader: Reader, quarter: str) -> Table:
    """The bill by regime, energy, revenue and the margin with all that inference bears."""
    heads = [
        "lab",
        "training\nbill",
        "fine-tune\nbill",
        "inference\nbill",
        "energy\nTWh/yr",
        "revenue",
        "at price\nlist",
        "revenue\nover list",
        "loaded\n% p50",
    ]
    title = f"What the fleets cost and earn, {quarter} (means, USD bn/yr)"
    table = Table(title, heads, name="fleets")
    for lab, name in reader.labels("lab"):
        at: dict[str, Any] = {"lab": lab, "quarter": quarter}
        cells: list[Cell | str] = [
            *(reader.cell("compute_bill_regime_mean", regime=regime, **at) for regime in REGIMES),
            reader.cell("fleet_energy_twh_mean", **at),
            reader.cell("average_arr_mean", **at),
            reader.cell("capacity_revenue_mean", **at),
            reader.ratio("average_arr", "capacity_revenue", **at),
            reader.cell("lab_loaded_margin_quantile", 100.0, quantile=0.5, **at),
        ]
        table.rows.append((name, cells))
    table.remarks = [
        "Bill: compute at the rent, or at the owner's cost in the parent's own sites. Revenue: of"
        " the quarter, at a year's rate (the mean of ARR). At price list: what the fleet's paid"
        " tokens would bring; revenue over list: ratio of the means. Loaded: inference margin with"
        " free tier, revenue share and serving overhead.",
    ]
    if dates := reader.as_of("lab", "arr_2026q4_busd"):
        table.remarks.append(f"ARR of {REFERENCE_QUARTER} as known on: {dates}.")
    return table


def _training(reader: Reader) -> Table:
    """What a generation costs and brings, and what it can fund."""
    heads = [
        "lab",
        "cost\nmean",
        "profit\nmean",
        *(f"multiple\np{100 * level:g}" for level in QUANTILES),
        "P(worth\nit) %",
        "P(NPV\n>= 0) %",
        "payback\nmonths p50",
        "P(never) %",
        "growth\nx/yr p50",
        "required\nmargin %",
        "external\nshare %",
    ]
    table = Table(
        f"Was the training run worth it? Generation launched at {REFERENCE_QUARTER} (USD bn)", heads
    )
    table.name = "training"
    for lab, name in reader.labels("lab"):
        median: dict[str, Any] = {"lab": lab, "quantile": 0.5}
        repaid = reader.probability("payback_months_finite", lab=lab)
        cells: list[Cell | str] = [
            reader.cell("generation_cost_busd_mean", lab=lab),
            reader.cell("lifetime_gross_profit_busd_mean", lab=lab),
            *(
                reader.cell("training_moic_quantile", lab=lab, quantile=level)
                for level in QUANTILES
            ),
            reader.probability("p_training_worth_it", lab=lab),
            reader.probability("p_npv_positive", lab=lab),
            reader.cell("payback_months_quantile", infinite="never", **median),
            replace(repaid, value=1.0 - repaid.value),
            reader.cell("sustainable_growth_annual_quantile", **median),
            reader.cell("required_margin_quantile", 100.0, infinite="none is", **median),
            reader.cell("external_funding_share_mean", 100.0, lab=lab),
        ]
        table.rows.append((name, cells))
    table.remarks = [
        f"Cost: all research compute and staff between two generations{_final_run(reader)}. Profit:"
        " inference gross profit credited to the generation over its life. Multiple: profit over"
        " cost (MOIC). Worth it: a multiple of 1 or more. Never: not repaid within the life.",
        "Growth: of the training budget, funded by profit alone; below 1 it shrinks. Required"
        " margin: at which profit alone funds the growth that the frontier demands (p50). External"
        " share: of the next generation, funded by others (mean).",
    ]
    return table


def _final_run(reader: Reader) -> str:
    """The final run as a part of what a generation costs, where it is less than the whole.

    A small lab's research does not pay for the run of the reference model.
    """
    run = reader.cell("run_cost_usd_mean", 1e-9)
    labs = reader.labels("lab")
    costs = {n: reader.cell("generation_cost_busd_mean", lab=lab).value for lab, n in labs}
    smaller = [name for name, cost in costs.items() if 1e-9 * run.value >= cost]
    if len(smaller) == len(costs):
        return ""
    spend = "spends" if len(smaller) == 1 else "spend"
    but = f"; not of {', '.join(smaller)}, which {spend} less" if smaller else ""
    return f"; of it the final run {plus_minus(run)} bn (mean{but})"
