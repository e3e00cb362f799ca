"""What is worth finding out next: values of inputs and sources, above the noise floor."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.parameters.fields import short_name
from sim.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RC_PARAMS,
    VERMILION,
    drawable,
    fit,
    format_number,
    new_figure,
    tidy,
)

SHOWN = 12
Z90 = 1.645  # standard errors of an interval of 90 %
WIDEST = 2.45  # inches of the label of an input
WIDEST_SOURCE = 2.1


def voi_figure(result: xr.Dataset) -> Figure:
    """Bars of the values of inputs and of sources with 90 % intervals, and the noise floor.

    Args:
        result: As `sim.voi` gives it.

    Returns:
        A figure of two panels, or of one where no source is known: the twelve most valuable inputs,
        of which common factors have another colour, and sources. Planned measurements are below the
        inputs. What is not above the noise floor is grey.
    """
    with matplotlib.rc_context(RC_PARAMS):
        return _draw(result)


def _draw(result: xr.Dataset) -> Figure:
    attrs, unit = result.attrs, str(result.attrs["unit"])
    of_unit = f" {drawable(unit)}" if unit not in ("", "1") else ""
    panels = [("Inputs and measurements" if result.sizes["study"] else "Inputs", _inputs(result))]
    if result.sizes["source_id"]:
        panels.append(("Sources, all inputs of each", _sources(result)))
    rows = max(len(of[0]) for _, of in panels)
    evpi = format_number(float(result["evpi"]), float(result["evpi_error"]))
    caption = (
        f"{drawable(attrs['scenario'] or 'A model')}, {attrs['draws']:,} draws. Chosen today:"
        f" {drawable(attrs['best'])}. Perfect information is worth {evpi}{of_unit}. Bars: how much"
        " the mean payoff rises once this is known, with 90 % intervals of the Monte Carlo error;"
        " they overlap and do not add up. Dashed: noise floor. Orange: common factors. Grey: not"
        " above noise."
    )
    width, height = (10.5, 2.0 + 0.33 * rows) if len(panels) > 1 else (6.5, 2.1 + 0.33 * rows)
    title = fit(drawable(f"Worth finding out: {_decision(result)}"), 0.9 * width, 13)
    figure = new_figure(width, height, title, caption)
    figure.subplots_adjust(
        left=0.25 if len(panels) > 1 else 0.4, right=0.97, top=1 - 0.75 / height,
        bottom=1.15 / height, wspace=0.85,
    )  # fmt: skip
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (head, of) in zip(grid, panels, strict=True):
        _bars(axes, *of, rows)
        axes.set_title(head, fontsize=10, loc="left")
        axes.set_xlabel(
            f"Value of knowing it ({drawable(unit)})" if of_unit else "Value of knowing it"
        )
        floor = float(result["noise_floor"])
        axes.axvline(
            floor, color=VERMILION, linewidth=1, linestyle="--", zorder=4, label="noise floor"
        )
    return figure


def _decision(result: xr.Dataset) -> str:
    """What is decided, for the title: the event of a bet, else the choices."""
    if np.isfinite(result.attrs["odds"]):
        return f"a bet on {result.attrs['event']}"
    return " or ".join(map(str, result["choice"].values))


Bars = tuple[list[str], list[float], list[float], list[str]]


def _inputs(result: xr.Dataset) -> Bars:
    """Labels, values, errors and colours of the most valuable inputs, and of measurements."""
    order = np.argsort(-result["evppi"].values, kind="stable")[:SHOWN]
    labels = [_label(short_name(str(result["input"].values[i]))) for i in order]
    colours = [ORANGE if str(result["kind"].values[i]) == "shared" else BLUE for i in order]
    bars = _of(result, "evppi", "above_noise", order, labels, colours)
    studies = np.arange(result.sizes["study"])
    texts = [_label(text) for text in result["study"].values]
    more = _of(result, "evsi", "above_noise_of_study", studies, texts, [BLUE] * len(texts))
    return (bars[0] + more[0], bars[1] + more[1], bars[2] + more[2], bars[3] + more[3])


def _sources(result: xr.Dataset) -> Bars:
    """As `_inputs`, of sources."""
    values = np.nan_to_num(result["evppi_of_source"].values, nan=-1.0)
    order = np.argsort(-values, kind="stable")[:SHOWN]
    names, counts = result["source_id"].values, result["inputs"].values
    labels = [_label(f"{names[i]} ({int(counts[i])})", WIDEST_SOURCE) for i in order]
    return _of(
        result, "evppi_of_source", "above_noise_of_source", order, labels, [BLUE] * len(labels)
    )


def _label(text: str, inches: float = WIDEST) -> str:
    """A drawable text, cut where it is too wide."""
    return fit(drawable(text), inches, 9)


def _of(
    result: xr.Dataset,
    name: str,
    above: str,
    order: np.ndarray,
    labels: list[str],
    colours: list[str],
) -> Bars:
    values, errors = (np.nan_to_num(result[n].values[order]) for n in (name, f"{name}_error"))
    clear = result[above].values[order]
    shown = [of if is_clear else GREY for of, is_clear in zip(colours, clear, strict=True)]
    return (
        labels,
        list(values),
        list(errors),
        shown,
    )


def _bars(
    axes: Axes,
    labels: list[str],
    values: list[float],
    errors: list[float],
    colours: list[str],
    rows: int,
) -> None:
    """Bars from the top on, in a panel of some rows."""
    at = np.arange(len(labels))
    axes.barh(at, values, color=colours, height=0.7)
    axes.errorbar(values, at, xerr=Z90 * np.array(errors), fmt="none", ecolor="black", elinewidth=1)
    axes.set_yticks(at, labels, fontsize=9)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    tidy(axes)
