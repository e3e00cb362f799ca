"""The figure of margins."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import xarray as xr
from conftest import ROOT, Command
from figure_marks import texts
from matplotlib.image import imread
from matplotlib.testing.compare import calculate_rms

from sim.plots import draw

PICTURE = ".github/margin.png"
CAPTION = 80  # rows of pixels at the foot; it names the digest, which every edited formula changes
# Of 255. Another release of matplotlib may draw a letter otherwise; a duty cycle that is a percent
# longer gives 11.
RMS_OF_THE_SAME_PICTURE = 3.0


def test_margin_has_a_panel_for_each_margin_with_the_hurdle(ds: xr.Dataset) -> None:
    figure = draw("margin", ds)
    assert len(figure.axes) == 4
    for axes in figure.axes:
        hurdle = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in hurdle] == [0.7]  # type: ignore[index]
    assert "hurdle 70 %" in "".join(texts(figure))


@pytest.mark.long  # a run of the default size
def test_the_picture_of_the_readme_is_of_todays_base_case(tmp_path: Path, invoke: Command) -> None:
    """By the commands that the guide for contributors gives."""
    guide = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    (block,) = (
        text for text in re.findall(r"^```sh\n(.*?)^```$", guide, re.M | re.S) if PICTURE in text
    )
    assert f"]({PICTURE})" in (ROOT / "README.md").read_text()
    shutil.copytree(ROOT / "params", tmp_path / "params")
    (tmp_path / ".github").mkdir()
    for line in block.splitlines():
        done = invoke(*shlex.split(line)[1:])
        assert (done.returncode, done.stderr) == (0, "")
    shown, of_today = (255 * imread(folder / PICTURE)[:-CAPTION] for folder in (ROOT, tmp_path))
    assert calculate_rms(shown, of_today) < RMS_OF_THE_SAME_PICTURE
