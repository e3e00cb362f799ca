"""The figure of margins."""

from __future__ import annotations

import xarray as xr
from figure_marks import texts

from sim.plots import draw


def test_margin_has_a_panel_for_each_margin_with_the_hurdle(ds: xr.Dataset) -> None:
    figure = draw("margin", ds)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        hurdle = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in hurdle] == [0.7]  # type: ignore[index]
    assert "hurdle 70 %" in "".join(texts(figure))
