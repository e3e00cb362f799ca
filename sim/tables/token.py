"""Tables of a token: margins, cost by layer and regime, energy and speed, an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim.common.text import words
from sim.model.dims import COMPUTE_LAYERS, LAYERS, REFERENCE_QUARTER, REGIMES
from sim.tables.cells import LAST_QUARTER, Reader, hurdle_label
from sim.tables.table import Cell, Table, plus_minus

NAMES = {
    "margins": "gross margins of the reference lab",
    "regimes": "the hour, duty cycle, cost and margin of an accelerator in three regimes",
    "costs": "cost of a million tokens by layer",
    "answer": "what one answer costs",
    "token": "energy and time of a token, speeds of an accelerator",
}

MARGINS = {
    "inference_gross_margin": ("Inference", "p_margin_above_hurdle"),
    "loaded_gross_margin": ("Loaded", "p_loaded_margin_above_hurdle"),
    "fine_tune_gross_margin": ("Fine-tune", "p_fine_tune_margin_above_hurdle"),
}


def tables(reader: Reader) -> list[Table]:
    """Margins, and per quarter a token's cost, revenue, energy and speed."""
    by_quarter = (_regimes, _costs, _answer, _per_token)
    quarters = reader.quarters(REFERENCE_QUARTER)
    return [_margins(reader), *(table(reader, q) for table in by_quarter for q in quarters)]


def _margins(reader: Reader) -> Table:
    """Quantiles of the gross margins and probabilities of reaching the hurdle."""
    levels = [float(level) for level in reader.summary["quantile"].values]
    heads = ["", *(f"p{100 * level:g}" for level in levels)]
    quarters = reader.quarters(REFERENCE_QUARTER, LAST_QUARTER)
    heads.append(f"P(>= {hurdle_label(reader.ds)})")
    table = Table("Gross margin (%)", heads, name="margins")
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
    table.name = "costs"
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


def _regimes(reader: Reader, quarter: str) -> Table:
    """The accelerator-hour, what it does and what it earns in each regime.

    Layers of the hour are means, as their sum is; duty cycle, cost and margin are what follows.
    """
    heads = ["", *(words(regime).replace(" ", "\n") for regime in REGIMES)]
    title = f"One accelerator in three regimes, {quarter} (means; an hour in USD)"
    table = Table(title, heads, narrow=True, name="regimes")

    def row(label: str, cells: list[Cell]) -> None:
        zero = [cell.value == cell.error == 0 for cell in cells]
        texts = ["-" if none else cell for none, cell in zip(zero, cells, strict=True)]
        table.rows.append((label, texts))

    at: list[dict[str, Any]] = [{"quarter": quarter, "regime": regime} for regime in REGIMES]
    layers = {words(layer): _HOUR.format(layer) for layer in LAYERS[:COMPUTE_LAYERS]}
    layers["= a paid hour"] = " + ".join(layers.values())
    texts = [text.format(regime, quarter) for text in layers.values() for regime in REGIMES]
    means = [cells[0] for cells in reader.values(texts, [None], "USD/h")]
    for i, label in enumerate(layers):
        row(label, means[len(REGIMES) * i : len(REGIMES) * (i + 1)])
    table.rules = [COMPUTE_LAYERS, COMPUTE_LAYERS + 1, COMPUTE_LAYERS + 4]
    row("duty cycle (%)", [reader.cell("duty_cycle_mean", 100.0, **where) for where in at])
    speeds = ("tps_train", "tps_fine_tune")
    row(
        "active tokens/s, p50",
        [
            *(reader.cell(f"{name}_quantile", quantile=0.5) for name in speeds),
            *reader.values([_BLENDED.format(quarter)], [0.5], "tok/s")[0],
        ],
    )
    row("= compute (USD/Mtok)", [reader.cell("compute_cost_mean", **where) for where in at])
    for level in (0.05, 0.5, 0.95):
        row(
            f"gross margin, p{100 * level:g} (%)",
            [reader.cell("gross_margin_quantile", 100.0, quantile=level, **where) for where in at],
        )
    table.remarks = [
        "The hardware is the same; an hour differs by the electricity of its duty cycle alone. Of"
        " blended tokens (input, cached or not, and output) in inference.",
        "Margin of training: of the inference profit of a generation over its life, all labs that"
        f" report revenue, less research compute and staff; of {REFERENCE_QUARTER} alone.",
    ]
    return table


_HOUR = "accelerator_hour_cost[{{0}}, {}]@{{1}}"
# What an active accelerator serves of blended tokens; a paid one is active for its duty cycle.
_BLENDED = "1 / paid_seconds_per_token[online_inference]@{0} / duty_cycle[online_inference]@{0}"
_TOKENS = "query_output_tokens * (1 + input_output_ratio)"
_DEPRECIATION = " + ".join(
    f"accelerator_hour_cost[online_inference, {layer}]@{{0}}"
    for layer in LAYERS
    if "depreciation" in layer
)
_SECONDS = f"paid_seconds_per_token[online_inference]@{{0}} * {_TOKENS}"
ANSWER = {  # row -> value of a draw, unit
    "Compute (cents)": (f"compute_cost[online_inference]@{{0}} * {_TOKENS} / 1e4", "cent"),
    "- of it depreciation (cents)": (f"({_DEPRECIATION}) * {_SECONDS} / 36", "cent"),
    "Revenue if paid for (cents)": (f"revenue_per_mtok_paid@{{0}} * {_TOKENS} / 1e4", "cent"),
    "Energy at the meter (Wh)": ("wh_per_query@{0}", "Wh"),
    "Paid accelerator time (s)": (_SECONDS, "s"),
    "HBM time of its output (s)": ("hbm_bandwidth_s_per_output_token * query_output_tokens", "s"),
}


def _answer(reader: Reader, quarter: str) -> Table:
    """Quantiles of what one answer costs, takes and brings."""
    levels = (0.05, 0.5, 0.95)
    lengths = [reader.values([text], [0.5], "1")[0][0] for text in ("query_output_tokens", _TOKENS)]
    output, every = (f"{cell.value:,.0f}" for cell in lengths)
    title = f"One answer of {output} tokens, {quarter}"
    table = Table(title, ["", *(f"p{100 * level:g}" for level in levels)], narrow=True)
    table.name = "answer"
    texts = [text.format(quarter) for text, _ in ANSWER.values()]
    rows = reader.values(texts, levels, "")
    for (label, (_, unit)), cells in zip(ANSWER.items(), rows, strict=True):
        table.rows.append((label, [replace(cell, unit=unit) for cell in cells]))
    table.remarks = [
        f"With what is read for it, cached or not: {every} tokens in all (medians). HBM time: for"
        " which it takes the whole HBM bandwidth of one accelerator; an accelerator serves many"
        " answers at once.",
    ]
    return table


def _per_token(reader: Reader, quarter: str) -> Table:
    """Quantiles of a token's energy and time and of speeds."""
    levels = (0.05, 0.5, 0.95)
    heads = ["", *(f"p{100 * level:g}" for level in levels)]
    table = Table(f"A token and an accelerator, {quarter}", heads, narrow=True, name="token")
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
    given_up = reader.cell("speed_cost_mean", 100.0)
    table.remarks = [
        "Tokens/s of one accelerator while active. HBM time: for which a token takes the whole HBM"
        " bandwidth of one accelerator.",
        f"The speed promised to a user costs {plus_minus(given_up)} % of decode throughput (mean).",
    ]
    return table
