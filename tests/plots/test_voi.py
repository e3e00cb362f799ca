"""Bars of what knowing more is worth."""

from __future__ import annotations

import numpy as np
from figure_marks import assert_inside
from matplotlib.colors import to_hex

import sim
from sim.plots.style import BLUE, GREY, ORANGE
from sim.plots.voi import SHOWN, voi_figure

NORMAL = {"family": "normal", "mean": 0, "sd": 1}


def test_bars_have_the_values_of_inputs_and_the_noise_floor_is_a_line() -> None:
    loaded = {**NORMAL, "loads": {"demand": 0.6}, "source": "a $ource"}
    ds = sim.sample({"a": loaded, "b": loaded, "unused": NORMAL}, draws=4_096, seed=2)
    ds["profit"] = 2 * ds.a + ds.b
    found = sim.voi(ds, {"build": "profit"}, studies=["a +- 1"])
    figure = voi_figure(found)
    inputs, sources = figure.axes
    labels = [label.get_text() for label in inputs.get_yticklabels()]
    assert labels == ["a", "factor.demand", "b", "unused", "a +- 1"]
    order = np.argsort(-found.evppi.values)
    widths = [bar.get_width() for bar in inputs.patches]
    np.testing.assert_allclose(widths, [*found.evppi.values[order], *found.evsi.values])
    colours = [to_hex(bar.get_facecolor()).upper() for bar in inputs.patches]
    assert colours == [BLUE, ORANGE, BLUE, GREY, BLUE]
    (floor,) = [line for line in inputs.lines if line.get_label() == "noise floor"]
    assert set(np.asarray(floor.get_xdata())) == {float(found.noise_floor)}
    assert [label.get_text() for label in sources.get_yticklabels()] == [r"a \$ource (2)"]
    assert figure.texts[0].get_text() == "Worth finding out: nothing or build"
    assert_inside(figure)


def test_a_model_without_sources_has_one_panel_of_its_largest_inputs() -> None:
    ds = sim.sample({f"x{i}": NORMAL for i in range(SHOWN + 3)}, draws=1_024, seed=2)
    figure = voi_figure(sim.voi(ds, when="x0 + x1 > 0.1"))
    (axes,) = figure.axes
    assert len(axes.patches) == SHOWN
    assert figure.texts[0].get_text() == "Worth finding out: a bet on x0 + x1 > 0.1"
    assert_inside(figure)
