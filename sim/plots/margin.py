"""Gross margin distributions by regime, with the hurdle."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from sim.model.dims import QUARTERS, REFERENCE_QUARTER, REGIMES
from sim.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    VERMILION,
    Estimates,
    describe_run,
    estimate_probability,
    format_equation,
    new_figure,
    tidy,
)
from sim.statistics.datasets import indicators, last
from sim.statistics.replicates import replicates_of

TRAINING = "gross_margin"  # of which one regime is a panel
PANELS = (  # output, probability of the hurdle, title
    ("inference_gross_margin", "p_margin_above_hurdle", "Online inference, paid traffic"),
    (
        "loaded_gross_margin",
        "p_loaded_margin_above_hurdle",
        "Online inference, loaded: with free tier, revenue share, serving overhead",
    ),
    ("fine_tune_gross_margin", "p_fine_tune_margin_above_hurdle", "Fine-tuning"),
    (
        TRAINING,
        "",
        "Frontier training: research compute and staff against the inference profit of a generation"
        " over its life",
    ),
)
ENDS = (  # quarter, colour, height of its bar over that of the density
    (REFERENCE_QUARTER, BLUE, -0.10),
    (QUARTERS[-1], ORANGE, -0.21),
)
LOWEST, HIGHEST, BINS = -1.0, 1.0, 200


def margin(ds: xr.Dataset) -> Figure:
    """Densities of the gross margin of each regime, 2026Q4 and 2027Q4.

    Args:
        ds: What `sim.simulate` gives, with the draws of the margins.

    Returns:
        A figure of four panels, the hurdle marked and P(margin >= hurdle) written in each: of
        inference, also with all that it bears, of fine-tuning, and of frontier training, that of
        the generation launched in 2026Q4.
    """
    hurdle = float(np.median(ds["hurdle_margin"].values))
    caption = (
        f"{describe_run(ds)}\n"
        "Dots: median. Bars: 5th to 95th percentile. ±: Monte Carlo standard error."
    )
    figure = new_figure(8.0, 9.2, "Gross margin by regime", caption)
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    figure.subplots_adjust(left=0.04, right=0.965, top=0.92, bottom=0.10, hspace=0.34)
    estimates = margin_estimates(ds)
    for axes, (output, probability, title) in zip(panels, PANELS, strict=True):
        labels = [
            f"{quarter}:  P(margin ≥ hurdle) {format_equation(estimates[key], ds)}"
            for quarter, *_ in ENDS
            if (key := (probability or output, quarter)) in estimates
        ]
        _draw_panel(axes, _draws(ds, output), labels)
        axes.axvline(hurdle, color=VERMILION, linewidth=1.4, linestyle="--")
        axes.set_title(title, loc="left", fontsize=10.5)
    panels[0].text(
        hurdle, 1.0, f" hurdle {100 * hurdle:g} %", transform=panels[0].get_xaxis_transform(),
        color=VERMILION, fontsize=9, ha="left", va="top",
    )  # fmt: skip
    panels[-1].set_xlim(LOWEST, HIGHEST)
    panels[-1].xaxis.set_major_formatter(PercentFormatter(1.0))
    panels[-1].set_xlabel("Gross margin (% of revenue)", fontsize=10)
    return figure


def margin_estimates(ds: xr.Dataset) -> Estimates:
    """P(margin >= hurdle) of each margin and quarter in the figure."""
    replicates = replicates_of(ds)
    reached = indicators(ds, [probability for _, probability, _ in PANELS if probability])
    training = _draws(ds, TRAINING)[QUARTERS.index(REFERENCE_QUARTER)]
    of_training = estimate_probability(
        training >= last(ds, "hurdle_margin"), ~np.isnan(training), replicates
    )
    estimates: Estimates = {
        (probability, quarter): estimate_probability(
            happens[QUARTERS.index(quarter)], valid[QUARTERS.index(quarter)], replicates
        )
        for probability, (happens, valid) in reached.items()
        for quarter, *_ in ENDS
    }
    return {**estimates, (TRAINING, REFERENCE_QUARTER): of_training}


def _draws(ds: xr.Dataset, output: str) -> NDArray[Any]:
    """Draws [quarter, draw] of a panel."""
    draws = last(ds, output)
    return draws[:, REGIMES.index("frontier_training")] if output == TRAINING else draws


def _draw_panel(axes: Axes, draws: NDArray[Any], labels: list[str]) -> None:
    """Draw densities and quantiles of a margin [quarter, draw], of a quarter for each label."""
    tidy(axes)
    edges = np.linspace(LOWEST, HIGHEST, BINS + 1)
    top = under_legend = 0.0
    ends = ENDS[: len(labels)]
    for (quarter, colour, _), label in zip(ends, labels, strict=True):
        values = draws[QUARTERS.index(quarter)]
        counts, _ = np.histogram(values, edges)
        density = counts / (values.size * np.diff(edges))
        top = max(top, float(density.max()))
        under_legend = max(under_legend, float(density[: BINS // 2].max()))
        axes.stairs(density, edges, color=colour, linewidth=1.6, label=label)
        if quarter == REFERENCE_QUARTER:
            axes.stairs(density, edges, color=colour, fill=True, alpha=0.15)
    for quarter, colour, below in ends:
        values = np.maximum(draws[QUARTERS.index(quarter)], LOWEST - 1.0)  # which may be infinite
        p5, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95])
        axes.plot(
            [max(p5, LOWEST), p95], [below * top] * 2, color=colour, linewidth=3,
            solid_capstyle="butt",
        )  # fmt: skip
        if p50 < LOWEST:
            continue
        axes.plot(p50, below * top, "o", color=colour, markersize=6)
    axes.set_ylim(-0.30 * top, (1.12 if under_legend < 0.6 * top else 1.40) * top)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.legend(loc="upper left", frameon=False, fontsize=9, handlelength=1.2)
    share_below = float((draws[QUARTERS.index(REFERENCE_QUARTER)] < LOWEST).mean())
    if share_below >= 0.001:
        # Beside the only bar, which may reach the left end.
        below = -0.02 if len(ends) > 1 else -0.15
        axes.text(
            LOWEST,
            below * top,
            f"◂ {REFERENCE_QUARTER}: {100 * share_below:.1f} % of draws are lower",
            fontsize=8, color=GREY, va="top", ha="left",
        )  # fmt: skip
