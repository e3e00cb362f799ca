"""The figure of a token's cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from figure_marks import texts
from matplotlib.patches import Rectangle

import sim
from sim.model.dims import LAYERS
from sim.plots import draw
from sim.plots.style import format_number


def test_waterfall_bars_add_up_to_the_means(ds: xr.Dataset, summary: xr.Dataset) -> None:
    axes = draw("waterfall", ds).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[4] == "HBM depreciation"
    bars = dict(zip(labels, [p for p in axes.patches if isinstance(p, Rectangle)], strict=True))
    numbers = dict(zip(labels, [text.get_text() for text in axes.texts], strict=True))
    at: dict[str, Any] = {"quarter": "2026Q4", "regime": "online_inference"}
    layers, errors = summary.unit_cost_mean.sel(at), summary.unit_cost_mean_error.sel(at)
    compute, total = layers[:11].sum(), layers.sum()
    assert float(compute) == pytest.approx(float(summary.compute_cost_mean.sel(at)))
    of_layers = [label for label in labels if not re.search("cost$|[Rr]evenue per|^left", label)]
    assert len(of_layers) == len(LAYERS)
    before = 0.0
    for label, layer, error in zip(of_layers, layers.values, errors.values, strict=True):
        assert bars[label].get_x() == pytest.approx(100 * before)
        assert bars[label].get_width() == pytest.approx(100 * layer)
        assert numbers[label] == format_number(100 * layer, 100 * error)
        before += layer
    served, paid = (
        summary[f"revenue_per_mtok_{of}_mean"].sel(quarter="2026Q4") for of in ("served", "paid")
    )
    for label, start, end in (
        ("Compute cost", 0.0, compute),
        ("Total cost", 0.0, total),
        ("Revenue per served Mtok", 0.0, served),
        ("left after total cost", total, served),
        ("Revenue per paid Mtok", 0.0, paid),
        ("left after compute cost", compute, paid),
    ):
        assert bars[label].get_x() == pytest.approx(100 * float(start))
        assert bars[label].get_width() == pytest.approx(100 * float(end - start))
        value, error = numbers[label].split(" ± ")
        assert float(value) == pytest.approx(100 * float(end - start), abs=float(error))
    assert axes.get_xlabel() == "US cents per million blended tokens"
    assert any("not the mean margin" in text.replace("\n", " ") for text in texts(axes.figure))


def test_waterfall_shows_a_loss_and_dollars(params: Path) -> None:
    price = {f"prices.price_{of}_usd_per_mtok.median": 0.1 for of in ("input", "output")}
    figure = draw("waterfall", sim.simulate(sim.load(params / "base.toml", price), draws=1_000))
    assert sum(text.startswith("−") for text in texts(figure)) >= 2
    price = dict.fromkeys(price, 50.0)
    figure = draw("waterfall", sim.simulate(sim.load(params / "base.toml", price), draws=1_000))
    assert figure.axes[0].get_xlabel() == "USD per million blended tokens"
