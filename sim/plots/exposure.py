"""Who houses whom and who owes whom: lab by landlord, in gigawatts and in obligations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sim.model.dims import REFERENCE_QUARTER
from sim.plots.style import VERMILION, caption_room, figure, names, number, origin, room
from sim.statistics.datasets import last
from sim.statistics.summary import mean_with_error

CELL_WIDTH, CELL_HEIGHT = 0.74, 0.32  # inches
GAP = 0.15  # of a cell, between a map and its sums
HEAD, SLANT = 8.5, 35  # points; degrees, where heads are wider than cells
Array = NDArray[np.float64]


@dataclass
class Map:
    """A title, and means with errors: of pairs [lab, landlord], of labs' sums [lab], of rows."""

    title: str
    pairs: tuple[Array, Array]
    sums: tuple[Array, Array]
    rows: dict[str, tuple[Array, Array]]


def exposure(ds: xr.Dataset) -> Figure:
    """Heat maps of the gigawatts that landlords host, and of the obligations of labs to them.

    Args:
        ds: What `sim.simulate` gives, with the draws of `gw`; without them the map of gigawatts is
            left out.

    Returns:
        A figure with labs as rows and landlords as columns, sums at the ends, zeros left blank and
        captive pairs framed.
    """
    labs, landlords = names(ds, "lab"), names(ds, "landlord", 18)
    captive = ds["captive"].values.astype(bool)
    maps = [_hosted(ds), _owed(ds)] if "gw" in ds else [_owed(ds)]
    caption = (
        f"{origin(ds)}\n"
        "Means over draws ± Monte Carlo standard error; fixed inputs have none. Blank: zero."
        + (
            " Framed: captive, the landlord is the lab's parent and charges it no rent."
            if captive.any()
            else ""
        )
    )
    heads = [*landlords, "Sum"]
    wide = room(heads, HEAD)
    slant = math.radians(SLANT if wide > CELL_WIDTH - 0.06 else 0)
    over = 0.2 + wide * math.sin(slant)  # inches of the heads above a map
    left = 0.2 + room([*labs, *(label for a_map in maps for label in a_map.rows)])
    across = CELL_WIDTH * (len(heads) + GAP)
    width = max(6.2, left + across + 0.1 + (wide * math.cos(slant) if slant else 0))
    downs = [CELL_HEIGHT * (len(labs) + len(a_map.rows) + GAP) for a_map in maps]
    foot = caption_room(caption, width) + 0.1
    height = 0.45 + sum(over + 0.4 + down for down in downs) + foot
    made = figure(width, height, "Which labs each landlord depends on", caption)
    bottom = height - 0.45
    for a_map, down in zip(maps, downs, strict=True):
        bottom -= over + 0.4 + down
        axes = made.add_axes((left / width, bottom / height, across / width, down / height))
        _draw(axes, a_map, captive & (a_map.pairs[0] != 0))
        axes.set_xticks(
            [*range(len(landlords)), len(landlords) + GAP], heads, fontsize=HEAD,
            rotation=math.degrees(slant), ha="left" if slant else "center",
            rotation_mode="anchor",
        )  # fmt: skip
        axes.set_yticks(
            [*range(len(labs)), *(len(labs) + GAP + i for i in range(len(a_map.rows)))],
            [*labs, *a_map.rows], fontsize=9,
        )  # fmt: skip
        made.text(
            0.01, (bottom + down + over + 0.1) / height, a_map.title, fontsize=10.5, va="bottom"
        )
    return made


def _hosted(ds: xr.Dataset) -> Map:
    gw = last(ds[["gw"]].sel(quarter=REFERENCE_QUARTER), "gw")
    shares = ds["host_share_2026"].values
    mean, error = _means(gw)
    return Map(
        f"Facility gigawatts hosted at the end of {REFERENCE_QUARTER} (GW)",
        (shares * mean[:-1, None], shares * error[:-1, None]),
        (shares.sum(axis=1) * mean[:-1], shares.sum(axis=1) * error[:-1]),
        {"All labs": _means(shares.T @ gw)},
    )


def _owed(ds: xr.Dataset) -> Map:
    rpo = last(ds, "rpo_busd")
    shares = ds["rpo_lab_share"].values
    mean, error = _means(rpo)
    return Map(
        "Remaining performance obligations (USD bn)",
        ((shares * mean[:-1, None]).T, (shares * error[:-1, None]).T),
        _means(shares.T @ rpo),
        {
            "All labs": _means(shares.sum(axis=1, keepdims=True) * rpo),
            "All customers": (mean, error),
        },
    )


def _means(draws: Array) -> tuple[Array, Array]:
    """Means of draws [item, draw] and of their sum over items, which comes last, with errors."""
    summed = np.concatenate([draws, draws.sum(axis=0, keepdims=True)])
    return mean_with_error(xr.Dataset({"summed": (("item", "draw"), summed)}), "summed")


def _draw(axes: Axes, a_map: Map, captive: NDArray[np.bool_]) -> None:
    mean, error = a_map.pairs
    rows, columns = mean.shape
    strength = mean / (mean.max() or 1.0)
    axes.pcolormesh(
        np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5,
        np.ma.masked_equal(strength, 0.0), cmap="cividis_r", vmin=0.0, vmax=1.0,
        edgecolors="#D5D5D5", linewidth=0.5,
    )  # fmt: skip
    for row, column in np.argwhere(captive):
        axes.add_patch(
            Rectangle(
                (column - 0.46, row - 0.43), 0.92, 0.86, fill=False, edgecolor=VERMILION,
                linewidth=1.8,
            )
        )  # fmt: skip
    for row, column in np.ndindex(mean.shape):
        dark = bool(strength[row, column] > 0.5)
        _write(axes, column, row, mean[row, column], error[row, column], dark)
    for row in range(rows):
        _write(axes, columns + GAP, row, a_map.sums[0][row], a_map.sums[1][row])
    for i, (means, errors) in enumerate(a_map.rows.values()):
        for column, place in enumerate([*range(columns), columns + GAP]):
            _write(axes, place, rows + GAP + i, means[column], errors[column])
    axes.set_xlim(-0.5, columns + GAP + 0.5)
    axes.set_ylim(rows + len(a_map.rows) + GAP - 0.5, -0.5)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)


def _write(axes: Axes, x: float, y: float, value: float, error: float, dark: bool = False) -> None:
    """A number above its error, in white on a dark cell; nothing for nil."""
    if value:
        axes.text(
            x, y, number(value, error).replace(" ±", "\n±"), fontsize=7.5, ha="center",
            va="center", linespacing=1.0, color="white" if dark else "black",
        )  # fmt: skip
