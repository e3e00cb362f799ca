"""What all figures share: colours safe for the colour-blind (Okabe and Ito), fonts, captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from sim.common.numbers import percentage, rounded_by
from sim.statistics.estimators import probability_with_error
from sim.statistics.replicates import Replicates

BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#666666"
GREEN, PURPLE, SKY = "#009E73", "#CC79A7", "#56B4E9"
NOT_REPORTED = "ARR not reported"
LOOK: dict[Any, Any] = {
    "text.parse_math": False,  # a dollar in a name is one
    "text.hinting": "none",  # fitting glyphs to pixels takes a fifth of a picture's time
}
CAPTION_SIZE, LINES_PER_INCH, CHARACTERS_PER_INCH = 8, 7.4, 15.5


def figure(width: float, height: float, title: str, caption: str) -> Figure:
    """An empty figure with a title at the top left and a caption at the bottom left.

    Lines of the caption that are wider than the figure are broken.
    """
    made = Figure(figsize=(width, height), facecolor="white")
    made.text(0.01, 0.985, title, va="top", ha="left", fontsize=13, fontweight="bold")
    said = broken(caption, width)
    made.text(0.01, 0.012, said, va="bottom", ha="left", fontsize=CAPTION_SIZE, color=GREY)
    return made


def broken(caption: str, width: float) -> str:
    """A caption with its lines broken to a figure's width in inches."""
    most = int(CHARACTERS_PER_INCH * width)
    return "\n".join(fill(line, most, break_on_hyphens=False) for line in caption.split("\n"))


def caption_room(caption: str, width: float) -> float:
    """Inches that a caption takes at the foot of a figure so wide."""
    return 0.15 + (broken(caption, width).count("\n") + 1) / LINES_PER_INCH


def tidy(axes: Axes) -> None:
    """Leave out what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def origin(ds: xr.Dataset) -> str:
    """What a figure was drawn from, for its caption."""
    about = ds.attrs
    return (
        f"Scenario {about['scenario']} ({about['digest']}), {_draws(about)}, seed"
        f" {about['seed']}, {about['view']} view, {about['rental_mode'].replace('_', '-')} rents."
    )


def names(ds: xr.Dataset, dim: str, longest: int = 30) -> list[str]:
    """The names of the labs or landlords, cut to a length."""
    said = [str(name) for name in ds[f"{dim}_name"].values]
    return [name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…" for name in said]


def room(texts: Sequence[str], size: float = 9.0, weight: str = "normal") -> float:
    """Inches that the widest of some texts takes."""
    font = FontProperties(size=size, weight=weight)
    widths = [text_to_path.get_text_width_height_descent(text, font, False)[0] for text in texts]
    return max(widths, default=0.0) / 72


def number(value: float, error: float) -> str:
    """A number with its Monte Carlo error, to the digits that the error leaves, if there is one."""
    if value == error == 0:
        return "0"
    shown, spread = rounded_by(value, error)
    if abs(value) >= 100 and not spread:
        shown = f"{value:,.0f}"
    return (f"{shown} ± {spread}" if spread else shown).replace("-", "−")


def chance(
    happens: NDArray[np.bool_], valid: NDArray[np.bool_], replicates: Replicates | None = None
) -> str:
    """A probability with its Monte Carlo error, in percent."""
    value, error = probability_with_error(happens, valid, replicates)
    shown, spread = percentage(float(value), float(error), happens.size)
    return f"{shown} %" if not spread else f"{shown} ± {spread} %"


def probability(
    happens: NDArray[np.bool_], valid: NDArray[np.bool_], replicates: Replicates | None = None
) -> str:
    """A probability with its Monte Carlo error, in percent, as an equation's right-hand side."""
    shown = chance(happens, valid, replicates)
    return shown if shown[0] in "<>" else f"= {shown}"


def _draws(about: Mapping[str, Any]) -> str:
    """How many draws are in a picture: those that are kept."""
    draws, kept = int(about["draws"]), int(about.get("draws_kept", about["draws"]))
    return f"{draws:,} draws" if kept == draws else f"the first {kept:,} of {draws:,} draws"


def reporting(draws: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which labs [lab] report ARR: those of which a value [lab, ..., draw] is not NaN."""
    return np.asarray(~np.isnan(draws).reshape(len(draws), -1).all(axis=-1))
