"""What all figures share: colours safe for the colour-blind (Okabe and Ito), fonts, captions."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sim.statistics import percentage, probability_with_error

BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#666666"


def figure(width: float, height: float, title: str, caption: str) -> Figure:
    """An empty figure with a title at the top left and a caption at the bottom left."""
    made = Figure(figsize=(width, height), facecolor="white")
    made.text(0.01, 0.985, title, va="top", ha="left", fontsize=13, fontweight="bold")
    made.text(0.01, 0.012, caption, va="bottom", ha="left", fontsize=8, color=GREY)
    return made


def tidy(axes: Axes) -> None:
    """Leave out what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def origin(ds: xr.Dataset) -> str:
    """What a figure was drawn from, for its caption."""
    about = ds.attrs
    return (
        f"Scenario {about['scenario']} ({about['digest']}), {about['draws']:,} draws, seed"
        f" {about['seed']}, {about['view']} view, {about['rental_mode']} rents."
    )


def probability(happens: NDArray[np.bool_], valid: NDArray[np.bool_]) -> str:
    """A probability with its Monte Carlo error, in percent, as an equation's right-hand side."""
    value, error = probability_with_error(happens, valid)
    shown, spread = percentage(float(value), float(error), happens.size)
    return f"{shown} %" if shown[0] in "<>" else f"= {shown}{f' ± {spread}' if spread else ''} %"
