"""Figures of a sweep: lines, filled contours, or panels.

Lines are over one key, contours over two; a third has a panel for each value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sim.expressions.tree import Expression
from sim.model.dims import COORDS
from sim.plots import sweep_texts
from sim.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RC_PARAMS,
    SKY,
    VERMILION,
    caption_height,
    new_figure,
    tidy,
    wrap,
)
from sim.simulation.sweep import keys, read_expressions, scale

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY)
MARKERS = "os^Dv<>"
MAX_PANELS = 9
COLUMNS = 3
CONTOURS = 10
INTERVAL = 1.96  # standard errors on either side of a 95 % interval
STYLES = ("-", "--", "-.", ":")
STEPS = (1, 2, 2.5, 5, 10)  # of round numbers
COLOUR_BAR_WIDTH = 0.16  # inches
Array = NDArray[np.float64]


def figure_groups(ds: xr.Dataset) -> dict[str, list[Expression]]:
    """The figures of a sweep: file name, and the expressions in each.

    Over one key, statistics of the same quantity are together. There are none over more than three
    keys, or over a third that takes more than nine values.
    """
    long = _long_keys(ds)
    if len(long) > 3 or (len(long) == 3 and ds.sizes[_panel_key(ds, long)] > MAX_PANELS):
        return {}
    by_quantity: dict[Any, list[Expression]] = {}
    for expression in read_expressions(ds):
        group: Any = expression.text
        if len(long) < 2 and expression.variable:
            own_scale = expression.statistic if expression.statistic in ("P", "sd") else ""
            group = (expression.variable, expression.labels, expression.quarter, own_scale)
        by_quantity.setdefault(group, []).append(expression)
    groups: dict[str, list[Expression]] = {}
    for expressions in by_quantity.values():
        first = expressions[0]
        name = re.sub(r"[^A-Za-z0-9]+", "_", first.text)
        if len(expressions) > 1:
            name = "_".join([first.variable, *first.labels, first.quarter or ""])
        name = name.strip("_")
        groups[name if name not in groups else f"{name}_{len(groups)}"] = expressions
    return groups


def draw(ds: xr.Dataset, expressions: Sequence[Expression]) -> Figure:
    """A figure of expressions over the keys of a sweep.

    Args:
        ds: What `sim.sweep` gives.
        expressions: One of `figure_groups`.

    Returns:
        A figure: over one key lines, with bands of the draws and of the Monte Carlo error; over
        two numeric keys filled contours; otherwise lines for each value, or panels.
    """
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(ds, expressions)


def _draw(ds: xr.Dataset, expressions: Sequence[Expression]) -> Figure:
    """The figure of `draw`.

    Its size and grid, then each panel, and a bar of colours.
    """
    ds = ds.sortby([key for key in keys(ds) if _is_numeric(ds, key)])
    long = _long_keys(ds)
    fixed = [key for key in keys(ds) if key not in long]
    panel_key = _panel_key(ds, long) if len(long) == 3 else None
    axis_keys = [key for key in long if key != panel_key] or keys(ds)[:1]
    ds = ds.isel(dict.fromkeys([key for key in fixed if key not in axis_keys], 0))
    contour = len(axis_keys) == 2 and all(_is_numeric(ds, key) for key in axis_keys)
    first = expressions[0]
    panels = ds.sizes[panel_key] if panel_key else 1
    columns = min(panels, COLUMNS)
    rows = math.ceil(panels / columns)
    width = 7.2 if panels == 1 else 3.3 * columns + 1.2
    caption = sweep_texts.caption(ds, fixed, contour)
    foot = caption_height(caption, width) + 0.6
    head = 0.6 if panel_key is None else 0.95
    height = foot + head + (3.9 if panels == 1 else 2.7 * rows + 0.45 * (rows - 1))
    characters = int(width * (9 if first.variable else 7.5))  # of names, few are narrow
    title = wrap(sweep_texts.title(ds, expressions), characters)
    head += 0.22 * title.count("\n")
    figure = new_figure(width, height, title, caption)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    right = 1.1 if contour else 0.2
    bottom, top = (foot + 0.05) / height, 1 - head / height
    characters = 42 if panels == 1 else 30
    y_label = (
        sweep_texts.key_label(ds, axis_keys[1], characters)
        if contour
        else wrap(sweep_texts.quantity(first), characters)
    )
    left = 0.9 + 0.17 * max(0, y_label.count("\n") - 1)
    figure.subplots_adjust(
        left=left / width, right=1 - right / width, top=top, bottom=bottom, hspace=0.3, wspace=0.14
    )
    levels = _contour_levels(ds[first.text].values * scale(first)) if contour else None
    filled: QuadContourSet | None = None
    for i, axes in enumerate(grid.flat):
        if i >= panels:
            axes.set_visible(False)
            continue
        of_panel = ds.isel({panel_key: i}) if panel_key else ds
        tidy(axes)
        if panel_key:
            axes.set_title(sweep_texts.key_at_value(of_panel, panel_key), loc="left", fontsize=9)
        if levels is not None:
            filled = _draw_contours(axes, of_panel, first, axis_keys, levels)
        elif len(axis_keys) == 2:
            _draw_lines_by_value(axes, of_panel, first, axis_keys, legend=i == 0)
        else:
            _draw_lines(axes, of_panel, expressions, axis_keys[0])
        if i + columns >= panels:  # there is no panel below
            axes.tick_params(labelbottom=True)
            x_label = sweep_texts.key_label(ds, _x_key(ds, axis_keys), 48 if panels == 1 else 36)
            axes.set_xlabel(x_label, fontsize=9.5)
        if i % columns == 0:
            axes.set_ylabel(y_label, fontsize=9.5)
    if filled is not None:
        position = (1 - 0.9 / width, bottom, COLOUR_BAR_WIDTH / width, top - bottom)
        bar = figure.colorbar(filled, cax=figure.add_axes(position))
        bar.set_label(sweep_texts.scale_label(first), fontsize=9.5)
        bar.ax.tick_params(labelsize=9)
    return figure


def _long_keys(ds: xr.Dataset) -> list[str]:
    """The keys that take more than one value."""
    return [key for key in keys(ds) if ds.sizes[key] > 1]


def _is_numeric(ds: xr.Dataset, key: str) -> bool:
    return bool(ds[key].dtype.kind in "fiu")


def _panel_key(ds: xr.Dataset, long: Sequence[str]) -> str:
    """The key of three with a panel for each value.

    It is one of words, or else the shortest.
    """
    return min(long, key=lambda key: (_is_numeric(ds, key), ds.sizes[key]))


def _x_key(ds: xr.Dataset, axis_keys: Sequence[str]) -> str:
    """The key along the horizontal axis.

    It is the first of numbers, else the longest.
    """
    numeric = [key for key in axis_keys if _is_numeric(ds, key)]
    return numeric[0] if numeric else max(axis_keys, key=lambda key: ds.sizes[key])


def _draw_lines(axes: Axes, ds: xr.Dataset, expressions: Sequence[Expression], key: str) -> None:
    """Draw statistics of a quantity over one key, and its bands."""
    x = _set_x(axes, ds, key)
    bands = _bands(ds, expressions[0])
    numeric = _is_numeric(ds, key)
    for (low, high, label), alpha in zip(bands, (0.16, 0.26), strict=False):
        style: dict[str, Any] = {"color": BLUE, "alpha": alpha, "linewidth": 0, "label": label}
        if numeric:
            axes.fill_between(x, low, high, **style)
        else:
            axes.use_sticky_edges = False
            axes.bar(x, high - low, 0.4, low, **style)
    legend = len(expressions) > 1 or bool(bands)
    for expression, colour, marker in zip(
        expressions, _repeat(COLOURS), _repeat(MARKERS), strict=False
    ):
        name = sweep_texts.statistic(expression) if legend else None
        _draw_line(axes, x, ds, expression, colour, marker, "-" if numeric else "none", name)
    if legend:
        axes.legend(frameon=False, fontsize=9)


def _draw_lines_by_value(
    axes: Axes, ds: xr.Dataset, expression: Expression, axis_keys: Sequence[str], legend: bool
) -> None:
    """Draw a statistic over a key, a line per value of another."""
    key = _x_key(ds, axis_keys)
    (other,) = (name for name in axis_keys if name != key)
    x = _set_x(axes, ds, key)
    count = ds.sizes[other]
    if count <= len(COLOURS):
        colours: list[Any] = list(COLOURS[:count])
    else:
        colours = list(matplotlib.colormaps["viridis"](np.linspace(0, 0.92, count)))
    for i, (colour, marker) in enumerate(zip(colours, _repeat(MARKERS), strict=False)):
        value = sweep_texts.value_text(ds[other].values[i].item())
        style = STYLES[i % len(STYLES)]
        _draw_line(axes, x, ds.isel({other: i}), expression, colour, marker, style, value)
    if legend:
        title = sweep_texts.key_label(ds, other, 30)
        axes.legend(frameon=False, fontsize=9, title=title, title_fontsize=9)


def _draw_line(
    axes: Axes,
    x: Array,
    ds: xr.Dataset,
    expression: Expression,
    colour: Any,
    marker: str,
    style: str,
    label: str | None,
) -> None:
    """Draw an expression [x] with bars of its 95 % intervals."""
    values = ds[expression.text].values * scale(expression)
    errors = ds[f"{expression.text}_error"].values * scale(expression)
    axes.errorbar(
        x, np.where(np.isfinite(values), values, np.nan),
        np.nan_to_num(INTERVAL * errors, posinf=0.0), color=colour, marker=marker, markersize=4,
        linestyle=style, linewidth=1.6, capsize=2.5, elinewidth=1.0, label=label,
    )  # fmt: skip


def _set_x(axes: Axes, ds: xr.Dataset, key: str) -> Array:
    """Set the ticks of a key, and return where its values are.

    Numbers are at themselves, words side by side.
    """
    values = ds[key].values
    if _is_numeric(ds, key):
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=STEPS))
        return np.asarray(values, float)
    axes.set_xticks(
        range(len(values)), [sweep_texts.value_text(value) for value in values.tolist()]
    )
    axes.set_xlim(-0.4, len(values) - 0.6)
    return np.arange(len(values), dtype=float)


def _bands(ds: xr.Dataset, expression: Expression) -> list[tuple[Array, Array, str]]:
    """Central nine tenths and half of the draws of a quantity.

    Each is low and high [x], and a label.

    There are none where the sweep lacks these quantiles, or some are not finite.
    """
    name = f"{expression.variable}_quantile"
    if expression.statistic in ("P", "sd") or name not in ds:
        return []
    quantiles = ds[name]
    labels = [*expression.labels, *([expression.quarter] if expression.quarter else [])]
    for label in labels:
        dims = [
            dim
            for dim in ("lab", "landlord", *COORDS)
            if dim in quantiles.dims and label in quantiles[dim].values.tolist()
        ]
        if not dims:
            return []
        quantiles = quantiles.sel({dims[0]: label})
    levels = quantiles["quantile"].values.tolist()
    if not {0.05, 0.25, 0.75, 0.95} <= set(levels) or quantiles.ndim != 2:
        return []
    at = {level: quantiles.sel(quantile=level).values * scale(expression) for level in levels}
    if not all(np.isfinite(values).all() for values in at.values()):
        return []
    return [(at[0.05], at[0.95], "90 % of draws"), (at[0.25], at[0.75], "50 % of draws")]


def _draw_contours(
    axes: Axes, ds: xr.Dataset, expression: Expression, axis_keys: Sequence[str], levels: Array
) -> QuadContourSet:
    """Draw filled contours of a statistic over two keys.

    There is a dot at each point.
    """
    x, y = (ds[key].values for key in axis_keys)
    table = ds[expression.text].transpose(*axis_keys).values.T * scale(expression)
    values = np.ma.masked_invalid(table)
    filled = axes.contourf(x, y, values, levels, cmap="viridis")
    if values.count() and float(np.ptp(values.compressed())) > 0:
        lines = axes.contour(x, y, values, levels, colors="white", linewidths=0.8)
        for text in axes.clabel(
            lines, fontsize=8.5, inline=False, fmt=lambda level: f"{level:.10g}"
        ):
            text.set_path_effects([withStroke(linewidth=2, foreground=GREY)])
            # Where the edge would cut a label off, the bar of colours has to do.
            position = axes.transLimits.transform(text.get_position())
            text.set_visible(bool((abs(position - 0.5) < 0.45).all()))
    across, up = np.meshgrid(x, y)
    axes.plot(across, up, ".", color="black", markersize=2.2, alpha=0.6, linestyle="none")
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    return filled


def _contour_levels(values: Array) -> Array:
    """Round numbers over the range of the values."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        pad = abs(low) * 0.05 or 0.5
        low, high = low - pad, high + pad
    return np.asarray(MaxNLocator(CONTOURS, steps=STEPS).tick_values(low, high))


def _repeat(items: Sequence[str]) -> list[str]:
    return [*items] * 20
