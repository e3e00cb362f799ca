"""Pictures of a sweep: lines over one key, filled contours over two, panels for a third."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from textwrap import fill
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

from sim.common.text import in_words
from sim.model.catalogue import OUTPUTS
from sim.model.dims import COORDS
from sim.plots.style import (
    BLUE,
    GREEN,
    GREY,
    LOOK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    caption_room,
    figure,
    tidy,
)
from sim.simulation.sweep import keys, read_expressions, scale, shown_unit
from sim.statistics.expressions import Expression

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY)
MARKERS = "os^Dv<>"
MOST_PANELS = 9
COLUMNS = 3
LEVELS = 10
INTERVAL = 1.96  # standard errors on either side of a 95 % interval
STATISTICS = {"mean": "mean", "sd": "standard deviation"}
STYLES = ("-", "--", "-.", ":")
STEPS = (1, 2, 2.5, 5, 10)  # of round numbers
BAR = 0.16  # inches that a bar of colours is wide


def pictures(ds: xr.Dataset) -> dict[str, list[Expression]]:
    """The pictures of a sweep: file name, and the expressions in each.

    Over one key, statistics of the same quantity are together. There are none over more than three
    keys, or over a third that takes more than nine values.
    """
    long = _long(ds)
    if len(long) > 3 or (len(long) == 3 and ds.sizes[_panels(ds, long)] > MOST_PANELS):
        return {}
    groups: dict[Any, list[Expression]] = {}
    for one in read_expressions(ds):
        together = (one.variable, one.labels, one.quarter, one.statistic in ("P", "sd"))
        groups.setdefault(together if len(long) < 2 else one.text, []).append(one)
    made: dict[str, list[Expression]] = {}
    for group in groups.values():
        name = re.sub(r"[^A-Za-z0-9]+", "_", group[0].text).strip("_")
        if len(group) > 1:
            name = "_".join([group[0].variable, *group[0].labels, group[0].quarter or ""])
        name = name.strip("_")
        made[name if name not in made else f"{name}_{len(made)}"] = group
    return made


def draw(ds: xr.Dataset, expressions: Sequence[Expression]) -> Figure:
    """A picture of expressions over the keys of a sweep.

    Args:
        ds: What `sim.sweep` gives.
        expressions: One of `pictures`.

    Returns:
        A figure: over one key lines, with bands of the draws and of the Monte Carlo error; over
        two numeric keys filled contours; otherwise lines for each value, or panels.
    """
    with matplotlib.rc_context(LOOK):
        return _drawn(ds, expressions)


def _drawn(ds: xr.Dataset, expressions: Sequence[Expression]) -> Figure:
    ds = ds.sortby([key for key in keys(ds) if _numeric(ds, key)])
    long = _long(ds)
    fixed = [key for key in keys(ds) if key not in long]
    ds = ds.isel(dict.fromkeys(fixed, 0)) if long else ds
    first = expressions[0]
    panel = _panels(ds, long) if len(long) == 3 else None
    rest = [key for key in long if key != panel] or keys(ds)[:1]
    ds = ds.isel(dict.fromkeys([key for key in fixed if key not in rest], 0), missing_dims="ignore")
    contour = len(rest) == 2 and all(_numeric(ds, key) for key in rest)
    count = ds.sizes[panel] if panel else 1
    columns = min(count, COLUMNS)
    rows = math.ceil(count / columns)
    width = 7.2 if count == 1 else 3.3 * columns + 1.2
    caption = _caption(ds, fixed, contour)
    foot = caption_room(caption, width) + 0.6
    head = 0.6 if panel is None else 0.95
    height = foot + head + (3.9 if count == 1 else 2.7 * rows + 0.45 * (rows - 1))
    title = fill(_title(ds, expressions), int(width * 10))
    head += 0.22 * title.count("\n")
    made = figure(width, height, title, caption)
    grid = made.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    right = 1.1 if contour else 0.2
    bottom, top = (foot + 0.05) / height, 1 - head / height
    made.subplots_adjust(
        left=0.9 / width, right=1 - right / width, top=top, bottom=bottom, hspace=0.3, wspace=0.14
    )
    flat = list(grid.ravel())
    levels = _levels(ds[first.text].values * scale(first)) if contour else None
    drawn: QuadContourSet | None = None
    for i, axes in enumerate(flat):
        if i >= count:
            axes.set_visible(False)
            continue
        here = ds.isel({panel: i}) if panel else ds
        tidy(axes)
        if panel:
            axes.set_title(_value(here, panel), loc="left", fontsize=9)
        if levels is not None:
            drawn = _contours(axes, here, first, rest, levels)
        elif len(rest) == 2:
            _lines_by_word(axes, here, first, rest, legend=i == 0)
        else:
            _lines(axes, here, expressions, rest[0])
        below_is_empty = i + columns >= count
        if below_is_empty:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(_label(ds, _x(ds, rest), 48 if count == 1 else 36), fontsize=9.5)
        if i % columns == 0:
            wide = 42 if count == 1 else 30
            y = _label(ds, rest[1], wide) if contour else fill(_quantity(first), wide)
            axes.set_ylabel(y, fontsize=9.5)
    if drawn is not None:
        place = (1 - 0.9 / width, bottom, BAR / width, top - bottom)
        bar = made.colorbar(drawn, cax=made.add_axes(place))
        unit = shown_unit(first)
        said = _statistic(first) + (f" ({unit})" if unit else "")
        bar.set_label(said[:1].upper() + said[1:], fontsize=9.5)
        bar.ax.tick_params(labelsize=9)
    return made


def _long(ds: xr.Dataset) -> list[str]:
    return [key for key in keys(ds) if ds.sizes[key] > 1]


def _numeric(ds: xr.Dataset, key: str) -> bool:
    return bool(ds[key].dtype.kind in "fiu")


def _panels(ds: xr.Dataset, long: Sequence[str]) -> str:
    """Of three keys the one that panels are made of: of words, or else the shortest."""
    return min(long, key=lambda key: (_numeric(ds, key), ds.sizes[key]))


def _x(ds: xr.Dataset, rest: Sequence[str]) -> str:
    """The key along the horizontal axis: the first of numbers, else the longest."""
    numeric = [key for key in rest if _numeric(ds, key)]
    return numeric[0] if numeric else max(rest, key=lambda key: ds.sizes[key])


def _lines(axes: Axes, ds: xr.Dataset, expressions: Sequence[Expression], key: str) -> None:
    """Statistics of one quantity over one key, with bands of the draws behind them."""
    x = _places(axes, ds, key)
    bands = _bands(ds, expressions[0])
    numeric = _numeric(ds, key)
    for (low, high, label), alpha in zip(bands, (0.16, 0.26), strict=False):
        look: dict[str, Any] = {"color": BLUE, "alpha": alpha, "linewidth": 0, "label": label}
        if numeric:
            axes.fill_between(x, low, high, **look)
        else:
            axes.use_sticky_edges = False
            axes.bar(x, high - low, 0.4, low, **look)
    for one, colour, marker in zip(expressions, _cycle(COLOURS), _cycle(MARKERS), strict=False):
        legend = _statistic(one) if len(expressions) > 1 or bands else None
        _line(axes, x, ds, one, colour, marker, "-" if numeric else "none", legend)
    if len(expressions) > 1 or bands:
        axes.legend(frameon=False, fontsize=9)


def _lines_by_word(
    axes: Axes, ds: xr.Dataset, one: Expression, rest: Sequence[str], legend: bool
) -> None:
    """One statistic over a key, a line for each value of another."""
    key = _x(ds, rest)
    (other,) = (name for name in rest if name != key)
    x = _places(axes, ds, key)
    count = ds.sizes[other]
    if count <= len(COLOURS):
        colours: list[Any] = list(COLOURS[:count])
    else:
        colours = list(matplotlib.colormaps["viridis"](np.linspace(0, 0.92, count)))
    for i, (colour, marker) in enumerate(zip(colours, _cycle(MARKERS), strict=False)):
        here, said = ds.isel({other: i}), in_words(ds[other].values[i].item())
        _line(axes, x, here, one, colour, marker, STYLES[i % len(STYLES)], said)
    if legend:
        axes.legend(frameon=False, fontsize=9, title=_label(ds, other, 30), title_fontsize=9)


def _line(
    axes: Axes,
    x: NDArray[Any],
    ds: xr.Dataset,
    one: Expression,
    colour: Any,
    marker: str,
    style: str,
    label: str | None,
) -> None:
    values = ds[one.text].values * scale(one)
    spread = np.nan_to_num(ds[f"{one.text}_error"].values * scale(one) * INTERVAL, posinf=0.0)
    values = np.where(np.isfinite(values), values, np.nan)
    axes.errorbar(
        x, values, spread, color=colour, marker=marker, markersize=4, linestyle=style,
        linewidth=1.6, capsize=2.5, elinewidth=1.0, label=label,
    )  # fmt: skip


def _places(axes: Axes, ds: xr.Dataset, key: str) -> NDArray[Any]:
    """Where the values of a key are along the axis: numbers at themselves, words side by side."""
    values = ds[key].values
    if _numeric(ds, key):
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=STEPS))
        return np.asarray(values, float)
    axes.set_xticks(range(len(values)), [in_words(value) for value in values.tolist()])
    axes.set_xlim(-0.4, len(values) - 0.6)
    return np.arange(len(values))


def _bands(ds: xr.Dataset, one: Expression) -> list[tuple[NDArray[Any], NDArray[Any], str]]:
    """Central nine tenths and half of the draws of a quantity, where the sweep has them."""
    name = f"{one.variable}_quantile"
    if one.statistic in ("P", "sd") or name not in ds:
        return []
    found = ds[name]
    labels = [*one.labels, *([one.quarter] if one.quarter else [])]
    for label in labels:
        dims = [d for d in ("lab", "landlord", *COORDS) if d in found.dims
                and label in found[d].values.tolist()]  # fmt: skip
        if not dims:
            return []
        found = found.sel({dims[0]: label})
    levels = found["quantile"].values.tolist()
    if not {0.05, 0.25, 0.75, 0.95} <= set(levels) or found.ndim != 2:
        return []
    at = {level: found.sel(quantile=level).values * scale(one) for level in levels}
    if not all(np.isfinite(values).all() for values in at.values()):
        return []
    return [(at[0.05], at[0.95], "90 % of draws"), (at[0.25], at[0.75], "50 % of draws")]


def _contours(
    axes: Axes, ds: xr.Dataset, one: Expression, rest: Sequence[str], levels: NDArray[Any]
) -> QuadContourSet:
    """Filled contours of one statistic over two keys, the points marked."""
    x, y = (ds[key].values for key in rest)
    values = np.ma.masked_invalid(ds[one.text].transpose(*rest).values.T * scale(one))
    filled = axes.contourf(x, y, values, levels, cmap="viridis")
    if values.count() and float(np.ptp(values.compressed())) > 0:
        lines = axes.contour(x, y, values, levels, colors="white", linewidths=0.8)
        said = axes.clabel(lines, fontsize=8.5, inline=False, fmt=lambda level: f"{level:.10g}")
        for text in said:
            text.set_path_effects([withStroke(linewidth=2, foreground=GREY)])
            # Where one would be cut off by the edge, the bar of colours has to do.
            place = axes.transLimits.transform(text.get_position())
            text.set_visible(bool((abs(place - 0.5) < 0.45).all()))
    across, up = np.meshgrid(x, y)
    axes.plot(across, up, ".", color="black", markersize=2.2, alpha=0.6, linestyle="none")
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    return filled


def _levels(values: NDArray[Any]) -> NDArray[Any]:
    """Round numbers over the range of the values, the same in all panels."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        pad = abs(low) * 0.05 or 0.5
        low, high = low - pad, high + pad
    return np.asarray(MaxNLocator(LEVELS, steps=STEPS).tick_values(low, high))


def _cycle(some: Sequence[str]) -> list[str]:
    return [*some] * 20


def _statistic(one: Expression) -> str:
    """A statistic in words."""
    level = f"{100 * one.number:g}"
    if one.statistic == "P":
        number = f"{level} %" if one.variable.endswith("margin") else f"{one.number:g}"
        return f"P({one.relation.replace('>=', '≥').replace('<=', '≤')} {number})"
    if one.statistic == "quantile":
        if one.number == 0.5:
            return "median"
        last = level[-2:] if level[-2:] in ("11", "12", "13") else level[-1]
        return f"{level}{({'1': 'st', '2': 'nd', '3': 'rd'}).get(last, 'th')} percentile"
    if one.statistic == "cvar":
        tail = f"lowest {level}" if one.number < 0.5 else f"highest {100 - 100 * one.number:g}"
        return f"mean of the {tail} %"
    return STATISTICS[one.statistic]


def _title(ds: xr.Dataset, expressions: Sequence[Expression]) -> str:
    first = expressions[0]
    names = {
        str(label): str(name)
        for dim in ("landlord", "lab")
        if f"{dim}_name" in ds
        for label, name in zip(ds[dim].values, ds[f"{dim}_name"].values.ravel(), strict=False)
    }
    where = [names.get(label, label) for label in first.labels]
    what = ", ".join([OUTPUTS[first.variable].meaning, *where, *filter(None, [first.quarter])])
    return f"{what}: {', '.join(map(_statistic, expressions))}"


def _quantity(one: Expression) -> str:
    if one.statistic == "P":
        return "Probability (%)"
    unit = shown_unit(one)
    return OUTPUTS[one.variable].meaning + (f" ({unit})" if unit else "")


def _label(ds: xr.Dataset, key: str, width: int) -> str:
    """What an axis shows, with its unit."""
    about = ds[key].attrs
    unit = about.get("units", "1")
    said = str(about.get("long_name", key)) + ("" if unit == "1" else f" ({unit})")
    return fill(said, width)


def _value(ds: xr.Dataset, key: str) -> str:
    """A key at one of its values."""
    about = ds[key].attrs
    unit = about.get("units", "1")
    said = in_words(ds[key].values.item()) + ("" if unit == "1" else f" {unit}")
    return fill(f"{about.get('long_name', key)}: {said}", 44)


def _caption(ds: xr.Dataset, fixed: Sequence[str], contour: bool) -> str:
    about = ds.attrs
    told = [
        f"Scenario {about['scenario']}, sweep {about['digest']}: {about['draws']:,} draws at each"
        f" point, seed {about['seed']}."
    ]
    over = [key for key in keys(ds) if key not in fixed]
    if over:
        told.append(f"Over {', '.join(over)}.")
    if fixed:
        held = ", ".join(f"{key} = {in_words(ds[key].values.ravel()[0].item())}" for key in fixed)
        told.append(f"With {held}.")
    if contour:
        told.append("Dots: points evaluated; between them contours are interpolated.")
    else:
        told.append("Bars: 95 % Monte Carlo intervals.")
    return "\n".join([told[0], " ".join(told[1:])])
