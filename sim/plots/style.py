"""Colours, captions and formatted numbers of all figures.

Colours are safe for the colour-blind (Okabe and Ito).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from sim.common.numbers import percentage, rounded_by
from sim.common.text import escape, plain
from sim.statistics import datasets
from sim.statistics.datasets import describe_settings
from sim.statistics.estimators import probability_with_error
from sim.statistics.replicates import Replicates

BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#666666"
GREEN, PURPLE, SKY = "#009E73", "#CC79A7", "#56B4E9"
NOT_REPORTED = "ARR not reported"
RC_PARAMS: dict[Any, Any] = {
    "text.parse_math": True,  # where it is off, a dollar that is escaped shows its backslash
    "axes.titley": 1.0,  # as it is; looking for ticks above it takes a twentieth of the time
    "text.hinting": "none",  # fitting glyphs to pixels takes a fifth of a figure's time
}
_DOLLAR = r"\$"  # one that matplotlib does not read as the beginning of mathematics
CAPTION_SIZE, LINES_PER_INCH, CHARACTERS_PER_INCH = 8, 7.4, 15.5


class Estimate(NamedTuple):
    """A number in a figure, with its Monte Carlo standard error."""

    value: float
    error: float


# By name of the output or probability, then the labels of its dims: ("gw", "openai", "2026Q4").
Estimates = dict[tuple[str | float, ...], Estimate]


def new_figure(width: float, height: float, title: str, caption: str) -> Figure:
    """An empty figure with a title and a caption.

    Width and height are in inches.

    Lines of the caption that are wider than the figure are wrapped.
    """
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.text(0.01, 0.985, title, va="top", ha="left", fontsize=13, fontweight="bold")
    text = wrap_caption(caption, width)
    figure.text(0.01, 0.012, text, va="bottom", ha="left", fontsize=CAPTION_SIZE, color=GREY)
    return figure


def wrap_caption(caption: str, width: float) -> str:
    """A caption with its lines wrapped at a figure's width in inches."""
    characters = int(CHARACTERS_PER_INCH * width)
    return "\n".join(wrap(line, characters) for line in caption.split("\n"))


def wrap(text: str, characters: int) -> str:
    """A drawable text in lines of some characters, an escaped dollar being one of them."""
    one_sign = text.replace(_DOLLAR, "\0")  # which no drawable text has
    return fill(one_sign, characters, break_on_hyphens=False).replace("\0", _DOLLAR)


def caption_height(caption: str, width: float) -> float:
    """Inches that a caption takes at the foot of a figure."""
    return 0.15 + (wrap_caption(caption, width).count("\n") + 1) / LINES_PER_INCH


def tidy(axes: Axes) -> None:
    """Remove spines that carry no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def describe_run(ds: xr.Dataset, moments: bool = False) -> str:
    """The run that a figure shows, for its caption.

    With `moments` the figure shows statistics of all draws, else the draws that are kept.
    """
    attrs = ds.attrs
    draws, kept = int(attrs["draws"]), int(attrs.get("draws_kept", attrs["draws"]))
    count = f"{draws:,} draws"
    if kept < draws and not moments:
        count = f"the first {kept:,} of {draws:,} draws"
    return (
        f"Scenario {drawable(attrs['scenario'])} ({attrs['digest']}), {count}, seed"
        f" {attrs['seed']}, {describe_settings(ds)}."
    )


def display_names(ds: xr.Dataset, dim: str, longest: int = 30) -> list[str]:
    """The names of the labs or landlords, cut to `longest` characters."""
    return [drawable(name, longest) for name in datasets.display_names(ds, dim).values()]


def drawable(text: Any, longest: int | None = None) -> str:
    r"""A text of users' words that a figure shows as it is, cut to `longest` characters.

    It is plain, a character that the font lacks is an escape such as `\u6df1`, and dollars are
    escaped, so that nothing is read as mathematics.
    """
    families = tuple(FontProperties().get_family())
    shown = "".join(c if _has_glyph(c, families) else escape(c) for c in plain(text))
    if longest is not None and len(shown) > longest:
        shown = f"{shown[: longest - 1].rstrip()}…"
    return shown.replace("$", _DOLLAR)


@cache
def _has_glyph(character: str, families: tuple[str, ...]) -> bool:
    """Whether a font of these families has a character, both normal and bold."""
    return all(
        any(_glyphs(family, weight).get_char_index(ord(character)) for family in families)
        for weight in ("normal", "bold")
    )


@cache
def _glyphs(family: str, weight: str) -> FT2Font:
    return get_font(findfont(FontProperties(family=family, weight=weight)))


def text_width(texts: Sequence[str], size: float = 9.0, weight: str = "normal") -> float:
    """Inches that the widest of some texts takes.

    The font size is in points.
    """
    font = FontProperties(size=size, weight=weight)
    widths = [
        text_to_path.get_text_width_height_descent(text.replace(_DOLLAR, "$"), font, False)[0]
        for text in texts
    ]
    return max(widths, default=0.0) / 72


def fit(text: str, inches: float, size: float) -> str:
    """A drawable text, cut where it is wider than some inches."""
    signs = re.findall(r"\\\$|.", text)  # an escaped dollar is one
    while len(signs) > 1 and text_width(["".join(signs)], size) > inches:
        signs = [*signs[:-2], "…"]
    return "".join(signs)


def format_number(value: float, error: float) -> str:
    """A number with its standard error, rounded by it: "7.01 ± 0.03"."""
    if value == error == 0:
        return "0"
    text, spread = rounded_by(value, error)
    if abs(value) >= 100 and not spread:
        text = f"{value:,.0f}"
    return (f"{text} ± {spread}" if spread else text).replace("-", "−")


def estimate_probability(
    happens: NDArray[np.bool_], valid: NDArray[np.bool_], replicates: Replicates
) -> Estimate:
    """The share of valid draws [draw] in which something happens."""
    value, error = probability_with_error(happens, valid, replicates)
    return Estimate(float(value), float(error))


def format_probability(estimate: Estimate, ds: xr.Dataset) -> str:
    """A share of the draws in percent: "43.2 ± 0.5 %".

    Where it is true of no draw a bound is given: "< 0.08 %".
    """
    if ds.attrs.get("uncertainty") == 0:  # all draws are the same
        return f"{100 * estimate.value:g} %"
    text, spread = percentage(*estimate, ds.sizes["draw"])
    return f"{text} ± {spread} %" if spread else f"{text} %"


def format_equation(estimate: Estimate, ds: xr.Dataset) -> str:
    """As `format_probability`, as a right-hand side: "= 43.2 ± 0.5 %"."""
    text = format_probability(estimate, ds)
    return text if text[0] in "<>" else f"= {text}"


def reports_arr(draws: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which labs [lab] report ARR, from their values [lab, ..., draw].

    Without ARR all values are NaN.
    """
    return np.asarray(~np.isnan(draws).reshape(len(draws), -1).all(axis=-1))
