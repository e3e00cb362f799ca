"""Figures of a sweep."""

from __future__ import annotations

from conftest import ROOT
from figure_marks import assert_inside

import sim
from sim.plots.sweep import draw, figure_groups


def test_titles_of_a_sweep_are_inside_their_figures() -> None:
    swept = sim.sweep(
        ROOT / "params" / "base.toml",
        over={"hardware.pue.median": [1.1, 1.2]},
        outputs=["p50(inference_gross_margin@2026Q4)", "p5(inference_gross_margin@2026Q4)"],
        draws=256,
    )
    (expressions,) = figure_groups(swept).values()
    assert len(expressions) == 2
    swept.attrs["digest"] = "0"
    assert_inside(draw(swept, expressions))
