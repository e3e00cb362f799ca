"""Gigawatts by lab to the end of 2027, as fans, with published points and the 10 GW line."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.model.dims import QUARTERS
from sim.plots.style import (
    BLUE,
    GREY,
    VERMILION,
    caption_room,
    figure,
    names,
    origin,
    probability,
    tidy,
)
from sim.statistics.datasets import last
from sim.statistics.replicates import replicates_of

COLUMNS = 4


def _published(axes: Axes, said: dict[str, Any]) -> float:
    """Draw what a source states about a quarter; the highest number in it."""
    at, own = QUARTERS.index(said["quarter"]), said["source"] == "source-document"
    look: dict[str, Any] = {
        "color": "black",
        "zorder": 5,
        "markerfacecolor": "black" if own else "white",
    }
    low, high = said["low"], said["high"]
    if low is not None and high is not None:
        axes.plot([at, at], [low, high], color="black", linewidth=3.2, zorder=4)
        if not own:
            axes.plot([at, at], [low, high], color="white", linewidth=1.4, zorder=5)
    elif said["value"] is None:
        axes.plot(at, low if high is None else high, "^" if high is None else "v", **look)
    if said["value"] is not None:
        axes.plot(at, said["value"], "D", markersize=5 if own else 4, **look)
    return max(float(x) for x in (low, high, said["value"]) if x is not None)


def gigawatts(ds: xr.Dataset) -> Figure:
    """A fan per lab: median, half and nine tenths of the draws, 2026Q1 to 2027Q4.

    Args:
        ds: What `sim.simulate` gives, with the draws of `gw`.

    Returns:
        A figure with a panel per lab, Chinese labs on a scale of their own.
    """
    china = ds["lab_is_china"].values.astype(bool)
    labs, titles = ds["lab"].values, names(ds, "lab")
    rows = math.ceil(len(labs) / COLUMNS)
    caption = (
        f"{origin(ds)} Line: median. Bands: 25-75 % and 5-95 % of draws. Dashed: threshold.\n"
        "Published figures: black from the source document (FIG. 11, an input of the base case),"
        " white from others; diamond: value, bar: range, triangle: bound. ±: Monte Carlo standard"
        " error." + (" Chinese labs: own scale." if china.any() and not china.all() else "")
    )
    width, foot = 10.0, caption_room(caption, 10.0) + 0.35
    height = 0.85 + 2.55 * rows - 0.2 + foot
    made = figure(width, height, "Facility gigawatts by lab, end of quarter", caption)
    grid = made.subplots(rows, COLUMNS, squeeze=False)
    made.subplots_adjust(
        left=0.06, right=0.985, top=1 - 0.85 / height, bottom=foot / height, hspace=0.42, wspace=0.2
    )
    gw = last(ds, "gw")
    fans = np.quantile(gw, [0.05, 0.25, 0.5, 0.75, 0.95], axis=-1)
    highest = {flag: float(fans[-1][china == flag].max()) for flag in set(china.tolist())}
    levels = sorted((float(level) for level in ds["threshold"].values), reverse=True)
    published = json.loads(ds.attrs.get("published", "[]"))
    at = np.arange(len(QUARTERS))
    for axes in grid.flat[len(labs) :]:
        axes.set_visible(False)
    for i, axes in enumerate(grid.flat[: len(labs)]):
        tidy(axes)
        p5, p25, p50, p75, p95 = fans[:, i]
        axes.fill_between(at, p5, p95, color=BLUE, alpha=0.18, linewidth=0)
        axes.fill_between(at, p25, p75, color=BLUE, alpha=0.32, linewidth=0)
        axes.plot(at, p50, color=BLUE, linewidth=1.8)
        highest_said = 0.0
        for said in published:
            stock = said["output"] == "gw" and not said["less"] and not said["per"]
            if stock and said["labels"] == [labs[i]] and said["quarter"]:
                highest_said = max(highest_said, _published(axes, said))
        top = max(1.12 * highest[bool(china[i])], 1.08 * highest_said)
        level = next((level for level in levels if level < top), None)
        axes.set_ylim(0, top)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_xlim(-0.2, len(QUARTERS) - 0.8)
        axes.set_xticks([0, 3, 7], ["26Q1", "26Q4", "27Q4"])
        axes.set_title(titles[i], loc="left", fontsize=10.5)
        if level is not None:
            axes.axhline(level, color=VERMILION, linewidth=1.1, linestyle="--")
            share = probability(gw[i, -1] > level, ~np.isnan(gw[i, -1]), replicates_of(ds))
            axes.text(
                0.03, 0.95, f"P(> {level:g} GW, end 2027)\n{share}",
                transform=axes.transAxes, fontsize=8.5, color=GREY, va="top",
            )  # fmt: skip
        if i % COLUMNS == 0:
            axes.set_ylabel("GW", fontsize=9)
    return made
