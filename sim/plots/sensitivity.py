"""What drives an output: shares with intervals, and the swing of its median."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from sim.parameters.fields import short_name
from sim.plots.style import BLUE, GREY, ORANGE, RC_PARAMS, drawable, new_figure, tidy

SHOWN = 12
Z90 = 1.645  # standard errors of an interval of 90 %


def sensitivity_figure(result: xr.Dataset) -> Figure:
    """Bars of the largest shares with 90 % intervals, beside a tornado of medians.

    Args:
        result: Of one output, as `sim.sensitivity` gives it.

    Returns:
        A figure of two panels, a row for each cause: its share of the variance, and the median of
        the output where the cause is in its lowest and in its highest tenth.
    """
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(result)


def _draw(result: xr.Dataset) -> Figure:
    order = np.argsort(-result["share"].values)[:SHOWN]
    labels = [short_name(str(result["cause"].values[i])) for i in order]
    attrs = result.attrs
    what = {"rank": "", "raw": "", "tail": "the tail of ", "event": "the event, by "}[
        attrs["scale"]
    ]
    explained = {"rank": "of its ranks", "raw": "of its values"}.get(attrs["scale"], "")
    caption = (
        f"{attrs['scenario'] or 'A model'}, {attrs['draws']:,} draws. Left: share of the variance"
        f" {explained} by independent cause, with 90 % intervals of the Monte Carlo error. Right:"
        " medians of the output where the input is in its lowest and in its highest tenth."
    ).replace("  ", " ")
    height = 1.7 + 0.33 * len(order)
    figure = new_figure(9.0, height, drawable(f"What drives {what}{attrs['output']}"), caption)
    figure.subplots_adjust(left=0.25, right=0.98, top=1 - 0.85 / height, bottom=0.95 / height)
    bars, tornado = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.15))
    rows = np.arange(len(order))
    shares, errors = (100 * result[n].values[order] for n in ("share", "share_error"))
    bars.barh(rows, shares, color=BLUE, height=0.7)
    bars.errorbar(shares, rows, xerr=Z90 * errors, fmt="none", ecolor="black", elinewidth=1)
    bars.set_yticks(rows, labels)
    bars.invert_yaxis()
    bars.set_xlabel("Share of the variance (%)")
    for ends, colour, text in (("low", ORANGE, "lowest tenth"), ("high", BLUE, "highest tenth")):
        values = result[ends].values[order]
        tornado.plot(values, rows, "o", color=colour, label=f"in its {text}", zorder=3)
    low, high = (result[n].values[order] for n in ("low", "high"))
    tornado.hlines(rows, low, high, color=GREY, linewidth=5, alpha=0.5, zorder=2)
    tornado.set_xlabel(f"Median of {result.attrs['output']}")
    tornado.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9
    )
    for axes in (bars, tornado):
        tidy(axes)
    return figure
