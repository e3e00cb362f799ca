"""The inputs of one world: where each stands in its distribution."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sim.parameters.fields import short_name
from sim.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RC_PARAMS,
    caption_height,
    drawable,
    new_figure,
    text_width,
    tidy,
)

SHOWN = 20
WIDTH = 9.0  # inches
ROW, HEAD = 0.27, 0.6
USUAL = (5, 95)  # percentiles between which an input is not unusual


def trace_figure(result: Any, label: str, seed: int) -> Figure:
    """A strip of dots: the percentiles of the inputs of a world, the most unusual first.

    Args:
        result: As `sim.trace` gives it.
        label: Names the run.
        seed: Of the run.

    Returns:
        A figure with a row for each input: its percentile, and its value beside the median.
    """
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(result, label, seed)


def _draw(result: Any, label: str, seed: int) -> Figure:
    inputs = result.inputs[:SHOWN]
    more = len(result.inputs) - len(inputs)
    place = (
        f" It is {result.at}: {_number(result.value)} {result.unit}".rstrip() if result.at else ""
    )
    caption = drawable(
        f"{label}, seed {seed}, draw {result.draw}.{place}{'.' if place else ''} Each dot is the"
        " percentile of an input in its own distribution, the most unusual first; orange beyond 5"
        f" or 95 %. Right: its value, and the median. {more} more inputs are nearer the median."
    )
    foot = caption_height(caption, WIDTH) + 0.55
    height = HEAD + ROW * len(inputs) + foot
    figure = new_figure(WIDTH, height, drawable(f"The inputs of draw {result.draw}"), caption)
    names = [drawable(short_name(of.name), 48) for of in inputs]
    values = [
        drawable(f"{_number(of.value)} ({_number(of.median)}) {_unit(of)}".rstrip())
        for of in inputs
    ]
    axes = figure.add_axes(
        (
            (text_width(names) + 0.25) / WIDTH,
            foot / height,
            1 - (text_width(names) + text_width(values) + 0.6) / WIDTH,
            1 - (HEAD + foot) / height,
        )
    )
    rows = np.arange(len(inputs))
    at = np.array([of.percentile for of in inputs])
    unusual = (at < USUAL[0]) | (at > USUAL[1])
    axes.axvspan(*USUAL, color=GREY, alpha=0.08, linewidth=0)
    axes.axvline(50, color=GREY, linewidth=1)
    axes.hlines(rows, 50, at, color=GREY, linewidth=1, alpha=0.6)
    for chosen, colour in ((unusual, ORANGE), (~unusual, BLUE)):
        axes.plot(at[chosen], rows[chosen], "o", color=colour, markersize=6, clip_on=False)
    for row, text in enumerate(values):
        axes.text(105, row, text, va="center", fontsize=9)
    axes.set_yticks(rows, names)
    axes.set_ylim(len(inputs) - 0.4, -0.6)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("Percentile")
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def _unit(of: Any) -> str:
    return str(of.unit) if of.unit != "1" else ""
