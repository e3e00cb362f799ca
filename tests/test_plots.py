from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.text import Text

import sim
from sim.plots import FIGURES, draw, save
from sim.scenario import Scenario


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_and_says_what_it_shows(
    name: str, ds: xr.Dataset, tmp_path: Path
) -> None:
    figure = draw(name, ds)
    save(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 20_000
    assert any(
        f"Scenario base ({ds.attrs['digest']}), 4,000 draws, seed 1" in text
        for text in texts(figure)
    )


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_stands_a_single_draw_and_no_uncertainty(name: str, base: Scenario) -> None:
    draw(name, sim.simulate(base, draws=1))
    draw(name, sim.simulate(base, draws=32, uncertainty=0.0))


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_leaves_the_picture(name: str, ds: xr.Dataset) -> None:
    figure = draw(name, ds)
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


def test_probabilities_stand_inside_their_panels(base: Scenario) -> None:
    """Also with as many digits as the default number of draws gives them."""
    figure = draw("gigawatts", sim.simulate(base, draws=100_000, keep=["gw"]))
    figure.draw_without_rendering()
    for axes in figure.axes:
        for text in axes.texts:
            assert text.get_window_extent().x1 <= axes.get_window_extent().x1, text.get_text()
            assert "±" in text.get_text() or "<" in text.get_text()


def test_margins_have_a_panel_each_with_the_hurdle(ds: xr.Dataset) -> None:
    figure = draw("margin", ds)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        hurdle = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in hurdle] == [0.7]  # type: ignore[index]
    assert "hurdle 70 %" in "".join(texts(figure))


def test_fans_show_quantiles_the_published_points_and_the_line(ds: xr.Dataset) -> None:
    figure = draw("gigawatts", ds)
    openai = figure.axes[0]
    assert openai.get_title(loc="left") == "OpenAI"
    median = next(line for line in openai.lines if len(line.get_xdata()) == 8)  # type: ignore[arg-type]
    np.testing.assert_allclose(median.get_ydata(), ds.gw.sel(lab="openai").median("draw"))  # type: ignore[arg-type]
    points = [line for line in openai.lines if line.get_marker() == "D"]
    assert [(list(p.get_xdata()), list(p.get_ydata())) for p in points] == [([3], [7.0])]  # type: ignore[arg-type]
    assert any(line.get_ydata()[0] == 10 for line in openai.lines)  # type: ignore[index]
