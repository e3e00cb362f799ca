"""Each lab's inference margin on paid traffic against the hurdle, at the ends of 2026 and 2027."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.plots.style import (
    BLUE,
    GREY,
    NOT_REPORTED,
    ORANGE,
    VERMILION,
    caption_room,
    chance,
    figure,
    names,
    origin,
    probability,
    reporting,
    room,
    tidy,
)
from sim.statistics.datasets import indicators, last
from sim.statistics.replicates import replicates_of

LOWEST, HIGHEST = -0.6, 1.0
AT = ((REFERENCE_QUARTER, BLUE, -0.22), (QUARTERS[-1], ORANGE, 0.22))
REPORTING, SILENT = 0.68, 0.28  # inches of a lab's row


def lab_margin(ds: xr.Dataset) -> Figure:
    """Median, half and nine tenths of the draws of each lab's margin, with P(margin >= hurdle).

    Args:
        ds: What `sim.simulate` gives, with the draws of `lab_paid_margin`.

    Returns:
        A figure with two bars a lab that reports ARR, and a row that says so of one that does not.
    """
    labs = names(ds, "lab")
    draws = last(ds, "lab_paid_margin")
    reports = reporting(draws)
    hurdle = float(np.median(ds["hurdle_margin"].values))
    happens, valid = indicators(ds[["lab_paid_margin", "hurdle_margin"]])[
        "p_lab_margin_above_hurdle"
    ]
    caption = (
        f"{origin(ds)}\n"
        f"Blue: {AT[0][0]}, orange: {AT[1][0]}. Dot: median. Thick bar: 25-75 % of draws. Thin bar:"
        " 5-95 %. Margin on paid traffic after compute, from annualised revenue (ARR) and the"
        " compute bill. ±: Monte Carlo standard error."
    )
    width = 9.0
    heights = np.where(reports, REPORTING, SILENT)
    foot = caption_room(caption, width) + 0.5
    height = 0.7 + float(heights.sum()) + foot
    made = figure(width, height, "Inference gross margin by lab, paid traffic", caption)
    axes = made.subplots()
    made.subplots_adjust(
        left=(room(labs, 10) + 0.25) / width, right=1 - 2.45 / width,
        top=1 - 0.7 / height, bottom=foot / height,
    )  # fmt: skip
    tidy(axes)
    levels = np.quantile(
        draws[reports][:, [QUARTERS.index(quarter) for quarter, *_ in AT]],
        [0.05, 0.25, 0.5, 0.75, 0.95], axis=-1,
    )  # fmt: skip
    begins = math.floor(10 * min(0.0, *levels[0].ravel(), hurdle)) / 10
    begins = max(LOWEST, begins)
    middle = np.cumsum(heights) - heights / 2
    right = axes.get_yaxis_transform()
    for place, fans in zip(np.flatnonzero(reports), levels.transpose(1, 2, 0), strict=True):
        for (quarter, colour, offset), fan in zip(AT, fans, strict=True):
            y = middle[place] + offset * REPORTING
            p5, p25, p50, p75, p95 = np.clip(fan, begins, None)
            axes.plot([p5, p95], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot([p25, p75], [y, y], color=colour, linewidth=6, solid_capstyle="butt")
            axes.plot(
                p50, y, "o", color="white", markeredgecolor=colour, markersize=6.5,
                markeredgewidth=1.6, clip_on=False,
            )  # fmt: skip
            i = QUARTERS.index(quarter)
            share = chance(happens[place, i], valid[place, i], replicates_of(ds))
            axes.text(
                1.03, y, f"{quarter}:  {share}",
                transform=right, fontsize=9, va="center",
            )  # fmt: skip
            if fan[0] < begins:
                said = f"{100 * begins:.0f}".replace("-", "−")
                axes.text(
                    begins, y - 0.05,
                    f"◂ P(< {said} %) "
                    f"{probability(draws[place, i] < begins, valid[place, i], replicates_of(ds))}",
                    fontsize=8, color=GREY, va="bottom",
                )  # fmt: skip
    for place in np.flatnonzero(~reports):
        axes.text(
            0.02, middle[place], NOT_REPORTED, transform=right, fontsize=9, color=GREY, va="center"
        )
    axes.axvline(hurdle, color=VERMILION, linewidth=1.4, linestyle="--", zorder=1)
    axes.text(
        hurdle, 1.0, f"hurdle {100 * hurdle:g} %", transform=axes.get_xaxis_transform(),
        color=VERMILION, fontsize=9, ha="center", va="bottom",
    )  # fmt: skip
    axes.text(1.03, 1.0, "P(margin ≥ hurdle)", transform=axes.transAxes, fontsize=9, va="bottom")
    axes.set_ylim(float(heights.sum()), 0)
    axes.set_yticks(middle, labs, fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(begins, HIGHEST)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Gross margin (% of revenue)", fontsize=10)
    return made
