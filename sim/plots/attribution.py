"""From one world to another: what each edit does to a statistic."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from sim.plots.style import BLUE, GREY, ORANGE, RC_PARAMS, drawable, new_figure, tidy

SHOWN = 12  # edits with a bar of their own
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
    unit = str(of["unit"].values)
    scale, shown_unit = (100.0, "%") if unit == "1" else (1.0, unit)
    parts = scale * of["part"].values
    order = [i for i in np.argsort(-np.abs(parts), kind="stable") if parts[i] != 0]
    shown, rest = order[:SHOWN], order[SHOWN:]
    labels = [first, *(_short(str(of["edit"].values[i])) for i in shown)]
    labels += [f"{len(rest)} other edits"] if rest else []
    labels.append(second)
    height = 1.9 + 0.36 * len(labels)
    caption = (
        f"{draws:,} draws of each world, the same random numbers. A bar is the mean effect of an"
        " edit over all orders in which the edits can be made (Shapley value), with its standard"
        " error; bars sum to the difference. The thin line leads from the effect of the edit alone"
        " (|) to that after all others (x)."
    )
    title = drawable(f"{of['label'].values}: from {first} to {second}")
    figure = new_figure(9.0, height, title, caption)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.3, right=0.94, top=1 - 0.55 / height, bottom=1.25 / height)
    start, end = (scale * float(of[name]) for name in ("first", "second"))
    at = start
    rows = np.arange(len(labels))
    for row, i in enumerate(shown, start=1):
        part, error = parts[i], scale * float(of["part_error"].values[i])
        colour = BLUE if part > 0 else ORANGE
        axes.barh(row, part, left=at, color=colour, height=0.62, zorder=2)
        axes.errorbar(at + part, row, xerr=error, fmt="none", ecolor="black", zorder=4)
        alone, last = (at + scale * float(of[n].values[i]) for n in ("first_in", "last_in"))
        axes.plot([alone, last], [row + 0.4] * 2, color=GREY, linewidth=1, zorder=3)
        axes.plot(alone, row + 0.4, "|", color=GREY, markersize=5, zorder=3)
        axes.plot(last, row + 0.4, "x", color=GREY, markersize=4, zorder=3)
        _write(axes, max(at, at + part), row, f"{part:+.3g}")
        axes.plot([at + part] * 2, [row - 0.31, row + 1.31], color=GREY, linewidth=0.7)
        at += part
    if rest:
        row, part = len(shown) + 1, float(parts[rest].sum())
        axes.barh(row, part, left=at, color=GREY, height=0.62, zorder=2)
        _write(axes, max(at, at + part), row, f"{part:+.3g}")
    for row, value in ((0, start), (len(labels) - 1, end)):
        axes.plot(value, row, "D", color=SUM_COLOUR, markersize=7, zorder=5)
        _write(axes, value, row, f"{value:.3g}")
    axes.plot([start] * 2, [0, 1.31], color=GREY, linewidth=0.7)
    axes.set_yticks(rows, [drawable(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel(f"{drawable(str(of['label'].values))} ({shown_unit})" if shown_unit else "")
    tidy(axes)
    return figure


def _write(axes: matplotlib.axes.Axes, x: float, row: int, text: str) -> None:
    """A number to the right of a bar."""
    axes.annotate(text, (x, row), (6, 0), textcoords="offset points", va="center", fontsize=9)


def _short(edit: str) -> str:
    parts = edit.split(".")
    return parts[-1] if len(parts) == 2 and parts[0] not in ("factors", "correlation") else edit
