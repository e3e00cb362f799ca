"""Tables of labs: bills, revenue, margins and return on training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim.model.dims import REFERENCE_QUARTER, REGIMES
from sim.tables.cells import Cell, Reader, Table, hurdle_label, plus_minus

QUANTILES = (0.05, 0.5, 0.95)


def tables(reader: Reader) -> list[Table]:
    """The labs' books of each quarter, and the generation launched at 2026Q4."""
    quarters = reader.quarters(REFERENCE_QUARTER)
    books = [_books(reader, quarter) for quarter in quarters]
    return [*books, *(_capacity(reader, quarter) for quarter in quarters), _training(reader)]


def _books(reader: Reader, quarter: str) -> Table:
    """Gigawatts, bill, revenue, margins, and whether the training run pays back."""
    heads = [
        "lab",
        "GW\np50",
        "bill\nmean",
        "ARR\nmean",
        "paid %\np50",
        "loaded %\np50",
        f"P(paid >=\n{hurdle_label(reader.ds)}) %",
        "gap\nmean",
    ]
    at_launch = quarter == REFERENCE_QUARTER
    heads += ["multiple\np50", "payback\nmonths p50"] if at_launch else []
    table = Table(f"Labs, {quarter} (bill, ARR and gap in USD bn a year)", heads)
    at: dict[str, Any] = {"quarter": quarter, "quantile": 0.5}  # p50 of what has quantiles
    for lab, name in reader.labels("lab"):
        cells: list[Cell | str] = [
            reader.cell("gw_quantile", lab=lab, **at),
            reader.cell("compute_bill_mean", lab=lab, **at),
            reader.cell("arr_mean", lab=lab, **at),
            reader.cell("lab_paid_margin_quantile", 100.0, lab=lab, **at),
            reader.cell("lab_loaded_margin_quantile", 100.0, lab=lab, **at),
            reader.probability("p_lab_margin_above_hurdle", lab=lab, **at),
            reader.cell("funding_gap_busd_mean", lab=lab, **at),
        ]
        if at_launch:
            cells += [
                reader.cell("training_moic_quantile", lab=lab, **at),
                reader.cell("payback_months_quantile", lab=lab, infinite="never", **at),
            ]
        table.rows.append((name, cells))
    table.remarks = [
        "Bill: all compute, at the rent, or at the owner's cost in the parent's own sites. ARR:"
        " annualised revenue. Paid: inference margin on paid traffic. Loaded: with free tier,"
        " revenue share and serving overhead. Gap: the part of the bill that revenue, less"
        " revenue share, serving overhead and other operating cost, does not cover; 0 in draws in"
        " which it does.",
    ]
    if at_launch:
        table.remarks.append(
            "Multiple (profit over cost) and payback: of the generation launched in this quarter."
        )
    if dates := reader.as_of("lab", "arr_2026q4_busd"):
        table.remarks.append(f"ARR as known on: {dates}.")
    return table


def _capacity(reader: Reader, quarter: str) -> Table:
    """The bill by regime, what the fleet serves, and its revenue."""
    heads = [
        "lab",
        "training\nbill",
        "fine-tune\nbill",
        "inference\nbill",
        "million\ntokens/s",
        "TWh a\nyear",
        "capacity\nrevenue",
        "ARR over\ncapacity",
    ]
    table = Table(f"What the fleets cost, serve and earn, {quarter} (means, USD bn a year)", heads)
    for lab, name in reader.labels("lab"):
        at: dict[str, Any] = {"lab": lab, "quarter": quarter}
        cells: list[Cell | str] = [
            *(reader.cell("compute_bill_regime_mean", regime=regime, **at) for regime in REGIMES),
            reader.cell("fleet_tokens_per_s_mean", 1e-6, **at),
            reader.cell("fleet_energy_twh_mean", **at),
            reader.cell("capacity_revenue_mean", **at),
            reader.ratio("arr", "capacity_revenue", **at),
        ]
        table.rows.append((name, cells))
    table.remarks = [
        "Capacity revenue: what the fleet's paid tokens bring at the price list. ARR over capacity:"
        " ratio of the means; 1 where the price list, the speed of the accelerators and the"
        " gigawatts agree with reported revenue.",
    ]
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
    run = reader.cell("run_cost_usd_mean", 1e-9)
    table.remarks = [
        "Cost: all research compute and staff between two generations; of it the final run"
        f" {plus_minus(run)} bn (mean). Profit: inference gross profit credited to the generation"
        " over its life. Multiple: profit over cost (MOIC). Worth it: a multiple of 1 or more."
        " Never: not repaid within the life.",
        "Growth: of the training budget, funded by profit alone; below 1 it shrinks. Required"
        " margin: at which profit alone funds the growth that the frontier demands (p50). External"
        " share: of the next generation, funded by others (mean).",
    ]
    return table
