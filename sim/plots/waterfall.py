"""How the cost of a token adds up, layer by layer, and what its revenue leaves."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sim.common.text import words
from sim.kernels.indices import COMPUTE_LAYERS
from sim.model.dims import LAYERS, REFERENCE_QUARTER
from sim.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    caption_room,
    figure,
    number,
    origin,
    tidy,
)
from sim.statistics.datasets import REPLICATE_MEAN
from sim.statistics.summary import mean_with_error

GROUPS = {  # name -> colour, layers
    "Electricity": (ORANGE, LAYERS[:2]),
    "Depreciation": (BLUE, LAYERS[2:7]),
    "Other capital and operations": (SKY, LAYERS[7:10]),
    "Landlord margin": (GREEN, LAYERS[10:11]),
    "Revenue share and overhead": (PURPLE, LAYERS[11:]),
}
COLOURS = {layer: colour for colour, layers in GROUPS.values() for layer in layers}
SUM, EARNED, LEFT = "#444444", "#BBBBBB", "white"
BAR = 0.74


def waterfall(ds: xr.Dataset) -> Figure:
    """Mean cost of a blended Mtok of online inference by layer, against its revenue.

    Args:
        ds: What `sim.simulate` gives, with draws or moments of `unit_cost`,
            `revenue_per_mtok_served` and `revenue_per_mtok_paid`.

    Returns:
        A figure with a bar per layer that begins where the one before ends, the compute cost and
        the total, and what they leave of the revenue per served and per paid Mtok.
    """
    found = _means(ds)
    scale, unit = (100.0, "US cents") if found["paid"][0] < 2 else (1.0, "USD")
    mean = {name: scale * value for name, (value, _) in found.items()}
    caption = (
        f"{origin(ds)}\n"
        f"Means over draws ± Monte Carlo standard error. Served tokens: paid and free-tier. A ratio"
        " of these means is not the mean margin (see the figure of margins)."
    )
    width, height = 8.0, 7.4
    made = figure(
        width, height, f"How the cost of a token adds up: online inference, {REFERENCE_QUARTER}",
        caption,
    )  # fmt: skip
    axes = made.subplots()
    made.subplots_adjust(
        left=0.25, right=0.985, top=1 - 0.45 / height,
        bottom=(caption_room(caption, width) + 0.5) / height,
    )  # fmt: skip
    tidy(axes)
    # Name among the means, label, start, colour, gap above.
    rows: list[tuple[str, str, float, str, float]] = []
    before = 0.0
    for place, layer in enumerate(LAYERS):
        if place == COMPUTE_LAYERS:
            rows.append(("compute", "Compute cost", 0.0, SUM, 0.15))
        rows.append(
            (layer, _label(layer), before, COLOURS[layer], 0.15 * (place == COMPUTE_LAYERS))
        )
        before += mean[layer]
    rows += [
        ("total", "Total cost", 0.0, SUM, 0.15),
        ("served", "Revenue per served Mtok", 0.0, EARNED, 0.7),
        ("left of served", "left after total cost", mean["total"], LEFT, 0.0),
        ("paid", "Revenue per paid Mtok", 0.0, EARNED, 0.4),
        ("left of paid", "left after compute cost", mean["compute"], LEFT, 0.0),
    ]
    at = np.cumsum([1 + gap for *_, gap in rows])
    starts = np.array([start for _, _, start, _, _ in rows])
    ends = starts + [mean[name] for name, *_ in rows]
    colours = [colour for _, _, _, colour, _ in rows]
    axes.barh(
        at, ends - starts, BAR, left=starts, color=colours, linewidth=1.1,
        edgecolor=["black" if colour == LEFT else "none" for colour in colours],
    )  # fmt: skip
    # From the end of each cost to what begins there.
    steps = np.arange(len(LAYERS) + 1)
    axes.vlines(
        ends[steps], at[steps] + BAR / 2, at[steps + 1] - BAR / 2, color=GREY, linewidth=0.7
    )
    drawn = np.nan_to_num(np.concatenate([starts, ends]), posinf=0.0, neginf=0.0)
    right, least = np.nan_to_num(np.maximum(starts, ends)), float(min(0.0, drawn.min()))
    span = (float(drawn.max()) - least) or 1.0
    for (name, *_), place, end in zip(rows, at, right, strict=True):
        axes.text(
            end + 0.008 * span, place, number(mean[name], scale * found[name][1]), fontsize=8.5,
            va="center", fontweight="normal" if name in COLOURS else "bold",
        )  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.set_yticks(at, [label for _, label, *_ in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(at[-1] + 0.6, at[0] - 0.6)
    axes.set_xlim(least, least + 1.2 * span)
    axes.set_xlabel(f"{unit} per million blended tokens", fontsize=10)
    axes.legend(
        [Patch(color=colour) for colour, _ in GROUPS.values()],
        [f"{group}: {number(mean[group], scale * found[group][1])}" for group in GROUPS],
        loc="upper right", frameon=False, fontsize=9, handlelength=1.2,
    )  # fmt: skip
    return made


def _means(ds: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Mean and standard error of the layers, their sums, the revenues and what is left of them.

    Sums and differences are formed in each draw or replicate, so that their errors are their own.
    """
    kept = REPLICATE_MEAN if f"unit_cost{REPLICATE_MEAN}" in ds else ""
    at = {"quarter": REFERENCE_QUARTER}
    layers = ds[f"unit_cost{kept}"].sel({**at, "regime": "online_inference"}).values
    served, paid = (ds[f"revenue_per_mtok_{of}{kept}"].sel(at).values for of in ("served", "paid"))
    parts = dict(zip(LAYERS, layers.T, strict=True))
    for group, (_, members) in GROUPS.items():
        parts[group] = sum(parts[layer] for layer in members)
    parts["compute"] = sum(parts[layer] for layer in LAYERS[:COMPUTE_LAYERS])
    parts["total"] = sum(parts[layer] for layer in LAYERS)
    parts |= {"served": served, "paid": paid}
    parts["left of served"] = served - parts["total"]
    parts["left of paid"] = paid - parts["compute"]
    made = xr.Dataset(
        {
            f"parts{kept}": (
                ("replicate" if kept else "draw", "part"),
                np.stack([*parts.values()], 1),
            )
        },
        attrs=ds.attrs,
    )
    of = "replicate_count" if kept else "draw"  # what tells the replicates
    made[of] = ds[of]
    values, errors = mean_with_error(made, "parts")
    return {
        name: (float(value), float(error))
        for name, value, error in zip(parts, values, errors, strict=True)
    }


def _label(layer: str) -> str:
    said = words(layer)
    return said[0].upper() + said[1:]
