"""The figure of labs' margins."""

from __future__ import annotations

import numpy as np
import xarray as xr
from figure_marks import points

import sim
from sim.plots import draw
from sim.plots.style import Estimate, format_equation, format_probability


def test_lab_margin_shows_medians_hurdle_and_probabilities(ds: xr.Dataset) -> None:
    axes = draw("lab_margin", ds).axes[0]
    reporting = ["openai", "anthropic", "xai"]
    medians = ds.lab_paid_margin.sel(lab=reporting, quarter=["2026Q4", "2027Q4"]).median("draw")
    np.testing.assert_allclose([x for x, _ in points(axes, "o")], medians.values.ravel())
    assert [x for line in axes.lines if line.get_linestyle() == "--" for x in line.get_xdata()] == [  # type: ignore[union-attr]
        0.7,
        0.7,
    ]
    written = [text.get_text() for text in axes.texts]
    exceedance = sim.summarise(ds, ["lab_paid_margin"], at_least=[0.7, -0.6])
    for lab in reporting:
        for quarter in ("2026Q4", "2027Q4"):
            values, errors = (
                exceedance[f"lab_paid_margin_exceedance{end}"].sel(lab=lab, quarter=quarter).values
                for end in ("", "_error")
            )
            share = format_probability(Estimate(values[0], errors[0]), ds)
            assert f"{quarter}:  {share}" in written
            below = format_equation(Estimate(1 - values[1], errors[1]), ds)
            p5 = ds.lab_paid_margin.sel(lab=lab, quarter=quarter).quantile(0.05)
            assert (
                (f"◂ P(< −60 %) {below}" in written)
                == (p5 < -0.6)
                == ((lab, quarter) == ("xai", "2027Q4"))
            )
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == list(ds.lab_name.values)
    assert written.count("ARR not reported") == 5
