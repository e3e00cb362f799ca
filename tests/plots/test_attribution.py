"""The waterfall from one world to another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT

import sim
from sim.analysis.compare import Comparison
from sim.plots.attribution import attribution_figure

CHANGES = {
    "hardware.pue.median": 1.3,
    "utilisation.duty_cycle_online_inference.median": 0.3,
    "model.rental_mode": "market",
}


@pytest.fixture(scope="module")
def comparison(base: sim.Scenario) -> Comparison:
    other = sim.load(ROOT / "params" / "base.toml", set=CHANGES)
    return sim.compare(base, other, ["p50(inference_gross_margin@2026Q4)"], draws=320)


def bars(data: xr.Dataset) -> tuple[list[tuple[float, float]], list[str]]:
    """Starts and ends of the bars from top to bottom, and the labels."""
    figure = attribution_figure(data, "base", "$edited", 320)
    (axes,) = figure.axes
    widths = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    return widths, [label.get_text() for label in axes.get_yticklabels()]


def test_bars_lead_from_one_world_to_the_other(comparison: Comparison) -> None:
    """Each begins where the one before ends, the largest first."""
    found, labels = bars(comparison.data)
    of = comparison.data.isel(measure=0)
    assert found[0][0] == pytest.approx(100 * float(of["first"]))
    assert found[-1][1] == pytest.approx(100 * float(of["second"]))
    for before, after in itertools.pairwise(found):
        assert after[0] == pytest.approx(before[1])
    sizes = [abs(end - start) for start, end in found]
    assert sizes == sorted(sizes, reverse=True)
    assert labels[0] == "base"
    assert labels[-1] == r"\$edited"  # and no mathematics
    assert set(labels[1:-1]) == {"rental_mode", "pue", "duty_cycle_online_inference"}


def test_small_edits_share_a_bar(comparison: Comparison) -> None:
    data = comparison.data
    many = data.isel(edit=[0] * 20)
    many = many.assign_coords(edit=[f"hardware.input_{i}" for i in range(20)])
    many["part"] = many.part * xr.DataArray(1 / np.arange(1, 21), dims="edit")
    found, labels = bars(many)
    assert len(found) == 13
    assert labels[-2] == "8 other edits"


def test_the_caption_says_how_a_part_is_the_mean_of_orders(comparison: Comparison) -> None:
    figure = attribution_figure(comparison.data, "base", "edited", 320)
    text = " ".join(of.get_text() for of in figure.texts).replace("\n", " ")
    assert "all orders" in text
    assert "averages over orders" in figure.axes[0].get_xlabel()
