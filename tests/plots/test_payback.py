"""The figure of payback."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from figure_marks import points, texts

from sim.plots import draw
from sim.plots.style import Estimate, format_number, format_probability


def test_payback_curves_end_at_the_share_that_ever_pays_back(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    axes = draw("payback", ds).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]  # type: ignore[arg-type]
    written = " ".join(text.get_text() for text in axes.texts)
    for lab, curve in zip(["openai", "anthropic", "xai"], curves, strict=True):
        draws = ds.payback_months.sel(lab=lab).values
        months = np.asarray(curve.get_xdata())
        np.testing.assert_allclose(curve.get_ydata(), (draws[:, None] <= months).mean(axis=0))  # type: ignore[arg-type]
        value, error = (summary[f"payback_months_finite{end}"] for end in ("", "_error"))
        share = format_probability(
            Estimate(float(value.sel(lab=lab)), float(error.sel(lab=lab))), ds
        )
        assert f"pays back in {share} of draws, else never" in written
    median = summary.payback_months_quantile.sel(quantile=0.5, lab="anthropic")
    error = summary.payback_months_quantile_error.sel(quantile=0.5, lab="anthropic")
    assert points(axes, "o") == [(pytest.approx(float(median)), 0.5)]
    assert f"median {format_number(float(median), float(error))} months" in written
    assert written.count("median") == 1
    caption = next(text for text in texts(axes.figure) if "Scenario" in text).replace("\n", " ")
    assert "ARR not reported: Google DeepMind, Meta, Alibaba Qwen" in caption
