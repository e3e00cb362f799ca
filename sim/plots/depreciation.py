"""Depreciation that landlords book against what their hardware loses."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    Estimate,
    Estimates,
    caption_height,
    describe_run,
    display_names,
    format_number,
    new_figure,
    text_width,
    tidy,
)
from sim.statistics.datasets import REPLICATE_MEAN
from sim.statistics.summary import mean_with_error

ENDS = (REFERENCE_QUARTER, QUARTERS[-1])
ROW_HEIGHT = 0.36  # inches


def depreciation(ds: xr.Dataset) -> Figure:
    """Mean booked and economic depreciation of each landlord, and the gap.

    Args:
        ds: What `sim.simulate` gives, with draws or moments of `depreciation_booked`,
            `depreciation_economic` and `depreciation_gap`.

    Returns:
        A figure of two panels, the ends of 2026 and 2027, with a line per landlord from what is
        booked to what is lost.
    """
    landlords = display_names(ds, "landlord")
    columns = [QUARTERS.index(quarter) for quarter in ENDS]
    booked, economic = (
        mean_with_error(ds, f"depreciation_{kind}")[0][:, columns]
        for kind in ("booked", "economic")
    )
    hosts = (booked > 0) | (economic > 0)
    gap = depreciation_estimates(ds)
    texts = [
        [
            format_number(*gap["depreciation_gap", landlord, quarter]) if host else "no labs"
            for landlord, host in zip(ds["landlord"].values.tolist(), column, strict=True)
        ]
        for quarter, column in zip(ENDS, hosts.T, strict=True)
    ]
    caption = (
        f"{describe_run(ds, moments=f'depreciation_gap{REPLICATE_MEAN}' in ds)}\n"
        "Means over draws, of the capacity that serves labs. Booked: over the landlord's book life."
        " Economic: over economic life, hardware net of its residual value. Gap: economic less"
        " booked ± Monte Carlo standard error."
    )
    width, left, between = 10.0, 0.2 + text_width(landlords), 0.15
    end = 0.15 + text_width([text for column in texts for text in column])
    panel_width = (width - left - between - 2 * end - 0.1) / 2
    foot = caption_height(caption, width) + 0.5
    panel_height = ROW_HEIGHT * (len(landlords) + 0.4)
    height = 1.0 + panel_height + foot
    figure = new_figure(width, height, "Depreciation of the labs' capacity, by landlord", caption)
    highest = 1.06 * float(np.nan_to_num([booked, economic], posinf=0.0).max())
    for i, quarter in enumerate(ENDS):
        begin = left + i * (panel_width + end + between)
        axes = figure.add_axes(
            (begin / width, foot / height, panel_width / width, panel_height / height)
        )
        _draw_panel(axes, booked[:, i], economic[:, i], hosts[:, i], texts[i])
        figure.text(
            (begin + 1.02 * panel_width) / width, (foot + panel_height) / height + 6 / 72 / height,
            "gap", fontsize=9,
        )  # fmt: skip
        axes.set_title(quarter, loc="left", fontsize=10.5)
        axes.set_xlim(0, highest or 1.0)
        axes.set_yticks(np.arange(len(landlords)), landlords if i == 0 else [])
        if i == 0:
            figure.legend(
                *axes.get_legend_handles_labels(), loc="upper left", ncols=2, frameon=False,
                fontsize=9, bbox_to_anchor=(left / width, 1 - 0.42 / height), borderaxespad=0,
                handletextpad=0.3, borderpad=0,
            )  # fmt: skip
    return figure


def depreciation_estimates(ds: xr.Dataset) -> Estimates:
    """The mean gap [USD bn/quarter] of each landlord at both ends."""
    gap, error = mean_with_error(ds, "depreciation_gap")
    return {
        ("depreciation_gap", landlord, quarter): Estimate(
            float(gap[i, QUARTERS.index(quarter)]), float(error[i, QUARTERS.index(quarter)])
        )
        for i, landlord in enumerate(ds["landlord"].values.tolist())
        for quarter in ENDS
    }


def _draw_panel(
    axes: Axes,
    booked: NDArray[np.float64],
    economic: NDArray[np.float64],
    hosts: NDArray[np.bool_],
    texts: list[str],
) -> None:
    """Draw booked and economic depreciation [landlord], joined by lines.

    There is a line for each landlord that hosts labs.

    `texts` stand at the right, one per landlord.
    """
    tidy(axes)
    y = np.arange(len(texts))
    axes.hlines(y[hosts], booked[hosts], economic[hosts], color=GREY, linewidth=2.5, zorder=1)
    axes.plot(booked[hosts], y[hosts], "o", color=BLUE, markersize=6, zorder=3, label="booked")
    axes.plot(economic[hosts], y[hosts], "s", color=ORANGE, markersize=7.5, label="economic")
    for row, text in enumerate(texts):
        axes.text(
            1.02, row, text, transform=axes.get_yaxis_transform(), fontsize=9,
            va="center_baseline",
        )  # fmt: skip
    axes.set_ylim(len(texts) - 0.3, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("USD bn per quarter", fontsize=10)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
