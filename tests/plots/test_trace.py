"""The strip of a world's inputs: marks against percentiles."""

from __future__ import annotations

import math

import numpy as np

from sim.analysis.trace import Input, Trace
from sim.plots.trace import SHOWN, trace_figure


def test_each_dot_is_at_the_percentile_of_its_input() -> None:
    percentiles = [99.9, 0.4, 97.0, 30.0] + [50.0] * SHOWN
    inputs = tuple(
        Input(f"hardware.x{i}", 1e5, 2.0, "USD $", percentile, "", "")
        for i, percentile in enumerate(percentiles)
    )
    world = Trace(7, "", math.nan, "", inputs, (), ())
    figure = trace_figure(world, "a_$cenario", 3)
    (axes,) = figure.axes
    marks = {
        (float(y), float(x))
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in line.get_xydata()
    }
    assert marks == {(float(i), percentiles[i]) for i in range(SHOWN)}
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["x0", "x1"]
    assert axes.texts[0].get_text() == r"100,000 (2) USD \$"
    unusual = next(line for line in axes.lines if line.get_marker() == "o")
    assert np.all(np.abs(np.asarray(unusual.get_xdata()) - 50) > 45)
    assert "4 more inputs" in figure.texts[1].get_text().replace("\n", " ")
