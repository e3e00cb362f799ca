"""Pictures: one file per figure, each a function from a Dataset to a matplotlib Figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

from sim.plots.depreciation import depreciation
from sim.plots.exposure import exposure
from sim.plots.gigawatts import gigawatts
from sim.plots.lab_margin import lab_margin
from sim.plots.margin import margin
from sim.plots.payback import payback
from sim.plots.style import LOOK
from sim.plots.waterfall import waterfall

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

FIGURES = {
    "margin": margin,
    "waterfall": waterfall,
    "lab_margin": lab_margin,
    "payback": payback,
    "gigawatts": gigawatts,
    "exposure": exposure,
    "depreciation": depreciation,
}
__all__ = [
    "FIGURES",
    "depreciation",
    "draw",
    "exposure",
    "gigawatts",
    "lab_margin",
    "margin",
    "payback",
    "save",
    "waterfall",
]


def draw(name: str, ds: xr.Dataset) -> Figure:
    """The figure of that name.

    Raises:
        KeyError: If there is none.
    """
    with matplotlib.rc_context(LOOK):
        return FIGURES[name](ds)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as the name of the file says, PNG at 150 dots per inch."""
    png: dict[str, Any] = {"pil_kwargs": {"compress_level": 3}} if path.suffix == ".png" else {}
    with matplotlib.rc_context(LOOK):
        figure.savefig(path, dpi=150, **png)
