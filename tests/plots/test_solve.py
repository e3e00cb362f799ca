"""The figure of what it takes."""

from __future__ import annotations

import pytest
from figure_marks import assert_inside, texts

import sim
from sim.plots.solve import solve_figure


@pytest.mark.parametrize("key", ["prices.price_output_usd_per_mtok", "finance.hurdle_margin"])
def test_the_figure_names_the_number_and_stays_inside(base: sim.Scenario, key: str) -> None:
    found = sim.solve(
        base, key, "P(inference_gross_margin@2026Q4 >= hurdle_margin) = 0.6", draws=256
    )
    figure = solve_figure(found, "base")
    assert_inside(figure)
    (root,) = found.roots
    assert any(f"{root.numbers[0]:.4g} ±" in text for text in texts(figure))
