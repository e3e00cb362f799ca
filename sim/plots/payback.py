"""Months until a generation of models is repaid, by lab."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
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
    Estimate,
    Estimates,
    caption_height,
    describe_run,
    display_names,
    estimate_probability,
    format_number,
    format_probability,
    new_figure,
    reports_arr,
    text_width,
    tidy,
)
from sim.statistics.datasets import last
from sim.statistics.estimators import quantiles_with_error
from sim.statistics.replicates import replicates_of

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, "black")
STYLES = ("-", "--", ":")
MONTHS = 12.0  # of the axis where no draw of any lab pays back
POINTS = 241
LINE_HEIGHT = 0.155  # inches of a line of a label
Array = NDArray[np.float64]


def payback(ds: xr.Dataset) -> Figure:
    """Share of draws in which a lab's generation is repaid, by month.

    Args:
        ds: What `sim.simulate` gives, with the draws of `payback_months`.

    Returns:
        A figure with a curve per lab that reports ARR, labelled at its end with the share of draws
        that ever pay back, and with a dot where half of the draws have.
    """
    reports = reports_arr(last(ds, "payback_months"))
    names = np.array(display_names(ds, "lab"), object)
    labs, silent = names[reports].tolist(), names[~reports].tolist()
    caption = (
        f"{describe_run(ds)}\n"
        "Repaid: the gross profit credited to a generation covers its research compute and staff"
        " within its life; else never. Dot: median of all draws, those that never pay back"
        " included. ±: Monte Carlo standard error."
        + (f"\n{NOT_REPORTED}: {', '.join(silent)}." if silent else "")
    )
    estimates = payback_estimates(ds)
    texts = _label_texts(ds, estimates)
    heights = LINE_HEIGHT * np.array([text.count("\n") + 2.6 for text in texts])
    right = 0.4 + max(
        text_width([line for text in texts for line in text.split("\n")], 8.5),
        text_width(labs, 9, "bold"),
    )
    width, foot = 9.0, caption_height(caption, 9.0) + 0.5
    axes_height = max(3.4, float(heights.sum()))
    height = 0.65 + axes_height + foot
    figure = new_figure(width, height, "How soon a training generation is repaid", caption)
    axes = figure.subplots()
    figure.subplots_adjust(
        left=0.75 / width, right=1 - right / width, top=1 - 0.65 / height, bottom=foot / height
    )
    tidy(axes)
    shares = _draw_curves(axes, ds, estimates)
    _draw_labels(axes, labs, texts, shares, heights / axes_height, LINE_HEIGHT / axes_height)
    if not labs:
        axes.text(0.5, 0.5, f"{NOT_REPORTED} by any lab", ha="center", fontsize=10, color=GREY,
                  transform=axes.transAxes)  # fmt: skip
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 3, 6, 10], integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Months after the generation's launch", fontsize=10)
    axes.set_ylabel("Repaid (cumulative % of draws)", fontsize=10)
    return figure


def payback_estimates(ds: xr.Dataset) -> Estimates:
    """Share of draws that ever pay back, and the median [months].

    They are of labs that report ARR.
    """
    draws = last(ds, "payback_months")
    reports = reports_arr(draws)
    draws, replicates = draws[reports], replicates_of(ds)
    ordered = np.sort(draws, axis=-1)
    medians, errors = quantiles_with_error(ordered, draws, replicates, [0.5])
    estimates: Estimates = {}
    for i, lab in enumerate(ds["lab"].values[reports].tolist()):
        finite, valid = np.isfinite(draws[i]), ~np.isnan(draws[i])
        estimates["payback_months_finite", lab] = estimate_probability(finite, valid, replicates)
        estimates["payback_months", 0.5, lab] = Estimate(float(medians[0, i]), float(errors[0, i]))
    return estimates


def _label_texts(ds: xr.Dataset, estimates: Estimates) -> list[str]:
    """The texts at the ends of the curves [lab]."""
    texts = []
    for lab in ds["lab"].values[reports_arr(last(ds, "payback_months"))].tolist():
        share = format_probability(estimates["payback_months_finite", lab], ds)
        median = estimates["payback_months", 0.5, lab]
        line = f"\nmedian {format_number(*median)} months" if np.isfinite(median.value) else ""
        texts.append(f"pays back in {share} of draws, else never{line}")
    return texts


def _colour(curve: int) -> str:
    return COLOURS[curve % len(COLOURS)]


def _draw_curves(axes: Axes, ds: xr.Dataset, estimates: Estimates) -> Array:
    """Draw the cumulative share of draws of each lab.

    Returns the share [lab] at the end of the axis.
    """
    draws = last(ds, "payback_months")
    reports = reports_arr(draws)
    ordered = np.sort(draws[reports], axis=-1)
    finite = ordered[np.isfinite(ordered)]
    end = 1.03 * float(np.quantile(finite, 0.999)) if finite.size else MONTHS
    months = np.linspace(0, end, POINTS)
    counts = np.array([np.searchsorted(values, months, side="right") for values in ordered])
    shares = counts.reshape(-1, POINTS) / draws.shape[-1]
    for i, lab in enumerate(ds["lab"].values[reports].tolist()):
        style = STYLES[i // len(COLOURS) % len(STYLES)]
        axes.plot(months, shares[i], color=_colour(i), linestyle=style, linewidth=2, clip_on=False)
        median = estimates["payback_months", 0.5, lab].value
        if median <= end:
            axes.plot(median, 0.5, "o", color=_colour(i), markersize=6)
    axes.set_xlim(0, end)
    return np.asarray(shares[:, -1])


def _draw_labels(
    axes: Axes, labs: list[str], texts: list[str], shares: Array, heights: Array, line: float
) -> None:
    """Write labels [lab] beside the curves, joined to their ends.

    `heights` [lab] of labels and that of a `line` are fractions of the axes' height.
    """
    middles = _spread_labels(shares, heights)
    for i, (lab, text, share, middle) in enumerate(zip(labs, texts, shares, middles, strict=True)):
        axes.plot(
            [1.0, 1.04], [share, middle], color=_colour(i), linewidth=1, clip_on=False,
            transform=axes.transAxes,
        )  # fmt: skip
        top = middle + (heights[i] - 0.6 * line) / 2
        axes.text(1.05, top, lab, transform=axes.transAxes, fontsize=9, fontweight="bold", va="top")
        axes.text(1.05, top - 1.05 * line, text, transform=axes.transAxes, fontsize=8.5, va="top")


def _spread_labels(positions: Array, heights: Array) -> Array:
    """Middles of labels that neither overlap nor leave the axes.

    They are as near to the positions as the heights allow.

    All are arrays [label] in fractions of the axes' height.
    """
    middles = np.array(positions)
    order = np.argsort(positions, kind="stable")
    lowest = 0.0
    for i in order:
        middles[i] = max(positions[i], lowest + heights[i] / 2)
        lowest = middles[i] + heights[i] / 2
    highest = 1.0
    for i in order[::-1]:
        middles[i] = min(middles[i], highest - heights[i] / 2)
        highest = middles[i] - heights[i] / 2
    return middles
