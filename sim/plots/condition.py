"""Distributions before and given evidence."""

from __future__ import annotations

import json
import math

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.plots.style import BLUE, GREY, RC_PARAMS, drawable, fit, new_figure, tidy

COLUMNS = 2
WIDTH, ROW = 9.0, 2.3  # inches


def condition_figure(result: xr.Dataset) -> Figure:
    """Prior and posterior of the values of the evidence and of the headline, side by side.

    Args:
        result: The statistics of `sim.condition`.

    Returns:
        A figure with a panel for each value: the distribution before in grey, given the evidence in
        blue, with 90 % bands of the Monte Carlo error, and both medians.
    """
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(result)


def _draw(result: xr.Dataset) -> Figure:
    texts = [str(text) for text in result["curve"].values]
    columns = min(COLUMNS, len(texts))
    rows = math.ceil(len(texts) / columns)
    lines = json.loads(result.attrs["evidence"])
    moved = " moved towards it" if result.attrs["method"] == "shifted" else ""
    caption = (
        f"{result.attrs['scenario'] or 'A model'}, {result.attrs['draws']:,} draws{moved},"
        f" {result.attrs['effective']:,.0f} effective. Evidence: {'; '.join(lines)}. Bands:"
        " 90 % intervals of the Monte Carlo error; dashed: medians."
    )
    height = 1.4 + ROW * rows
    figure = new_figure(WIDTH, height, "Before, and given the evidence", drawable(caption))
    figure.subplots_adjust(
        left=0.04, right=0.98, top=1 - 0.75 / height, bottom=0.95 / height, hspace=0.55, wspace=0.1
    )
    for at, text in enumerate(texts):
        axes = figure.add_subplot(rows, columns, at + 1)
        _panel(axes, result.isel(curve=at))
        unit = str(result["curve_unit"].values[at])
        shown = text if unit in ("", "1") else f"{text} ({unit})"
        axes.set_xlabel(fit(drawable(shown), WIDTH / columns - 0.4, 9), fontsize=9)
        if at == 0:
            axes.legend(
                loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=9
            )
    return figure


def _panel(axes: Axes, curve: xr.Dataset) -> None:
    """Both distributions of one value, as shares by bin."""
    edge = curve["edge"].values
    middle = (edge[1:] + edge[:-1]) / 2
    for name, colour, label in (
        ("curve_prior", GREY, "before"), ("curve_posterior", BLUE, "given the evidence")
    ):  # fmt: skip
        share, error = curve[name].values, 1.645 * curve[f"{name}_error"].values
        axes.fill_between(
            middle, np.maximum(share - error, 0), share + error,
            color=colour, alpha=0.3, linewidth=0,
        )  # fmt: skip
        axes.plot(middle, share, color=colour, linewidth=1.4, label=label)
        median = float(curve[f"{name}_median"])
        axes.axvline(median, color=colour, linewidth=0.9, linestyle="--")
    axes.fill_between(middle, 0, curve["curve_prior"].values, color=GREY, alpha=0.15, linewidth=0)
    axes.set_xlim(edge[0], edge[-1])
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    tidy(axes)
    axes.spines["left"].set_visible(False)
