"""Each lab's inference margin on paid traffic against the hurdle."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.plots.style import (
    BLUE,
    GREY,
    NOT_REPORTED,
    ORANGE,
    VERMILION,
    Estimates,
    caption_height,
    describe_run,
    display_names,
    estimate_probability,
    format_equation,
    format_probability,
    new_figure,
    reports_arr,
    text_width,
    tidy,
)
from sim.statistics.datasets import indicators, last
from sim.statistics.replicates import replicates_of

LOWEST, HIGHEST = -0.6, 1.0
ENDS = (  # quarter, colour, offset of its bar in rows
    (REFERENCE_QUARTER, BLUE, -0.22),
    (QUARTERS[-1], ORANGE, 0.22),
)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
REPORTING_HEIGHT, SILENT_HEIGHT = 0.68, 0.28  # inches of a lab's row


def lab_margin(ds: xr.Dataset) -> Figure:
    """Quantiles of each lab's paid margin, with P(margin >= hurdle).

    Args:
        ds: What `sim.simulate` gives, with the draws of `lab_paid_margin`.

    Returns:
        A figure with two bars a lab that reports ARR, and a row that says so of one that does not.
    """
    names = display_names(ds, "lab")
    reports = reports_arr(last(ds, "lab_paid_margin"))
    hurdle, fans = _hurdle(ds), _fans(ds)
    left_end = _left_end(fans, hurdle)
    caption = (
        f"{describe_run(ds)}\n"
        f"Blue: {ENDS[0][0]}, orange: {ENDS[1][0]}. Dot: median. Thick bar: 25-75 % of draws. Thin"
        " bar: 5-95 %. Margin on paid traffic after compute, from annualised revenue (ARR) and the"
        " compute bill. ±: Monte Carlo standard error."
    )
    width = 9.0
    heights = np.where(reports, REPORTING_HEIGHT, SILENT_HEIGHT)
    foot = caption_height(caption, width) + 0.5
    height = 0.7 + float(heights.sum()) + foot
    figure = new_figure(width, height, "Inference gross margin by lab, paid traffic", caption)
    axes = figure.subplots()
    figure.subplots_adjust(
        left=(text_width(names, 10) + 0.25) / width, right=1 - 2.45 / width,
        top=1 - 0.7 / height, bottom=foot / height,
    )  # fmt: skip
    tidy(axes)
    middles = np.cumsum(heights) - heights / 2
    _draw_bars(axes, ds, fans, middles, left_end)
    for middle in middles[~reports]:
        axes.text(
            0.02, middle, NOT_REPORTED, transform=axes.get_yaxis_transform(), fontsize=9,
            color=GREY, va="center",
        )  # fmt: skip
    axes.axvline(hurdle, color=VERMILION, linewidth=1.4, linestyle="--", zorder=1)
    axes.text(
        hurdle, 1.0, f"hurdle {100 * hurdle:g} %", transform=axes.get_xaxis_transform(),
        color=VERMILION, fontsize=9, ha="center", va="bottom",
    )  # fmt: skip
    axes.text(1.03, 1.0, "P(margin ≥ hurdle)", transform=axes.transAxes, fontsize=9, va="bottom")
    axes.set_ylim(float(heights.sum()), 0)
    axes.set_yticks(middles, names, fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left_end, HIGHEST)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Gross margin (% of revenue)", fontsize=10)
    return figure


def lab_margin_estimates(ds: xr.Dataset) -> Estimates:
    """P(margin >= hurdle) of each lab that reports ARR at both ends.

    And P(margin < left end of the axis) as ("lab_paid_margin", "<", end, lab, quarter), which is
    written where the bars leave the axis.
    """
    draws = last(ds, "lab_paid_margin")
    probability = "p_lab_margin_above_hurdle"
    happens, valid = indicators(ds, [probability])[probability]
    replicates, left_end = replicates_of(ds), _left_end(_fans(ds), _hurdle(ds))
    estimates: Estimates = {}
    for i, lab in enumerate(ds["lab"].values.tolist()):
        if not reports_arr(draws)[i]:
            continue
        for quarter, *_ in ENDS:
            at = i, QUARTERS.index(quarter)
            estimates[probability, lab, quarter] = estimate_probability(
                happens[at], valid[at], replicates
            )
            estimates["lab_paid_margin", "<", left_end, lab, quarter] = estimate_probability(
                draws[at] < left_end, valid[at], replicates
            )
    return estimates


def _hurdle(ds: xr.Dataset) -> float:
    return float(np.median(ds["hurdle_margin"].values))


def _fans(ds: xr.Dataset) -> NDArray[np.float64]:
    """Quantiles [lab, end, level] of the margins of labs that report ARR."""
    draws = last(ds, "lab_paid_margin")
    at_ends = draws[reports_arr(draws)][:, [QUARTERS.index(quarter) for quarter, *_ in ENDS]]
    return np.moveaxis(np.quantile(at_ends, LEVELS, axis=-1), 0, -1)


def _left_end(fans: NDArray[np.float64], hurdle: float) -> float:
    """Where the axis begins.

    At the lowest p5, the hurdle or 0, but not below `LOWEST`.
    """
    lowest = min(0.0, *fans[..., 0].ravel().tolist(), hurdle)
    return max(LOWEST, math.floor(10 * lowest) / 10)


def _draw_bars(
    axes: Axes,
    ds: xr.Dataset,
    fans: NDArray[np.float64],
    middles: NDArray[np.float64],
    left_end: float,
) -> None:
    """Draw quantiles [lab, end, level] as bars, with probabilities.

    Labs are those that report ARR; `middles` [lab] are the middles of the rows of all labs.
    """
    estimates = lab_margin_estimates(ds)
    reports = reports_arr(last(ds, "lab_paid_margin"))
    labs = ds["lab"].values[reports].tolist()
    for lab, middle, of_lab in zip(labs, middles[reports], fans, strict=True):
        for (quarter, colour, offset), fan in zip(ENDS, of_lab, strict=True):
            y = middle + offset * REPORTING_HEIGHT
            p5, p25, p50, p75, p95 = np.clip(fan, left_end, None)
            axes.plot([p5, p95], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot([p25, p75], [y, y], color=colour, linewidth=6, solid_capstyle="butt")
            axes.plot(
                p50, y, "o", color="white", markeredgecolor=colour, markersize=6.5,
                markeredgewidth=1.6, clip_on=False,
            )  # fmt: skip
            share = format_probability(estimates["p_lab_margin_above_hurdle", lab, quarter], ds)
            axes.text(
                1.03, y, f"{quarter}:  {share}", transform=axes.get_yaxis_transform(), fontsize=9,
                va="center",
            )  # fmt: skip
            if fan[0] < left_end:
                end = f"{100 * left_end:.0f}".replace("-", "−")
                below = estimates["lab_paid_margin", "<", left_end, lab, quarter]
                axes.text(
                    left_end, y - 0.05, f"◂ P(< {end} %) {format_equation(below, ds)}", fontsize=8,
                    color=GREY, va="bottom",
                )  # fmt: skip
