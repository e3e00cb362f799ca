"""The figure of gigawatts."""

from __future__ import annotations

import numpy as np
import xarray as xr

import sim
from sim.parameters.scenario import Scenario
from sim.plots import draw


def test_gigawatts_probabilities_are_inside_their_panels(base: Scenario) -> None:
    """Also with as many digits as the default number of draws gives them."""
    figure = draw("gigawatts", sim.simulate(base, draws=60_000, keep=["gw"]))
    figure.draw_without_rendering()
    for axes in figure.axes:
        for text in axes.texts:
            assert text.get_window_extent().x1 <= axes.get_window_extent().x1, text.get_text()
            assert "±" in text.get_text() or "<" in text.get_text()


def test_gigawatts_shows_quantiles_published_points_and_the_threshold(ds: xr.Dataset) -> None:
    figure = draw("gigawatts", ds)
    openai = figure.axes[0]
    assert openai.get_title(loc="left") == "OpenAI"
    median = next(line for line in openai.lines if len(line.get_xdata()) == 8)  # type: ignore[arg-type]
    np.testing.assert_allclose(median.get_ydata(), ds.gw.sel(lab="openai").median("draw"))  # type: ignore[arg-type]
    points = [
        line
        for line in openai.lines
        if line.get_marker() == "D" and line.get_markerfacecolor() == "black"
    ]
    assert [(list(p.get_xdata()), list(p.get_ydata())) for p in points] == [([3], [7.0])]  # type: ignore[arg-type]
    assert any(line.get_ydata()[0] == 10 for line in openai.lines)  # type: ignore[index]
