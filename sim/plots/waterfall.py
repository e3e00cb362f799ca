"""How the cost of a token adds up, and what revenue leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sim.common.text import words
from sim.model.dims import COMPUTE_LAYERS, LAYERS, REFERENCE_QUARTER
from sim.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    Estimate,
    Estimates,
    caption_height,
    describe_run,
    format_number,
    new_figure,
    tidy,
)
from sim.statistics.datasets import REPLICATE_MEAN
from sim.statistics.estimators import mean_with_error
from sim.statistics.expressions import evaluate
from sim.statistics.moments import mean_of_replicates
from sim.statistics.replicates import replicates_of

GROUPS = {  # name -> colour, layers
    "Electricity": (ORANGE, LAYERS[:2]),
    "Depreciation": (BLUE, LAYERS[2:7]),
    "Other capital and operations": (SKY, LAYERS[7:10]),
    "Landlord margin": (GREEN, LAYERS[10:11]),
    "Revenue share and overhead": (PURPLE, LAYERS[11:]),
}
COLOURS = {layer: colour for colour, layers in GROUPS.values() for layer in layers}
SUM_COLOUR, REVENUE_COLOUR, REMAINDER_COLOUR = "#444444", "#BBBBBB", "white"
BAR_HEIGHT = 0.74


class Bar(NamedTuple):
    """A bar of the figure.

    `name` is that of its estimate; `gap` is the space above, in bars.
    """

    name: str
    label: str
    start: float
    colour: str
    gap: float


def waterfall(ds: xr.Dataset) -> Figure:
    """Mean cost of a Mtok of online inference by layer, against revenue.

    Args:
        ds: What `sim.simulate` gives, with draws or moments of `unit_cost`,
            `revenue_per_mtok_served` and `revenue_per_mtok_paid`.

    Returns:
        A figure with a bar per layer that begins where the one before ends, the compute cost and
        the total, and what they leave of the revenue per served and per paid Mtok.
    """
    in_dollars = {str(name): estimate for (name,), estimate in waterfall_estimates(ds).items()}
    scale, unit = (100.0, "US cents") if in_dollars["paid"].value < 2 else (1.0, "USD")
    estimates = {
        name: Estimate(scale * value, scale * error) for name, (value, error) in in_dollars.items()
    }
    caption = (
        f"{describe_run(ds, moments=f'unit_cost{REPLICATE_MEAN}' in ds)}\n"
        "Means over draws ± Monte Carlo standard error. Served tokens: paid and free-tier. A ratio"
        " of these means is not the mean margin (see the figure of margins)."
    )
    width, height = 8.0, 7.4
    title = f"How the cost of a token adds up: online inference, {REFERENCE_QUARTER}"
    figure = new_figure(width, height, title, caption)
    axes = figure.subplots()
    figure.subplots_adjust(
        left=0.25, right=0.985, top=1 - 0.45 / height,
        bottom=(caption_height(caption, width) + 0.5) / height,
    )  # fmt: skip
    tidy(axes)
    _draw_bars(axes, _bars(estimates), estimates)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{unit} per million blended tokens", fontsize=10)
    axes.legend(
        [Patch(color=colour) for colour, _ in GROUPS.values()],
        [f"{group}: {format_number(*estimates[group])}" for group in GROUPS],
        loc="upper right", frameon=False, fontsize=9, handlelength=1.2,
    )  # fmt: skip
    return figure


def waterfall_estimates(ds: xr.Dataset) -> Estimates:
    """Means [USD/Mtok] of layers, their sums, revenues and differences.

    Sums and differences are formed in each draw, or in each of the 32 replicates of moments, so
    that their errors are their own.
    """
    suffix = REPLICATE_MEAN if f"unit_cost{REPLICATE_MEAN}" in ds else ""
    at = {"quarter": REFERENCE_QUARTER}
    layers = ds[f"unit_cost{suffix}"].sel({**at, "regime": "online_inference"}).values
    served, paid = (
        ds[f"revenue_per_mtok_{tokens}{suffix}"].sel(at).values for tokens in ("served", "paid")
    )
    columns = dict(zip(LAYERS, layers.T, strict=True))
    for group, (_, members) in GROUPS.items():
        columns[group] = sum(columns[layer] for layer in members)
    columns["compute"] = sum(columns[layer] for layer in LAYERS[:COMPUTE_LAYERS])
    columns["total"] = sum(columns[layer] for layer in LAYERS)
    columns |= {"served": served, "paid": paid}
    columns["left of served"] = served - columns["total"]
    columns["left of paid"] = paid - columns["compute"]
    table = np.stack([*columns.values()])
    if suffix:
        values, errors = mean_of_replicates(table.T, ds)
    else:
        values, errors = mean_with_error(table, replicates_of(ds))
    estimates: Estimates = {
        (name,): Estimate(float(value), float(error))
        for name, value, error in zip(columns, values, errors, strict=True)
    }
    # Means of outputs are those of the summary, from more replicates than those of moments.
    outputs = {layer: f"unit_cost[{layer},online_inference]" for layer in LAYERS}
    if "compute_cost" in ds:
        outputs |= {"compute": "compute_cost[online_inference]"}
    outputs |= {tokens: f"revenue_per_mtok_{tokens}" for tokens in ("served", "paid")}
    return estimates | {
        (name,): Estimate(*evaluate(f"mean({output}@{REFERENCE_QUARTER})", ds))
        for name, output in outputs.items()
    }


def _bars(estimates: dict[str, Estimate]) -> list[Bar]:
    """The bars from top to bottom.

    Layers with their two sums, then revenues and what is left of them.
    """
    bars: list[Bar] = []
    start = 0.0
    for i, layer in enumerate(LAYERS):
        gap = 0.15 if i == COMPUTE_LAYERS else 0.0
        if gap:
            bars.append(Bar("compute", "Compute cost", 0.0, SUM_COLOUR, gap))
        text = words(layer)
        bars.append(Bar(layer, text[0].upper() + text[1:], start, COLOURS[layer], gap))
        start += estimates[layer].value
    compute, total = estimates["compute"].value, estimates["total"].value
    return [
        *bars,
        Bar("total", "Total cost", 0.0, SUM_COLOUR, 0.15),
        Bar("served", "Revenue per served Mtok", 0.0, REVENUE_COLOUR, 0.7),
        Bar("left of served", "left after total cost", total, REMAINDER_COLOUR, 0.0),
        Bar("paid", "Revenue per paid Mtok", 0.0, REVENUE_COLOUR, 0.4),
        Bar("left of paid", "left after compute cost", compute, REMAINDER_COLOUR, 0.0),
    ]


def _draw_bars(axes: Axes, bars: list[Bar], estimates: dict[str, Estimate]) -> None:
    """Draw the bars with their numbers, and fit the axes.

    Costs are joined by steps.
    """
    y = np.cumsum([1 + bar.gap for bar in bars])
    starts = np.array([bar.start for bar in bars])
    ends: NDArray[np.float64] = starts + [estimates[bar.name].value for bar in bars]
    axes.barh(
        y, ends - starts, BAR_HEIGHT, left=starts, color=[bar.colour for bar in bars],
        linewidth=1.1,
        edgecolor=["black" if bar.colour == REMAINDER_COLOUR else "none" for bar in bars],
    )  # fmt: skip
    steps = np.arange(len(LAYERS) + 1)  # from the end of each cost to what begins there
    axes.vlines(
        ends[steps], y[steps] + BAR_HEIGHT / 2, y[steps + 1] - BAR_HEIGHT / 2, color=GREY,
        linewidth=0.7,
    )  # fmt: skip
    extent = np.nan_to_num(np.concatenate([starts, ends]), posinf=0.0, neginf=0.0)
    right, left = np.nan_to_num(np.maximum(starts, ends)), float(min(0.0, extent.min()))
    span = (float(extent.max()) - left) or 1.0
    for bar, height, end in zip(bars, y, right, strict=True):
        axes.text(
            end + 0.008 * span, height, format_number(*estimates[bar.name]), fontsize=8.5,
            va="center", fontweight="normal" if bar.name in COLOURS else "bold",
        )  # fmt: skip
    axes.set_yticks(y, [bar.label for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y[-1] + 0.6, y[0] - 0.6)
    axes.set_xlim(left, left + 1.2 * span)
