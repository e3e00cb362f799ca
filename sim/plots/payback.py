"""Months until a generation of models is repaid, by lab."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from sim.plots.style import (
    BLUE,
    GREEN,
    GREY,
    NOT_REPORTED,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    caption_room,
    chance,
    figure,
    names,
    number,
    origin,
    reporting,
    room,
    tidy,
)
from sim.statistics.datasets import last
from sim.statistics.estimators import quantiles_with_error
from sim.statistics.replicates import replicates_of

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, "black")
STYLES = ("-", "--", ":")
MONTHS = 12.0  # of the axis where no draw of any lab pays back
POINTS = 241
LINE = 0.155  # inches of a line of a label


def payback(ds: xr.Dataset) -> Figure:
    """Share of draws in which a lab's generation is repaid within so many months.

    Args:
        ds: What `sim.simulate` gives, with the draws of `payback_months`.

    Returns:
        A figure with a curve per lab that reports ARR, labelled at its end with the share of draws
        that ever pay back, and with a dot where half of the draws have.
    """
    draws = last(ds, "payback_months")
    reports = reporting(draws)
    every = names(ds, "lab")
    labs = [lab for lab, does in zip(every, reports, strict=True) if does]
    silent = [lab for lab, does in zip(every, reports, strict=True) if not does]
    caption = (
        f"{origin(ds)}\n"
        "Repaid: the gross profit credited to a generation covers its research compute and staff"
        " within its life; else never. Dot: median of all draws, those that never pay back"
        " included. ±: Monte Carlo standard error."
        + (f"\n{NOT_REPORTED}: {', '.join(silent)}." if silent else "")
    )
    draws = draws[reports]
    replicates = replicates_of(ds)
    ordered = np.sort(draws, axis=-1)
    medians, errors = quantiles_with_error(ordered, draws, replicates, [0.5])
    finite = ordered[np.isfinite(ordered)]
    end = 1.03 * float(np.quantile(finite, 0.999)) if finite.size else MONTHS
    said = []
    for values, median, error in zip(draws, medians[0], errors[0], strict=True):
        share = chance(np.isfinite(values), ~np.isnan(values), replicates)
        of_half = f"\nmedian {number(median, error)} months" if np.isfinite(median) else ""
        said.append(f"pays back in {share} of draws, else never{of_half}")
    lines = np.array([text.count("\n") + 2.6 for text in said])
    beside = 0.4 + max(
        room([line for text in said for line in text.split("\n")], 8.5), room(labs, 9, "bold")
    )
    width, foot = 9.0, caption_room(caption, 9.0) + 0.5
    tall = max(3.4, LINE * float(lines.sum()))
    height = 0.65 + tall + foot
    made = figure(width, height, "How soon a training generation is repaid", caption)
    axes = made.subplots()
    made.subplots_adjust(
        left=0.75 / width, right=1 - beside / width, top=1 - 0.65 / height, bottom=foot / height
    )
    tidy(axes)
    months = np.linspace(0, end, POINTS)
    within = np.array([np.searchsorted(values, months, side="right") for values in ordered])
    within = within.reshape(-1, POINTS) / draws.shape[-1]
    middles = _apart(within[:, -1], LINE * lines / tall)
    for i, (lab, share, median, text, middle) in enumerate(
        zip(labs, within, medians[0], said, middles, strict=True)
    ):
        colour = COLOURS[i % len(COLOURS)]
        style = STYLES[i // len(COLOURS) % len(STYLES)]
        axes.plot(months, share, color=colour, linestyle=style, linewidth=2, clip_on=False)
        if median <= end:
            axes.plot(median, 0.5, "o", color=colour, markersize=6)
        axes.plot(
            [1.0, 1.04], [share[-1], middle], color=colour, linewidth=1, clip_on=False,
            transform=axes.transAxes,
        )  # fmt: skip
        top = middle + LINE * (lines[i] - 0.6) / tall / 2
        axes.text(1.05, top, lab, transform=axes.transAxes, fontsize=9, fontweight="bold", va="top")
        axes.text(
            1.05, top - 1.05 * LINE / tall, text, transform=axes.transAxes, fontsize=8.5, va="top"
        )
    if not labs:
        axes.text(0.5, 0.5, f"{NOT_REPORTED} by any lab", ha="center", fontsize=10, color=GREY,
                  transform=axes.transAxes)  # fmt: skip
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 3, 6, 10], integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Months after the generation's launch", fontsize=10)
    axes.set_ylabel("Repaid (cumulative % of draws)", fontsize=10)
    return made


def _apart(wanted: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middles of labels so high, near the wanted ones, that neither overlap nor leave 0 to 1."""
    found = np.array(wanted)
    order = np.argsort(wanted, kind="stable")
    least = 0.0
    for i in order:
        found[i] = max(wanted[i], least + heights[i] / 2)
        least = found[i] + heights[i] / 2
    most = 1.0
    for i in order[::-1]:
        found[i] = min(found[i], most - heights[i] / 2)
        most = found[i] - heights[i] / 2
    return found
