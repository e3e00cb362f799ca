"""What must be true: the share of an event over two inputs, and the box on both."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sim.parameters.fields import short_name
from sim.plots.style import (
    RC_PARAMS,
    VERMILION,
    caption_height,
    drawable,
    new_figure,
    tidy,
    wrap,
)

WIDTH = 7.2  # inches


def discover_figure(found: Any, label: str) -> Figure:
    """The share of the event over the percentiles of the two inputs that matter most.

    Args:
        found: As `sim.discover` gives it, of two inputs or more.
        label: Names the world.

    Returns:
        A figure: squares by share, the line of even odds between them, and the box.
    """
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(found, label)


def _draw(found: Any, label: str) -> Figure:
    frontier = found.frontier
    names = [drawable(short_name(name)) for name in frontier.names]
    density, base = (f"{100 * of[0]:.1f}" for of in (found.density, found.probability))
    error = 100 * float(np.nanmax(frontier.error))
    caption = drawable(
        f"{label}, {found.draws:,} draws. Colour: share of the draws with the event, to"
        f" ±{error:.1g} points at most. White line: even odds. Frame: the box on these two; with"
        f" all its bounds the event is in {density} % of its draws, and in {base} % of all."
    )
    foot = caption_height(caption, WIDTH) + 0.6
    title = wrap(drawable(f"Where {found.event}"), 54)
    head = 0.6 + 0.22 * title.count("\n")
    height = foot + head + 4.4
    figure = new_figure(WIDTH, height, title, caption)
    bottom, tall = foot / height, 1 - (foot + head) / height
    axes = figure.add_axes((0.11, bottom, 0.68, tall))
    tidy(axes)
    bins = len(frontier.share)
    edges = np.linspace(0, 100, bins + 1)
    share = 100 * frontier.share.T
    mesh = axes.pcolormesh(edges, edges, np.ma.masked_invalid(share), vmin=0, vmax=100)
    middle = (edges[1:] + edges[:-1]) / 2
    known = np.where(np.isnan(share), np.nanmean(share), share)
    if known.min() < 50 < known.max():
        axes.contour(middle, middle, known, levels=[50], colors="white", linewidths=1.5)
    (low_x, high_x), (low_y, high_y) = ((100 * low, 100 * high) for low, high in frontier.box)
    axes.add_patch(
        Rectangle(
            (low_x, low_y), high_x - low_x, high_y - low_y, fill=False, edgecolor=VERMILION,
            linewidth=2,
        )
    )  # fmt: skip
    axes.set_xlabel(f"Percentile of {names[0]}")
    axes.set_ylabel(f"Percentile of {names[1]}")
    bar = figure.colorbar(mesh, cax=figure.add_axes((0.82, bottom, 0.03, tall)))
    bar.set_label("Share with the event (%)")
    return figure
