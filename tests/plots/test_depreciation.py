"""The figure of depreciation."""

from __future__ import annotations

import numpy as np
import xarray as xr
from figure_marks import points

from sim.plots import draw
from sim.plots.style import format_number


def test_depreciation_shows_booked_economic_and_the_gap(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    figure = draw("depreciation", ds)
    for axes, quarter in zip(figure.axes, ("2026Q4", "2027Q4"), strict=True):
        at = summary.sel(quarter=quarter)
        assert axes.get_title(loc="left") == quarter
        for marker, name in (("o", "depreciation_booked"), ("s", "depreciation_economic")):
            np.testing.assert_allclose(
                points(axes, marker), list(zip(at[f"{name}_mean"].values, range(9), strict=True))
            )
        gaps = zip(
            at.depreciation_gap_mean.values, at.depreciation_gap_mean_error.values, strict=True
        )
        assert [text.get_text() for text in axes.texts] == [format_number(*gap) for gap in gaps]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(
        ds.landlord_name.values
    )
    assert figure.axes[0].get_xlabel() == "USD bn per quarter"
