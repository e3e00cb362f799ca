"""Gigawatts and obligations between labs and landlords."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.plots.style import (
    VERMILION,
    Estimate,
    Estimates,
    caption_height,
    describe_run,
    display_names,
    format_number,
    new_figure,
    text_width,
)
from sim.statistics.datasets import REPLICATE_MEAN, last
from sim.statistics.estimators import mean_with_error
from sim.statistics.moments import mean_of_moments, mean_of_replicates
from sim.statistics.replicates import replicated, replicates_of, sampler_of

CELL_WIDTH, CELL_HEIGHT = 0.74, 0.32  # inches
GAP = 0.15  # of a cell, between a map and its sums
HEAD_SIZE, SLANT = 8.5, 35  # points; degrees, where heads are wider than cells
ALL_LABS, ALL_CUSTOMERS, SUM = "All labs", "All customers", "Sum"
Array = NDArray[np.float64]
Means = tuple[Array, Array]  # means over draws and their standard errors


@dataclass(frozen=True)
class HeatMap:
    """Means of an amount between labs and landlords, with their standard errors.

    `pairs` are of [lab, landlord], `sums` of [lab], and each of `rows` of [landlord] and, last,
    their sum.
    """

    quantity: str
    title: str
    pairs: Means
    sums: Means
    rows: dict[str, Means]


def exposure(ds: xr.Dataset) -> Figure:
    """Heat maps of hosted gigawatts and obligations, labs by landlords.

    Args:
        ds: What `sim.simulate` gives, with draws or moments of `facility_gw`; without them the map
            of gigawatts is left out.

    Returns:
        A figure with labs as rows and landlords as columns, sums at the ends, zeros left blank and
        captive pairs framed.
    """
    labs, landlords = display_names(ds, "lab"), display_names(ds, "landlord", 18)
    captive = ds["captive"].values.astype(bool)
    maps = _heat_maps(ds)
    caption = (
        f"{describe_run(ds)}\n"
        "Means over draws ± Monte Carlo standard error; fixed inputs have none. Blank: zero."
        + (
            " Framed: captive, the landlord is the lab's parent and charges it no rent."
            if captive.any()
            else ""
        )
    )
    heads = [*landlords, SUM]
    head_width = text_width(heads, HEAD_SIZE)
    slant = math.radians(SLANT if head_width > CELL_WIDTH - 0.06 else 0)
    head_height = 0.2 + head_width * math.sin(slant)
    left = 0.2 + text_width([*labs, *(label for heat_map in maps for label in heat_map.rows)])
    map_width = CELL_WIDTH * (len(heads) + GAP)
    overhang = head_width * math.cos(slant) if slant else 0.0
    width = max(6.2, left + map_width + 0.1 + overhang)
    map_heights = [CELL_HEIGHT * (len(labs) + len(heat_map.rows) + GAP) for heat_map in maps]
    foot = caption_height(caption, width) + 0.1
    height = 0.45 + sum(head_height + 0.4 + map_height for map_height in map_heights) + foot
    figure = new_figure(width, height, "Which labs each landlord depends on", caption)
    bottom = height - 0.45
    for heat_map, map_height in zip(maps, map_heights, strict=True):
        bottom -= head_height + 0.4 + map_height
        axes = figure.add_axes(
            (left / width, bottom / height, map_width / width, map_height / height)
        )
        _draw_map(axes, heat_map, captive & (heat_map.pairs[0] != 0))
        axes.set_xticks(
            [*range(len(landlords)), len(landlords) + GAP], heads, fontsize=HEAD_SIZE,
            rotation=math.degrees(slant), ha="left" if slant else "center",
            rotation_mode="anchor",
        )  # fmt: skip
        axes.set_yticks(
            [*range(len(labs)), *(len(labs) + GAP + i for i in range(len(heat_map.rows)))],
            [*labs, *heat_map.rows], fontsize=9,
        )  # fmt: skip
        title_bottom = (bottom + map_height + head_height + 0.1) / height
        figure.text(0.01, title_bottom, heat_map.title, fontsize=10.5, va="bottom")
    return figure


def exposure_estimates(ds: xr.Dataset) -> Estimates:
    """Means by quantity, row and column of the heat maps.

    Rows are labs and sums over them, columns landlords and their sum.

    The quantities are `hosted_gw` [GW] and `rpo_busd` [USD bn].
    """
    labs, columns = ds["lab"].values.tolist(), [*ds["landlord"].values.tolist(), SUM]
    estimates: Estimates = {}
    for heat_map in _heat_maps(ds):
        rows = {
            lab: (np.append(pairs, total), np.append(pair_errors, error))
            for lab, pairs, pair_errors, total, error in zip(
                labs, *heat_map.pairs, *heat_map.sums, strict=True
            )
        }
        for row, (values, errors) in (rows | heat_map.rows).items():
            for column, value, error in zip(columns, values, errors, strict=True):
                estimates[heat_map.quantity, row, column] = Estimate(float(value), float(error))
    return estimates


def _heat_maps(ds: xr.Dataset) -> list[HeatMap]:
    has_gigawatts = "facility_gw" in ds or "facility_gw" + REPLICATE_MEAN in ds
    return [_hosted(ds), _owed(ds)] if has_gigawatts else [_owed(ds)]


def _hosted(ds: xr.Dataset) -> HeatMap:
    """Facility gigawatts hosted at the reference quarter, by the shares of 2026."""
    shares = ds["host_share_2026"].values
    if "facility_gw" in ds:
        gw = last(ds[["facility_gw"]].sel(quarter=REFERENCE_QUARTER), "facility_gw")
        mean, error = (values[:-1] for values in _means(ds, gw))
        sums = _means(ds, shares.T @ gw)
    else:
        at = QUARTERS.index(REFERENCE_QUARTER)
        mean, error = (values[:, at] for values in mean_of_moments(ds, "facility_gw"))
        hosted = ds["facility_gw" + REPLICATE_MEAN].values[:, :, at] @ shares
        sums = mean_of_replicates(
            np.concatenate([hosted, hosted.sum(axis=1, keepdims=True)], axis=1), ds
        )
    return HeatMap(
        "hosted_gw",
        f"Facility gigawatts hosted at the end of {REFERENCE_QUARTER} (GW)",
        (shares * mean[:, None], shares * error[:, None]),
        (shares.sum(axis=1) * mean, shares.sum(axis=1) * error),
        {ALL_LABS: sums},
    )


def _owed(ds: xr.Dataset) -> HeatMap:
    """The landlords' remaining performance obligations, by the labs' shares of them."""
    rpo = last(ds, "rpo_busd")
    shares = ds["rpo_lab_share"].values  # [landlord, lab]
    mean, error = (values[:-1] for values in _means(ds, rpo))
    sums, sum_errors = (values[:-1] for values in _means(ds, shares.T @ rpo))
    return HeatMap(
        "rpo_busd",
        "Remaining performance obligations (USD bn)",
        ((shares * mean[:, None]).T, (shares * error[:, None]).T),
        (sums, sum_errors),
        {
            ALL_LABS: _means(ds, shares.sum(axis=1, keepdims=True) * rpo),
            ALL_CUSTOMERS: _means(ds, rpo),
        },
    )


def _means(ds: xr.Dataset, values: Array) -> Means:
    """Means [item + 1] of values [item, draw], with standard errors.

    The last is that of their sum.

    An input that no draw changes has a single value [item, 1] and no error.
    """
    with_sum = np.concatenate([values, values.sum(axis=0, keepdims=True)])
    fixed = values.shape[-1] != ds.sizes.get("draw", 0)
    return mean_with_error(with_sum, replicated(1, sampler_of(ds)) if fixed else replicates_of(ds))


def _draw_map(axes: Axes, heat_map: HeatMap, framed: NDArray[np.bool_]) -> None:
    """Draw the cells and numbers of a heat map.

    Some pairs [lab, landlord] are framed.
    """
    means, errors = heat_map.pairs
    rows, columns = means.shape
    strength = means / (means.max() or 1.0)
    axes.pcolormesh(
        np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5,
        np.ma.masked_equal(strength, 0.0), cmap="cividis_r", vmin=0.0, vmax=1.0,
        edgecolors="#D5D5D5", linewidth=0.5,
    )  # fmt: skip
    for row, column in np.argwhere(framed):
        frame = Rectangle(
            (column - 0.46, row - 0.43), 0.92, 0.86, fill=False, edgecolor=VERMILION, linewidth=1.8
        )
        axes.add_patch(frame)
    for row, column in np.ndindex(means.shape):
        on_dark = bool(strength[row, column] > 0.5)
        _write(axes, column, row, means[row, column], errors[row, column], on_dark)
    for row, (mean, error) in enumerate(zip(*heat_map.sums, strict=True)):
        _write(axes, columns + GAP, row, mean, error)
    for i, row_means in enumerate(heat_map.rows.values()):
        for x, mean, error in zip([*range(columns), columns + GAP], *row_means, strict=True):
            _write(axes, x, rows + GAP + i, mean, error)
    axes.set_xlim(-0.5, columns + GAP + 0.5)
    axes.set_ylim(rows + len(heat_map.rows) + GAP - 0.5, -0.5)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)


def _write(
    axes: Axes, x: float, y: float, value: float, error: float, on_dark: bool = False
) -> None:
    """Write a number above its error; nothing for zero.

    On a dark cell it is white.
    """
    if value:
        axes.text(
            x, y, format_number(value, error).replace(" ±", "\n±"), fontsize=7.5, ha="center",
            va="center", linespacing=1.0, color="white" if on_dark else "black",
        )  # fmt: skip
