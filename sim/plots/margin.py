"""Gross margin distributions by regime, with the hurdle."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.plots.style import BLUE, GREY, ORANGE, VERMILION, figure, origin, probability, tidy
from sim.statistics.datasets import indicators, last
from sim.statistics.replicates import replicates_of

PANELS = (
    ("inference_gross_margin", "p_margin_above_hurdle", "Online inference, paid traffic"),
    (
        "loaded_gross_margin",
        "p_loaded_margin_above_hurdle",
        "Online inference, loaded: with free tier, revenue share, serving overhead",
    ),
    ("fine_tune_gross_margin", "p_fine_tune_margin_above_hurdle", "Fine-tuning"),
)
LOWEST, HIGHEST, BINS = -0.5, 1.0, 150


def margin(ds: xr.Dataset) -> Figure:
    """Densities of the three gross margins at the reference quarter and the last one.

    Args:
        ds: What `sim.simulate` gives, with the draws of the margins.

    Returns:
        A figure of three panels, the hurdle marked and P(margin >= hurdle) written in each.
    """
    hurdle = float(np.median(ds["hurdle_margin"].values))
    made = figure(
        8.0,
        7.2,
        "Gross margin by regime",
        f"{origin(ds)}\nDots: median. Bars: 5th to 95th percentile. ±: Monte Carlo standard error.",
    )
    panels = made.subplots(len(PANELS), 1, sharex=True)
    made.subplots_adjust(left=0.04, right=0.965, top=0.90, bottom=0.125, hspace=0.34)
    reached = indicators(ds)
    edges = np.linspace(LOWEST, HIGHEST, BINS + 1)
    for axes, (name, name_of, title) in zip(panels, PANELS, strict=True):
        tidy(axes)
        draws = last(ds, name)
        top = 0.0
        rows = ((REFERENCE_QUARTER, BLUE, -0.10), (QUARTERS[-1], ORANGE, -0.21))
        for quarter, colour, _ in rows:
            place = QUARTERS.index(quarter)
            values = draws[place]
            counts, _ = np.histogram(values, edges)
            density = counts / (values.size * np.diff(edges))
            top = max(top, float(density.max()))
            happens, valid = reached[name_of][0][place], reached[name_of][1][place]
            label = (
                f"{quarter}:  P(margin ≥ hurdle) {probability(happens, valid, replicates_of(ds))}"
            )
            axes.stairs(density, edges, color=colour, linewidth=1.6, label=label)
            if quarter == REFERENCE_QUARTER:
                axes.stairs(density, edges, color=colour, fill=True, alpha=0.15)
        for quarter, colour, below in rows:
            p5, p50, p95 = np.quantile(draws[QUARTERS.index(quarter)], [0.05, 0.5, 0.95])
            axes.plot(
                [max(p5, LOWEST), p95],
                [below * top] * 2,
                color=colour,
                linewidth=3,
                solid_capstyle="butt",
            )
            axes.plot(p50, below * top, "o", color=colour, markersize=6)
        axes.axvline(hurdle, color=VERMILION, linewidth=1.4, linestyle="--")
        axes.set_ylim(-0.30 * top, 1.12 * top)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_title(title, loc="left", fontsize=10.5)
        axes.legend(loc="upper left", frameon=False, fontsize=9, handlelength=1.2)
        outside = float((draws[QUARTERS.index(REFERENCE_QUARTER)] < LOWEST).mean())
        if outside >= 0.001:
            axes.text(
                LOWEST, -0.02 * top,
                f"◂ {REFERENCE_QUARTER}: {100 * outside:.1f} % of draws are lower",
                fontsize=8, color=GREY, va="top", ha="left",
            )  # fmt: skip
    panels[0].text(
        hurdle, 1.0, f" hurdle {100 * hurdle:g} %", transform=panels[0].get_xaxis_transform(),
        color=VERMILION, fontsize=9, ha="left", va="top",
    )  # fmt: skip
    panels[-1].set_xlim(LOWEST, HIGHEST)
    panels[-1].xaxis.set_major_formatter(PercentFormatter(1.0))
    panels[-1].set_xlabel("Gross margin (% of revenue)", fontsize=10)
    return made
