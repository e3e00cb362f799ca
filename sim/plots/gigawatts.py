"""Gigawatts by lab to the end of 2027, with published figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sim.model.dims import QUARTERS
from sim.plots.style import (
    BLUE,
    GREY,
    VERMILION,
    Estimates,
    caption_height,
    describe_run,
    display_names,
    estimate_probability,
    fit,
    format_equation,
    new_figure,
    tidy,
)
from sim.statistics.datasets import json_attribute, last
from sim.statistics.replicates import replicates_of

COLUMNS = 4
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def gigawatts(ds: xr.Dataset) -> Figure:
    """Quantiles of each lab's gigawatts, 2026Q1 to 2027Q4, as fans.

    Args:
        ds: What `sim.simulate` gives, with the draws of `gw`.

    Returns:
        A figure with a panel per lab, Chinese labs on a scale of their own.
    """
    china = ds["lab_is_china"].values.astype(bool)
    labs, names = ds["lab"].values.tolist(), display_names(ds, "lab")
    caption = (
        f"{describe_run(ds)} Line: median. Bands: 25-75 % and 5-95 % of draws. Dashed: threshold.\n"
        "Published figures: black from the source document (FIG. 11, an input of the base case),"
        " white from others; diamond: value, bar: range, triangle: bound. ±: Monte Carlo standard"
        " error." + (" Chinese labs: own scale." if china.any() and not china.all() else "")
    )
    rows = math.ceil(len(labs) / COLUMNS)
    width, foot = 10.0, caption_height(caption, 10.0) + 0.35
    height = 0.65 + 2.55 * rows + foot
    figure = new_figure(width, height, "Gigawatts by lab as stated, end of quarter", caption)
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    figure.subplots_adjust(
        left=0.06, right=0.985, top=1 - 0.85 / height, bottom=foot / height, hspace=0.42, wspace=0.2
    )
    fans = np.quantile(last(ds, "gw"), LEVELS, axis=-1)
    tops = _tops(ds, fans)
    estimates = _estimates(ds, _thresholds(ds, tops))
    for axes in grid.flat[len(labs) :]:
        axes.set_visible(False)
    for i, (lab, axes) in enumerate(zip(labs, grid.flat, strict=False)):
        tidy(axes)
        _draw_fan(axes, fans[:, i])
        for figures in _published(ds, lab):
            _draw_published(axes, figures)
        axes.set_ylim(0, tops[lab])
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_xlim(-0.2, len(QUARTERS) - 0.8)
        axes.set_xticks([0, 3, 7], ["26Q1", "26Q4", "27Q4"])
        name = fit(names[i], axes.get_position().width * width, 10.5)
        axes.set_title(name, loc="left", fontsize=10.5)
        if i % COLUMNS == 0:
            axes.set_ylabel("stated GW", fontsize=9)
    for (_, threshold, lab, _), estimate in estimates.items():
        axes = grid.flat[labs.index(lab)]
        axes.axhline(float(threshold), color=VERMILION, linewidth=1.1, linestyle="--")
        axes.text(
            0.03, 0.95, f"P(> {threshold:g} GW, end 2027)\n{format_equation(estimate, ds)}",
            transform=axes.transAxes, fontsize=8.5, color=GREY, va="top",
        )  # fmt: skip
    return figure


def gigawatts_estimates(ds: xr.Dataset) -> Estimates:
    """P(gigawatts > threshold) at the end of 2027, of each panel."""
    fans = np.quantile(last(ds, "gw"), LEVELS, axis=-1)
    return _estimates(ds, _thresholds(ds, _tops(ds, fans)))


def _estimates(ds: xr.Dataset, thresholds: dict[str, float]) -> Estimates:
    replicates = replicates_of(ds)
    draws = dict(zip(ds["lab"].values.tolist(), last(ds, "gw")[:, -1], strict=True))
    return {
        ("p_gw_above", threshold, lab, QUARTERS[-1]): estimate_probability(
            draws[lab] > threshold, ~np.isnan(draws[lab]), replicates
        )
        for lab, threshold in thresholds.items()
    }


def _thresholds(ds: xr.Dataset, tops: dict[str, float]) -> dict[str, float]:
    """The highest threshold [GW] below the top of each lab's axis.

    A lab is missing where all are above.
    """
    thresholds = sorted(ds["threshold"].values.tolist())
    below = {lab: [level for level in thresholds if level < top] for lab, top in tops.items()}
    return {lab: levels[-1] for lab, levels in below.items() if levels}


def _published(ds: xr.Dataset, lab: str) -> list[dict[str, Any]]:
    """Published figures of the gigawatts of a lab at a quarter."""
    return [
        figures
        for figures in json_attribute(ds, "published", [])
        if figures["output"] == "gw"
        and not any(figures.get(key) for key in ("less", "times", "per"))
        and figures["labels"] == [lab]
        and figures["quarter"] in QUARTERS
    ]


def _tops(ds: xr.Dataset, fans: NDArray[np.float64]) -> dict[str, float]:
    """Where each lab's axis ends [GW].

    That is above the fans of its group and its published figures.

    `fans` are quantiles [level, lab, quarter].
    """
    china = ds["lab_is_china"].values.astype(bool)
    tops = {}
    for i, lab in enumerate(ds["lab"].values.tolist()):
        published = [
            float(figures[key])
            for figures in _published(ds, lab)
            for key in ("low", "high", "value")
            if figures[key] is not None
        ]
        highest = float(fans[-1][china == china[i]].max())
        tops[lab] = max(1.12 * highest, 1.08 * max(published, default=0.0))
    return tops


def _draw_fan(axes: Axes, fan: NDArray[np.float64]) -> None:
    """Draw the quantiles [level, quarter] of a lab."""
    x = np.arange(len(QUARTERS))
    p5, p25, p50, p75, p95 = fan
    axes.fill_between(x, p5, p95, color=BLUE, alpha=0.18, linewidth=0)
    axes.fill_between(x, p25, p75, color=BLUE, alpha=0.32, linewidth=0)
    axes.plot(x, p50, color=BLUE, linewidth=1.8)


def _draw_published(axes: Axes, figures: dict[str, Any]) -> None:
    """Draw a published figure: a value, a range or a bound."""
    x, own = QUARTERS.index(figures["quarter"]), figures["source"] == "source-document"
    style: dict[str, Any] = {
        "color": "black",
        "zorder": 5,
        "markerfacecolor": "black" if own else "white",
    }
    low, high, value = figures["low"], figures["high"], figures["value"]
    if low is not None and high is not None:
        axes.plot([x, x], [low, high], color="black", linewidth=3.2, zorder=4)
        if not own:
            axes.plot([x, x], [low, high], color="white", linewidth=1.4, zorder=5)
    elif value is None:
        axes.plot(x, low if high is None else high, "^" if high is None else "v", **style)
    if value is not None:
        axes.plot(x, value, "D", markersize=5 if own else 4, **style)
