"""From one world to another: what each edit does to a statistic."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.common.numbers import rounded_by
from sim.parameters.edits import short_name
from sim.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RC_PARAMS,
    Estimate,
    caption_height,
    drawable,
    new_figure,
    tidy,
)

SHOWN = 12  # edits with a bar of their own
BAR = 0.62  # height of a bar
LONGEST = 40  # characters of a label
SUM_COLOUR = "#444444"


def attribution_figure(
    data: xr.Dataset, first: str, second: str, draws: int, measure: int | None = None
) -> Figure:
    """A waterfall from one world's statistic to the other's, a bar for each edit.

    Args:
        data: Of a comparison with parts (`sim.compare(...).data`).
        first: The name of the reference.
        second: The name of the other world.
        draws: The number of draws of each.
        measure: The index of the statistic; the first that differs unless given.

    Returns:
        A figure in which a bar is a part with its standard error, and a line leads from the effect
        of the edit alone to that after all others.
    """
    if measure is None:
        known = np.isfinite(data["part"].values).all(axis=0) & ~data["same"].values
        medians = [str(text).startswith("p50") for text in data["measure"].values]
        both = known & np.array(medians)
        measure = int(np.flatnonzero(both if both.any() else known)[0])
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(data.isel(measure=measure), first, second, draws)


def _draw(of: xr.Dataset, first: str, second: str, draws: int) -> Figure:
    """The bars from the first world to the second, the largest first."""
    unit, label = str(of["unit"].values), drawable(str(of["label"].values))
    scale, shown_unit = (100.0, "%") if unit == "1" else (1.0, drawable(unit))
    parts, errors = scale * of["part"].values, scale * of["part_error"].values
    order = [int(i) for i in np.argsort(-np.abs(parts), kind="stable") if parts[i] != 0]
    shown, rest = order[:SHOWN], order[SHOWN:]
    labels = [first, *(short_name(str(of["edit"].values[i])) for i in shown)]
    labels += [f"{len(rest)} other edits"] if rest else []
    labels.append(second)
    orders = int(of["orders"])
    caption = (
        f"{draws:,} draws of each world, the same random numbers. A bar is the mean effect of an"
        f" edit over {f'{orders} orders drawn at random' if orders else 'all orders'} in which the"
        " edits can be made (Shapley value), with its standard error; bars sum to the difference."
        " The thin line leads from the effect of the edit alone (|) to that after all others (x)."
    )
    width, foot = 9.0, caption_height(caption, 9.0) + 0.65
    height = 0.55 + foot + 0.36 * len(labels)
    title = f"{label}: from {drawable(first)} to {drawable(second)}"
    figure = new_figure(width, height, title, caption)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.3, right=0.94, top=1 - 0.5 / height, bottom=foot / height)
    axes.use_sticky_edges = False
    start, end = (scale * float(of[name]) for name in ("first", "second"))
    at = start
    for row, i in enumerate(shown, start=1):
        ends = tuple(scale * float(of[n].values[i]) for n in ("first_in", "last_in"))
        _draw_bar(axes, row, at, Estimate(parts[i], errors[i]), ends)
        at += parts[i]
    if rest:
        row, part = len(shown) + 1, float(parts[rest].sum())
        axes.barh(row, part, left=at, color=GREY, height=BAR, zorder=2)
        _write(axes, max(at, at + part), row, f"{part:+.3g}")
    scale_errors = [scale * float(of[f"{name}_error"]) for name in ("first", "second")]
    worlds = ((0, start, scale_errors[0]), (len(labels) - 1, end, scale_errors[1]))
    for row, value, error in worlds:
        axes.plot(value, row, "D", color=SUM_COLOUR, markersize=7, zorder=5)
        _write(axes, value, row, rounded_by(value, error)[0])
    axes.plot([start] * 2, [0, 1 + BAR / 2], color=GREY, linewidth=0.7)
    axes.set_yticks(range(len(labels)), [drawable(text, LONGEST) for text in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.margins(x=0.12)
    per = f" ({shown_unit})" if shown_unit else ""
    axes.set_xlabel(f"{label}{per}; parts are averages over orders")
    tidy(axes)
    return figure


def _draw_bar(axes: Axes, row: int, at: float, part: Estimate, ends: tuple[float, ...]) -> None:
    """The bar of an edit from `at` on, its error, and a line from the effect alone to that last."""
    colour = BLUE if part.value > 0 else ORANGE
    to = at + part.value
    axes.barh(row, part.value, left=at, color=colour, height=BAR, zorder=2)
    axes.errorbar(to, row, xerr=part.error, fmt="none", ecolor="black", zorder=4)
    line = row + BAR / 2 + 0.09
    axes.plot([at + end for end in ends], [line] * 2, color=GREY, linewidth=1, zorder=3)
    for end, marker in zip(ends, "|x", strict=True):
        axes.plot(at + end, line, marker, color=GREY, markersize=4.5, zorder=3)
    error = part.error if np.isfinite(part.error) else 0.0
    text = rounded_by(part.value, error)[0]
    _write(axes, max(at, to + error), row, text if part.value < 0 else f"+{text}")
    axes.plot([to] * 2, [row - BAR / 2, row + 1 + BAR / 2], color=GREY, linewidth=0.7)


def _write(axes: Axes, x: float, row: int, text: str) -> None:
    """A number to the right of a bar."""
    axes.annotate(text, (x, row), (6, 0), textcoords="offset points", va="center", fontsize=9)
