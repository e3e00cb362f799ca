"""Depreciation that landlords book against what their hardware loses."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    caption_room,
    figure,
    names,
    number,
    origin,
    room,
    tidy,
)
from sim.statistics.summary import mean_with_error

AT = (REFERENCE_QUARTER, QUARTERS[-1])
ROW = 0.36  # inches


def depreciation(ds: xr.Dataset) -> Figure:
    """Mean booked and economic depreciation of each landlord, and the gap.

    Args:
        ds: What `sim.simulate` gives, with draws or moments of `depreciation_booked`,
            `depreciation_economic` and `depreciation_gap`.

    Returns:
        A figure of two panels, the ends of 2026 and 2027, with a line per landlord from what is
        booked to what is lost.
    """
    landlords = names(ds, "landlord")
    booked, economic = (
        mean_with_error(ds, f"depreciation_{kind}")[0] for kind in ("booked", "economic")
    )
    gap, error = mean_with_error(ds, "depreciation_gap")
    shown = [QUARTERS.index(quarter) for quarter in AT]
    hosts = (booked > 0) | (economic > 0)
    gaps = {
        (k, q): number(gap[k, q], error[k, q]) if hosts[k, q] else "no labs"
        for k in range(len(landlords))
        for q in shown
    }
    caption = (
        f"{origin(ds)}\n"
        "Means over draws, of the capacity that serves labs. Booked: over the landlord's book life."
        " Economic: over economic life, hardware net of its residual value. Gap: economic less"
        " booked ± Monte Carlo standard error."
    )
    width, left, between, end = 10.0, 0.2 + room(landlords), 0.15, 0.15 + room([*gaps.values()])
    across = (width - left - between - 2 * end - 0.1) / 2
    foot = caption_room(caption, width) + 0.5
    tall = ROW * (len(landlords) + 0.4)
    height = 1.0 + tall + foot
    made = figure(width, height, "Depreciation of the labs' capacity, by landlord", caption)
    drawn = np.concatenate([booked[:, shown], economic[:, shown]])
    highest = 1.06 * float(np.nan_to_num(drawn, posinf=0.0).max())
    at = np.arange(len(landlords))
    for i, (quarter, q) in enumerate(zip(AT, shown, strict=True)):
        begin = left + i * (across + end + between)
        axes = made.add_axes((begin / width, foot / height, across / width, tall / height))
        tidy(axes)
        some = hosts[:, q]
        from_, to = booked[some, q], economic[some, q]
        axes.hlines(at[some], from_, to, color=GREY, linewidth=2.5, zorder=1)
        axes.plot(from_, at[some], "o", color=BLUE, markersize=6, zorder=3, label="booked")
        axes.plot(to, at[some], "s", color=ORANGE, markersize=7.5, label="economic")
        for k in range(len(landlords)):
            axes.text(
                1.02, k, gaps[k, q], transform=axes.get_yaxis_transform(), fontsize=9,
                va="center_baseline",
            )  # fmt: skip
        made.text(
            (begin + 1.02 * across) / width, (foot + tall) / height + 6 / 72 / height, "gap",
            fontsize=9,
        )  # fmt: skip
        axes.set_title(quarter, loc="left", fontsize=10.5)
        axes.set_xlim(0, highest or 1.0)
        axes.set_ylim(len(landlords) - 0.3, -0.7)
        axes.set_yticks(at, landlords if i == 0 else [])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("USD bn per quarter", fontsize=10)
        axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
        axes.set_axisbelow(True)
        if i == 0:
            made.legend(
                *axes.get_legend_handles_labels(), loc="upper left", ncols=2, frameon=False,
                fontsize=9, bbox_to_anchor=(left / width, 1 - 0.42 / height), borderaxespad=0,
                handletextpad=0.3, borderpad=0,
            )  # fmt: skip
    return made
