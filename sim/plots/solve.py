"""What it takes: a statistic over a key, with the number that meets the target."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sim.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RC_PARAMS,
    caption_height,
    drawable,
    new_figure,
    tidy,
    wrap,
)

WIDTH = 7.2  # inches
Z90 = 1.645  # standard errors of an interval of 90 %


def solve_figure(found: Any, label: str) -> Figure:
    """A statistic over a key, its target, and the numbers that meet it with their errors.

    Args:
        found: Of one key, as `sim.solve` gives it.
        label: Names the world.

    Returns:
        A figure: the line of the scan with 90 % intervals, the target across it, and a dot with an
        interval at each number that meets it. With the curve, the share of draws that need no more.
    """
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(found, label)


def _draw(found: Any, label: str) -> Figure:
    (key,), (target,) = found.keys, found.targets
    tree = target.statistic.tree
    is_share = getattr(tree, "kind", "") == "P"
    scale = 100.0 if is_share else 1.0
    roots = ", ".join(f"{root.numbers[0]:.4g} ±{root.errors[0]:.2g}" for root in found.roots)
    unit = "" if key.unit == "1" else f" {key.unit}"
    caption = drawable(
        f"{label}, {found.draws:,} draws at each number, the same in all. {target.text} at {roots}"
        f"{unit}. Bars: 90 % intervals of the Monte Carlo error."
        + (f" Grey line: {key.name} as it stands." if key.low < key.now < key.high else "")
    )
    foot = caption_height(caption, WIDTH) + 0.6
    height = foot + 4.3
    title = wrap(drawable(f"What it takes for {target.text}"), 54)
    head = 0.6 + 0.22 * title.count("\n")
    height += head - 0.6
    figure = new_figure(WIDTH, height, title, caption)
    axes = figure.add_axes((0.11, foot / height, 0.86, 1 - (foot + head) / height))
    tidy(axes)
    numbers = found.scan["number"].values
    values = scale * found.scan["statistic"].values
    errors = scale * found.scan["statistic_error"].values
    known = np.isfinite(values)
    axes.errorbar(
        numbers[known], values[known], yerr=Z90 * errors[known], color=BLUE, marker="o",
        markersize=4, linewidth=1.4, elinewidth=1,
    )  # fmt: skip
    axes.axhline(scale * target.number, color=ORANGE, linewidth=1)
    for root in found.roots:
        axes.errorbar(
            root.numbers[0], scale * target.number, xerr=Z90 * root.errors[0], color=ORANGE,
            marker="D", markersize=6, elinewidth=2, capsize=4, zorder=5,
        )  # fmt: skip
    if key.low < key.now < key.high:
        axes.axvline(key.now, color=GREY, linewidth=1, zorder=0)
    if key.scale == "log":
        axes.set_xscale("log")
    axes.set_xlabel(drawable(f"{key.meaning or key.name}{f' ({key.unit})' if unit else ''}"))
    axes.set_ylabel(
        wrap(drawable(target.statistic.text) + (" (%)" if is_share else ""), 48), fontsize=9
    )
    return figure
