"""Tables of a token: margins, cost by layer, energy and speed."""

from __future__ import annotations

from typing import Any

from sim.common.text import words
from sim.kernels.indices import COMPUTE_LAYERS
from sim.model.dims import LAYERS, REFERENCE_QUARTER, REGIMES
from sim.tables.cells import LAST_QUARTER, Cell, Reader, Table, hurdle_label, plus_minus

MARGINS = {
    "inference_gross_margin": ("Inference", "p_margin_above_hurdle"),
    "loaded_gross_margin": ("Loaded", "p_loaded_margin_above_hurdle"),
    "fine_tune_gross_margin": ("Fine-tune", "p_fine_tune_margin_above_hurdle"),
}


def tables(reader: Reader) -> list[Table]:
    """Margins, and per quarter a token's cost, revenue, energy and speed."""
    quarters = reader.quarters(REFERENCE_QUARTER)
    costs = [_costs(reader, quarter) for quarter in quarters]
    return [_margins(reader), *costs, *(_per_token(reader, quarter) for quarter in quarters)]


def _margins(reader: Reader) -> Table:
    """Quantiles of the gross margins and probabilities of reaching the hurdle."""
    levels = [float(level) for level in reader.summary["quantile"].values]
    heads = ["", *(f"p{100 * level:g}" for level in levels)]
    quarters = reader.quarters(REFERENCE_QUARTER, LAST_QUARTER)
    table = Table("Gross margin (%)", [*heads, f"P(>= {hurdle_label(reader.ds)})"])
    for name, (label, probability) in MARGINS.items():
        for quarter in quarters:
            cells: list[Cell | str] = [
                reader.cell(f"{name}_quantile", 100.0, quarter=quarter, quantile=level)
                for level in levels
            ]
            cells.append(reader.probability(probability, quarter=quarter))
            table.rows.append((f"{label} {quarter}", cells))
        table.rules.append(len(table.rows))
    table.remarks = [
        "Of the reference lab, at the price list. Inference: on paid traffic, compute only."
        " Loaded: with free tier, revenue share, serving overhead."
    ]
    if REFERENCE_QUARTER in quarters:
        of_training: dict[str, Any] = {"quarter": REFERENCE_QUARTER, "regime": "frontier_training"}
        training: list[Cell | str] = [
            reader.cell("gross_margin_quantile", 100.0, quantile=level, **of_training)
            for level in levels
        ]
        table.rows.append((f"Training {REFERENCE_QUARTER}", [*training, ""]))
        table.remarks.append(
            "Training: research compute and staff against the inference profit of a generation over"
            " its life, all labs that report revenue."
        )
    return table


def _costs(reader: Reader, quarter: str) -> Table:
    """Mean cost of a million tokens by layer and regime.

    With sums of layers, and revenue.
    """
    heads = ["layer", *(words(regime).replace(" ", "\n") for regime in REGIMES)]
    table = Table(f"Mean cost of a million tokens, {quarter} (USD/Mtok)", heads, narrow=True)
    for layer in LAYERS:
        cells: list[Cell | str] = [
            reader.cell("unit_cost_mean", quarter=quarter, regime=regime, layer=layer)
            for regime in REGIMES
        ]
        zero = [isinstance(cell, Cell) and cell.value == cell.error == 0 for cell in cells]
        texts = ["-" if is_zero else cell for is_zero, cell in zip(zero, cells, strict=True)]
        table.rows.append((words(layer), texts))
    table.rules = [COMPUTE_LAYERS, COMPUTE_LAYERS + 1, len(LAYERS) + 1]

    compute: list[Cell | str] = [
        reader.cell("compute_cost_mean", quarter=quarter, regime=regime) for regime in REGIMES
    ]
    total: list[Cell | str] = [
        reader.total("unit_cost", quarter=quarter, regime=regime) for regime in REGIMES
    ]
    table.rows.insert(COMPUTE_LAYERS, ("= compute", compute))
    table.rows.append(("= total", total))
    for label, name in (
        ("revenue, paid tokens", "revenue_per_mtok_paid_mean"),
        ("revenue, all served tokens", "revenue_per_mtok_served_mean"),
    ):
        table.rows.append((label, ["-", "-", reader.cell(name, quarter=quarter)]))
    table.remarks = [
        "Per million trained, tuned, or blended tokens (input, cached or not, and output).",
        "Inference margin: compute against revenue of paid tokens. Loaded: total against served.",
    ]
    return table


def _per_token(reader: Reader, quarter: str) -> Table:
    """Quantiles of a token's energy and time and of speeds."""
    levels = (0.05, 0.5, 0.95)
    heads = ["", *(f"p{100 * level:g}" for level in levels)]
    table = Table(f"A token and an accelerator, {quarter}", heads, narrow=True)
    rows: tuple[tuple[str, str, float, dict[str, Any]], ...] = (
        ("Energy per blended token (µWh)", "wh_per_token", 1e6, {"quarter": quarter}),
        ("HBM time per output token (ms)", "hbm_bandwidth_s_per_output_token", 1e3, {}),
        ("Training (tokens/s)", "tps_train", 1.0, {}),
        ("Fine-tuning (tokens/s)", "tps_fine_tune", 1.0, {}),
        ("Inference, prefill (tokens/s)", "tps_prefill", 1.0, {}),
        ("Inference, decode (tokens/s)", "tps_decode", 1.0, {}),
    )
    for label, name, scale, at in rows:
        cells = [reader.cell(f"{name}_quantile", scale, quantile=level, **at) for level in levels]
        table.rows.append((label, list(cells)))
    duty = []
    for regime in REGIMES:
        share = reader.cell("duty_cycle_mean", 100.0, quarter=quarter, regime=regime)
        duty.append(f"{words(regime)} {plus_minus(share)} %")
    missed = reader.probability("slo_missed_mean")
    table.remarks = [
        "Tokens/s of one accelerator while active. Active share of its paid hours, mean: "
        f"{', '.join(duty)}.",
        "HBM time: for which a token takes the whole HBM bandwidth of one accelerator.",
        f"The promised speed per user is out of reach in {plus_minus(missed)} % of draws, which are"
        " served more slowly.",
    ]
    return table
